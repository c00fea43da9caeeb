"""Faults that were seen at the desk, each looked for where it was: nothing cut, covered, broken, silent or in code.

With scroll bars, which tests hide otherwise, since some of the faults were theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from running import QUIET, Serving, chromium

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 30, "lymphocyte": 16, "monocyte": 6, "eosinophil": 4, "basophil": 3, "platelet": 8}
PASSWORD = "four words in a row"  # noqa: S105 -- of a service that lives for one test
PEOPLE = {"amina": "Dr. Amina Diallo", "bela": "Prof. Bela Zimmermann-Novak", "carla": "Carla Reyes"}
FOREIGN_DIGITS = "[\u0660-\u0669\u06f0-\u06f9\u0e50-\u0e59]"
"""Digits as Arabic, Persian and Thai write them."""
WIDE = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=QUIET, ignore_default_args=["--hide-scrollbars"])
        yield opened
        opened.close()


@dataclass
class Seat:
    """Somebody's browser."""

    page: Page
    root: str

    def desk(self) -> Page:
        """Open the table, without a cell in hand."""
        self.page.goto(self.root)
        expect(self.page.locator(".crop").first).to_be_visible()
        return self.page


@pytest.fixture(scope="module")
def api(serving: Serving) -> Iterator[httpx.Client]:
    token = serving.first_link().split("token=")[1]
    with httpx.Client(base_url=f"{serving.address}/api/v1", timeout=60) as client:
        first = {"token": token, "name": "amina", "display": PEOPLE["amina"], "password": PASSWORD}
        client.post("/first-run", json=first).raise_for_status()
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
        for name in ("bela", "carla"):
            made = {"name": name, "display": PEOPLE[name], "password": PASSWORD}
            client.post("/users", json=made).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def project(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> int:
    made = drawn.project(api, "Smears of March", drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR))
    users = {user["name"]: user["id"] for user in api.get("/users").json()["items"]}
    api.put(f"/projects/{made}/members/{users['bela']}", json={"role": "reviewer"}).raise_for_status()
    return made


def _signed_in(browser: Browser, serving: Serving, name: str, **options: Any) -> tuple[BrowserContext, Page]:
    given = {"viewport": WIDE, "reduced_motion": "reduce"} | options
    context = browser.new_context(base_url=serving.address, **given)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/projects")
    return context, page


@pytest.fixture(scope="module")
def amina(browser: Browser, serving: Serving, project: int) -> Iterator[Seat]:
    context, page = _signed_in(browser, serving, "amina")
    yield Seat(page, f"/projects/{project}")
    context.close()


@pytest.fixture(scope="module")
def bela(browser: Browser, serving: Serving, project: int) -> Iterator[Seat]:
    context, page = _signed_in(browser, serving, "bela")
    yield Seat(page, f"/projects/{project}")
    context.close()


def _saved(page: Page) -> None:
    expect(page.locator(".crop.pending")).to_have_count(0)


def _percent(text: str) -> int:
    return int(text.rstrip("%"))


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1280, 800), (820, 1180)])
def test_the_cell_panel_shows_all_of_itself(amina: Seat, width: int, height: int) -> None:
    page = amina.desk()
    page.set_viewport_size({"width": width, "height": height})
    page.locator(".crop").nth(2).click()
    panel = page.locator(".desk-cell")
    expect(panel.get_by_text("Nucleus shape")).to_be_attached()
    expect(panel.get_by_text("Like these of the project")).to_be_attached()
    boxes = [panel, panel.locator(".cell")]
    for box in boxes:
        wide, room = box.evaluate("box => [box.scrollWidth, box.clientWidth]")
        assert wide <= room, "it scrolls sideways, or cuts what lies beyond its edge"
    beyond = panel.evaluate(
        """panel => {
          const edge = panel.getBoundingClientRect().right;
          return [...panel.querySelectorAll('.cell *')]
            .filter(one => !one.closest('.large') && one.getBoundingClientRect().right > edge + 1)
            .map(one => one.outerHTML.slice(0, 80));
        }"""
    )
    assert beyond == []
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})


