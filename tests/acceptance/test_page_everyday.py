"""A day at the desk in one go: own type, tags, atlas, remarks, signature, and PDF, HL7 and FHIR out, in a browser."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from pathlib import Path

import drawn
import pypdfium2
import pytest
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from playwright.sync_api import Browser, Page, expect
from running import Serving, is_soon

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

expect.set_options(timeout=30_000)  # the machine may have other things to do
FIRST = {"neutrophil": 6, "lymphocyte": 4, "monocyte": 2}
SECOND = {"neutrophil": 2, "lymphocyte": 1}
REMARK = "Hairy cells, 8%."
ARABIC = "\u062a\u0645\u062a \u0627\u0644\u0645\u0631\u0627\u062c\u0639\u0629"


def _taken(page: Page, form: str, folder: Path) -> bytes:
    page.get_by_role("button", name="Report", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(f"^{re.escape(form)}")).click()
    kept = folder / download.value.suggested_filename
    download.value.save_as(kept)
    return kept.read_bytes()


def test_own_type_atlas_remarks_and_every_form_of_the_report(browser: Browser, served: Serving, tmp_path: Path) -> None:
    with drawn.client(served.address) as api:
        smear, later = drawn.crops(tmp_path / "a", FIRST), drawn.crops(tmp_path / "b", SECOND, seed=12)
        project = drawn.project(api, "Every day", smear, case="26-0601")
        drawn.added(api, project, later, case="26-0602")
        cases = {one["key"]: one["id"] for one in api.get(f"/projects/{project}/cases").json()["items"]}
        items = api.get(f"/projects/{project}/images", params={"case": cases["26-0601"]}).json()["items"]
        truth = {one["id"]: Path(one["name"]).name.rpartition("_")[0] for one in items}
        monocytes = sorted(image for image, name in truth.items() if name == "monocyte")
        said = [{"image": one, "label": name, "version": 0} for one, name in truth.items() if one not in monocytes]
        labels = {"request": str(uuid.uuid4()), "label_set": "cell_type", "kind": "set", "items": said}
        api.post(f"/projects/{project}/labels", json=labels).raise_for_status()

        page = browser.new_context(
            base_url=served.address, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
        ).new_page()
        root = f"/projects/{project}"
        page.goto(f"{root}?case={cases['26-0601']}")

        # A type of the laboratory's own, given by its key.
        page.get_by_role("button", name="+ type").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("Hairy cell")
        dialog.get_by_label("Key").fill("Y")
        dialog.get_by_role("button", name="Add type").click()
        expect(page.locator(".type-row", has_text="Hairy cell")).to_be_visible()
        page.locator(f"#cell-{monocytes[0]}").click()
        page.keyboard.press("y")
        expect(page.locator(f"#cell-{monocytes[0]}.labelled")).to_be_visible()
        page.locator(f"#cell-{monocytes[1]}").click()
        page.keyboard.press("m")
        expect(page.locator(".crop.pending")).to_have_count(0)

        # Tags by key, on one cell and on a whole bin; undone, filtered by.
        page.locator(f"#cell-{monocytes[0]}").click()
        page.keyboard.press("#")
        page.get_by_role("dialog").get_by_label("Tag", exact=True).fill("ask Amina")
        page.keyboard.press("Enter")
        expect(page.locator(f"#cell-{monocytes[0]}.tagged")).to_be_visible()
        expect(page.locator(".cell-tags")).to_contain_text("ask Amina")
        page.locator(f"#cell-{monocytes[1]}").click()
        page.keyboard.press(".")
        expect(page.locator(".crop.tagged")).to_have_count(2)
        page.keyboard.press("Control+z")
        expect(page.locator(".crop.tagged")).to_have_count(1)
        page.get_by_role("button", name="filter", exact=True).click()
        page.get_by_label("Tag", exact=True).select_option("ask Amina")
        expect(page.locator(".crop")).to_have_count(1)
        page.get_by_role("button", name="show everything").first.click()
        page.keyboard.press("Escape")

        # Pictures beside the cell, drawn ones while nothing is signed; the cell into the library by two clicks.
        page.locator(f"#cell-{monocytes[1]}").click()
        expect(page.get_by_role("region", name="Known cells")).to_contain_text("drawn cell 1")
        page.locator(f"#cell-{monocytes[0]}").click()
        expect(page.get_by_role("region", name="Known cells")).to_contain_text("Neither signed nor drawn: Hairy cell")
        page.get_by_role("button", name="add to the library…").click()
        page.get_by_role("button", name="add as Hairy cell").click()
        expect(page.locator(".teach")).to_contain_text("In the library")
        page.get_by_role("button", name="on the report").click()

        # The report: remark, a grade, the signature.
        page.get_by_role("link", name="Report").click()
        page.get_by_label("Remark").fill(f"{REMARK}\n{ARABIC}")
        page.get_by_text("Red cells and platelets").click()
        page.get_by_label("Anisocytosis").select_option("++")
        is_soon("++", lambda: api.get(f"{root}/cases/{cases['26-0601']}/findings").json()["grades"].get("anisocytosis"))
        expect(page.locator(".findings").get_by_role("status")).to_have_text("saved")
        page.get_by_label(re.compile("^(Note|Why you sign)")).fill("A short film.")
        page.get_by_role("button", name=re.compile("^Sign as")).click()
        page.get_by_role("dialog").get_by_role("button", name="Sign these counts").click()
        expect(page.locator(".report-signed")).to_contain_text("Version 1, signed by")
        pdf, hl7, fhir = (_taken(page, form, tmp_path) for form in ("Report (PDF", "HL7 v2.5.1", "FHIR R4"))

        # Beside a cell of the next case lie the signed ones now.
        page.goto(f"{root}?case={cases['26-0602']}")
        page.locator(".crop").first.click()
        known = page.get_by_role("region", name="Known cells")
        expect(known.get_by_role("button", name=re.compile("26-0601")).first).to_be_visible()
        counted = api.get(f"{root}/signatures").json()["items"][0]["differential"]
        page.context.close()

    hairy = next(row["after"] for row in counted["rows"] if row["title"] == "Hairy cell")
    assert (hairy["count"], counted["total"]) == (1, 12)
    words = " ".join(sheet.get_textpage().get_text_range() for sheet in pypdfium2.PdfDocument(pdf))
    words = unicodedata.normalize("NFKC", re.sub(r"\s+", " ", words))
    for line in ("Final report", "Hairy cell 1 8.3", REMARK, ARABIC, "Anisocytosis ++ moderate"):
        assert line in words, line
    message = parse_message(hl7.decode(), find_groups=True, validation_level=VALIDATION_LEVEL.STRICT)
    assert message.validate()
    results = [line.split("|") for line in hl7.decode().split("\r") if line.startswith("OBX")]
    assert next(fields[5] for fields in results if "Hairy cell" in fields[3]) == "8.3"
    assert any(REMARK in line for line in hl7.decode().split("\r"))
    assert ARABIC in hl7.decode()
    Bundle.model_validate_json(fhir)
    resources = [entry["resource"] for entry in json.loads(fhir)["entry"]]
    shown = [
        one for one in resources if one["resourceType"] == "Observation" and "Hairy cell" in json.dumps(one["code"])
    ]
    assert shown[0]["valueQuantity"]["value"] == 8.3
    assert ARABIC in fhir.decode()
