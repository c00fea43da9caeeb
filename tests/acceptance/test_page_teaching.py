"""Known cells, the library and the review of reviews: two people teach each other in two browsers.

``SCREENS=folder pytest tests/acceptance/test_page_teaching.py`` keeps what the screens look like, light and dark, in
three widths.
"""

from __future__ import annotations

import csv
import io
import os
import re
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from processes import until
from running import Serving, in_both_schemes

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=60_000)  # the machine may have other things to do
PASSWORD = "four words in a row"  # noqa: S105 -- of a service that lives for one test
SIZES = ((1440, 900), (1280, 820), (820, 1180))


@dataclass
class Teaching:
    """A project with two cases, and two people: the API as each of them has it, and the first one's page."""

    address: str
    project: int
    amina: httpx.Client
    bela: httpx.Client
    page: Page
    cases: dict[str, int]

    def open(self, screen: str = "", case: str = "26-0413") -> None:
        """Go to a screen."""
        self.page.goto(f"{self.address}/projects/{self.project}{screen}?case={self.cases[case]}")

    def get(self, path: str) -> Any:
        """Read from the project."""
        return self.amina.get(f"/projects/{self.project}{path}").raise_for_status().json()

    def cells(self, case: str) -> list[dict[str, Any]]:
        """Cells of a case."""
        return self.get(f"/images?case={self.cases[case]}&limit=50")["items"]

    def label(self, api: httpx.Client, image: int, label: str, version: int = 0) -> None:
        """Label a cell."""
        body = {"request": str(uuid.uuid4()), "items": [{"image": image, "label": label, "version": version}]}
        answer = api.post(f"/projects/{self.project}/labels", json=body).raise_for_status()
        assert answer.json()["conflicts"] == []


@contextmanager
def _client(serving: Serving, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{serving.address}/api/v1", timeout=120) as api:
        signed_in = api.post("/session", json={"name": name, "password": PASSWORD}).raise_for_status()
        api.headers["X-CSRF-Token"] = signed_in.json()["csrf"]
        yield api


@pytest.fixture(scope="module")
def teaching(browser: Browser, serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teaching]:
    token = serving.first_link().split("token=")[1]
    with httpx.Client(base_url=f"{serving.address}/api/v1", timeout=120) as first:
        made = {"token": token, "name": "amina", "display": "Dr. Amina Diallo", "password": PASSWORD}
        first.post("/first-run", json=made).raise_for_status()
    with _client(serving, "amina") as amina:
        second = {"name": "bela", "display": "Bela Novak", "password": PASSWORD}
        number = amina.post("/users", json=second).raise_for_status().json()["id"]
        smear = drawn.crops(
            tmp_path_factory.mktemp("smear"), {"neutrophil": 3, "lymphocyte": 3, "monocyte": 2, "blast": 1}
        )
        project = drawn.project(amina, "Smears of March", smear[::2], case="26-0412")
        drawn.added(amina, project, smear[1::2], case="26-0413")
        amina.put(f"/projects/{project}/members/{number}", json={"role": "reviewer"}).raise_for_status()
        cases = {one["key"]: one["id"] for one in amina.get(f"/projects/{project}/cases").json()["items"]}
        page = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce").new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{serving.address}/sign-in")
        page.get_by_label("Name").fill("amina")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/projects")
        with _client(serving, "bela") as bela:
            yield Teaching(serving.address, project, amina, bela, page, cases)
        page.context.close()


def test_where_nothing_is_signed_drawn_cells_stand_beside_and_say_so(teaching: Teaching) -> None:
    page = teaching.page
    teaching.open()
    page.locator(".crop").first.click()
    known = page.get_by_role("region", name="Known cells")
    expect(known).to_contain_text("Nobody has signed a case of this project yet")
    expect(known).to_contain_text("of which pictures are kept nowhere")
    card = known.get_by_role("button", name=re.compile(r"drawn cell 1\b")).first
    expect(card).to_contain_text("no photograph")
    card.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("article")).to_have_count(2)
    expect(dialog).to_contain_text("no photograph, no patient")
    picture = dialog.locator("article").nth(1).locator("img")
    expect(picture).to_have_js_property("naturalWidth", 360)
    _keep(page, "beside-drawn")
    dialog.get_by_role("button", name="Close").click()


