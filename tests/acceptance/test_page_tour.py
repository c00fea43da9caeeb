"""Help, the tour of one minute and the counter, as somebody meets them who has never been here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=60_000)  # the machine may have other things to do
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def served(alone: Serving) -> Serving:
    """Nobody has been here: the tour leads from nothing to a report."""
    return alone


@pytest.fixture(scope="module")
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    context = browser.new_context(
        base_url=served.address,
        viewport={"width": 1280, "height": 860},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield context.new_page()
    context.close()


def _serious(page: Page) -> list[str]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make page")
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_help_has_the_words_and_all_keys(page: Page) -> None:
    page.goto("/help")
    words = page.locator("#words dt")
    expect(words.first).to_be_visible()
    assert words.count() >= 25
    page.get_by_label("Find a word").fill("neutrophil")
    expect(words).to_have_count(0)
    expect(page.locator("#words")).to_contain_text("No word of the page says “neutrophil”.")
    page.get_by_label("Find a word").fill("amend")
    expect(words).to_have_text(["amendment"])
    for keys in ("Gallery", "Landscape", "Next", "Search", "Counter"):
        expect(page.locator("#keys").get_by_role("heading", name=keys, exact=True)).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert _serious(page) == []


def test_the_tour_leads_from_nothing_to_a_report(page: Page) -> None:
    page.goto("/help")
    page.get_by_role("button", name="Take the tour").click()
    tour = page.get_by_role("complementary", name="Tour")
    expect(tour).to_contain_text("1 of 6")
    page.get_by_role("button", name="try 200 drawn cells").click()
    expect(tour).to_contain_text("2 of 6")
    expect(page.locator(".counts")).to_contain_text("200 read by model", timeout=240_000)
    assert _serious(page) == []
    # Everything from here by keyboard.
    page.locator(".crop").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(tour).to_contain_text("3 of 6")
    with page.expect_response(lambda answer: answer.url.endswith("/labels")):  # what is not saved is nothing to undo
        page.keyboard.press("m")
    expect(tour).to_contain_text("4 of 6")
    expect(page.locator(".crop.pending")).to_have_count(0)
    page.reload()
    expect(page.locator(".crop").first).to_be_visible()
    expect(tour).to_contain_text("4 of 6")
    page.keyboard.press("Control+z")
    expect(tour).to_contain_text("5 of 6")
    page.get_by_role("button", name=re.compile("^agree with all")).first.press("Enter")
    expect(tour).to_contain_text("6 of 6")
    page.get_by_role("link", name="Report", exact=True).press("Enter")
    expect(tour).to_contain_text("That was the whole way.")
    tour.get_by_role("button", name="close").press("Enter")
    expect(tour).to_have_count(0)


def test_keys_count_until_a_hundred(page: Page) -> None:
    page.get_by_role("link", name="Counter", exact=True).click()
    total = page.locator(".counter-total b")
    expect(total).to_have_text("0")
    for key in "nnnlmr":
        page.keyboard.press(key)
    # The erythroblast is counted apart.
    expect(total).to_have_text("5")
    erythroblast = page.get_by_role("button", name=re.compile("^Erythroblast"))
    expect(erythroblast).to_contain_text("20.0 per 100")
    page.keyboard.press("Backspace")
    expect(erythroblast).to_have_attribute("data-count", "0")
    neutrophil = page.get_by_role("button", name=re.compile("^Neutrophil"))
    expect(neutrophil).to_contain_text("60%")
    page.get_by_label("Sound").check()
    for _ in range(110):
        page.keyboard.press("n")
    expect(total).to_have_text("100")
    expect(page.get_by_role("alert")).to_contain_text("100 are counted.")
    assert _serious(page) == []
    page.reload()
    expect(total).to_have_text("100")
    page.get_by_role("button", name="Go on to 200").click()
    page.keyboard.press("l")
    expect(total).to_have_text("101")
    page.get_by_role("button", name="Copy as text").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("() => navigator.clipboard.readText()")
    assert "Neutrophil\t98\t97.0%" in text
    # Without TLS a browser gives a page no clipboard of its own.
    page.evaluate(
        "() => { window.kept = navigator.clipboard;"
        " Object.defineProperty(navigator, 'clipboard', { configurable: true, value: undefined }) }"
    )
    page.keyboard.press("l")
    page.get_by_role("button", name="Copy as text").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "Counted by key\t102" in page.evaluate("() => window.kept.readText()")
    page.get_by_role("button", name="Begin anew").click()
    expect(total).to_have_text("0")
    # Nothing of it is a label.
    expect(page.locator(".counts")).to_contain_text(re.compile(r"\d+ labelled"))