def test_letters_of_attributes_do_not_look_like_keys(amina: Seat) -> None:
    page = amina.desk()
    page.locator(".crop").nth(2).click()
    attributes = page.locator(".desk-cell .bars-plain")
    expect(attributes.first).to_be_attached()
    assert attributes.count() >= 5
    assert attributes.locator(".letter, .key").count() == 0
    colours = attributes.locator(".track i").evaluate_all(
        "bars => bars.map(bar => getComputedStyle(bar).backgroundColor)"
    )
    assert len(set(colours)) == 1
    # Those of the types, whose letters are keys, have theirs.
    assert page.locator(".desk-cell .bars:not(.bars-plain) .letter").count() > 0


def test_the_heads_of_the_differential_stand_over_their_columns(amina: Seat) -> None:
    page = amina.page
    page.goto(f"{amina.root}/report")
    heads = page.locator(".differential thead tr").first.locator("th[colspan]")
    expect(heads.first).to_be_visible()
    spans = [int(head.get_attribute("colspan") or 1) for head in heads.all()]
    columns = page.locator(".differential thead tr").nth(1).locator("th").all()
    assert sum(spans) == len(columns)
    at = 0
    for head, span in zip(heads.all(), spans, strict=True):
        box, first, last = head.bounding_box(), columns[at].bounding_box(), columns[at + span - 1].bounding_box()
        assert box is not None and first is not None and last is not None  # noqa: PT018 -- boxes of what is in sight
        assert abs(box["x"] - first["x"]) <= 1
        assert abs(box["x"] + box["width"] - last["x"] - last["width"]) <= 1
        assert head.evaluate("head => getComputedStyle(head).textAlign") == "center"
        at += span


def test_a_type_has_one_percentage(amina: Seat) -> None:
    page = amina.desk()
    left = {
        row.locator(".name").inner_text(): row.locator(".share").inner_text() for row in page.locator(".type-row").all()
    }
    # What is counted apart, or not at all, says so in place of a share.
    shares = {name: _percent(share) for name, share in left.items() if share.endswith("%")}
    assert len(shares) >= 6
    head = page.locator(".bin-header").filter(has_text="Neutrophil").first
    assert _percent(head.locator("[title]").first.inner_text()) == shares["Neutrophil"]
    page.goto(f"{amina.root}/report")
    expect(page.locator(".differential tbody tr").first).to_be_visible()
    for row in page.locator(".differential tbody tr").all():
        name = row.locator("th").inner_text().split(maxsplit=1)[1]
        share = float(row.locator("td.now").nth(1).inner_text().rstrip("%"))
        assert abs(shares[name] - share) <= 0.51, name
    # The map counts readings of all cells, platelets included: no share that would be another one.
    page.goto(f"{amina.root}/map")
    expect(page.locator(".legend li").first).to_be_visible()
    assert "%" not in page.locator(".legend").inner_text()


def test_the_label_of_another_names_them_and_is_not_cut(amina: Seat, bela: Seat) -> None:
    theirs = bela.desk()
    theirs.locator(".crop").first.click()
    image = theirs.locator(".crop.chosen").get_attribute("data-image")
    theirs.keyboard.press("m")
    _saved(theirs)
    expect(theirs.locator(f"#cell-{image}")).to_have_attribute("aria-label", re.compile("labelled, yours"))
    page = amina.desk()
    page.locator('[data-type-row="2"]').click()
    crop = page.locator(f"#cell-{image}")
    expect(crop).to_have_attribute("aria-label", re.compile(f"labelled, {PEOPLE['bela']}"))
    assert "yours" not in (crop.get_attribute("data-caption") or "")
    page.get_by_label("Size of crops").fill("64")
    crop.hover()
    high, room = crop.evaluate("crop => [parseFloat(getComputedStyle(crop, '::before').height), crop.clientHeight]")
    assert 0 < high <= room, "the caption is higher than its crop"
    page.get_by_label("Size of crops").fill("88")
    theirs.keyboard.press("Control+z")
    _saved(theirs)


