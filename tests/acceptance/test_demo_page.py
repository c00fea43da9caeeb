"""The demonstration's page as its reader meets it: in a browser, at three widths, in the light and in the dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from rich.console import Console

from hemosight.demo import DemoResult, run_demo
from hemosight.engine.engine import Engine
from hemosight.images.synthetic import draw_smear

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]


@pytest.fixture(scope="module")
def outcome(tiny_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    folder = tmp_path_factory.mktemp("demo")
    draw_smear(folder / "cells", 4, seed=5)
    (folder / "cells" / "labels.csv").unlink()
    (folder / "cells" / "blast" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    with (folder / "said.txt").open("w") as file:
        return run_demo(folder / "cells", folder / "out", False, tiny_engine, Console(file=file))


@pytest.fixture
def page(browser: Browser, outcome: DemoResult) -> Iterator[Page]:
    """The page at 1280 px; whatever it asks for or complains about fails the test that used it."""
    asked: list[str] = []
    complaints: list[str] = []

    def on_request(request: Request) -> None:
        if not request.url.startswith("data:"):
            asked.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("request", on_request)
    opened.on("console", on_console)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    address = outcome.report.resolve().as_uri()
    opened.goto(address)
    yield opened
    opened.close()
    assert asked == [address]
    assert complaints == []


def test_groups_and_counts_are_those_of_the_readings(page: Page, outcome: DemoResult) -> None:
    counts = Counter(reading.label for reading in outcome.readings if reading.label is not None)
    groups = page.locator(".group")
    assert groups.count() == len(counts)
    for label, count in counts.items():
        group = page.locator(f".group[data-type={label}]")
        assert group.locator("figure").count() == count
        assert group.locator("h3 .n").inner_text() == str(count)
        assert page.locator(f".differential tr[data-type={label}] .n").inner_text() == str(count)
    assert page.locator("#count-cells").inner_text() == "37"
    assert page.locator("#count-read").inner_text() == "36"
    assert page.locator("#count-unreadable").inner_text() == "1"
    assert "broken.jpg" in page.locator(".files").inner_text()
    assert outcome.scores is not None
    assert page.locator("#macro-f1").inner_text().startswith(f"{outcome.scores.macro_f1.value:.3f}")


def test_every_crop_is_decoded_and_square(page: Page) -> None:
    sizes = page.eval_on_selector_all(
        ".cell img", "all => all.map(i => [i.naturalWidth, i.naturalHeight, i.clientWidth - i.clientHeight])"
    )
    assert sizes == [[96, 96, 0]] * 36


def test_pointing_or_tabbing_shows_a_reading(page: Page, outcome: DemoResult) -> None:
    cards = page.locator(".card:visible")
    assert cards.count() == 0
    first = page.locator(".cell").first
    first.hover()
    assert cards.count() == 1
    name = (first.locator("img").get_attribute("alt") or "").rpartition(": ")[2]
    assert name in cards.inner_text()
    page.mouse.move(0, 0)
    assert cards.count() == 0
    # By keyboard alone: from the start of the page to the first crop.
    page.locator(".wide").focus()
    page.keyboard.press("Tab")
    assert cards.count() == 1
    assert name in cards.inner_text()


def test_a_type_leads_to_its_group(page: Page) -> None:
    link = page.locator("aside nav a").last
    link.click()
    assert page.evaluate("document.querySelector(':target').tagName") == "H3"
    assert link.inner_text().split()[0] == page.locator(":target .key").inner_text()


def test_wrong_cells_carry_frame_and_letter(page: Page, outcome: DemoResult) -> None:
    wrong = [
        truth
        for truth, reading in zip(outcome.truth, outcome.readings, strict=True)
        if reading.label is not None and truth != reading.label
    ]
    letters = {"neutrophil": "N", "lymphocyte": "L", "monocyte": "M", "eosinophil": "E", "basophil": "B"} | {
        "ig": "I",
        "blast": "X",
        "erythroblast": "R",
        "platelet": "P",
    }
    assert wrong, "nothing to show"
    assert sorted(page.locator(".cell .truth").all_inner_texts()) == sorted(letters[str(truth)] for truth in wrong)
    frame = page.locator(".cell.wrong").first.evaluate("cell => getComputedStyle(cell, '::after').boxShadow")
    assert "inset" in frame


@pytest.mark.parametrize("width", [1280, 820, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_in_the_light_and_in_the_dark(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(251, 251, 250)" if scheme == "light" else "rgb(21, 23, 26)")
