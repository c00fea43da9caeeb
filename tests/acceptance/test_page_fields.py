"""From a camera to the review desk: fields in, cells found, a search for blasts with two keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from field_desk import FieldDesk, opened
from PIL import Image
from playwright.sync_api import Browser, expect
from running import Serving

from hemosight.images.synthetic.camera import draw_field

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
expect.set_options(timeout=60_000)  # the machine may have other things to do
FIELDS = (["neutrophil", "lymphocyte", "neutrophil"], ["monocyte", "neutrophil"], ["neutrophil", "eosinophil", "blast"])
"""Eight cells: too few for a case to be called foreign, however they are drawn."""


@pytest.fixture(scope="module")
def desk(browser: Browser, served: Serving) -> Iterator[FieldDesk]:
    with opened(browser, served, "Camera") as made:
        yield made


def test_fields_in_cells_on_the_table(desk: FieldDesk, tmp_path: Path) -> None:
    files = []
    for number, labels in enumerate(FIELDS):
        field = draw_field(900, 700, labels, np.random.default_rng(number))
        assert len(field.cells) == len(labels)
        files.append(tmp_path / f"field-{number}.png")
        Image.fromarray(field.pixels).save(files[-1])
    desk.page.get_by_label("for case").first.fill("F-7")
    desk.page.locator('[data-picker="fields"]').first.set_input_files(files)
    expect(desk.page.get_by_text(re.compile("3 of 3 fields searched: 8 white cells")).first).to_be_visible()
    expect(desk.page.locator(".crop")).to_have_count(8)
    names = [item["name"] for item in desk.get("/images?limit=50")["items"]]
    assert sum(name.startswith("field-0.png/") for name in names) == 3
    (case,) = desk.get("/cases")["items"]
    assert (case["key"], case["images"]) == ("F-7", 8)


def test_a_search_for_blasts_with_two_keys(desk: FieldDesk) -> None:
    case = desk.get("/cases")["items"][0]["id"]
    page = desk.page
    page.goto(f"{desk.address}/projects/{desk.project}/search?case={case}")
    stands = page.get_by_role("status", name="Where the search stands")
    expect(stands).to_contain_text("8 cells ranked, 0 looked at")
    first = page.locator(".queue-picture img")
    seen = first.get_attribute("alt")
    page.keyboard.press("y")
    expect(stands).to_contain_text("1 looked at")
    expect(first).not_to_have_attribute("alt", seen or "")
    for looked in range(2, 9):
        page.keyboard.press("n")
        expect(stands).to_contain_text(f"{looked} looked at")
    expect(stands).to_contain_text("Blast 12.50% (12.50 to 12.50), at least 1% with 95%")
    expect(page.get_by_text("Every cell was looked at").first).to_be_visible()
    labelled = [item for item in desk.get("/images?limit=50")["items"] if item["label"]]
    assert [item["label"] for item in labelled] == ["blast"]
    assert f"Cell {labelled[0]['id']}" == seen