def test_a_signed_cell_stands_beside_with_its_case_and_signer(teaching: Teaching) -> None:
    page = teaching.page
    for cell in teaching.cells("26-0412"):
        teaching.label(teaching.amina, cell["id"], cell["name"].split("/")[-1].split("_")[0])
    signed = {"case": teaching.cases["26-0412"], "role": "first", "note": "few cells"}
    # Refused as long as the model has not learnt the labels.
    until(lambda: teaching.amina.post(f"/projects/{teaching.project}/signatures", json=signed).is_success, 60)
    known = page.get_by_role("region", name="Known cells")
    cards = known.get_by_role("button", name=re.compile("26-0412 Dr. Amina Diallo"))
    expect(cards).to_have_count(len(teaching.cells("26-0412")))
    expect(known).not_to_contain_text("Nobody has signed")
    cards.first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Signed as")
    expect(dialog).to_contain_text("26-0412, cell")
    for place in (0, 1):
        picture = dialog.locator("article").nth(place).locator("img")
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    other = dialog.locator("article").nth(1).locator("img").get_attribute("src")
    cards_within = dialog.get_by_role("button", name=re.compile("26-0412 Dr. Amina Diallo"))
    cards_within.nth(1).click()
    expect(dialog.locator("article").nth(1).locator("img")).not_to_have_attribute("src", other or "")
    _keep(page, "beside-signed")
    dialog.get_by_role("button", name="Close").click()


def test_two_clicks_put_a_labelled_cell_into_the_library(teaching: Teaching) -> None:
    page = teaching.page
    cell = teaching.cells("26-0413")[0]["id"]
    page.locator(f"#cell-{cell}").click()
    add = page.get_by_role("button", name="add to the library…")
    expect(add).to_be_disabled()
    page.keyboard.press("x")
    expect(page.locator(f"#cell-{cell}.labelled")).to_be_visible()
    expect(page.locator(".crop.pending")).to_have_count(0)
    page.locator(f"#cell-{cell}").click()  # the next one was chosen
    add.click()
    page.get_by_role("button", name="add as Blast").click()
    expect(page.locator(".teach")).to_contain_text("In the library since Dr. Amina Diallo added it")
    page.get_by_role("link", name="In the library").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Library of teaching cells")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Blast")
    shown = page.locator(f"#cell-{cell}")
    expect(shown).to_contain_text("Dr. Amina Diallo")
    shown.get_by_role("button", name="add a note").click()
    page.get_by_label(f"Note on cell {cell}").fill("Two nucleoli.")
    page.get_by_role("button", name="save").click()
    expect(shown).to_contain_text("Two nucleoli.")


def test_the_library_follows_what_others_say_and_leaves_as_a_zip(teaching: Teaching) -> None:
    page = teaching.page
    cell = teaching.cells("26-0413")[0]
    teaching.label(teaching.bela, cell["id"], "monocyte", cell["version"])
    page.reload()
    expect(page.locator(f"#cell-{cell['id']}")).to_contain_text("Labelled Monocyte since.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Take it away (ZIP)").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (row,) = csv.DictReader(io.StringIO(archive.read("labels.csv").decode()))
        assert archive.read(row["path"])[:2] == b"\xff\xd8", "the picture is in it"
    assert (row["label"], row["label_now"], row["note"]) == ("blast", "monocyte", "Two nucleoli.")
    # Whoever would delete its case reads why not.
    answer = teaching.amina.delete(f"/projects/{teaching.project}/cases/{teaching.cases['26-0413']}")
    assert answer.status_code == 409
    assert "library of teaching cells" in answer.json()["error"]["message"]