@pytest.mark.parametrize(("width", "height"), [(820, 1180), (820, 600), (1280, 520)])
def test_the_queue_can_be_scrolled_to_its_first_line(amina: Seat, width: int, height: int) -> None:
    page = amina.page
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{amina.root}/next")
    expect(page.locator(".queue-picture img")).to_be_visible()
    above = page.evaluate(
        """() => {
          for (const box of document.querySelectorAll('.queue, .queue-cell')) box.scrollTop = 0;
          const top = document.querySelector('.queue').getBoundingClientRect().top;
          return top - document.querySelector('.queue-why').getBoundingClientRect().top;
        }"""
    )
    assert above <= 0, "the first line lies above where one can scroll"
    last = page.locator(".queue-ahead")
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})


def test_a_picture_that_was_lost_comes_when_the_line_is_mended(amina: Seat) -> None:
    page = amina.desk()
    page.locator(".crop").first.click()
    picture = page.locator(".large img").first
    expect(picture).to_have_js_property("complete", value=True)
    page.context.set_offline(True)
    page.locator(".crop").nth(7).click()
    # An empty place, no broken picture.
    expect(picture).to_be_hidden()
    page.context.set_offline(False)
    expect(picture).to_be_visible()
    assert picture.evaluate("picture => picture.naturalWidth") > 0
    expect(page.locator(".offline")).to_have_count(0)


def test_messages_do_not_lie_over_the_cell_in_hand(amina: Seat) -> None:
    page = amina.desk()
    page.locator('[data-type-row="8"]').click()  # platelets, the last type
    last = page.get_by_role("listbox", name="Platelet").get_by_role("option").last
    last.scroll_into_view_if_needed()
    last.click()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    foot = page.get_by_role("toolbar", name="Selected cells")
    expect(foot).to_be_visible()
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    expect(foot).to_be_visible()
    # The foot was there before: what End scrolls to comes a moment later.
    page.wait_for_function(
        "foot => document.querySelector('.crop.chosen').getBoundingClientRect().bottom"
        " <= foot.getBoundingClientRect().top",
        arg=foot.element_handle(),
    )
    # The table can be scrolled until all of it is above the messages.
    page.locator(".table-scroll").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    bottom = page.locator(".table-sheet").bounding_box()
    bar = foot.bounding_box()
    assert bottom is not None
    assert bar is not None
    assert bottom["y"] + bottom["height"] <= bar["y"]


def test_a_filter_shows_what_it_found_and_names_the_rest(amina: Seat) -> None:
    page = amina.desk()
    search = page.get_by_label("Search cells by name or number")
    search.fill("platelet")
    rest = page.locator(".filtered-out")
    expect(rest).to_contain_text("Filtered out:")
    expect(rest).to_contain_text("Neutrophil")
    # No heading without a cell under it, and the first of what was found in sight.
    expect(page.locator(".crop").first).to_be_in_viewport()
    for head in page.locator(".bin-header .count").all_inner_texts():
        assert not head.startswith("0")
    search.fill("nothing is called so")
    expect(rest).to_contain_text("No cell passes the filter.")
    rest.get_by_role("button", name="show everything").click()
    expect(page.locator(".bin-header")).not_to_have_count(0)
    expect(rest).to_have_count(0)
    expect(search).to_have_value("")


def test_a_view_is_kept_and_taken_up_again(amina: Seat) -> None:
    page = amina.desk()
    page.get_by_role("button", name="filter", exact=True).click()
    page.get_by_label("Labelled by").select_option("people")
    page.keyboard.press("Escape")
    expect(page.locator(".filtered-out")).to_contain_text("No cell passes the filter.")
    page.get_by_role("button", name="views").click()
    page.get_by_label("Keep this view as").fill("labelled ones")
    with page.expect_response(lambda answer: "/views" in answer.url and answer.request.method != "GET"):
        page.keyboard.press("Enter")
    page.reload()
    expect(page.locator(".crop").first).to_be_visible()
    page.get_by_role("button", name="views").click()
    page.get_by_role("button", name="labelled ones", exact=True).click()
    expect(page.locator(".filtered-out")).to_contain_text("No cell passes the filter.")
    page.get_by_label("Forget the view labelled ones").click()
    expect(page.get_by_role("button", name="labelled ones", exact=True)).to_have_count(0)


