"""Remarks, PDF, HL7 and FHIR out: from a laboratory's settings to the report of a signed case, in a browser.

``SCREENS=folder pytest tests/acceptance/test_page_report.py`` keeps what the screens and the PDF's pages look like.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawn
import httpx
import pypdfium2
import pytest
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from playwright.sync_api import Browser, Locator, Page, expect
from running import Serving, in_both_schemes, is_soon

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=60_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 26, "lymphocyte": 12, "monocyte": 4, "eosinophil": 2, "ig": 3, "blast": 2, "erythroblast": 2}
SIZES = ((1440, 900), (1280, 820), (820, 1180))
BLOCK = "Left shift with toxic granulation of the neutrophils."


@dataclass
class Reported:
    """A project with one case, every cell of which has a person's label."""

    api: httpx.Client
    project: int
    case: int
    cells: list[int]

    def get(self, path: str) -> Any:
        """Read from the project."""
        return self.api.get(f"/projects/{self.project}{path}").raise_for_status().json()


@pytest.fixture(scope="module")
def reported(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    with drawn.client(served.address) as api:
        files = drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR)
        project = drawn.project(api, "Routine", files, case="26-0412")
        items = api.get(f"/projects/{project}/images", params={"limit": 200}).json()["items"]
        truth = {item["id"]: Path(item["name"]).name.rpartition("-")[0].rpartition("_")[2] for item in items}
        types = {one["name"] for one in api.get(f"/projects/{project}/label-sets").json()["items"][0]["classes"]}
        said = [
            {"image": image, "label": name if name in types else item["predicted"], "version": 0}
            for (image, name), item in zip(truth.items(), items, strict=True)
        ]
        body = {"request": str(uuid.uuid4()), "items": said}
        api.post(f"/projects/{project}/labels", json=body).raise_for_status()
        case = api.get(f"/projects/{project}/cases").json()["items"][0]["id"]
        specimen = {"accession": "H26-004711", "wbc": 14.2, "collected_at": "2026-03-02T07:40:00Z"}
        api.patch(f"/projects/{project}/cases/{case}", json=specimen).raise_for_status()
        yield Reported(api, project, case, [item["id"] for item in items])


