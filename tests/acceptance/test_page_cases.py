"""Case by case in a browser: worklist, review, next case; the address keeps the case; cells are moved and deleted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 12, "lymphocyte": 8, "monocyte": 4}


@dataclass
class Worked:
    """A project with two cases of 16 and 6 cells, and two cells of no case."""

    api: httpx.Client
    project: int
    first: int
    second: int

    def cases(self) -> dict[str, dict[str, Any]]:
        """The worklist by key."""
        return {case["key"]: case for case in self.api.get(f"/projects/{self.project}/cases").json()["items"]}


@pytest.fixture(scope="module")
def worked(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    with drawn.client(served.address) as api:
        project = drawn.project(api, "Smears of March", drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR))
        images = [item["id"] for item in api.get(f"/projects/{project}/images").json()["items"]]
        made = []
        for key, cells in (("26-0412", images[:16]), ("26-0413", images[16:22])):
            made.append(api.post(f"/projects/{project}/cases", json={"key": key}).json()["id"])
            moved = api.post(f"/projects/{project}/images/move", json={"images": cells, "case": made[-1]})
            assert moved.json() == {"cells": len(cells)}
        yield Worked(api, project, *made)


@pytest.fixture(scope="module")
def page(browser: Browser, served: Serving, worked: Worked) -> Iterator[Page]:
    context = browser.new_context(
        base_url=served.address, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.goto(f"/projects/{worked.project}")
    yield opened
    context.close()


def test_from_the_worklist_to_the_next_case(page: Page, worked: Worked) -> None:
    # Several cases and none in the address: the worklist asks which.
    expect(page).to_have_url(re.compile(r"/cases$"))
    row = page.get_by_role("row", name="26-0412")
    expect(row).to_contain_text("new")
    expect(row.locator("[data-column=cells]")).to_have_text("16")
    page.get_by_role("button", name="Review next: 26-0412").click()
    expect(page).to_have_url(re.compile(rf"case={worked.first}$"))
    expect(page.locator(".counts")).to_contain_text("16 cells")
    expect(page.get_by_label("Case in hand")).to_have_text("26-0412")
    # Agreeing reaches this case alone.
    page.get_by_role("button", name=re.compile("^agree with all")).first.click()
    expect(page.locator(".counts")).to_contain_text(re.compile(r"[1-9]\d* labelled"))
    expect(page.locator(".crop.pending")).to_have_count(0)  # shown at once, saved a moment later
    page.get_by_role("button", name="next case").click()
    expect(page.get_by_label("Case in hand")).to_have_text("26-0413")
    expect(page.locator(".counts")).to_contain_text("6 cells")
    expect(page.locator(".counts")).to_contain_text("0 labelled")
    found = worked.cases()
    assert found["26-0412"]["labelled"] > 0
    assert found["26-0413"]["labelled"] == 0
    assert (found["26-0412"]["state"], found["26-0413"]["state"]) == ("in_review", "new")


def test_a_reload_and_every_tab_keep_the_case(page: Page, worked: Worked) -> None:
    page.goto(f"/projects/{worked.project}?case={worked.second}")
    expect(page.locator(".crop")).to_have_count(6)
    page.reload()
    expect(page.locator(".crop")).to_have_count(6)
    for tab, seen in (("Next", ".queue-picture img"), ("Report", ".differential tbody tr"), ("Landscape", ".map")):
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.locator(seen).first).to_be_visible()
        expect(page).to_have_url(re.compile(rf"case={worked.second}$"))
        expect(page.get_by_label("Case in hand")).to_have_text("26-0413")
    expect(page.get_by_label("Your cells (6)")).to_be_visible()


def test_all_cases_are_shown_on_request_and_never_signed_together(page: Page, worked: Worked) -> None:
    page.goto(f"/projects/{worked.project}/report?case={worked.second}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("case 26-0413")
    page.get_by_label("Case in hand").click()
    page.get_by_role("button", name="All cases").click()
    expect(page).to_have_url(re.compile(r"/report\?case=all$"))
    expect(page.locator(".sign")).to_contain_text("Choose a case to sign it")
    expect(page.get_by_role("button", name=re.compile("^Sign"))).to_have_count(0)


def test_cells_are_moved_and_deleted_and_another_browser_follows(page: Page, worked: Worked) -> None:
    other = page.context.new_page()
    other.goto(f"/projects/{worked.project}?case={worked.first}")
    expect(other.locator(".counts")).to_contain_text("16 cells")
    page.goto(f"/projects/{worked.project}?case={worked.second}")
    page.locator(".crop").first.click()
    page.locator(".crop").nth(1).click(modifiers=["Control"])
    page.get_by_role("button", name="move…").click()
    page.get_by_label("To case").fill("26-0412")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".counts")).to_contain_text("4 cells")
    expect(other.locator(".counts")).to_contain_text("18 cells")
    page.locator(".crop").first.click()
    page.locator(".crop").nth(1).click(modifiers=["Control"])
    page.get_by_role("button", name="delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".counts")).to_contain_text("2 cells")
    found = worked.cases()
    assert (found["26-0412"]["images"], found["26-0413"]["images"]) == (18, 2)
    other.close()


def test_the_worklist_flags_rules_turns_round_and_filters_by_person(page: Page, worked: Worked) -> None:
    path = f"/projects/{worked.project}"
    page.goto(f"{path}/cases")
    row = page.get_by_role("row", name="26-0413")
    expect(row.locator("[data-column=flags]")).not_to_contain_text("rule fired")
    cell = worked.api.get(f"{path}/images", params={"case": worked.second}).json()["items"][0]["id"]
    said = {"request": str(uuid.uuid4()), "items": [{"image": cell, "label": "?", "version": 0}]}
    assert worked.api.post(f"{path}/labels", json=said).status_code == 200
    rule = {"measure": "unsure", "at_least": 0.2, "level": "second"}
    assert worked.api.put(f"{path}/signing-rules", json={"rules": [rule]}).status_code == 200
    # A change of the rules reaches the list that is open.
    expect(row).to_contain_text("rule fired: Unsure 1 cell, 50.0%, wants a second signer")
    keys = page.locator("tbody [data-column=key] a")
    cells = page.get_by_role("columnheader", name="Cells")
    cells.get_by_role("button").click()
    expect(keys).to_have_text(["26-0412", "26-0413"])
    expect(cells).to_have_attribute("aria-sort", "descending")
    cells.get_by_role("button").click()
    expect(keys).to_have_text(["26-0413", "26-0412"])
    expect(cells).to_have_attribute("aria-sort", "ascending")
    me = worked.api.get("/session").json()["user"]["id"]
    assert worked.api.patch(f"{path}/cases/{worked.first}", json={"assigned_to": me}).status_code == 200
    page.get_by_label("Assigned to").select_option("Assigned to me")
    expect(keys).to_have_text(["26-0412"])
    page.get_by_label("Assigned to").select_option("Nobody's")
    expect(keys).to_have_text(["26-0413"])


def test_a_specimen_is_described_and_the_case_deleted(page: Page, worked: Worked) -> None:
    page.goto(f"/projects/{worked.project}/cases")
    page.get_by_label("Change case 26-0413").click()
    page.get_by_label("Accession number").fill("H26-004711")
    page.get_by_label("Leukocytes").fill("11.4")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="26-0413")).to_contain_text("H26-004711")
    assert worked.cases()["26-0413"]["wbc"] == 11.4
    page.get_by_label("Change case 26-0413").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name=re.compile("^Delete 26-0413")).click()
    expect(page.get_by_role("row", name="26-0413")).to_have_count(0)
    assert set(worked.cases()) == {"26-0412"}
    page.goto(f"/projects/{worked.project}?case={worked.second}")
    expect(page).to_have_url(re.compile(r"/cases$"))
