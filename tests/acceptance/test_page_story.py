"""The other half of the review: lasso, own label set, next to review, report, signature, export; and every screen.

On drawn cells: what is right or wrong about a reading is no matter here.
"""

from __future__ import annotations

import gzip
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import drawn
import httpx
import polars as pl
import pytest
from axe import grave
from playwright.sync_api import Browser, BrowserContext, FloatRect, Page, expect
from running import PAGE, Serving, in_both_schemes

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 20, "lymphocyte": 12, "monocyte": 6, "eosinophil": 4, "ig": 4, "platelet": 3}
CELLS = sum(SMEAR.values())
SCREENS = {
    "gallery": ("", ".crop"),
    "landscape": ("/map", ".map canvas"),
    "next": ("/next", ".queue-picture img"),
    "label sets": ("/label-sets", ".labelset-list li"),
    "second look": ("/look", ".look h2"),
    "report": ("/report", ".differential tbody tr"),
    "cases": ("/cases", ".worklist-scroll"),
    "library": ("/library", "h1"),
    "reviews": ("/reviews", "#blind"),
    "panels": ("/panels", ".panel-begin"),
    "counter": ("/counter", ".counter-keys button"),
    "settings": ("/settings", "h1"),
    "validation": ("/validation", ".shell-main > *"),
    "search": ("/search", ".shell-main > *"),
}

CUT = """() => [...document.querySelectorAll('.counts > span, .shell-slot nav a')].filter((part) => {
  const [own, box] = [part, part.parentElement].map((one) => one.getBoundingClientRect());
  return own.width > 0 && own.top < box.bottom && own.right > box.right + 1;
}).map((part) => part.textContent)"""
"""Words of the header that are cut: "200 cells" is no "20"."""

OUTSIDE = ("model", "help", "projects", "account", "admin/users")
"""Screens of no project."""