def test_a_view_is_shared_and_what_a_browser_kept_goes_to_the_service(
    amina: Seat, bela: Seat, api: httpx.Client, project: int
) -> None:
    theirs = bela.desk()
    # As an earlier version kept it.
    old = {"name": "unsure ones", "sort": "novel", "filter": {"who": "people", "certainty": 1, "unusual": False}}
    kept = json.dumps([{**old, "unusualApart": True, "size": 120}])
    theirs.evaluate(f"kept => localStorage.setItem('hemosight.views.{project}', kept)", kept)
    theirs.reload()
    expect(theirs.locator(".crop").first).to_be_visible()
    theirs.get_by_role("button", name="views").click()
    theirs.get_by_label("Share the view unsure ones").click()
    expect(theirs.get_by_label("Keep the view unsure ones to oneself")).to_have_attribute("aria-pressed", "true")
    assert theirs.evaluate(f"localStorage.getItem('hemosight.views.{project}')") is None
    theirs.keyboard.press("Escape")
    page = amina.desk()
    page.get_by_role("button", name="views").click()
    page.get_by_role("button", name=re.compile("^unsure ones")).first.click()
    expect(page.locator(".filtered-out")).to_contain_text("show everything")
    expect(page.get_by_label("Size of crops")).to_have_value("120")
    (view,) = api.get(f"/projects/{project}/views").json()["items"]
    assert (view["name"], view["by"], view["view"]["sort"]) == ("unsure ones", PEOPLE["bela"], "novel")
    # Who administers the project may take away what others share.
    page.get_by_label("Forget the view unsure ones").click()
    expect(page.get_by_role("button", name=re.compile("^unsure ones"))).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_label("Size of crops").fill("88")


def test_comparing_more_than_four_says_so(amina: Seat) -> None:
    page = amina.desk()
    page.locator(".crop").nth(0).click()
    page.locator(".crop").nth(5).click(modifiers=["Shift"])
    expect(page.get_by_text("6 selected")).to_be_visible()
    page.keyboard.press("=")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("6 cells are selected; 4 fit beside one another.")
    expect(dialog.locator("article")).to_have_count(4)
    first = dialog.locator("article").all_inner_texts()
    dialog.get_by_role("button", name="show the next").click()
    expect(dialog.get_by_role("status")).to_contain_text("4 to 5 of 5")
    expect(dialog.locator("article")).to_have_count(3)
    second = dialog.locator("article").all_inner_texts()
    numbers = {re.findall(r"cell (\d+)", text)[0] for text in [*first, *second]}
    assert len(numbers) == 6, "every selected cell has been seen"
    page.keyboard.press("Escape")


def test_letters_work_where_the_keyboard_writes_another_script(amina: Seat) -> None:
    page = amina.desk()
    page.locator(".crop").first.click()
    image = page.locator(".crop.chosen").get_attribute("data-image")
    # Playwright types on an American keyboard: this is what a Russian one sends, for the key of M, and for Ctrl+Z.
    send = """given => document.activeElement.dispatchEvent(
        new KeyboardEvent('keydown', {bubbles: true, cancelable: true, ...given}))"""
    page.evaluate(send, {"key": "ь", "code": "KeyM"})
    expect(page.get_by_role("listbox", name="Monocyte").locator(f"#cell-{image}")).to_be_attached()
    _saved(page)
    page.evaluate(send, {"key": "я", "code": "KeyZ", "ctrlKey": True})
    expect(page.locator(f"#cell-{image}.labelled")).to_have_count(0)
    _saved(page)


