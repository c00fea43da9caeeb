"""A panel of three in Chromium: each reads the same cells blind, in an order of their own; differences are decided."""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import drawn
import httpx
import pytest
from axe import grave
from playwright.sync_api import Browser, Page, expect
from running import Serving, in_both_schemes

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)
PASSWORD = "four words in a row"  # noqa: S105 -- of accounts that live for a test
PEOPLE = {"amina": "Dr. Amina Diallo", "bela": "Béla Kovács", "chen": "Chen Wei"}
CELLS = 6


@dataclass
class Panel:
    """A project of twelve cells, its number, and a browser for each of three people."""

    api: httpx.Client
    project: int
    pages: dict[str, Page]


@pytest.fixture(scope="module")
def panel(browser: Browser, serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    token = serving.first_link().split("token=")[1]
    with httpx.Client(base_url=f"{serving.address}/api/v1", timeout=60) as api:
        first = {"token": token, "name": "amina", "display": PEOPLE["amina"], "password": PASSWORD}
        api.post("/first-run", json=first).raise_for_status()
        api.headers["X-CSRF-Token"] = api.get("/session").json()["csrf"]
        smear = {"neutrophil": 4, "lymphocyte": 4, "blast": 4}
        project = drawn.project(api, "Blasts of March", drawn.crops(tmp_path_factory.mktemp("smear"), smear))
        for name in ("bela", "chen"):
            given = {"name": name, "display": PEOPLE[name], "password": PASSWORD}
            user = api.post("/users", json=given).raise_for_status().json()["id"]
            api.put(f"/projects/{project}/members/{user}", json={"role": "reviewer"}).raise_for_status()
        contexts = [browser.new_context(base_url=serving.address, reduced_motion="reduce") for _ in PEOPLE]
        pages = {}
        for name, context in zip(PEOPLE, contexts, strict=True):
            page = pages[name] = context.new_page()
            page.goto("/sign-in")
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/projects")
        yield Panel(api, project, pages)
        for context in contexts:
            context.close()


def test_it_is_begun_for_three_readers(panel: Panel) -> None:
    page = panel.pages["amina"]
    page.goto(f"/projects/{panel.project}/panels")
    form = page.get_by_role("form", name="Begin a panel")
    form.get_by_label("Title").fill("What is a blast")
    form.get_by_label("Cells", exact=True).fill(str(CELLS))
    form.get_by_label("Met twice by each reader").fill("34")
    form.get_by_label("Keep how long each reader looks").check()
    for name in PEOPLE.values():
        form.get_by_label(name).check()
    form.get_by_role("button", name="Begin").click()
    expect(page).to_have_url(re.compile(r"/panels/\d+$"))
    expect(page.locator(".panel-count")).to_have_text(f"1 of {CELLS + 2}")


def test_each_reads_blind_in_an_order_of_their_own(panel: Panel) -> None:
    address = panel.pages["amina"].url
    orders = []
    for name, page in panel.pages.items():
        page.goto(address)
        cell = page.get_by_label("Cell to read")
        order = []
        for number in range(CELLS + 2):
            expect(page.locator(".panel-count")).to_have_text(f"{number + 1} of {CELLS + 2}")
            # Nothing but the picture and the types: no reading of the model, no label of a colleague.
            expect(cell).not_to_contain_text("The model reads")
            expect(cell.get_by_role("button", name="Lymphocyte")).to_be_visible()  # keys are known from here on
            order.append(cell.get_by_role("img").get_attribute("src"))
            # Two are of one mind; the third calls every second cell something else.
            page.keyboard.press("m" if name == "chen" and number % 2 else "l")
        expect(page.get_by_text("You have read every cell")).to_be_visible()
        orders.append(order)
    assert len({tuple(order) for order in orders}) == 3
    assert len({frozenset(order) for order in orders}) == 1
    # Whoever has read sees nothing before it is closed.
    expect(panel.pages["bela"].get_by_role("heading", name="Agreement")).to_have_count(0)


def test_closed_it_shows_agreement_and_differences_side_by_side(panel: Panel) -> None:
    page = panel.pages["amina"]
    page.goto(page.url)
    page.get_by_role("button", name="Close the panel").click()
    expect(page.get_by_role("heading", name="Agreement")).to_be_visible()
    agreement = page.locator(".panel-agreement")
    expect(agreement.get_by_role("row", name="All types")).to_contain_text(re.compile(r"\[-?\d\.\d\d, \d\.\d\d\]"))
    readers = page.locator(".panel-readers")
    for name in PEOPLE.values():
        expect(readers.get_by_role("row", name=name)).to_contain_text(re.compile(r"\d\.\d s"))
    different = page.locator(".panel-decide")
    first = page.locator(".panel-result", has=different).first
    expect(first).to_contain_text("Béla Kovács: Lymphocyte")
    expect(first).to_contain_text("Chen Wei: Monocyte")
    first.get_by_role("button", name=re.compile("^Decide Lymphocyte")).click()
    expect(page.locator(".panel-result .decided").first).to_have_text("Decided: Lymphocyte")
    # A colleague sees the same, and the decision stays.
    other = panel.pages["chen"]
    other.goto(page.url)
    expect(other.locator(".panel-result .decided").first).to_have_text("Decided: Lymphocyte")
    # How each person reads is told to administrators, and to everybody of themselves.
    expect(other.locator(".panel-readers tbody tr")).to_have_count(1)
    expect(other.locator(".panel-result", has=other.locator(".panel-decide")).first).not_to_contain_text("Béla")
    number = page.url.rpartition("/")[2].partition("?")[0]
    # Readings, and what was agreed on, leave as tables; they are asked for, and so they are no links.
    with page.expect_download() as download:
        page.get_by_role("button", name="Readings (CSV)").click()
    assert download.value.suggested_filename == f"panel-{number}-readings.csv"
    assert len(download.value.path().read_text().splitlines()) == 1 + 3 * (CELLS + 2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Reference (CSV)").click()
    assert download.value.suggested_filename == f"panel-{number}-reference.csv"
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(rows) == CELLS
    assert [row["label"] for row in rows if row["decision"]] == ["lymphocyte"]


def test_a_marked_set_of_one_case_is_read_once_more_with_the_models_reading_shown(panel: Panel) -> None:
    path, page = f"/projects/{panel.project}", panel.pages["amina"]
    images = [one["id"] for one in panel.api.get(f"{path}/images").json()["items"]]
    case = panel.api.post(f"{path}/cases", json={"key": "26-0301"}).raise_for_status().json()["id"]
    panel.api.post(f"{path}/images/move", json={"images": images[:6], "case": case}).raise_for_status()
    # The marks: two of the case's cells are lymphocytes, two blasts; a label of another case is no mark of this one.
    marks = dict(zip(images[:4], ["lymphocyte", "lymphocyte", "blast", "blast"], strict=True)) | {images[7]: "monocyte"}
    said = [{"image": image, "label": label, "version": 0} for image, label in marks.items()]
    panel.api.post(f"{path}/labels", json={"request": str(uuid.uuid4()), "items": said}).raise_for_status()
    page.goto(f"{path}/panels?case={case}")
    form = page.get_by_role("form", name="Begin a panel")
    expect(form.get_by_label("Of", exact=True).locator("option:checked")).to_have_text("case 26-0301 (6 cells)")
    form.get_by_label("Title").fill("Second read of 26-0301")
    form.get_by_label("Met twice by each reader").fill("0")
    form.get_by_label("A marked set").check()
    form.get_by_label("Once more afterwards").check()
    form.get_by_label("Of those shown, wrong on purpose").fill("50")
    form.get_by_label(PEOPLE["amina"]).check()
    form.get_by_role("button", name="Begin").click()
    count, cell = page.locator(".panel-count"), page.get_by_label("Cell to read")
    for number in range(8):
        expect(count).to_have_text(f"{number + 1} of 8")
        shown = cell.get_by_text("some of these are wrong on purpose")
        expect(shown).to_have_count(0 if number < 4 else 1)
        expect(cell.get_by_role("button", name="Lymphocyte")).to_be_visible()
        page.keyboard.press("l")
    expect(page.get_by_text("You have read every cell")).to_be_visible()
    page.get_by_role("button", name="Close the panel").click()
    certificate = page.locator(".panel-certificate")
    expect(certificate).to_contain_text("named 4 cells of the marked set “Second read of 26-0301” and has 50% right")
    expect(certificate).to_contain_text("With the model's reading shown: 50%")
    expect(page.get_by_role("region", name="Confusions")).to_contain_text("Blast read as Lymphocyte 2")
    row = page.locator(".panel-readers").get_by_role("row", name=PEOPLE["amina"])
    expect(row).to_contain_text(re.compile(r"0\.50 \[0\.\d\d, 0\.\d\d\]"))


def test_the_door_and_the_administration_stand_in_nobodys_way(panel: Panel, browser: Browser) -> None:
    """Those screens of which a service without accounts has none."""
    inside = panel.pages["amina"].context
    outside = browser.new_context(base_url=panel.pages["bela"].url.split("/projects")[0], reduced_motion="reduce")
    for context, path in ((outside, "/sign-in"), (inside, "/account"), (inside, "/admin/users")):
        opened = context.new_page()
        opened.emulate_media(color_scheme="dark", reduced_motion="reduce")
        opened.goto(path)
        opened.locator("h1").first.wait_for()
        opened.wait_for_load_state("networkidle")
        for scheme in in_both_schemes(opened):
            assert grave(opened) == [], (path, scheme)
        for width in (1280, 820):
            opened.set_viewport_size({"width": width, "height": 900})
            assert opened.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        opened.close()
    outside.close()
