"""A laboratory's own types in a browser: added on the spot, given by key, counted apart, retired; labels imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from running import Serving

from hemosight.engine.bundle import Bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 14, "lymphocyte": 8, "monocyte": 4, "platelet": 4}


@dataclass
class Reviewed:
    """A project with one case of thirty cells."""

    api: httpx.Client
    project: int
    case: int
    names: dict[int, str]

    def differential(self, **query: Any) -> dict[str, Any]:
        """As the service counts the case now."""
        return self.api.get(f"/projects/{self.project}/differential", params={"case": self.case, **query}).json()


@pytest.fixture(scope="module")
def served(alone: Serving) -> Serving:
    """It comes back with another bundle."""
    return alone


@pytest.fixture(scope="module")
def reviewed(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    with drawn.client(served.address) as api:
        files = drawn.crops(tmp_path_factory.mktemp("smear"), SMEAR)
        project = drawn.project(api, "Types of our own", files, case="26-0501")
        images = api.get(f"/projects/{project}/images", params={"limit": 100}).json()["items"]
        case = api.get(f"/projects/{project}/cases").json()["items"][0]["id"]
        yield Reviewed(api, project, case, {one["id"]: one["name"] for one in images})


@pytest.fixture(scope="module")
def page(browser: Browser, served: Serving, reviewed: Reviewed) -> Iterator[Page]:
    context = browser.new_context(
        base_url=served.address, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.goto(f"/projects/{reviewed.project}?case={reviewed.case}")
    yield opened
    context.close()


def test_a_type_is_added_on_the_spot(page: Page, reviewed: Reviewed) -> None:
    expect(page.locator(".crop").first).to_be_visible()
    expect(page.get_by_label("Label set on the desk: Cell type")).to_be_visible()
    expect(page.locator(".type-row", has_text="Smudge")).to_have_count(0)
    page.get_by_role("button", name="+ type").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Smudge cell").click()
    expect(dialog.get_by_label("Name")).to_have_value("Smudge cell")
    expect(dialog.get_by_label("Key")).to_have_value("S")
    expect(dialog.get_by_label("apart, per 100")).to_be_checked()
    dialog.get_by_role("button", name="Add type").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".type-row", has_text="Smudge cell")).to_be_visible()
    page.get_by_role("button", name="+ type").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Smudge cell")).to_have_count(0)
    dialog.get_by_label("Name").fill("Toxic neutrophil")
    dialog.get_by_label("Key").fill("T")
    dialog.get_by_label("Is a kind of").select_option("neutrophil")
    dialog.get_by_role("button", name="Add type").click()
    expect(dialog).to_have_count(0)
    rows = page.locator(".types .type-row .name")
    expect(rows.nth(1)).to_have_text("Toxic neutrophil")  # behind the type that it is a kind of


def test_cells_are_labelled_with_its_key_and_counted_apart(page: Page, reviewed: Reviewed) -> None:
    before = reviewed.differential()
    bin_of = page.locator("[data-bin]", has_text="Lymphocyte") if page.locator("[data-bin]").count() else page
    bin_of.locator(".crop").first.click()
    page.keyboard.press("s")
    expect(page.locator(".type-row", has_text="Smudge cell").locator(".count")).not_to_have_text("0")
    expect(page.locator(".counts")).to_contain_text("1 labelled")
    page.get_by_role("link", name="Report", exact=True).click()
    apart = page.locator("[data-apart=smudge]")
    expect(apart).to_contain_text("Smudge cell, counted apart")
    expect(apart).to_contain_text("for 100 leukocytes")
    now = reviewed.differential()
    assert now["apart"]["smudge"]["after"] >= 1
    assert "smudge" not in {row["label"] for row in now["rows"]}
    assert now["total"] <= before["total"]


def test_the_report_tells_types_at_either_level(page: Page, reviewed: Reviewed) -> None:
    image = next(image for image, name in reviewed.names.items() if "neutrophil" in name)
    version = reviewed.api.get(f"/projects/{reviewed.project}/images/{image}").json()["version"]
    body = {
        "request": "0b0f6bd4-8c5e-4c0a-9a39-6f4f0f0f1a11",
        "items": [{"image": image, "label": "toxic_neutrophil", "version": version or 0}],
    }
    assert reviewed.api.post(f"/projects/{reviewed.project}/labels", json=body).status_code == 200
    finer = page.locator("tr[data-type=toxic_neutrophil]")
    expect(finer).to_be_visible()
    expect(finer).not_to_have_attribute("data-counted", "0")
    page.get_by_label("upper types").check()
    expect(finer).to_have_count(0)
    expect(page.locator("tr[data-type=neutrophil]")).to_be_visible()
    page.get_by_label("each type by itself").check()
    expect(finer).to_be_visible()


def test_a_table_of_labels_is_imported_into_the_case(page: Page, reviewed: Reviewed) -> None:
    page.goto(f"/projects/{reviewed.project}?case={reviewed.case}")
    monocytes = [name for name in reviewed.names.values() if "monocyte" in name][:3]
    rows = ["path,label", *(f"{name},Monos" for name in monocytes[:2]), f"{monocytes[2]},monocyte", "gone.png,blast"]
    page.get_by_role("button", name="add cells").click()
    page.get_by_role("button", name="Labels from a table…").click()
    dialog = page.get_by_role("dialog")
    table = {"name": "labels.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    dialog.get_by_label("Table of labels").set_input_files(table)  # type: ignore[arg-type] -- a payload, as typed
    expect(dialog).to_contain_text("Still to be said: Monos.")
    expect(dialog.get_by_role("button", name=re.compile("^Import"))).to_be_disabled()
    expect(dialog).to_contain_text("line 5: gone.png (blast)")
    dialog.get_by_label("What Monos means").select_option("monocyte")
    dialog.get_by_role("button", name="Import 3 labels").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".counts")).to_contain_text("5 labelled")


def test_a_type_is_retired_and_its_history_is_there(page: Page, reviewed: Reviewed) -> None:
    page.get_by_role("link", name="Label sets", exact=True).click()
    page.get_by_role("button", name="change types").first.click()
    page.get_by_label("Name of Toxic neutrophil").fill("Toxic granulation")
    page.get_by_label("Name of Toxic neutrophil").press("Enter")
    expect(page.get_by_label("Name of Toxic granulation")).to_be_visible()
    page.get_by_label("More for Smudge cell").click()
    page.get_by_role("button", name="Retire", exact=True).click()
    expect(page.get_by_label("Take up Smudge cell again")).to_be_visible()
    page.get_by_text("History", exact=True).click()
    history = page.locator(".type-history")
    expect(history).to_contain_text("retired Smudge cell")
    expect(history).to_contain_text("renamed Toxic neutrophil to Toxic granulation")
    page.get_by_role("link", name="Review", exact=True).click()
    row = page.locator(".type-row", has_text="Smudge cell")
    expect(row.locator(".count")).to_have_text("1")  # the label stands
    page.locator(".crop").first.click(button="right")
    expect(page.get_by_role("menuitem", name="Smudge cell")).to_have_count(0)
    page.keyboard.press("Escape")
    assert reviewed.differential()["apart"]["smudge"]["after"] == 1


def test_a_built_in_type_gets_another_key_and_the_page_follows(page: Page, reviewed: Reviewed) -> None:
    page.get_by_role("link", name="Label sets", exact=True).click()
    page.get_by_role("button", name="change types").first.click()
    key = page.get_by_label("Key of Monocyte")
    key.fill("n")
    expect(page.get_by_role("alert")).to_contain_text("N is the key of Neutrophil")
    key.press("Enter")
    expect(key).to_have_value("M")  # what is another's is not taken
    key.fill("w")
    key.press("Enter")
    page.get_by_text("History", exact=True).click()
    expect(page.locator(".type-history")).to_contain_text("key of Monocyte: W")
    classes = reviewed.api.get(f"/projects/{reviewed.project}/label-sets").json()["items"][0]["classes"]
    assert {one["name"]: one["key"] for one in classes}["monocyte"] == "W"
    page.get_by_role("link", name="Help", exact=True).click()
    expect(page.get_by_label("Whose keys").locator("option:checked")).to_have_text("Types of our own")
    expect(page.locator("#keys dl > div", has_text="Monocyte").locator("dt")).to_have_text("W")
    page.goto(f"/projects/{reviewed.project}?case={reviewed.case}")
    expect(page.locator(".type-row", has_text="Monocyte")).to_contain_text("W")
    page.locator(".crop").first.click()
    page.keyboard.press("w")
    expect(page.locator(".crop.pending")).to_have_count(0)
    listed = reviewed.api.get(f"/projects/{reviewed.project}/labels", params={"limit": 100}).json()["items"]
    assert listed[-1]["label"] == "monocyte"


def test_a_set_that_is_asked_of_one_type_is_switched_to_in_place(page: Page, reviewed: Reviewed) -> None:
    own = [image for image, name in reviewed.names.items() if "neutrophil" in name]
    body = {
        "name": "stage",
        "title": "Stage",
        "classes": [{"name": "band"}, {"name": "segmented"}],
        "examples": [{"image": own[0], "label": "band"}, {"image": own[1], "label": "segmented"}],
        "asked_of": "neutrophil",
    }
    assert reviewed.api.post(f"/projects/{reviewed.project}/label-sets", json=body).status_code == 201
    page.reload()
    page.get_by_label("Label set on the desk: Cell type").click()
    page.get_by_role("button", name=re.compile("^Stage")).click()
    expect(page.get_by_label("Label set on the desk: Stage")).to_be_visible()
    expect(page.locator(".set-asked")).to_have_text("asked of Neutrophil only")
    cells = page.locator(".counts")
    expect(cells).not_to_contain_text("30 cells")
    expect(cells).to_contain_text(re.compile(r"1\d cells"))


def test_after_an_upgrade_the_project_is_read_with_the_new_bundle(
    page: Page, reviewed: Reviewed, served: Serving, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    """The service comes back with another bundle: the page says so, and its administrator lets that one read."""
    labelled = len(reviewed.api.get(f"/projects/{reviewed.project}/labels", params={"limit": 200}).json()["items"])
    assert labelled
    served.stop()
    served.options += ("--bundle", str(tiny_bundle.save(tmp_path / "new.hemosight")))
    served.start()
    page.goto("/projects")
    expect(page.locator(".project-list li")).to_contain_text("which this service does not run")
    page.get_by_role("link", name="Types of our own").click()
    expect(page.get_by_role("heading", name="What changes with tiny 0.0.1")).to_be_visible()
    expect(page.get_by_text("30 cells are read anew")).to_be_visible()
    page.get_by_role("button", name="Read this project with tiny 0.0.1").click()
    expect(page.locator(".counts")).to_contain_text("labelled")
    expect(page.locator(".crop").first).to_be_visible()
    now = reviewed.api.get(f"/projects/{reviewed.project}").json()
    assert (now["bundle"], now["bundle_here"]) == ("tiny 0.0.1", True)
    again = reviewed.api.get(f"/projects/{reviewed.project}/labels", params={"limit": 200}).json()["items"]
    assert len(again) == labelled
    page.goto("/model")
    table = page.get_by_role("region", name="Every bundle")
    expect(table.get_by_role("checkbox")).to_have_count(2)
    table.get_by_role("checkbox", checked=False).check()
    expect(table.get_by_role("columnheader")).to_have_count(3)