@pytest.fixture(scope="module")
def page(browser: Browser, served: Serving, reported: Reported) -> Iterator[Page]:
    context = browser.new_context(
        base_url=served.address, viewport={"width": 1280, "height": 820}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()


def _open(page: Page, reported: Reported, screen: str = "") -> None:
    page.goto(f"/projects/{reported.project}{screen}?case={reported.case}")


def _saved(page: Page, press: Locator, folder: Path) -> bytes:
    with page.expect_download() as download:
        press.click()
    kept = folder / download.value.suggested_filename
    download.value.save_as(kept)
    return kept.read_bytes()


def _words(body: bytes) -> str:
    found = []
    for sheet in pypdfium2.PdfDocument(body):
        read = sheet.get_textpage()
        found.append(read.get_text_range())
        read.close()
    return re.sub(r"\s+", " ", " ".join(found))


def test_a_laboratory_sets_its_name_ranges_and_text_blocks(page: Page, reported: Reported) -> None:
    page.goto(f"/projects/{reported.project}/settings")
    page.get_by_label("Laboratory").fill("Hematology, Riverside Hospital")
    page.get_by_label("Lines under its name").fill("4 Quay Road")
    page.get_by_label("Time zone of the report").fill("Europe/Berlin")
    page.get_by_label("Neutrophil: from, % of leukocytes").fill("40")
    page.get_by_label("Neutrophil: to, % of leukocytes").fill("75")
    page.get_by_label("Blast: to, % of leukocytes", exact=True).fill("0")
    page.get_by_label("Neutrophil: to, 10⁹/L").fill("7.7")
    page.get_by_role("button", name="Add a text block").click()
    page.get_by_label("Text block 1: key").fill("ls")
    page.get_by_label("Text block 1: text").fill(BLOCK)
    page.get_by_role("button", name="Save the report's settings").click()
    expect(page.locator(".report-settings")).to_contain_text("Saved.")
    kept = reported.get("/report-settings")
    assert [one["label"] for one in kept["ranges"]] == ["neutrophil", "blast"]
    assert (kept["ranges"][0]["low"], kept["ranges"][0]["absolute_high"], kept["ranges"][1]["high"]) == (40, 7.7, 0)
    assert kept["blocks"] == [{"key": "ls", "text": BLOCK}]


def test_a_cell_is_put_on_the_report_at_the_table(page: Page, reported: Reported) -> None:
    _open(page, reported)
    page.locator(".crop").first.click()
    toggle = page.get_by_role("button", name="on the report")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    is_soon(1, lambda: len(reported.get(f"/cases/{reported.case}/findings")["cells"]))


def test_remark_grades_and_crops_are_filled_in(page: Page, reported: Reported) -> None:
    _open(page, reported, "/report")
    findings = page.locator(".findings")
    page.get_by_role("button", name=re.compile("^Insert ls")).click()
    remark = page.get_by_label("Remark")
    expect(remark).to_have_value(BLOCK)
    remark.press("End")
    remark.press_sequentially(" Seen by Παπαδόπουλος.")
    page.get_by_text("Red cells and platelets").click()
    page.get_by_label("Anisocytosis").select_option("++")
    expect(findings).to_contain_text("1 graded")
    page.get_by_role("button", name="set the rest to 0, not seen").click()
    expect(page.get_by_label("Schistocytes")).to_have_value("0")
    is_soon("0", lambda: reported.get(f"/cases/{reported.case}/findings")["grades"].get("schistocytes"))
    expect(findings.get_by_role("status")).to_have_text("saved")
    page.get_by_label("Platelets, estimated").select_option("decreased")
    expect(findings.get_by_role("status")).to_have_text("saved")
    page.get_by_role("button", name=re.compile("^Blast, cell .* on the report")).first.click()
    expect(page.locator(".findings-cells li")).to_have_count(2)

    def kept() -> tuple[object, ...]:
        now = reported.get(f"/cases/{reported.case}/findings")
        grades = now["grades"]
        return (
            now["remark"],
            grades.get("anisocytosis"),
            grades.get("schistocytes"),
            now["platelets"],
            len(now["cells"]),
        )

    is_soon((f"{BLOCK} Seen by Παπαδόπουλος.", "++", "0", "decreased", 2), kept)


def test_before_it_is_signed_it_is_preliminary(page: Page, tmp_path: Path) -> None:
    body = _saved(page, page.get_by_role("button", name="Preliminary PDF"), tmp_path)
    words = _words(body)
    assert "PRELIMINARY, NOT SIGNED" in words
    assert "Seen by Παπαδόπουλος." in words
    expect(page.get_by_role("button", name="Report", exact=True)).to_have_count(0)


def test_signed_it_goes_out_in_every_form(page: Page, reported: Reported, tmp_path: Path) -> None:
    page.get_by_label(re.compile("^(Note|Why you sign)")).fill("A short film.")
    page.get_by_role("button", name=re.compile("^Sign as")).click()
    page.get_by_role("dialog").get_by_role("button", name="Sign these counts").click()
    expect(page.locator(".report-signed")).to_contain_text("Version 1, signed by")
    expect(page.locator(".findings")).to_contain_text("Anisocytosis ++ (moderate)")
    expect(page.get_by_label("Remark")).to_have_count(0)
    menu = page.get_by_role("button", name="Report", exact=True)
    forms = {}
    for title in ("Report (PDF", "HL7 v2.5.1", "FHIR R4", "Signed differential"):
        menu.click()
        forms[title] = _saved(page, page.get_by_role("button", name=re.compile(f"^{re.escape(title)}")), tmp_path)
    pdf, hl7, fhir, table = forms.values()
    differential = reported.get("/signatures")["items"][0]["differential"]
    counted = {row["label"]: row["after"] for row in differential["rows"]}

    words = _words(pdf)
    for line in ("Final report", "Hematology, Riverside Hospital", "H26-004711", BLOCK, "Anisocytosis ++ moderate"):
        assert line in words, line
    assert re.search(r"2 Mar 2026, 08:40 CET \(UTC\+01:00\)", words)

    message = parse_message(hl7.decode(), find_groups=True, validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
    lines = [line.split("|") for line in hl7.decode().split("\r") if line.startswith("OBX")]
    results = {fields[3].split("^")[0]: fields for fields in lines}
    assert float(results["26511-6"][5]) == round(100 * counted["neutrophil"]["share"], 1)
    assert results["26446-5"][8] == ("H" if counted["blast"]["count"] else "N")
    Bundle.model_validate_json(fhir)
    resources = [entry["resource"] for entry in json.loads(fhir)["entry"]]
    shown = {one["code"]["coding"][0]["code"]: one for one in resources if one["resourceType"] == "Observation"}
    assert shown["26511-6"]["valueQuantity"]["value"] == float(results["26511-6"][5])
    assert f"neutrophil,Neutrophil,whole,{counted['neutrophil']['count']}," in table.decode()
    if folder := os.environ.get("SCREENS"):
        for number, sheet in enumerate(pypdfium2.PdfDocument(pdf), 1):
            sheet.render(scale=2).to_pil().save(Path(folder) / f"pdf-{number}.png")


def test_no_screen_is_wider_than_its_window(page: Page, reported: Reported, browser: Browser, served: Serving) -> None:
    folder, wide = os.environ.get("SCREENS"), []
    amended = reported.api.post(
        f"/projects/{reported.project}/cases/{reported.case}/amendment", json={"reason": "to look at it"}
    )
    assert amended.status_code == 201
    context = browser.new_context(base_url=served.address, reduced_motion="reduce")
    opened = context.new_page()
    for width, height in SIZES:
        opened.set_viewport_size({"width": width, "height": height})
        for name, screen, mark in (("report", "/report", ".report-checks"), ("settings", "/settings", ".ranges")):
            opened.emulate_media(color_scheme="dark")
            _open(opened, reported, screen)
            for scheme in in_both_schemes(opened):
                expect(opened.locator(mark).first).to_be_visible()
                if name == "report":
                    expect(opened.locator(".report-signed")).to_contain_text("being amended")
                if opened.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append((name, scheme, width))
                if folder:
                    opened.set_viewport_size({"width": width, "height": 2400})
                    opened.wait_for_timeout(700)
                    opened.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png")
                    opened.set_viewport_size({"width": width, "height": height})
    context.close()
    assert wide == []
