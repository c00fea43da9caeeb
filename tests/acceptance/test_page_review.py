"""The review desk as a reviewer meets it: first run, upload, relabel, undo, a colleague, a restart in between."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.data, pytest.mark.story]
expect.set_options(timeout=30_000)
PASSWORD = "four words in a row"  # noqa: S105 -- of a service that lives for one test
NEUTROPHIL, LYMPHOCYTE, IG, UNSURE = "0", "1", "5", "254"
"""Codes of bins, as the page has them in its markup."""


class Desk:
    """A browser at the desk, and what its person can see there."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def count(self, code: str) -> int:
        return int(self.row(code).locator(".count").inner_text().replace(",", ""))

    def row(self, code: str) -> Locator:
        return self.page.locator(f'[data-type-row="{code}"]')

    def crops(self, title: str) -> Locator:
        return self.page.get_by_role("listbox", name=title).get_by_role("option")

    def lymphocytes(self) -> Locator:
        """The bin of lymphocytes, brought into sight: what is out of it has no elements."""
        self.row(LYMPHOCYTE).click()
        crops = self.crops("Lymphocyte")
        expect(crops.first).to_be_in_viewport()
        return crops

    def crop(self, image: int) -> Locator:
        return self.page.locator(f"#cell-{image}")

    def image_of(self, crop: Locator) -> int:
        return int(crop.get_attribute("data-image") or 0)

    def until_sent(self) -> None:
        expect(self.page.locator(".crop.pending")).to_have_count(0)


def signed_in(context: BrowserContext, serving: Serving, complaints: list[str]) -> Desk:
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((serving.address, "blob:")) else complaints.append(asked.url),
    )
    page.goto(f"{serving.address}/sign-in")
    page.get_by_label("Name").fill("amina")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/projects")
    return Desk(page)


@pytest.fixture(scope="module")
def complaints() -> Iterator[list[str]]:
    """Errors of scripts and requests to other machines: there are none at the end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def desk(browser: Browser, serving: Serving, crops: list[Path], complaints: list[str]) -> Iterator[Desk]:
    """From the first run to two hundred cells that are read."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    first = context.new_page()
    first.goto(serving.first_link())
    first.get_by_label("Name to sign in with").fill("amina")
    first.get_by_label("Name to show").fill("Dr. Amina Diallo")
    first.get_by_label("Password").fill(PASSWORD)
    first.get_by_role("button", name="Create the account").click()
    first.wait_for_url("**/projects")
    first.get_by_role("button", name="Dr. Amina Diallo").click()
    first.get_by_text("Sign out", exact=True).click()
    first.wait_for_url("**/sign-in**")
    first.close()

    desk = signed_in(context, serving, complaints)
    page = desk.page
    page.get_by_label("A project holds").fill("Case 24-1187")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Drop a folder of cell crops")).to_be_visible()
    page.locator('[data-picker="files"]').set_input_files(crops)
    # The bins fill while the rest is still on its way.
    expect(page.locator(".crop").first).to_be_visible(timeout=60_000)
    expect(page.locator(".counts")).to_contain_text("200 read by model", timeout=240_000)
    yield desk
    context.close()