@pytest.fixture(scope="module")
def api(served: Serving) -> Iterator[httpx.Client]:
    with drawn.client(served.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def project(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> int:
    return drawn.project(api, "Case 24-1187", drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR))


@pytest.fixture(scope="module")
def complaints() -> Iterator[list[str]]:
    """Errors of scripts, refusals by the page's policy and requests to other machines: there are none at the end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def context(browser: Browser, served: Serving, complaints: list[str]) -> Iterator[BrowserContext]:
    opened = browser.new_context(
        base_url=served.address, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    opened.on("weberror", lambda error: complaints.append(str(error.error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    opened.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((served.address, "blob:", "data:")) else complaints.append(asked.url)
        ),
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(context: BrowserContext, project: int) -> Page:
    opened = context.new_page()
    opened.goto(f"/projects/{project}/map")
    expect(opened.locator(".map canvas")).to_be_visible()
    return opened


def _labels(api: httpx.Client, project: int, label_set: str = "cell_type") -> dict[int, str]:
    """The label that stands, by image."""
    standing: dict[int, str] = {}
    after = 0
    while True:
        answer = api.get(f"/projects/{project}/labels", params={"after": after}).json()
        for record in answer["items"]:
            if record["label_set"] == label_set:
                standing[record["image"]] = record["label"]
        if not answer["next"]:
            return {image: label for image, label in standing.items() if label is not None}
        after = answer["next"]


def _until_labels(api: httpx.Client, project: int, wanted: Callable[[dict[int, str]], bool]) -> None:
    """The page shows a label before the service has it; wait for the latter."""
    until = time.monotonic() + 30
    while not wanted(found := _labels(api, project)):
        assert time.monotonic() < until, found
        time.sleep(0.2)


def _selected(page: Page) -> int:
    said = page.get_by_role("region", name="Selected cells").get_by_role("heading", level=2).inner_text()
    return int(said.split()[0].replace(",", ""))


def _resting(page: Page, selector: str) -> FloatRect:
    """The box of an element that has come to rest: the map makes room for what was caught."""
    box = page.locator(selector).bounding_box()
    while True:
        page.wait_for_timeout(150)
        before, box = box, page.locator(selector).bounding_box()
        if box is not None and box == before:
            return box


def _draw_around(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a lasso around a part of the map, given in shares of its sides."""
    box = _resting(page, ".map")
    # It begins away from the buttons in the upper left corner.
    corners = [(right, top), (right, bottom), (left, bottom), (left, top), (right - 0.02, top)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def test_a_lasso_selects_relabels_and_is_undone(page: Page, api: httpx.Client, project: int) -> None:
    page.get_by_role("button", name="Lasso").click()
    _draw_around(page, 0.02, 0.02, 0.98, 0.98)
    assert _selected(page) == CELLS
    # The map has made room for what was caught; a smaller lasso catches fewer.
    _draw_around(page, 0.02, 0.02, 0.98, 0.55)
    count = _selected(page)
    assert 0 < count < CELLS
    page.locator(".map").focus()
    page.keyboard.press("m")
    expect(page.locator(".counts")).to_contain_text(f"{count} labelled")
    _until_labels(api, project, lambda found: Counter(found.values()) == {"monocyte": count})
    page.keyboard.press("Control+z")
    expect(page.locator(".counts")).to_contain_text("0 labelled")
    _until_labels(api, project, lambda found: found == {})


def test_what_the_map_selects_is_selected_in_the_gallery(page: Page) -> None:
    page.get_by_role("button", name="Lymphocyte", exact=True).click()
    count = _selected(page)
    page.get_by_role("link", name="Show in gallery").click()
    # Crops out of sight are not in the document; those in sight show it.
    expect(page.locator('.crop[aria-selected="true"]').first).to_be_visible()
    assert 0 < page.locator('.crop[aria-selected="true"]').count() <= count


def test_a_type_is_hidden_and_shown(page: Page, project: int) -> None:
    page.get_by_role("link", name="Landscape").click()
    box = page.get_by_role("checkbox", name="Show Lymphocyte")
    expect(page.locator(".map-letter", has_text=re.compile("^L$"))).to_be_visible()
    box.uncheck()
    expect(page.locator(".map-letter", has_text=re.compile("^L$"))).to_have_count(0)
    page.get_by_label("Colour by").select_option("confidence")
    expect(page.get_by_text("99% and more")).to_be_visible()
    page.get_by_label("Colour by").select_option("predicted")


def test_a_question_of_ones_own_reads_every_cell(page: Page, api: httpx.Client, project: int) -> None:
    for number, (name, type_) in enumerate([("Pale", "Lymphocyte"), ("Dark", "Neutrophil")], 1):
        page.get_by_role("link", name="Landscape").click()
        page.get_by_role("button", name=type_, exact=True).click()
        page.get_by_role("link", name="Label sets").click()
        page.get_by_label(f"Name of class {number}").fill(name)
        page.get_by_role("group", name=f"Class {number}").get_by_role("button", name="Add selected").click()
    page.get_by_label("What is asked").fill("Cytoplasm, by eye")
    page.get_by_role("button", name="Read all cells by it").click()
    expect(page.get_by_text("It is on the desk now")).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="Cytoplasm, by eye")
    expect(row).to_contain_text("On the desk")
    made = next(
        each
        for each in api.get(f"/projects/{project}/label-sets").json()["items"]
        if each["title"] == "Cytoplasm, by eye"
    )
    if made["score"]:
        expect(row).to_contain_text(f"{made['score']['macro_f1']:.2f}")
    export = api.post(f"/projects/{project}/exports", json={"label_set": made["name"]}).json()
    exported = pl.read_csv(io.BytesIO(api.get(f"/projects/{project}/exports/{export['id']}").content))
    assert exported["predicted"].is_not_null().all()
    page.get_by_role("button", name="Show Cell type on the desk").click()
    expect(page.locator(".labelset-list li[aria-current]")).to_contain_text("Cell type")


def test_next_to_review_is_walked_by_keys(page: Page, api: httpx.Client, project: int) -> None:
    page.get_by_role("link", name="Next").click()
    crop = page.locator(".queue-picture img")
    wanted: dict[int, str] = {}
    for key, label in [("b", "basophil"), ("?", "?"), ("e", "eosinophil")]:
        expect(crop).to_be_visible()
        image = int((crop.get_attribute("alt") or "").split()[-1])
        wanted[image] = label
        page.keyboard.press(key)
        expect(crop).not_to_have_attribute("alt", f"Cell {image}")
    skipped = crop.get_attribute("alt")
    page.keyboard.press("ArrowRight")
    expect(crop).not_to_have_attribute("alt", skipped or "")
    page.keyboard.press("ArrowLeft")
    expect(crop).to_have_attribute("alt", skipped or "")
    expect(page.locator(".counts")).to_contain_text("1 unsure")
    _until_labels(api, project, lambda found: found == wanted)


def test_a_report_is_signed_and_its_export_says_the_same(page: Page, api: httpx.Client, project: int) -> None:
    page.get_by_role("link", name="Report").click()
    expect(page.locator(".differential")).to_be_visible()
    # Cells of no case are not signed: they are made one first.
    page.get_by_label(f"Case of these {CELLS} cells").fill("24-1187")
    page.get_by_role("button", name="Make it a case").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("case 24-1187")
    # One cell is unsure: that is said, and only a reason lets one sign.
    expect(page.locator(".sign-blocks")).to_contain_text("1 cell labelled unsure")
    sign = page.get_by_role("button", name=re.compile("^Sign as"))
    expect(sign).to_be_disabled()
    page.get_by_label("Why you sign all the same").fill("A smudge.")
    sign.click()
    # Nothing is signed by one click: the numbers are shown once more.
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("1 cell labelled unsure")
    expect(question).to_contain_text("not reviewed by a person")
    expect(page.locator(".sign-given")).to_have_count(0)
    question.get_by_role("button", name="Sign these counts").click()
    expect(page.locator(".sign-given")).to_contain_text("A smudge.")
    expect(page.locator(".report-signed")).to_contain_text("Version 1, signed by")
    expect(page.locator(".sign-given")).to_contain_text(api.get("/model").json()["bundle"]["version"])

    shown = {
        str(row.get_attribute("data-type")): int(row.get_attribute("data-counted") or "")
        for row in page.locator(".differential tbody tr").all()
    }
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("button", name="Table (CSV)").or_(page.get_by_role("link", name="Table (CSV)")).click()
    table = pl.read_csv(download.value.path())
    counted = Counter(label for label in table["final"].to_list() if label)
    assert {label: counted.get(label, 0) for label in shown} == shown
    assert sum(shown.values()) == int(page.locator(".differential tfoot td.now").inner_text())
    assert table.height == CELLS


def test_the_report_fits_one_sheet(page: Page) -> None:
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True, print_background=True))) == 1


