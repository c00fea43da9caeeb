"""The home story by ear: the accessibility tree of every screen, what answers a key, and where the focus goes."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from running import Serving
from spoken import faults, heard, tree

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

expect.set_options(timeout=30_000)  # the machine may have other things to do
READ, SIGNED = "26-0901", "26-0902"
SCREENS = {
    "Cases": ("/cases", "tbody tr"),
    "Review": ("", ".crop"),
    "Next": ("/next", ".queue-picture img"),
    "Report": ("/report", ".report-crops img"),
    "Settings": ("/settings", "table caption >> nth=1"),
    "Search": ("/search", ".queue-picture img"),
    "Landscape": ("/map", ".map canvas"),
}
DIALOGS = {"#": "Tag this cell", "F1": "Keys", "=": "Side by side"}
"""What a key opens from a cell, and what the dialog is called."""


@dataclass
class Desk:
    """A page on a project with two cases: one to read, one to sign."""

    page: Page
    api: httpx.Client
    root: str
    cases: dict[str, int]

    def open(self, path: str, mark: str, case: str = READ) -> None:
        """Go to a screen of the project and wait for what it shows last."""
        self.page.goto(f"{self.root}{path}?case={self.cases[case]}")
        self.page.locator(mark).first.wait_for()


@pytest.fixture(scope="module")
def desk(browser: Browser, served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with drawn.client(served.address) as api:
        first = drawn.crops(tmp_path_factory.mktemp("read"), {"neutrophil": 4, "lymphocyte": 3, "monocyte": 2})
        project = drawn.project(api, "By ear", first, case=READ)
        drawn.added(api, project, drawn.crops(tmp_path_factory.mktemp("sign"), {"neutrophil": 3}, seed=12), SIGNED)
        cases = {one["key"]: one["id"] for one in api.get(f"/projects/{project}/cases").json()["items"]}
        context = browser.new_context(base_url=served.address, reduced_motion="reduce")
        yield Desk(context.new_page(), api, f"/projects/{project}", cases)
        context.close()


def test_the_tree_of_a_page_and_what_is_wrong_with_it() -> None:
    """The rules themselves, on a page that breaks each of them."""
    said = """
- main:
  - heading "Cells" [level=2]
  - heading "One" [level=4]
  - button "▾"
  - button "Zoom in": +
  - 'button "Zoom in"'
  - link "more":
    - /url: /a
  - link "more":
    - /url: /a
  - img
  - term
  - listbox "Monocyte":
    - option "Cell 8": M
  - table:
    - rowgroup:
      - 'row "a: 1"':
        - cell "1"