def test_what_was_done_before_a_reload_can_be_undone(amina: Seat, api: httpx.Client, project: int) -> None:
    page = amina.desk()
    page.locator(".crop").first.click()
    image = int(page.locator(".crop.chosen").get_attribute("data-image") or 0)
    page.keyboard.press("e")
    _saved(page)
    page.reload()
    expect(page.locator(".crop").first).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator(f"#cell-{image}.labelled")).to_have_count(0)
    _saved(page)
    facts = api.get(f"/projects/{project}/labels", params={"limit": 500}).json()["items"]
    assert [fact["label"] for fact in facts if fact["image"] == image][-2:] == ["eosinophil", None]


def test_a_name_that_does_not_fit_is_told_in_words(amina: Seat) -> None:
    page = amina.page
    page.goto("/admin/users")
    page.get_by_label("Signs in as").fill("Dr. Novak")
    page.get_by_label("First password").fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("Signs in as: letters, digits and . _ @ + - only, without spaces.")


def test_the_audit_log_is_read_filtered_and_followed(amina: Seat, bela: Seat) -> None:
    page = amina.page
    page.goto("/admin/users")
    log = page.locator("table.audit")
    expect(log.locator("tbody tr").first).to_be_visible()
    page.get_by_label("What", exact=True).select_option("label")
    page.get_by_label("Who").select_option(label=PEOPLE["bela"])
    expect(log.locator("tbody tr")).to_have_count(2)
    expect(log.locator("tbody tr").nth(1)).to_contain_text("labelled cells")
    expect(log.locator("tbody tr").nth(0)).to_contain_text("undid labels")
    said = log.inner_text()
    assert not re.search(r'[{}"\[\]]', said), said
    assert PEOPLE["bela"] in said
    cell = log.locator("tbody tr").nth(1).get_by_role("link", name=re.compile(r"^cell \d+$"))
    image = cell.inner_text().split()[1]
    cell.click()
    expect(page.locator(f"#cell-{image}.chosen")).to_be_visible()
    page.go_back()
    page.get_by_label("From", exact=True).fill("2020-01-01")
    page.get_by_label("Until").fill("2020-01-02")
    expect(page.get_by_text("Nothing fits.")).to_be_visible()


@pytest.mark.parametrize("locale", ["ar-EG", "fa-IR", "th-TH-u-ca-buddhist-nu-thai", "de-DE"])
def test_numbers_and_days_are_of_one_language(browser: Browser, serving: Serving, project: int, locale: str) -> None:
    context, page = _signed_in(browser, serving, "amina", locale=locale)
    paths = (f"/projects/{project}", f"/projects/{project}/report", f"/projects/{project}/cases", "/admin/users")
    pages = {path: context.new_page() for path in paths}
    for path, page in pages.items():
        page.goto(path)
    page.wait_for_timeout(1500)  # for all of them at once
    for path, page in pages.items():
        said = page.locator("body").inner_text()
        assert not re.findall(FOREIGN_DIGITS, said), path
        # These write digits, order and calendar of the browser's language.
        assert page.locator("input[type=date], input[type=datetime-local], input[type=time]").count() == 0
    page = pages["/admin/users"]
    expect(page.locator("table.audit td").first).to_have_text(re.compile(r"^20\d\d-\d\d-\d\d \d\d:\d\d UTC"))
    context.close()


def test_empty_screens_say_what_will_be_there(
    browser: Browser, serving: Serving, api: httpx.Client, project: int
) -> None:
    context, page = _signed_in(browser, serving, "carla")
    expect(page.locator(".beginning li")).to_have_count(3)
    expect(page.locator(".beginning svg")).to_have_count(3)
    page.get_by_label("A project holds").fill("The first")
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".upload-area svg")).to_be_visible()
    for tab, said in (("Cases", "There are no cases yet"), ("Panels", "No panel yet"), ("Next", "There are no cells")):
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.locator(".state")).to_contain_text(said)
        expect(page.locator(".state svg")).to_be_visible()
    context.close()


def test_on_a_tablet_every_tab_is_in_sight(amina: Seat) -> None:
    page = amina.desk()
    page.set_viewport_size({"width": 820, "height": 1180})
    for tab in page.get_by_role("navigation", name="Smears of March").get_by_role("link").all():
        box = tab.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 820, tab.inner_text()
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
