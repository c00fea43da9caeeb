"""Where counting is fair: the map of a case's fields, what two of them show, and what people corrected teaches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from field_desk import FieldDesk, opened
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Route, expect
from running import Serving

from hemosight.images.synthetic.camera import draw_field

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
expect.set_options(timeout=60_000)  # the machine may have other things to do
LABELS = ["lymphocyte", "neutrophil", "monocyte", "blast"] * 2


@pytest.fixture(scope="module")
def desk(browser: Browser, served: Serving) -> Iterator[FieldDesk]:
    with opened(browser, served, "Film") as made:
        yield made


def test_fields_that_overlap_count_a_cell_once(desk: FieldDesk, tmp_path: Path) -> None:
    """Two of four fields overlap by 120 pixels; one is out of focus, one nearly all glass."""
    film = draw_field(1160, 480, LABELS, np.random.default_rng(33)).pixels
    blurred = Image.fromarray(film[:, :640]).filter(ImageFilter.GaussianBlur(9))
    glass = np.full((480, 640, 3), 240, np.uint8)
    glass[:90, :90] = film[:90, :90]
    pictures = {
        "film_x0_y0.png": Image.fromarray(film[:, :640]),
        "film_x520_y0.png": Image.fromarray(film[:, 520:]),
        "film_x0_y480.png": blurred,
        "film_x640_y480.png": Image.fromarray(glass),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    page = desk.page
    page.get_by_label("for case").first.fill("F-9")
    page.locator('[data-picker="fields"]').first.set_input_files([tmp_path / name for name in pictures])
    expect(page.get_by_text(re.compile("4 of 4 fields searched")).first).to_be_visible()
    said = page.get_by_text(re.compile("4 of 4 fields searched")).first.inner_text()
    assert "more that an overlapping field counts" in said
    assert "2 fields not fair to count in" in said
    assert "is not known" not in said


def test_the_map_says_where_counting_is_fair_and_why(desk: FieldDesk) -> None:
    page = desk.page
    page.get_by_role("link", name="Fields", exact=True).click()
    shown = page.get_by_role("region", name="Where counting is fair")
    expect(shown.get_by_text(re.compile(r"^fair to count in: 2 fields"))).to_be_visible()
    expect(shown.get_by_text(re.compile(r"^out of focus: 1 field,"))).to_be_visible()
    expect(shown.get_by_text(re.compile(r"^too thin: 1 field,"))).to_be_visible()
    expect(shown.get_by_text("Where the fields lie on the film.")).to_be_visible()
    tiles = shown.locator(".field-film a")
    expect(tiles).to_have_count(4)
    if folder := os.environ.get("HEMOSIGHT_LOOK"):
        page.wait_for_timeout(900)
        page.screenshot(path=f"{folder}/map.png")
    places = [tile.bounding_box() for tile in tiles.all()]
    first, second, below, _ = (place for place in places if place)
    assert first["x"] < second["x"] < first["x"] + first["width"], "they overlap on the map as they do on the film"
    assert below["y"] == pytest.approx(first["y"] + first["height"], abs=2)
    assert second["width"] == pytest.approx(first["width"], rel=0.02)
    expect(shown.get_by_role("link", name=re.compile(r"film_x0_y480.*out of focus"))).to_be_visible()
    shown.get_by_role("link", name=re.compile("film_x520_y0")).click()
    expect(page.locator(".field-side h2")).to_have_text(re.compile("film_x520_y0"))


def test_a_cell_that_another_field_counts_leads_there(desk: FieldDesk) -> None:
    page = desk.page
    page.locator(".field-cell.elsewhere").first.click()
    expect(page.get_by_text("Another field shows this cell as well, and counts it.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("No white cell"))).to_have_count(0)
    if folder := os.environ.get("HEMOSIGHT_LOOK"):
        page.wait_for_timeout(900)
        page.screenshot(path=f"{folder}/elsewhere.png")
    page.get_by_role("link", name="Show that field").click()
    expect(page.locator(".field-side h2")).to_have_text(re.compile("film_x0_y0"))
    cells = sum(field["cells"] for field in desk.get("/fields")["items"])
    assert desk.get("/cases")["items"][0]["images"] == cells


def test_the_search_is_fitted_to_what_was_corrected(desk: FieldDesk) -> None:
    page = desk.page
    page.get_by_label("I looked at the whole field").click()  # it is ticked when the service has stored it
    expect(page.get_by_label("I looked at the whole field")).to_be_checked()
    page.goto(f"{desk.address}/projects/{desk.project}/settings")
    expect(page.get_by_text("It takes something for a white cell from a score of 0.50.")).to_be_visible()
    page.get_by_role("button", name="fit the score to what was corrected").click()
    expect(page.get_by_text("The score stays 0.50: in 1 field no other is better beyond chance")).to_be_visible()
    if folder := os.environ.get("HEMOSIGHT_LOOK"):
        page.get_by_text("The score stays 0.50").scroll_into_view_if_needed()
        page.screenshot(path=f"{folder}/fit.png")


def test_a_cell_that_counts_nowhere_says_so(desk: FieldDesk) -> None:
    """The service leaves one so where it cannot cut it out; here its answer is made to."""
    page = desk.page
    field = next(field["id"] for field in desk.get("/fields")["items"] if field["seen_again"])

    def uncounted(route: Route) -> None:
        answer = route.fetch()
        shown = answer.json()
        for box in shown["boxes"]:
            box["seen_in"] = None
        route.fulfill(response=answer, json={**shown, "uncounted": shown["seen_again"], "seen_again": 0})

    page.route(re.compile(rf"/api/v1/projects/\d+/fields/{field}$"), uncounted)
    page.goto(f"{desk.address}/projects/{desk.project}/fields/{field}")
    page.get_by_role("button", name="Found, in no count").first.click()
    expect(page.get_by_text("Another field counted this cell, and it was deleted there")).to_be_visible()
    expect(page.get_by_role("button", name="Count it here")).to_be_enabled()
    expect(page.get_by_text(re.compile("Removed as no white cell"))).to_have_count(0)