def test_the_review_of_reviews_says_who_labelled_what_and_what_did_not_stand(teaching: Teaching) -> None:
    page = teaching.page
    page.get_by_role("link", name="Second look").click()
    page.get_by_role("link", name="Reviews").click()
    amina = page.locator("tr", has_text="Dr. Amina Diallo").first
    expect(amina).to_contain_text("0% (0 to 79) of 1")
    gone = page.locator(".reviews-gone li")
    expect(gone).to_have_count(1)
    expect(gone).to_contain_text("Blast said Dr. Amina Diallo")
    expect(gone).to_contain_text("Monocyte said Bela Novak")
    page.get_by_label("Lines").select_option("type")
    expect(page.locator("tr", has_text="Bela Novak")).to_contain_text("Monocyte")
    page.get_by_label("Person", exact=True).select_option(label="Bela Novak")
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    (row,) = csv.DictReader(io.StringIO(download.value.path().read_text()))
    assert (row["person"], row["type"], row["labels"]) == ("Bela Novak", "monocyte", "1")
    page.get_by_label("Case", exact=True).select_option(label="26-0412")
    expect(page.get_by_text("No label fits.")).to_be_visible()


def test_a_comment_is_given_to_somebody_and_found_by_them(teaching: Teaching) -> None:
    page = teaching.page
    cells = teaching.cells("26-0413")
    for cell, text in zip(cells, ("Folded nucleus?", "Stain is pale"), strict=False):
        path = f"/projects/{teaching.project}/images/{cell['id']}/comments"
        teaching.bela.post(path, json={"text": text}).raise_for_status()
    teaching.open("/look")
    lines = page.locator("[data-comment]")
    expect(lines).to_have_count(2)
    page.get_by_label("Who sees to “Folded nucleus?”").select_option(label="for Dr. Amina Diallo")
    expect(lines.filter(has_text="Folded")).to_contain_text("for Dr. Amina Diallo")
    page.get_by_label("Whose to see to").select_option(label="Yours: written or to see to")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("Folded nucleus?")
    with page.expect_download() as download:
        page.get_by_role("button", name="as a table (CSV)").click()
    (row,) = csv.DictReader(io.StringIO(download.value.path().read_text()))
    assert (row["text"], row["by"], row["assigned_to"]) == ("Folded nucleus?", "Bela Novak", "Dr. Amina Diallo")
    # A signed case has no comment; all cases have.
    teaching.open("/look", "26-0412")
    expect(page.get_by_text("No comment fits.")).to_be_visible()
    page.get_by_label("Of which case").select_option(label="In all cases")
    expect(lines).to_have_count(2)


def _keep(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENS"):
        page.wait_for_timeout(800)
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_no_screen_is_wider_than_its_window(teaching: Teaching, browser: Browser) -> None:
    state = teaching.page.context.storage_state()
    screens = {"library": ("/library", ".library-cells"), "reviews": ("/reviews", ".reviews-table")}
    screens |= {"look": ("/look", "[data-comment]"), "gallery": ("", ".crop")}
    wide = []
    context = browser.new_context(storage_state=state, reduced_motion="reduce")
    page = teaching.page = context.new_page()
    page.set_default_timeout(60_000)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for name, (screen, mark) in screens.items():
            page.emulate_media(color_scheme="dark")
            teaching.open(screen)
            expect(page.locator(mark).first).to_be_visible()
            if name == "gallery":
                page.locator(".crop").first.click()
                expect(page.locator(".known-cell").first).to_be_visible()
                page.locator(".known-cell").first.scroll_into_view_if_needed()
            for scheme in in_both_schemes(page):
                expect(page.locator(mark).first).to_be_visible()
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append((name, scheme, width))
                _keep(page, f"{name}-{scheme}-{width}")
    context.close()
    assert wide == []
