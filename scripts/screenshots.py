#!/usr/bin/env python
"""Every screen of the review desk, light and dark, on drawn cells, into docs/screens/.

    .venv/bin/python scripts/screenshots.py [SCREEN ...]
    .venv/bin/python scripts/screenshots.py --widths 1440 1280 820 --out FOLDER    # to be looked at, not kept

With ``--out`` every screen there is is photographed, those too that no page of the documentation shows, and each that
is wider than its window is named. Starts the real service with a project of two hundred drawn cells: no picture of a
data set is ever in it. Needs the built page (`make page`) and a Chromium; WebGL is drawn in software.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[1]
# The same service, browser and cells as the tests of the page.
sys.path.insert(0, str(ROOT / "tests" / "acceptance"))

import drawn  # noqa: E402
from running import PAGE, QUIET, chromium  # noqa: E402

from hemosight.images.synthetic.camera import draw_field  # noqa: E402

OUT = ROOT / "docs" / "screens"
HEIGHTS = {1440: 900, 1280: 820, 820: 1180}
"""Windows that the page is made for: their width and height in pixels. The documentation's are 1280 wide."""
PICTURES = """() => [...document.images].every((picture) => {
  const { top, bottom } = picture.getBoundingClientRect();
  return picture.complete || bottom < 0 || top > innerHeight;
})"""
"""Whether every picture in sight has come."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MOST = 400_000
"""Bytes of a picture."""


def main() -> None:
    """Start the service, fill a project, photograph every screen at each width, light and dark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("screens", nargs="*", help="only these")
    parser.add_argument("--widths", nargs="+", type=int, default=[1280], choices=sorted(HEIGHTS))
    parser.add_argument("--out", type=Path, help="a folder to look at the pictures in; docs/screens where not given")
    given = parser.parse_args()
    path = chromium()
    if path is None or not PAGE.exists():
        sys.exit("screenshots need a Chromium and the built page: make page")
    if given.out is None and given.widths != [1280]:
        sys.exit("the documentation's pictures are 1280 wide; name another folder with --out")
    folder = given.out or OUT
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as drawings, drawn.serving() as service, sync_playwright() as playwright:
        with drawn.client(service.address) as api:
            files = drawn.crops(Path(drawings))
            project = drawn.project(api, "Smears of March", files, case="24-1187", second_signer=True)
            _review(api, project)
            # A project of its own: its fields would be one tab more in every picture of the documentation.
            film = _film(api, Path(drawings)) if given.out else project
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        rounds = [(SCREENS, project), (SIGNED, project)]
        if given.out:
            rounds = [(SCREENS | MORE, project), (FIELDS, film), (SIGNED | MORE_SIGNED, project)]
        for screens, shown in rounds:
            if "signed" in screens:
                with drawn.client(service.address) as api:
                    _sign(api, project)
            chosen = {name: act for name, act in screens.items() if not given.screens or name in given.screens}
            for width in given.widths:
                size: ViewportSize = {"width": width, "height": HEIGHTS[width]}
                for scheme in SCHEMES:
                    context = browser.new_context(
                        base_url=service.address, viewport=size, color_scheme=scheme, reduced_motion="reduce"
                    )
                    page = context.new_page()
                    for name, act in chosen.items():
                        act(page, f"/projects/{shown}")
                        page.wait_for_timeout(900)
                        page.wait_for_function(PICTURES)
                        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                            print(f"{name} is wider than its window of {width}")  # noqa: T201 -- a script tells its user
                        if given.out:
                            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
                        else:
                            _keep(page.screenshot(), folder / f"{name}-{scheme}.png")
                    context.close()
        browser.close()


def _review(api: httpx.Client, project: int) -> None:
    """What a reviewer would have done: thirty cells agreed with or corrected, two unsure."""
    items = api.get(f"/projects/{project}/next", params={"n": 40, "strategy": "diversity"}).json()["items"]
    other = {"neutrophil": "ig", "ig": "blast", "monocyte": "ig", "lymphocyte": "monocyte"}
    said = []
    for place, item in enumerate(items):
        label = item["predicted"]
        if place % 4 == 0:
            label = other.get(label, label)
        if place in (3, 21):
            label = "?"
        said.append({"image": item["image"], "label": label, "version": 0})
    answer = api.post(
        f"/projects/{project}/labels",
        json={
            "request": "6f6a1f3e-6d1c-4c61-9f3f-2d0f6f6c9f01",
            "label_set": "cell_type",
            "kind": "set",
            "items": said,
        },
    )
    answer.raise_for_status()
    tagged = [item["image"] for item in items[4:9]]
    api.post(f"/projects/{project}/tags", json={"tag": "ask Amina", "images": tagged}).raise_for_status()
    api.put(f"/projects/{project}/views", json={"name": "least sure", "shared": True, "view": {}}).raise_for_status()
    api.post(
        f"/projects/{project}/images/{items[3]['image']}/comments", json={"text": "A smudge, or a folded nucleus?"}
    ).raise_for_status()


def _film(api: httpx.Client, folder: Path) -> int:
    """Make a project of four fields: two that overlap, one out of focus, one nearly all glass."""
    project = api.post("/projects", json={"name": "Fields of a camera"}).raise_for_status().json()["id"]
    pixels = draw_field(
        1160, 480, ["lymphocyte", "neutrophil", "monocyte", "blast"] * 2, np.random.default_rng(33)
    ).pixels
    glass = np.full((480, 640, 3), 240, np.uint8)
    glass[:90, :90] = pixels[:90, :90]
    pictures = {
        "film_x0_y0.png": Image.fromarray(pixels[:, :640]),
        "film_x520_y0.png": Image.fromarray(pixels[:, 520:]),
        "film_x0_y480.png": Image.fromarray(pixels[:, :640]).filter(ImageFilter.GaussianBlur(9)),
        "film_x640_y480.png": Image.fromarray(glass),
    }
    upload = api.post(f"/projects/{project}/uploads", json={"case": "F-9"}).raise_for_status().json()["id"]
    for name, picture in pictures.items():
        picture.save(folder / name)
        files = [("files", (name, (folder / name).read_bytes(), "image/png"))]
        api.post(f"/projects/{project}/uploads/{upload}/fields", files=files).raise_for_status()
    drawn.until_read(api, project)
    return project


