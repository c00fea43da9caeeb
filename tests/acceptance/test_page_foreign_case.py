"""Foreign case to profile: a case of an unknown scanner is named, measured, answered cell by cell, and then usable."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import drawn
import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
expect.set_options(timeout=180_000)  # the first answer waits for the sums of the support set; the machine may be busy
HOME = {"neutrophil": 6, "lymphocyte": 4, "monocyte": 2}
AWAY = {"neutrophil": 16, "lymphocyte": 12, "monocyte": 6, "eosinophil": 6}
KEYS = {"neutrophil": "n", "lymphocyte": "l", "monocyte": "m", "eosinophil": "e"}
SHOTS = os.environ.get("HEMOSIGHT_SHOTS")
"""Folder for pictures of every step, to be looked at."""


def other_scanner(file: Path) -> bytes:
    """The same cell as an odd camera has it: red for blue, and three quarters as large."""
    picture = Image.open(file).convert("RGB")
    small = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.asarray(small)[:, :, ::-1])).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def served(alone: Serving) -> Serving:
    """Its worker has learnt nothing of other modules' cells."""
    return alone


@pytest.fixture(scope="module")
def api(served: Serving) -> Iterator[httpx.Client]:
    with drawn.client(served.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def project(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, int], dict[int, str]]:
    """A project with a case from home and one of another scanner; its cases, and the truth of the latter's cells."""
    made = drawn.project(api, "Night desk", drawn.crops(tmp_path_factory.mktemp("home"), HOME))
    cases = {key: api.post(f"/projects/{made}/cases", json={"key": key}).json()["id"] for key in ("home", "away")}
    images = [item["id"] for item in api.get(f"/projects/{made}/images").json()["items"]]
    api.post(f"/projects/{made}/images/move", json={"images": images, "case": cases["home"]}).raise_for_status()
    folder = tmp_path_factory.mktemp("away")
    files = []
    for file in drawn.crops(tmp_path_factory.mktemp("drawn"), AWAY, seed=5):
        files.append(folder / f"{file.parent.name}-{file.stem}.png")
        files[-1].write_bytes(other_scanner(file))
    truth = {}
    for image, name in drawn.added(api, made, files, case="away").items():
        truth[image] = name.split("-")[0]
    return made, cases, truth


@pytest.fixture(scope="module")
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    context = browser.new_context(
        base_url=served.address, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def shot(page: Page, name: str) -> None:
    """Pictures of a step in light and dark, on a desk, a laptop and a tablet held upright."""
    if not SHOTS:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width, height in ((1440, 900), (1280, 800), (820, 1180)):
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=f"{SHOTS}/{name}-{scheme}-{width}.png")
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_a_foreign_case_is_said_to_be_one_and_held_back(page: Page, api: httpx.Client, project: tuple) -> None:
    made, cases, truth = project
    page.goto(f"/projects/{made}?case={cases['away']}")
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text(re.compile(rf"\d+ of {len(truth)} cells do not look like anything the model knows"))
    # Crops out of sight are not in the document: the header says how many there are.
    expect(page.locator(".counts")).to_contain_text(f"{len(truth)} cells")
    expect(page.locator(".crop").first).to_be_visible()
    # Unusual cells have a bin of their own, which cannot be agreed with; the button of any other is off.
    expect(page.locator("button:enabled", has_text="agree with all")).to_have_count(0)
    refused = api.post(f"/projects/{made}/signatures", json={"case": cases["away"]})
    assert refused.status_code == 409
    shot(page, "foreign")


