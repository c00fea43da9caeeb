"""Sign, amend, second signer: two people in two browsers, from the laboratory's rules to a second version of a record.

``SCREENS=folder pytest tests/acceptance/test_page_signing.py`` keeps what the screens look like, light and dark, in
three widths.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from running import Serving, in_both_schemes

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=60_000)  # the machine may have other things to do
PASSWORD = "four words in a row"  # noqa: S105 -- of a service that lives for one test
PEOPLE = {"amina": "Dr. Amina Diallo", "bela": "Bela Novak"}
SMEAR = {"neutrophil": 6, "lymphocyte": 3}
"""Nine cells: too few for a case to be called foreign, however they are drawn."""
SIZES = ((1440, 900), (1280, 820), (820, 1180))


@dataclass
class Signing:
    """A project with one case; two people, each in a browser, and the API as the first of them has it."""

    api: httpx.Client
    address: str
    project: int
    case: int
    amina: Page
    bela: Page

    def open(self, page: Page, screen: str = "", query: str = "") -> None:
        """Go to a screen of the case."""
        page.goto(f"{self.address}/projects/{self.project}{screen}{query or f'?case={self.case}'}")

    def get(self, path: str) -> Any:
        """Read from the project."""
        return self.api.get(f"/projects/{self.project}{path}").raise_for_status().json()

    def label(self, image: int, label: str) -> None:
        """Label a cell that has no label yet."""
        said = {"image": image, "label": label, "version": 0}
        body = {"request": str(uuid.uuid4()), "items": [said]}
        answer = self.api.post(f"/projects/{self.project}/labels", json=body).raise_for_status()
        assert answer.json()["conflicts"] == []

    def cell(self, label: str) -> int:
        """A cell with this label."""
        items = self.get("/images?limit=50")["items"]
        return next(item["id"] for item in items if item["label"] == label)


def _signed_in(browser: Browser, serving: Serving, name: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 820}, reduced_motion="reduce").new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{serving.address}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/projects")
    return page


@pytest.fixture(scope="module")
def signing(browser: Browser, serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    token = serving.first_link().split("token=")[1]
    with httpx.Client(base_url=f"{serving.address}/api/v1", timeout=120) as api:
        first = {"token": token, "name": "amina", "display": PEOPLE["amina"], "password": PASSWORD}
        api.post("/first-run", json=first).raise_for_status()
        api.headers["X-CSRF-Token"] = api.get("/session").json()["csrf"]
        second = {"name": "bela", "display": PEOPLE["bela"], "password": PASSWORD}
        bela = api.post("/users", json=second).raise_for_status().json()["id"]
        project = drawn.project(api, "Smears of March", drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR))
        api.put(f"/projects/{project}/members/{bela}", json={"role": "reviewer"}).raise_for_status()
        pages = [_signed_in(browser, serving, name) for name in PEOPLE]
        yield Signing(api, serving.address, project, 0, *pages)
        for page in pages:
            page.context.close()


def _version(page: Page, version: int) -> Locator:
    return page.locator(f'.sign-given[data-version="{version}"]')


def test_a_laboratory_sets_its_rules(signing: Signing) -> None:
    page = signing.amina
    page.goto(f"{signing.address}/projects/{signing.project}/settings")
    page.get_by_label("A signer gives").select_option("initials")
    page.get_by_role("button", name="Add a rule").click()
    expect(page.get_by_label("Rule 1: of what")).to_have_value("type blast")
    page.get_by_label("Rule 1: from").fill("2")
    page.get_by_role("button", name="Save the rules").click()
    expect(page.locator(".signing-rules")).to_contain_text("Saved.")
    rules = signing.get("/signing-rules")
    blasts = {"measure": "type", "label": "blast", "at_least": 0.02, "level": "second"}
    assert (rules["confirm"], rules["rules"]) == ("initials", [blasts])


def test_cells_of_no_case_are_made_one_before_they_are_signed(signing: Signing) -> None:
    page = signing.amina
    page.goto(f"{signing.address}/projects/{signing.project}/report")
    expect(page.locator(".report-signed")).to_contain_text("only a case is signed")
    expect(page.get_by_role("button", name=re.compile("^Sign as"))).to_have_count(0)
    page.get_by_label("Case of these 9 cells").fill("26-0412")
    page.get_by_role("button", name="Make it a case").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("case 26-0412")
    (case,) = signing.get("/cases")["items"]
    signing.case = case["id"]
    assert case["images"] == 9


def test_what_is_open_is_said_and_the_first_signs(signing: Signing) -> None:
    page = signing.amina
    expect(page.locator(".report-signed")).to_contain_text("Not signed")
    expect(page.locator('[data-check="unreviewed"]')).to_contain_text("9 cells not reviewed")
    sign = page.get_by_role("button", name=re.compile("^Sign as"))
    expect(sign).to_be_disabled()
    signing.open(page)
    expect(page.locator(".crop")).to_have_count(9)
    page.locator(".crop").first.click()
    page.keyboard.press("x")
    expect(page.locator(".crop.labelled")).to_have_count(1)
    expect(page.locator(".crop.pending")).to_have_count(0)
    for item in signing.get("/images?labelled=false&limit=50")["items"]:
        signing.label(item["id"], item["predicted"])
    expect(page.locator(".counts")).to_contain_text("9 labelled")
    page.get_by_role("link", name="Report").click()
    expect(page.locator(".sign-blocks")).to_contain_text("a second signature will be wanted")
    sign.click()
    question = page.get_by_role("dialog")
    expect(question.locator('[data-check="rule"]')).to_contain_text("Blast 1 cell")
    question.get_by_label("Your initials").fill("AD")
    question.get_by_role("button", name="Sign these counts").click()
    expect(_version(page, 1)).to_contain_text("Dr. Amina Diallo (AD)")
    expect(_version(page, 1)).to_contain_text("Second signature wanted")
    expect(page.locator(".report-signed")).to_contain_text("A second signature is still wanted")
    expect(page.get_by_text("Another person must sign second.")).to_be_visible()


def test_a_signed_case_is_locked_on_the_table(signing: Signing) -> None:
    page = signing.amina
    before = signing.get("/labels?limit=500")["items"]
    signing.open(page)
    expect(page.locator(".signed-banner")).to_contain_text("Signed, version 1")
    page.locator(f"#cell-{signing.cell('blast')}").click()
    page.keyboard.press("m")
    page.keyboard.press("Backspace")
    expect(page.get_by_role("button", name=re.compile("^agree with all"))).to_have_count(0)
    page.wait_for_timeout(1000)
    assert signing.get("/labels?limit=500")["items"] == before


def test_another_person_signs_the_same_record(signing: Signing) -> None:
    page = signing.bela
    signing.open(page, "/cases", "?")
    expect(page.get_by_role("row", name="26-0412")).to_contain_text("signed, second signer wanted")
    signing.open(page, "/report")
    page.get_by_role("button", name="Sign second as Bela Novak").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("the record that the first signer signed")
    question.get_by_label("Your initials").fill("BN")
    question.get_by_role("button", name="Sign these counts").click()
    expect(_version(page, 1)).to_contain_text("Bela Novak (BN) second signer")
    # The other browser hears of it.
    signing.open(signing.amina, "/report")
    expect(_version(signing.amina, 1)).to_contain_text("second signer")
    first, second = signing.get("/signatures")["items"]
    assert first["fingerprint"] == second["fingerprint"]
    assert first["differential"] == second["differential"]


def test_an_amendment_has_a_reason_and_makes_a_new_version(signing: Signing) -> None:
    page, cell = signing.bela, signing.cell("blast")
    first = signing.get("/signatures")["items"][0]["id"]
    export = f"/projects/{signing.project}/signatures/{first}/export"
    before = signing.api.post(export).content
    page.get_by_role("button", name="Amend…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Begin the amendment")).to_be_disabled()
    dialog.get_by_label("Reason").fill("The nucleus is folded: a monocyte.")
    dialog.get_by_role("button", name="Begin the amendment").click()
    expect(page.locator(".report-signed")).to_contain_text("being amended by Bela Novak")
    signing.open(signing.amina, "/cases", "?")
    expect(signing.amina.get_by_role("row", name="26-0412")).to_contain_text("amended")
    signing.open(page)
    expect(page.locator(".signed-banner")).to_contain_text("The nucleus is folded")
    page.locator(f"#cell-{cell}").click()
    page.keyboard.press("m")
    expect(page.locator(".crop.pending")).to_have_count(0)
    signing.open(page, "/report")
    page.get_by_role("button", name="Sign as Bela Novak").click()
    page.get_by_role("dialog").get_by_label("Your initials").fill("BN")
    page.get_by_role("dialog").get_by_role("button", name="Sign these counts").click()
    expect(page.locator(".report-signed")).to_contain_text("Version 2, signed by Bela Novak")
    expect(page.locator(".report-signed")).to_contain_text("It amends version 1")
    assert signing.api.post(export).content == before, "what was signed first stays, byte for byte"
    signed = json.loads(before)["signed"]
    assert {one["image"]: one["label"] for one in signed["cells"]}[cell] == "blast"
    (case,) = signing.get("/cases")["items"]
    assert (case["state"], case["version"], case["second_wanted"]) == ("signed", 2, False)


def test_every_version_is_shown_as_it_was_signed(signing: Signing) -> None:
    page = signing.amina
    signing.open(page, "/report")
    blasts = page.locator('tr[data-type="blast"]')
    expect(blasts).to_have_attribute("data-counted", "0")
    _version(page, 1).get_by_role("button", name="show").click()
    expect(page.locator(".report-signed")).to_contain_text("Version 2 has replaced it")
    expect(blasts).to_have_attribute("data-counted", "1")
    expect(page.locator(".report-checks")).to_contain_text("Blast 1 cell")
    expect(page.locator(".report-crops")).to_contain_text("Blast")
    with page.expect_download() as download:
        _version(page, 1).get_by_role("button", name="cells (CSV)").click()
    assert "blast" in download.value.path().read_text()
    page.get_by_role("button", name="show the counts now").click()
    expect(page.locator(".report-signed")).to_contain_text("as the model reads the case now")


def test_a_second_look_lists_comments_and_resolves_them(signing: Signing) -> None:
    page, cell = signing.amina, signing.cell("monocyte")
    path = f"/projects/{signing.project}/images/{cell}/comments"
    signing.api.post(path, json={"text": "A folded nucleus?"}).raise_for_status()
    signing.open(page, "/look")
    line = page.locator("[data-comment]")
    expect(line).to_contain_text("A folded nucleus?")
    page.get_by_role("button", name="Resolve").click()
    expect(line).to_have_count(0)
    page.get_by_label("Which comments").select_option("resolved")
    expect(line).to_contain_text("resolved by Dr. Amina Diallo")
    assert signing.get("/comments")["open"] == 0


def test_no_screen_is_wider_than_its_window(signing: Signing, browser: Browser) -> None:
    folder = os.environ.get("SCREENS")
    state = signing.amina.context.storage_state()
    screens = {"gallery": ("", ".crop"), "report": ("/report", ".report-checks"), "look": ("/look", "[data-comment]")}
    screens |= {"next": ("/next", ".queue"), "settings": ("/settings", ".rule-line"), "cases": ("/cases", ".case-chip")}
    (comment,) = signing.get("/comments")["items"]
    signing.api.patch(f"/projects/{signing.project}/comments/{comment['id']}", json={"resolved": False})
    wide = []
    context = browser.new_context(storage_state=state, reduced_motion="reduce")
    page = context.new_page()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for name, (screen, mark) in screens.items():
            page.emulate_media(color_scheme="dark")
            signing.open(page, screen)
            for scheme in in_both_schemes(page):
                expect(page.locator(mark).first).to_be_visible()
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append((name, scheme, width))
                if folder:
                    page.wait_for_timeout(500)
                    page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png")
    context.close()
    assert wide == []