"""
    assert faults(tree(said.strip("\n"))) == [
        "headings [2, 4]: one of level 1, and it comes first",
        "a heading of level 4 follows one of level 2",
        "button '▾' has no name in words",
        "img '' has no name in words",
        "option 'Cell 8' does not say which cell of which type in which state",
        "a term is empty",
        "table '' has no header",
        "2 times button 'Zoom in' in main ''",
    ]


@pytest.mark.parametrize("screen", [*SCREENS, "Help"])
def test_a_screen_makes_sense_by_ear(desk: Desk, screen: str) -> None:
    if screen == "Help":
        desk.page.goto("/help")
        desk.page.locator(".help-keys dd").first.wait_for()
    else:
        desk.open(*SCREENS[screen])
    expect(desk.page).to_have_title(f"{screen} · HemoSight")
    assert faults(heard(desk.page.locator("body")), (READ, SIGNED)) == []


def test_keys_are_read_out_with_what_they_do(desk: Desk) -> None:
    desk.page.goto("/help")
    types = desk.page.locator(".help-keys > div", has=desk.page.get_by_role("heading", name="Types"))
    types.locator("dd").first.wait_for()
    assert {"N", "L", "M"} <= {term.text for term in heard(types).all("term")}


def test_a_key_is_answered_by_ear(desk: Desk) -> None:
    page = desk.page
    desk.open("", ".crop")
    said = page.locator("[data-said]")
    cell = page.get_by_role("listbox", name="Lymphocyte").get_by_role("option").first
    image = cell.get_attribute("data-image")
    cell.click()
    page.keyboard.press("m")
    expect(said).to_have_text(f"Cell {image}: labelled Monocyte")
    expect(page.locator(f"#cell-{image}")).to_have_accessible_name(
        re.compile(rf"^Cell {image}, Monocyte, labelled, yours(, read by model as \w+)?$")
    )
    # The focus has gone on to the next cell, whose name is read out.
    expect(page.locator(".crop:focus")).to_have_accessible_name(re.compile(r"^Cell \d+, \w+, read by model"))
    page.keyboard.press("Control+z")
    expect(said).to_have_text(f"Undone: Cell {image}: labelled Monocyte")
    page.keyboard.press("Control+a")
    expect(said).to_have_text(re.compile(r"^\d cells selected$"))
    assert faults(heard(page.locator("body")), (READ, SIGNED)) == []
    foot = heard(page.get_by_role("toolbar", name="Selected cells"))
    assert {"Label as Blast", "Label as unsure", "Select nothing"} <= {one.name for one in foot.all("button")}


def test_a_type_chosen_by_key_leads_to_its_cells(desk: Desk) -> None:
    desk.open("", ".crop")
    desk.page.get_by_role("button", name=re.compile(r"^Lymphocyte \d")).press("Enter")
    expect(desk.page.locator(".crop:focus")).to_have_accessible_name(re.compile(r"^Cell \d+, Lymphocyte, "))


def test_the_next_cell_to_review_is_said(desk: Desk) -> None:
    page = desk.page
    desk.open("/next", ".queue-picture img")
    number = (page.locator(".queue-picture img").get_attribute("alt") or "").removeprefix("Cell ")
    live = page.locator(".queue > [aria-live]")
    expect(live).to_have_text(re.compile(rf"^Cell {number}, read by model as \w+"))
    page.keyboard.press("?")
    expect(page.locator("[data-said]")).to_have_text(f"Cell {number}: labelled unsure")
    expect(live).not_to_have_text(re.compile(rf"^Cell {number},"))
    page.keyboard.press("Control+z")
    expect(page.locator("[data-said]")).to_have_text(re.compile("^Undone"))


def test_a_conflict_is_said_and_so_is_its_end(desk: Desk) -> None:
    page = desk.page
    desk.open("", ".crop")
    cell = page.get_by_role("listbox", name="Neutrophil").get_by_role("option").first

    def meanwhile(route: Route) -> None:
        (item,) = json.loads(route.request.post_data or "")["items"]
        other = {"request": str(uuid.uuid4()), "items": [item | {"label": "blast"}]}
        desk.api.post(f"{desk.root}/labels", json=other).raise_for_status()
        route.continue_()

    page.route("**/labels", meanwhile, times=1)
    cell.click()
    page.keyboard.press("m")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("labelled by somebody else")
    said = heard(alert)
    assert [one.text.partition(": ")[2] for one in said.all("listitem")] == [
        "Local reviewer said Blast, you said Monocyte"
    ]
    assert [one.name for one in said.all("button")] == ["Keep their label 1", "Replace it by your label 2"]
    page.keyboard.press("1")
    expect(page.locator("[data-said]")).to_have_text("The other label is kept")


def test_dialogs_have_names_and_give_the_focus_back(desk: Desk) -> None:
    page = desk.page
    desk.open("", ".crop")
    page.locator(".crop").first.click()
    dialog = page.get_by_role("dialog")
    for key, name in DIALOGS.items():
        page.keyboard.press(key)
        expect(dialog).to_have_accessible_name(name)
        expect(page.locator("[role=dialog]:focus-within")).to_have_count(1)
        # Within a dialog the page behind it is not read: its heading is the first, and its names are its own.
        assert [fault for fault in faults(heard(dialog)) if "main" not in fault and "headings" not in fault] == []
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(page.locator(".crop:focus")).to_have_count(1)


def test_whoever_has_signed_is_told_where_they_are(desk: Desk) -> None:
    page = desk.page
    desk.open("/report", ".report-crops img", SIGNED)
    page.get_by_label(re.compile("^(Note|Why you sign)")).fill("Few cells.")
    sign = page.get_by_role("button", name=re.compile("^Sign as"))
    expect(sign).to_be_enabled()  # it waits for the remark and grades, and a key on it before is lost
    sign.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_accessible_name(f"Sign By ear, case {SIGNED}?")
    dialog.get_by_role("button", name="Not yet").press("Enter")
    expect(sign).to_be_focused()
    sign.press("Enter")
    dialog.get_by_role("button", name="Sign these counts").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Version 1, signed by")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert faults(heard(page.locator("body")), (READ, SIGNED)) == []
    assert [one.name for one in heard(page.locator(".sign")).all("group")] == ["Version 1"]