@pytest.fixture
def colleague(browser: Browser, serving: Serving, desk: Desk, complaints: list[str]) -> Iterator[Desk]:
    """A second browser on the same project."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    other = signed_in(context, serving, complaints)
    other.page.goto(desk.page.url)
    expect(other.page.locator(".crop").first).to_be_visible()
    yield other
    context.close()


def test_bins_hold_what_the_model_read(desk: Desk) -> None:
    named = desk.page.locator(".type-row").all()
    assert sum(int(row.locator(".count").inner_text()) for row in named) == 200
    assert desk.count(NEUTROPHIL) > 60  # 90 were given


def test_a_key_relabels_and_undo_takes_it_back(desk: Desk) -> None:
    image = desk.image_of(desk.crops("Neutrophil").first)
    desk.crop(image).click()  # by its number: a bin may be put in order anew meanwhile
    before = desk.count(UNSURE)
    desk.page.keyboard.press("?")
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before + 1))
    desk.until_sent()
    # The eye goes on to the next cell of the bin.
    expect(desk.page.locator(".crop.chosen")).not_to_have_id(f"cell-{image}")
    desk.page.keyboard.press("Control+z")
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before))
    desk.until_sent()
    desk.page.keyboard.press("Control+Shift+Z")
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before + 1))
    desk.page.keyboard.press("Control+z")
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before))
    desk.until_sent()


def test_a_drag_relabels_a_whole_selection(desk: Desk) -> None:
    page = desk.page
    crops = desk.crops("Neutrophil")
    images = [desk.image_of(crops.nth(at)) for at in range(3)]
    crops.nth(0).click()
    crops.nth(2).click(modifiers=["Shift"])
    expect(page.locator(".crop.selected")).to_have_count(3)
    box, target = crops.nth(1).bounding_box(), desk.row(IG).bounding_box()
    assert box is not None
    assert target is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=4)
    page.mouse.move(target["x"] + 40, target["y"] + 8, steps=6)
    page.mouse.up()
    desk.until_sent()
    labelled = page.request.get(f"{api(desk)}/labels").json()["items"]
    assert {record["image"]: record["label"] for record in labelled if record["image"] in images} == dict.fromkeys(
        images, "ig"
    )
    desk.page.keyboard.press("Control+z")
    desk.until_sent()


def test_others_follow_a_correction_and_the_desk_says_so(desk: Desk) -> None:
    page = desk.page
    csrf = page.request.get(f"{desk.page.url.split('/projects')[0]}/api/v1/session").json()["csrf"]
    # Forty wrong words of the greatest weight, the uncertain left for the model: it is too good to be moved by less.
    changed = page.request.patch(api(desk), data={"teaching_weight": 1000}, headers={"X-CSRF-Token": csrf})
    assert changed.ok
    page.get_by_role("button", name="sort:").click()
    page.get_by_text("as uploaded", exact=True).click()
    crops = desk.crops("Neutrophil")
    crops.nth(0).click()
    crops.nth(39).click(modifiers=["Shift"])
    expect(page.get_by_text("40 selected", exact=True)).to_be_visible()
    page.keyboard.press("i")
    note = page.locator(".note-followed")
    expect(note).to_be_visible()
    assert re.match(r"\d+ cells? followed: \d+ \w → \w", note.inner_text())
    moved = page.locator(".crop.moved")
    page.get_by_role("button", name="show").click()
    expect(moved.first).to_be_visible()
    # Nothing that a person labelled moves by itself.
    assert moved.and_(page.locator(".labelled")).count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    desk.until_sent()


def test_a_colleague_sees_it_at_once(desk: Desk, colleague: Desk) -> None:
    image = desk.image_of(desk.lymphocytes().first)
    before = colleague.count(UNSURE)
    desk.crop(image).click()
    desk.page.keyboard.press("?")
    expect(colleague.row(UNSURE).locator(".count")).to_have_text(str(before + 1))
    colleague.row(UNSURE).click()
    expect(colleague.crop(image)).to_be_visible()
    desk.page.keyboard.press("Control+z")
    expect(colleague.row(UNSURE).locator(".count")).to_have_text(str(before))


def test_the_chosen_cell_tells_what_is_known_of_it(desk: Desk) -> None:
    page = desk.page
    desk.lymphocytes().first.click()
    panel = page.get_by_label("Chosen cell")
    expect(panel.locator(".bars li").first).to_be_visible()
    expect(panel.get_by_text("Like these of the project")).to_be_visible()
    page.keyboard.press("h")
    heat = panel.locator("img.heat")
    expect(heat).to_be_visible()
    assert heat.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.keyboard.press("h")
    expect(heat).to_have_count(0)
    panel.get_by_label("Comment on this cell").fill("smudge?")
    page.keyboard.press("Enter")
    expect(panel.locator(".history li").filter(has_text="“smudge?”")).to_contain_text("Dr. Amina Diallo")


def test_a_restart_in_the_middle_loses_nothing(desk: Desk, serving: Serving) -> None:
    page = desk.page
    image = desk.image_of(desk.lymphocytes().first)
    before = desk.count(UNSURE)
    desk.crop(image).click()
    serving.stop()
    page.keyboard.press("?")
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before + 1))
    expect(page.locator(".offline")).to_contain_text("1 of your labels wait here")
    serving.start()
    expect(page.locator(".offline")).to_have_count(0, timeout=60_000)
    desk.until_sent()
    page.reload()
    expect(desk.row(UNSURE).locator(".count")).to_have_text(str(before + 1))
    desk.row(UNSURE).click()
    expect(desk.crop(image)).to_have_class(re.compile("labelled"))


def test_everything_is_reached_by_keyboard_and_nothing_serious_is_wrong(desk: Desk) -> None:
    page = desk.page
    page.reload()
    expect(page.locator(".crop").first).to_be_visible()
    page.locator(".crop").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    first = page.locator(".crop.chosen")
    expect(first).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".crop.selected")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.locator(".crop.chosen")).to_be_focused()
    page.keyboard.press("F1")
    expect(page.get_by_role("dialog")).to_contain_text("agree with the model")
    page.keyboard.press("Escape")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert serious(page) == []


@pytest.mark.parametrize(("width", "height"), [(820, 1180), (1024, 768)])
def test_on_a_tablet_the_chosen_cell_leaves_the_table_its_room(desk: Desk, width: int, height: int) -> None:
    page = desk.page
    wide = page.viewport_size
    assert wide is not None
    page.set_viewport_size({"width": width, "height": height})
    page.locator(".crop").nth(5).click()
    panel, table = page.locator(".desk-cell"), page.locator(".table-scroll")
    expect(panel.locator(".large img").first).to_be_visible()
    one, other = panel.bounding_box(), table.bounding_box()
    assert one is not None
    assert other is not None
    assert one["x"] >= other["x"] + other["width"] or one["y"] >= other["y"] + other["height"]
    assert other["width"] * other["height"] > 0.4 * width * height
    page.get_by_label("Fold the cell away").click()
    expect(panel.locator(".large")).to_have_count(0)
    page.get_by_label("Show the chosen cell").click()
    expect(panel.locator(".large")).to_be_visible()
    assert serious(page) == []
    page.set_viewport_size(wide)


def test_cells_of_a_case_are_added_to_it_also_over_a_reload(desk: Desk, crops: list[Path], tmp_path: Path) -> None:
    page = desk.page
    # Turned by a quarter they are new to the project.
    turned = []
    for crop in crops[:3]:
        turned.append(tmp_path / f"turned-{crop.stem}.png")
        Image.open(crop).transpose(Image.Transpose.ROTATE_90).save(turned[-1])
    page.get_by_role("button", name="add cells").click()
    page.get_by_label("for case").fill("S-2026-0412")
    assert serious(page) == []
    page.route("**/uploads/*/files", lambda route: route.abort())
    page.locator('[data-picker="files"]').set_input_files(turned)
    expect(page.locator(".upload-progress")).to_contain_text("Trying again")
    page.unroute("**/uploads/*/files")
    # The click comes first, then the upload goes on, and last comes the code of the screen that was asked for.
    upload, screen = hold(page, re.compile(r"/uploads")), hold(page, re.compile(r"/Worklist[^/]*\.js"))
    page.reload()
    page.get_by_role("link", name="Cases", exact=True).click()
    upload()
    while [case["images"] for case in page.request.get(f"{api(desk)}/cases").json()["items"]] != [3]:
        page.wait_for_timeout(100)
    screen()
    expect(page).to_have_url(re.compile(r"/cases"))
    expect(page.get_by_role("row", name="S-2026-0412").locator("[data-column=cells]")).to_have_text("3")
    page.get_by_role("link", name="S-2026-0412").click()
    expect(page.locator(".crop")).to_have_count(3)
    cases = page.request.get(f"{api(desk)}/cases").json()["items"]
    assert [(case["key"], case["images"]) for case in cases] == [("S-2026-0412", 3)]
    # The case is offered for what comes next.
    page.get_by_role("button", name="add cells").click()
    expect(page.locator("datalist option")).to_have_attribute("value", "S-2026-0412")
    page.keyboard.press("Escape")
    # The cells without a case are on the table again.
    page.get_by_label("Case in hand").click()
    page.get_by_role("button", name="Cells without a case").click()
    expect(page).to_have_url(re.compile(r"case=none$"))


def hold(page: Page, url: re.Pattern[str]) -> Callable[[], None]:
    """Keep the answers to requests for an address back until the returned function is called."""
    held: list[Route] = []
    released = False

    def wait(route: Route) -> None:
        if released:
            route.continue_()
        else:
            held.append(route)

    def release() -> None:
        nonlocal released
        while not held:
            page.wait_for_timeout(50)
        released = True
        for route in held:
            route.continue_()

    page.route(url, wait)
    return release


def api(desk: Desk) -> str:
    """Root of the project's API."""
    return re.sub(r"(https?://[^/]+)(/projects/\d+).*", r"\1/api/v1\2", desk.page.url)


def serious(page: Page) -> list[str]:
    """What axe finds serious or worse."""
    axe = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
    # Evaluated by the browser's own door: the page's policy lets no script in, ours included.
    page.evaluate(axe.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
