"""A field with the cells that were found in it: add the one that was missed, remove the false one, count the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from field_desk import FieldDesk, opened
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from running import Serving

from hemosight.images.synthetic.camera import DrawnField, draw_field

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
expect.set_options(timeout=60_000)  # the machine may have other things to do
SIZE = (900, 700)
LABELS = ["lymphocyte", "neutrophil", "monocyte"]


@dataclass
class Desk:
    """A page on a project, and the field that is looked at."""

    desk: FieldDesk
    field: DrawnField

    @property
    def page(self) -> Page:
        """The page."""
        return self.desk.page

    def place(self, number: int) -> tuple[float, float]:
        """Where a drawn cell lies on the picture on screen, from its corner."""
        cell = self.field.cells[number]
        box = self.page.locator(".field-picture").bounding_box()
        assert box is not None
        across = box["width"] / SIZE[0]
        return (cell.x + cell.width / 2) * across, (cell.y + cell.height / 2) * across


@pytest.fixture(scope="module")
def desk(browser: Browser, served: Serving) -> Iterator[Desk]:
    field = draw_field(*SIZE, LABELS, np.random.default_rng(4))
    assert len(field.cells) == len(LABELS)
    with opened(browser, served, "Camera") as made:
        yield Desk(made, field)


def test_a_field_in_and_its_cell_leads_back_to_it(desk: Desk, tmp_path: Path) -> None:
    """Of three drawn cells one is washed out to a shadow, which the search does not see."""
    cell = desk.field.cells[0]
    rows, columns = np.ogrid[: SIZE[1], : SIZE[0]]
    near = np.hypot(rows - cell.y - cell.height / 2, columns - cell.x - cell.width / 2) < 70
    pixels = desk.field.pixels.copy()
    pixels[near] = (205 + 0.12 * pixels[near]).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    page = desk.page
    page.get_by_label("for case").first.fill("F-8")
    page.locator('[data-picker="fields"]').first.set_input_files(tmp_path / "film.png")
    expect(page.get_by_text("1 of 1 field searched: 2 white cells").first).to_be_visible()
    page.locator(".crop").first.click()
    around = page.get_by_role("img", name=re.compile("The field around cell"))
    expect(around).to_be_visible()
    assert around.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480
    page.get_by_title("Show the whole field").click()
    expect(page).to_have_url(re.compile(r"/fields/\d+\?case=\d+$"))
    expect(page.locator(".field-cell")).to_have_count(2)
    expect(page.locator('.field-cell[aria-pressed="true"]')).to_have_count(1)
    expect(page.get_by_text("Fair to count in")).to_be_visible()


def test_the_missed_cell_is_added_by_a_click_and_read(desk: Desk) -> None:
    page = desk.page
    x, y = desk.place(0)
    page.locator(".field-picture").click(position={"x": x, "y": y})
    expect(page.locator(".field-cell")).to_have_count(3)
    expect(page.get_by_text("The search missed it;")).to_be_visible()
    expect(page.locator('.field-cell[aria-label*=", read as"]')).to_have_count(3)
    (case,) = desk.desk.get("/cases")["items"]
    assert case["images"] == 3


def test_the_false_cell_is_removed_by_a_key_and_can_come_back(desk: Desk) -> None:
    page = desk.page
    found = page.locator('.field-cell:not([aria-label*="added"])').first
    number = int(re.findall(r"Cell (\d+)", found.get_attribute("aria-label") or "")[0])
    found.click()
    expect(page.get_by_role("button", name="No white cell: remove")).to_be_enabled()
    page.keyboard.press("Delete")
    expect(page.get_by_text("Removed as no white cell")).to_be_visible()
    expect(page.locator(".field-cell.removed")).to_have_count(1)
    assert number not in [item["id"] for item in desk.desk.get("/images?limit=50")["items"]]
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator(".field-cell.removed")).to_have_count(0)
    expect(page.get_by_role("button", name="No white cell: remove")).to_be_enabled()
    page.get_by_role("button", name="No white cell: remove").click()
    expect(page.locator(".field-cell.removed")).to_have_count(1)


def test_what_the_search_did_is_counted_and_the_differential_holds_the_rest(desk: Desk) -> None:
    page = desk.page
    expect(page.get_by_text("what the search misses here is unknown")).to_be_visible()
    page.get_by_label("I looked at the whole field").click()  # it is ticked when the service has stored it
    expect(page.get_by_label("I looked at the whole field")).to_be_checked()
    expect(page.get_by_text("The search missed 1 of 2, false 1, in 1 field that was looked at")).to_be_visible()
    page.get_by_role("link", name="All fields").click()
    expect(page.get_by_text("2 white cells, 1 added, 1 removed · looked at as a whole")).to_be_visible()
    page.get_by_role("link", name="Review", exact=True).click()
    expect(page.locator(".crop")).to_have_count(2)
    case = desk.desk.get("/cases")["items"][0]["id"]
    shown = desk.desk.get(f"/differential?case={case}")
    counted = [row["after"]["count"] for row in shown["rows"]] + [row["after"] for row in shown["apart"].values()]
    assert sum(counted) == 2, shown


def test_a_cell_is_added_without_a_mouse(desk: Desk) -> None:
    """The cross goes from the middle by half a red cell; where it stands, a cell is cut out."""
    page = desk.page
    page.get_by_role("link", name="Fields", exact=True).click()
    page.get_by_text("film.png").click()
    picture = page.get_by_role("group", name=re.compile("arrow keys move a cross"))
    picture.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".field-cross")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The search missed it;")).to_be_visible()
    expect(page.locator(".field-cell")).to_have_count(4)


def test_the_differential_of_the_fields_is_signed(desk: Desk) -> None:
    """Fields in, differential signed: what lies under the cross is none, the others are named, and a person signs.

    The record holds the cells that stand in the field, under the names that they were cut out with, and no other.
    """
    page = desk.page
    page.get_by_role("button", name="No white cell: remove").click()
    expect(page.locator(".field-cell.removed")).to_have_count(2)
    field = desk.desk.get(f"/fields/{desk.desk.get('/fields')['items'][0]['id']}")
    cut = {box["image"]: box for box in field["boxes"] if box["image"] is not None}
    drawn_as = {image: _drawn_there(desk.field, box) for image, box in cut.items()}
    page.get_by_role("link", name="Review", exact=True).click()
    for image, label in drawn_as.items():
        page.locator(f"#cell-{image}").click()
        page.keyboard.press(label[0])  # the types' keys: l, m, n
        expect(page.locator(f"#cell-{image}")).to_have_class(re.compile(r"\blabelled\b"))
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_text("People reviewed 2 of 2 cells.")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Sign as")).click()
    page.get_by_role("dialog").get_by_role("button", name="Sign these counts").click()
    expect(page.locator('.sign-given[data-version="1"]')).to_be_visible()
    (signature,) = desk.desk.get("/signatures")["items"]
    record = desk.desk.get(f"/signatures/{signature['id']}")
    assert {cell["image"]: cell["label"] for cell in record["cells"]} == drawn_as
    assert all(cell["name"].startswith("film.png/") for cell in record["cells"]), record["cells"]
    signed = {row["label"]: row["after"]["count"] for row in record["differential"]["rows"] if row["after"]["count"]}
    assert signed == {label: list(drawn_as.values()).count(label) for label in drawn_as.values()}


def _drawn_there(field: DrawnField, box: dict[str, Any]) -> str:
    """What was drawn where a box lies."""
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    (there,) = [
        label
        for label, cell in zip(LABELS, field.cells, strict=True)
        if cell.x <= x <= cell.x + cell.width and cell.y <= y <= cell.y + cell.height
    ]
    return there
