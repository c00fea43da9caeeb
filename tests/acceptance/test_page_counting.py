"""A hundred of two hundred cells are counted, which nobody picked: drawn on the report, marked on the table."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
expect.set_options(timeout=60_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 80, "lymphocyte": 40, "monocyte": 14, "eosinophil": 10, "erythroblast": 6}


@dataclass
class Film:
    """A page on a project with one case, and its API."""

    page: Page
    api: httpx.Client
    address: str
    project: int
    case: int

    def open(self, screen: str = "") -> None:
        self.page.goto(f"{self.address}/projects/{self.project}{screen}?case={self.case}")

    def get(self, path: str) -> Any:
        return self.api.get(f"/projects/{self.project}{path}").raise_for_status().json()

    def differential(self) -> dict[str, Any]:
        return self.get(f"/differential?case={self.case}")


@pytest.fixture(scope="module")
def film(browser: Browser, served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Film]:
    with drawn.client(served.address) as api:
        files = drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR)
        project = drawn.project(api, "Routine", files, case="26-0733")
        case = api.get(f"/projects/{project}/cases").json()["items"][0]["id"]
        page = browser.new_context(viewport={"width": 1280, "height": 820}, reduced_motion="reduce").new_page()
        page.set_default_timeout(60_000)
        yield Film(page, api, served.address, project, case)
        page.context.close()


def test_a_hundred_leukocytes_are_drawn_on_the_report(film: Film) -> None:
    page = film.page
    film.open("/report")
    expect(page.get_by_text("Every cell of the case counts.")).to_be_visible()
    page.get_by_role("button", name=re.compile("count 100, 200 or 400")).click()
    # The cells came as single crops: there is no field to go to.
    expect(page.get_by_label("How they are drawn").locator("option")).to_have_text(["single cells at random"])
    page.get_by_label("Leukocytes to be met").select_option("100")
    page.get_by_role("button", name="Draw", exact=True).click()
    said = page.get_by_role("region", name="Which cells are counted")
    expect(said).to_contain_text("cells count, drawn at random until 100 leukocytes were met.")
    expect(page.get_by_text("100 leukocytes, read by")).to_be_visible()
    shown = film.differential()
    assert (shown["total"], shown["counting"]["eligible_cells"]) == (100, sum(SMEAR.values()))
    expect(said).to_contain_text(f"Seed {shown['counting']['seed']}")


def test_the_table_marks_what_lies_outside_and_filters_by_it(film: Film) -> None:
    page = film.page
    film.open()
    expect(page.locator(".crop.outside").first).to_be_visible()
    # Counts of all cells stand beside shares of the drawn ones: both are said.
    expect(page.locator(".types-notice")).to_contain_text("pale cells are not counted")
    row = page.locator(".type-row", has_text="Neutrophil").first.locator(".count")
    counted, there = (int(number) for number in row.inner_text().split(" of "))
    assert 0 < counted < there
    expect(page.locator(".bin-header").filter(has_text="Neutrophil").first).to_contain_text(f"{counted} counted")
    page.get_by_role("button", name="filter", exact=True).click()
    page.get_by_label("Counted or not").select_option("in")
    expect(page.locator(".crop.outside")).to_have_count(0)
    expect(page.locator(".crop").first).to_be_visible()
    # A bin says how many of its cells the filter lets through, as "61 of 85".
    drawn_there, all_there = page.locator(".bin-header .count", has_text=" of ").first.inner_text().split(" of ")
    assert 0 < int(drawn_there) < int(all_there)
    page.get_by_label("Counted or not").select_option("out")
    expect(page.locator(".crop:not(.outside)")).to_have_count(0)
    expect(page.locator(".crop.outside").first).to_be_visible()


def test_the_worklist_counts_what_counts(film: Film) -> None:
    chosen = film.differential()["counting"]["counted_cells"]
    film.page.goto(f"{film.address}/projects/{film.project}/cases")
    expect(film.page.get_by_role("row", name="26-0733")).to_contain_text(f"({chosen} counted)")


def test_drawn_anew_after_labels_it_says_why(film: Film) -> None:
    page = film.page
    images = film.get("/images?limit=200")["items"]
    said = [{"image": item["id"], "label": item["predicted"], "version": 0} for item in images]
    body = {"request": str(uuid.uuid4()), "items": said}
    film.api.post(f"/projects/{film.project}/labels", json=body).raise_for_status()
    seed = film.differential()["counting"]["seed"]
    film.open("/report")
    expect(page.get_by_text(re.compile("^People reviewed|. People reviewed"))).to_be_visible()
    page.get_by_role("button", name="draw anew…").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    reason = page.get_by_label("Why they are drawn anew")
    assert reason.evaluate("field => field.validity.valueMissing"), "without a reason nothing is sent"
    assert film.differential()["counting"]["seed"] == seed
    reason.fill("The count was begun in a thick part.")
    page.get_by_role("button", name="Draw", exact=True).click()
    # Both choices are told, with how many cells had a label and why.
    counted = page.get_by_role("region", name="Which cells are counted")
    expect(counted.get_by_text("chosen 2 times")).to_be_visible()
    counted.get_by_text("chosen 2 times").click()
    expect(counted.get_by_role("listitem").first).to_contain_text("0 cells labelled; no reason given")
    expect(counted.get_by_role("listitem").last).to_contain_text(
        "150 cells labelled; The count was begun in a thick part."
    )
    now = film.differential()
    assert now["counting"]["seed"] != seed
    assert now["total"] == 100