def _tab_to(page: Page, selector: str, most: int = 150) -> None:
    """Press Tab until something is in focus: what that never reaches nobody reaches who has no mouse."""
    for _ in range(most):
        if page.evaluate("wanted => document.activeElement?.matches(wanted) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def test_a_case_is_reviewed_and_signed_by_keyboard_alone(
    context: BrowserContext, api: httpx.Client, tmp_path: Path
) -> None:
    smear = {"neutrophil": 8, "lymphocyte": 5, "monocyte": 3}
    made = drawn.project(api, "By keys", drawn.crops(tmp_path, smear), case="26-0777")
    case = api.get(f"/projects/{made}/cases").json()["items"][0]["id"]
    opened = context.new_page()
    opened.goto(f"/projects/{made}?case={case}")
    expect(opened.locator(".crop").first).to_be_visible()
    _tab_to(opened, ".crop")
    labelled = re.compile(rf"\b{sum(smear.values())} labelled")
    for _ in range(12):  # bin by bin: all of it, agree, the next one
        opened.keyboard.press("Control+a")
        opened.keyboard.press("Enter")
        expect(opened.locator(".crop.pending")).to_have_count(0)
        if labelled.search(opened.locator(".counts").inner_text()):
            break
        opened.keyboard.press("Tab")
        expect(opened.locator(".crop:focus")).to_have_count(1)
    expect(opened.locator(".counts")).to_contain_text(labelled)
    _tab_to(opened, "a[href*='/report']")
    opened.keyboard.press("Enter")
    expect(opened.locator(".differential")).to_be_visible()
    expect(opened.get_by_role("button", name=re.compile("^Sign as"))).to_be_enabled()
    _tab_to(opened, ".sign button:not([disabled])")
    assert opened.evaluate("document.activeElement.textContent").startswith("Sign as")
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("dialog")).to_be_visible()
    _tab_to(opened, "[role=dialog] .btn-primary")
    opened.keyboard.press("Enter")
    expect(opened.locator(".report-signed")).to_contain_text("Version 1, signed by")
    assert api.get(f"/projects/{made}/cases").json()["items"][0]["state"] == "signed"
    opened.close()