def _sign(api: httpx.Client, project: int) -> None:
    """Label the rest one by one, as adapting to an unknown scanner asks, comment on a cell, and sign."""
    (case,) = api.get(f"/projects/{project}/cases").json()["items"]
    for item in api.get(f"/projects/{project}/images", params={"labelled": False, "limit": 200}).json()["items"]:
        said = {"image": item["id"], "label": item["predicted"], "version": item["version"]}
        body = {"request": str(uuid.uuid4()), "label_set": "cell_type", "kind": "set", "items": [said]}
        api.post(f"/projects/{project}/labels", json=body).raise_for_status()
    signature = {"case": case["id"], "note": "Two smudged cells stay undecided."}
    api.post(f"/projects/{project}/signatures", json=signature).raise_for_status()


def _at(path: str, mark: str) -> Callable[[Page, str], None]:
    def go(page: Page, root: str) -> None:
        page.goto(path if path.startswith("/") else f"{root}/{path}".rstrip("/"))
        page.locator(mark).first.wait_for()

    return go


def _gallery(page: Page, root: str) -> None:
    _at("", ".crop")(page, root)
    page.locator(".crop").nth(3).click()


def _lasso(page: Page, root: str) -> None:
    _at("map", ".map-letter")(page, root)
    page.wait_for_timeout(600)
    box = page.locator(".map").bounding_box()
    if box is None:
        raise RuntimeError("the map has no place on the page")
    corners = [(0.98, 0.3), (0.98, 0.68), (0.7, 0.66), (0.68, 0.34), (0.9, 0.28)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()
    for place in (0, 2):
        if page.locator(".chosen-crop").count() > place:
            page.locator(".chosen-crop").nth(place).click()


def _end_of_report(page: Page, root: str) -> None:
    _at("report", ".report-crops img")(page, root)
    page.locator(".report-figure svg").wait_for()  # what comes later pushes the crops down
    page.locator(".report-crops").evaluate("crops => crops.scrollIntoView()")


SCREENS: dict[str, Callable[[Page, str], None]] = {
    "projects": _at("/projects", ".project-list li"),
    "gallery": _gallery,
    "landscape": _at("map", ".map-letter"),
    "lasso": _lasso,
    "next": _at("next", ".queue-picture img"),
    "second-look": _at("look", ".look-list li"),
    "label-sets": _at("label-sets", ".labelset-list li"),
    "report": _at("report", ".report-figure svg"),
    "report-crops": _end_of_report,
    "settings": _at("settings", "h1"),
    "model": _at("/model", ".chart svg"),
    "help": _at("/help", ".help-keys dd"),
}


def _tags(page: Page, root: str) -> None:
    _gallery(page, root)
    page.keyboard.press("#")
    page.get_by_role("dialog").wait_for()


def _menu(name: str) -> Callable[[Page, str], None]:
    def go(page: Page, root: str) -> None:
        _gallery(page, root)
        page.get_by_role("button", name=name, exact=True).click()

    return go


def _selected(page: Page, root: str) -> None:
    _gallery(page, root)
    page.keyboard.press("Control+a")


def _field(page: Page, root: str) -> None:
    _at("fields", ".field-rows a")(page, root)
    page.locator(".field-rows a").first.click()
    page.locator(".field-cell").first.click()


FIELDS: dict[str, Callable[[Page, str], None]] = {"fields": _at("fields", ".field-rows a"), "field": _field}
"""Of the project with fields."""
MORE: dict[str, Callable[[Page, str], None]] = {
    "tags": _tags,
    "views": _menu("views"),
    "filter": _menu("filter"),
    "add-type": _menu("+ type"),
    "selected": _selected,
    "worklist": _at("cases", ".case-chip"),
    "search": _at("search", ".shell-main > *"),
    "library": _at("library", ".shell-main > *"),
    "reviews": _at("reviews", ".shell-main > *"),
    "panels": _at("panels", ".shell-main > *"),
    "validation": _at("validation", ".dossier-make"),
    "counter": _at("counter", ".shell-main > *"),
    "audit": _at("/admin/users", ".shell-main > *"),
    "account": _at("/account", ".shell-main > *"),
    "missing": _at("/nowhere", ".shell-main > *"),
}
"""What the documentation does not show."""
SIGNED: dict[str, Callable[[Page, str], None]] = {
    "signed": _at("", ".signed-banner"),
    "report-signed": _at("report", ".report-figure svg"),
    "cases": _at("cases", ".case-chip"),
}
"""After the case was signed."""
MORE_SIGNED: dict[str, Callable[[Page, str], None]] = {"validation-signed": _at("validation", ".drift-scanner")}
"""Of these, what the documentation does not show."""


def _keep(picture: bytes, file: Path) -> None:
    """Save the largest of some sizes that is small enough; few colours, but those of the types among them."""
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    for width, colours in ((1280, 192), (1280, 96), (1120, 64), (960, 48), (800, 48), (720, 32)):
        image = whole.resize((width, round(whole.height * width / whole.width)), Image.Resampling.LANCZOS)
        image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size < MOST:
            break
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1000:.0f} kB")  # noqa: T201 -- a script tells its user


if __name__ == "__main__":
    main()