def test_the_scale_comes_first_and_the_scanner_gets_a_name(page: Page, api: httpx.Client, project: tuple) -> None:
    made, cases, truth = project
    page.get_by_role("link", name="Adapt to this scanner").click()
    scanner = page.get_by_role("region", name="Scanner of this case")
    expect(scanner).to_contain_text("Scanner: Scanner 1")
    scanner.get_by_label("Name of the new scanner").fill("Camera 2")
    scanner.get_by_role("button", name="New scanner").click()
    expect(scanner).to_contain_text("Scanner: Camera 2")
    scanner.get_by_role("button", name="Measure this case's red cells").click()
    expect(scanner).to_contain_text(re.compile("Red cells are|is unknown"))
    expect(page.get_by_role("img", name=re.compile("^Cell")).first).to_be_visible()
    shot(page, "scale-first")
    (camera,) = [one for one in api.get(f"/projects/{made}/profiles").json()["items"] if one["name"] == "Camera 2"]
    assert camera["measured"]["crops"] == len(truth)
    again = scanner.get_by_role("button", name=re.compile("^Read its cells again"))
    if camera["measured"]["used"] != 1:
        again.click()
        expect(scanner).to_contain_text(f"Read at scale {camera['measured']['used']:.2f}".rstrip("0"))
        drawn.until_read(api, made)
    found = api.get(f"/projects/{made}/profiles", params={"case": cases["away"]}).json()
    assert (found["of_case"], found["chosen"]) == (camera["id"], True)


def test_cell_by_cell_it_learns_says_what_followed_and_ends(page: Page, api: httpx.Client, project: tuple) -> None:
    made, cases, truth = project
    trust = page.get_by_role("region", name="Statement of trust")
    enough = page.locator(".queue-enough")
    answers = 0
    while not enough.is_visible():
        picture = page.locator(".queue-picture img")
        image = int((picture.get_attribute("alt") or "").removeprefix("Cell "))
        page.keyboard.press(KEYS[truth[image]])
        answers += 1
        expect(picture).not_to_have_attribute("alt", f"Cell {image}")
        expect(trust).to_contain_text(re.compile(rf"of all {answers}\)|of the last {answers}\b"))
        if answers == 12:
            shot(page, "adapting")
        # After 32 it asks only what is missing of cells unlike anything known.
        assert answers < len(truth), "the queue does not end"
    assert answers >= 10
    shot(page, "enough")
    statement = api.get(f"/projects/{made}/trust", params={"case": cases["away"]}).json()
    assert statement["asked"] == answers
    assert statement["enough"]
    assert statement["checks"] >= 3
    expect(trust).to_contain_text(f"Of {statement['checks']} cells drawn at random")
    expect(trust).to_contain_text("Never seen in this case: Basophil")


def test_then_the_case_is_usable_and_the_scanner_stands_in_the_settings(
    page: Page, api: httpx.Client, project: tuple
) -> None:
    made, cases, truth = project
    page.get_by_role("link", name="To the table", exact=True).click()
    expect(page.locator(".counts")).to_contain_text(f"{len(truth)} cells")
    expect(page.locator(".crop").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    agree = page.get_by_role("button", name=re.compile("^agree with all"))
    if agree.count():
        expect(agree.first).to_be_enabled()
    shot(page, "adapted")
    open_ = [image for image in truth if api.get(f"/projects/{made}/images/{image}").json()["label"] is None]
    right = sum(api.get(f"/projects/{made}/images/{image}").json()["predicted"] == truth[image] for image in open_)
    assert right >= 0.6 * len(open_)
    signing = {"case": cases["away"], "note": "The rest is as the model reads it."}
    assert api.post(f"/projects/{made}/signatures", json=signing).status_code == 201
    page.goto(f"/projects/{made}/settings")
    camera = page.get_by_role("form", name="Camera 2")
    expect(camera).to_contain_text("1 case")
    expect(camera).to_contain_text(re.compile(r"Right before people said so: \d+ of \d+"))
    shot(page, "scanners")
    camera.get_by_label("Name").fill("Night camera")
    camera.get_by_role("button", name="Save").click()
    expect(page.get_by_role("form", name="Night camera")).to_be_visible()
    page.get_by_label("Merge Night camera into").select_option("Scanner 1")
    page.get_by_role("button", name="Merge", exact=True).nth(1).click()
    expect(page.get_by_role("form", name="Night camera")).to_have_count(0)
    (left,) = api.get(f"/projects/{made}/profiles").json()["items"]
    assert (left["name"], left["cases"]) == ("Scanner 1", 2)