def test_the_empty_desk_offers_drawn_cells(context: BrowserContext, api: httpx.Client) -> None:
    tried = api.post("/projects", json={"name": "Tried out"}).json()["id"]
    opened = context.new_page()
    opened.goto(f"/projects/{tried}")
    # Every number of cells that was ever shown.
    opened.evaluate(
        "window.shown = []; new MutationObserver(() => { const said = document.querySelector('.counts');"
        "said && window.shown.push(parseInt(said.textContent)); }).observe(document.body,"
        "{ subtree: true, childList: true, characterData: true })"
    )
    opened.get_by_role("button", name="try 200 drawn cells").click()
    expect(opened.get_by_text("The first are being drawn")).to_be_visible()
    # Bins fill while others are still being drawn.
    expect(opened.locator(".crop").first).to_be_visible(timeout=60_000)
    expect(opened.locator(".counts")).to_contain_text("200 cells", timeout=120_000)
    expect(opened.locator(".counts")).to_contain_text("200 read by model", timeout=120_000)
    assert any(0 < count < 200 for count in opened.evaluate("window.shown"))
    # Bins of most types have something in them, and it is nobody's case.
    counts = opened.locator("[data-type-row] .count").all_inner_texts()
    assert sum(int(count) > 0 for count in counts) >= 7
    assert [case["key"] for case in api.get(f"/projects/{tried}/cases").json()["items"]] == ["drawn"]
    opened.close()


@pytest.mark.parametrize("screen", [*SCREENS, *OUTSIDE])
def test_nothing_stands_in_a_readers_way(context: BrowserContext, project: int, screen: str) -> None:
    opened = context.new_page()
    opened.emulate_media(color_scheme="dark", reduced_motion="reduce")
    path, mark = SCREENS.get(screen, (None, "h1"))
    opened.goto(f"/{screen}" if path is None else f"/projects/{project}{path}")
    opened.locator(mark).first.wait_for()
    opened.wait_for_load_state("networkidle") if screen in OUTSIDE else opened.wait_for_timeout(800)
    found = {}
    for scheme in in_both_schemes(opened):
        opened.wait_for_timeout(150)  # charts are drawn anew
        found[scheme] = grave(opened)
    opened.close()
    assert found == {"dark": [], "light": []}


@pytest.mark.parametrize("width", [1440, 1280, 820])
def test_no_screen_is_wider_than_its_window(context: BrowserContext, project: int, width: int) -> None:
    opened = context.new_page()
    opened.set_viewport_size({"width": width, "height": 900})
    for path, mark in SCREENS.values():
        opened.goto(f"/projects/{project}{path}")
        opened.locator(mark).first.wait_for()
        opened.wait_for_timeout(300)  # what comes later may be wider
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, path
        assert opened.evaluate(CUT) == [], path
        assert opened.evaluate("document.documentElement.scrollHeight <= innerHeight"), (
            f"the header of {path} goes away"
        )
    for screen in OUTSIDE:
        opened.goto(f"/{screen}")
        opened.locator("h1").first.wait_for()
        opened.wait_for_load_state("networkidle")
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, screen
    opened.close()


def test_the_first_load_is_light() -> None:
    """Scripts that any screen needs, before charts and map: under 300 kB, compressed."""
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    folder = PAGE.parent
    waiting = re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', PAGE.read_text())
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            text = (folder / name).read_text()
            waiting += [f"assets/{other}" for other in re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', text)]
    assert needed
    size = sum(len(gzip.compress((folder / name).read_bytes())) for name in needed)
    assert size < 300_000
    assert not any("vega" in (folder / name).read_text()[:200_000].lower() for name in needed)
