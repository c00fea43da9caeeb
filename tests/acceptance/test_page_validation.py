"""Validation in Chromium: a planted drift asks for a new validation and is answered; a dossier is made and taken."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import drawn
import httpx
import numpy as np
import pytest
from axe import grave
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from hemosight.scoring.control import BASELINE

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)
CASES, CELLS = BASELINE + 2, 5
PROTOCOL = """title = "Films of March"
written_by = "A. Reviewer"
written_on = 2026-03-02
[cells]
least = 4
count = 10
[repeats]
cases = 0
[limits]
most_unfamiliar = 1.0
"""


@dataclass
class Laboratory:
    """A project whose cases are signed one after the other."""

    api: httpx.Client
    project: int
    page: Page
    last: list[Path]
    """The cells of a case that is not signed yet."""

    def sign(self, key: str, files: list[Path]) -> None:
        """Bring a case in, name each of its cells, and sign it."""
        images = drawn.added(self.api, self.project, files, key)
        types = {path.name: path.parent.name for path in files}
        said = [{"image": image, "label": types[name], "version": 0} for image, name in images.items()]
        labels = {"request": str(uuid.uuid4()), "items": said}
        self.api.post(f"/projects/{self.project}/labels", json=labels).raise_for_status()
        cases = self.api.get(f"/projects/{self.project}/cases", params={"limit": 500}).json()["items"]
        case = next(one["id"] for one in cases if one["key"] == key)
        given = {"case": case, "role": "first", "note": "few cells"}
        place = f"/projects/{self.project}/signatures"
        answer = self.api.post(place, json=given)
        for _ in range(20):
            if answer.status_code != 409:  # else the model has not learnt the labels yet
                break
            answer = self.api.post(place, json=given)
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def laboratory(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with drawn.serving() as service, drawn.client(service.address) as api:
        project = int(api.post("/projects", json={"name": "Films of March"}).raise_for_status().json()["id"])
        page = browser.new_context(base_url=service.address, reduced_motion="reduce").new_page()
        counts = {"neutrophil": 3 * (CASES + 1), "lymphocyte": CASES + 1, "monocyte": CASES + 1}
        files = drawn.crops(tmp_path_factory.mktemp("smear"), counts)
        of = {name: [path for path in files if path.parent.name == name] for name in counts}
        *usual, last = (
            [*of["neutrophil"][3 * at : 3 * at + 3], of["lymphocyte"][at], of["monocyte"][at]]
            for at in range(CASES + 1)
        )
        made = Laboratory(api, project, page, last)
        for number, own in enumerate(usual):
            made.sign(f"24-{number:02d}", own)
        yield made
        page.context.close()


def test_charts_learn_what_is_usual_and_say_what_they_promise(laboratory: Laboratory) -> None:
    page = laboratory.page
    page.goto(f"/projects/{laboratory.project}/validation")
    charts = page.get_by_role("region", name=re.compile("^Charts of"))
    expect(charts).to_contain_text(f"{CASES - BASELINE} cases watched, after {BASELINE}")
    expect(charts).to_contain_text("A drift of 3 standard deviations is flagged by its case")
    expect(charts.get_by_role("img", name=re.compile("^Brightness"))).to_be_visible()
    assert grave(page) == []


def test_a_planted_drift_asks_for_a_new_validation_on_the_worklist(laboratory: Laboratory, tmp_path: Path) -> None:
    darker = []
    for path in laboratory.last:
        place = tmp_path / path.parent.name / f"dark-{path.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(path), np.float64) * 0.7
        Image.fromarray(pixels.astype(np.uint8)).save(place, quality=95)
        darker.append(place)
    laboratory.sign("24-dark", darker)
    page = laboratory.page
    page.goto(f"/projects/{laboratory.project}/cases")
    expect(page.get_by_role("status").filter(has_text="control charts ask for a new validation")).to_be_visible()
    page.get_by_role("link", name="See the charts").click()
    flags = page.locator(".drift-flags")
    expect(flags).to_contain_text("Validate it anew")
    expect(flags.get_by_role("listitem").filter(has_text="Brightness")).to_contain_text("24-dark")
    form = page.get_by_role("form", name=re.compile("^Answer for"))
    form.get_by_label("What was found").fill("The lamp was dim; it was replaced")
    form.get_by_role("button", name="Note it").click()
    expect(flags).to_have_count(0)
    expect(page.get_by_text("The lamp was dim; it was replaced")).to_be_visible()
    page.goto(f"/projects/{laboratory.project}/cases")
    expect(page.get_by_role("heading", name="Cases")).to_be_visible()
    expect(page.get_by_text("control charts ask for a new validation")).to_have_count(0)


def test_a_dossier_is_made_from_a_protocol_and_taken_away(laboratory: Laboratory) -> None:
    page = laboratory.page
    page.goto(f"/projects/{laboratory.project}/validation")
    form = page.get_by_role("form", name="Make a dossier")
    form.get_by_label("Protocol", exact=True).fill("no protocol")
    form.get_by_role("button", name="Make the dossier").click()
    expect(form.get_by_role("alert")).to_contain_text("a protocol in TOML")
    form.get_by_label("Protocol", exact=True).fill(PROTOCOL)
    form.get_by_role("button", name="Make the dossier").click()
    dossier = page.get_by_role("article", name=re.compile("^Dossier"))
    expect(dossier).to_contain_text("Films of March")
    expect(dossier.get_by_role("button", name="PDF")).to_be_visible(timeout=400_000)
    expect(dossier).to_contain_text(f"{(CASES + 1) * CELLS} cells of {CASES + 1} cases")
    expect(dossier.get_by_role("row", name=re.compile("most unfamiliar"))).to_contain_text("met")
    with page.expect_download() as taken:
        dossier.get_by_role("button", name="PDF").click()
    assert taken.value.path().read_bytes()[:5] == b"%PDF-"
    assert grave(page) == []


def test_a_dossier_is_called_off_and_older_ones_are_asked_for(browser: Browser) -> None:
    # Without a worker: what waits is there until it is called off.
    with drawn.serving("--no-worker") as service, drawn.client(service.address) as api:
        project = int(api.post("/projects", json={"name": "Nothing signed"}).raise_for_status().json()["id"])
        place = f"/projects/{project}/dossiers"
        for number in range(20):
            given = {"protocol": PROTOCOL.replace("March", f"day {number}")}
            asked = api.post(place, json=given).raise_for_status().json()["id"]
            api.delete(f"{place}/{asked}").raise_for_status()
        page = browser.new_context(base_url=service.address, reduced_motion="reduce").new_page()
        page.goto(f"/projects/{project}/validation")
        form = page.get_by_role("form", name="Make a dossier")
        form.get_by_label("Protocol", exact=True).fill(PROTOCOL)
        form.get_by_role("button", name="Make the dossier").click()
        page.get_by_role("button", name="Call off").click()
        dossiers = page.get_by_role("article", name=re.compile("^Dossier"))
        expect(dossiers.first).to_contain_text("Films of March")
        expect(dossiers.first).to_contain_text("It was called off.")
        expect(dossiers).to_have_count(20)
        older = page.get_by_role("button", name="Older dossiers")
        older.click()
        expect(dossiers).to_have_count(21)
        expect(dossiers.last).to_contain_text("Films of day 0")
        expect(older).to_have_count(0)
        assert grave(page) == []
        page.context.close()
