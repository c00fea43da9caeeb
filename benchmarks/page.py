"""How quick the page is: opening it, panning a million points, scrolling a hundred thousand thumbnails, relabelling.

    python benchmarks/page.py

Page and service are the real ones. The thumbnails are drawn cells in a project of their own, put straight into the
tables, and the service hands them out while the table scrolls, 60 pixels a frame. The map's points are made up and
given to the page in place of the project's columns. A relabel counts from the press of the type's key to
the end of the frame that shows the crop in its new bin (it glides there for 0.2 s); the service is told meanwhile, and
"saved" is when its word has come.

Headless Chromium draws everything, WebGL too (SwiftShader), on the processor that runs the service and PostgreSQL as
well: with a graphics card it is faster. Run it on an idle machine; the load is printed. It takes three minutes, half of
them to fill the projects.
"""

from __future__ import annotations

import json
import statistics
import struct
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import filled
import numpy as np
from playwright.sync_api import Page, sync_playwright

from hemosight.images.thumbnails import thumbnail
from hemosight.lab.benchmark import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "acceptance"))

import drawn
from running import PAGE, QUIET, chromium

POINTS = 1_000_000
THUMBNAILS = 100_000
CELLS = 10_000
SECONDS = 4
TRIES = 30
WARM_UP = 3

OPENINGS = 5

OPENED = """
window.opened = new Promise((done) => {
  const frame = () => document.querySelector(".crop") ? done(performance.now()) : requestAnimationFrame(frame);
  requestAnimationFrame(frame);
});
"""

PAN = """
async (seconds) => {
  const map = document.querySelector(".map canvas"), box = map.getBoundingClientRect(), times = [];
  const event = (type, x) => map.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerId: 1, button: 0,
    clientX: box.left + x, clientY: box.top + box.height / 2}));
  map.setPointerCapture = () => {};
  event("pointerdown", box.width / 2);
  const begin = performance.now();
  await new Promise((done) => {
    const frame = (now) => {
      times.push(now);
      event("pointermove", box.width / 2 + 200 * Math.sin((now - begin) / 400));
      now - begin < 1000 * seconds ? requestAnimationFrame(frame) : done();
    };
    requestAnimationFrame(frame);
  });
  event("pointerup", box.width / 2);
  return times;
}
"""

SCROLL = """
async (seconds) => {
  const table = document.querySelector(".table-scroll"), times = [], begin = performance.now();
  await new Promise((done) => {
    const frame = (now) => {
      times.push(now);
      table.scrollTop += 60;
      now - begin < 1000 * seconds ? requestAnimationFrame(frame) : done();
    };
    requestAnimationFrame(frame);
  });
  return times;
}
"""

ALL_SHOWN = """
() => {
  const { top, bottom } = document.querySelector(".table-scroll").getBoundingClientRect(), begin = performance.now();
  return new Promise((done) => {
    const look = () => {
      const seen = [...document.querySelectorAll(".crop")].filter((crop) => {
        const box = crop.getBoundingClientRect();
        return box.bottom > top && box.top < bottom;
      });
      const whole = seen.every((crop) => crop.querySelector("img")?.complete);
      whole ? done(performance.now() - begin) : requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}
"""
"""How long it takes, once the table stands, until every crop in sight has its picture."""

AT_REST = """
() => new Promise((done) => {
  const now = () => [...document.querySelectorAll(".type-row")].map((row) => row.textContent).join();
  let last = now(), since = performance.now();
  const look = () => {
    if (now() !== last) [last, since] = [now(), performance.now()];
    performance.now() - since > 700 ? done() : setTimeout(look, 50);
  };
  look();
})
"""
"""Waits until the bins have kept their numbers for a while: what a label teaches has followed."""

BORDER = """
() => {
  const table = document.querySelector(".table-scroll"), bins = [...document.querySelectorAll(".bin")];
  const tall = bins.find((bin) => bin.offsetHeight > 2 * table.offsetHeight);
  table.scrollTop = tall.offsetTop + tall.offsetHeight - table.offsetHeight / 2;
}
"""
"""Scrolls to where one bin ends and the next begins: both are in sight."""

LAST = """
() => {
  const table = document.querySelector(".table-scroll").getBoundingClientRect();
  const [above, below] = [...document.querySelectorAll(".bin")].filter((bin) => {
    const box = bin.getBoundingClientRect();
    return box.bottom > table.top && box.top < table.bottom;
  });
  const cell = [...above.querySelectorAll(".crop")].at(-1);
  window.relabelled = new Promise((done, failed) => {
    setTimeout(() => failed(new Error(`${cell.id} did not come to ${below.ariaLabel}`)), 10000);
    const press = ({ timeStamp }) => {
      const took = {};
      const frame = () => {
        const now = document.getElementById(cell.id);
        if (now && below.contains(now)) {
          // Whatever this frame shows has been drawn when the next one begins.
          if (took.seen) took.screen ??= performance.now() - timeStamp;
          took.seen = true;
          const saved = took.screen && !now.classList.contains("pending");
          if (saved) return done([took.screen, performance.now() - timeStamp]);
        }
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    };
    addEventListener("keydown", press, { capture: true, once: true });
  });
  return [`#${cell.id}`, below.dataset.drop];
}
"""
"""Gives the last cell of the bin above and the code of the bin below, and waits for the key."""


def columns(count: int, classes: list[dict[str, str]], rng: np.random.Generator) -> bytes:
    """Made-up cells as the service would send them."""
    kind = rng.integers(0, len(classes), count)
    angle = 2 * np.pi * kind / len(classes)
    probability = rng.beta(6, 1, count).astype("<f4")
    arrays = {
        "id": np.arange(1, count + 1, dtype="<f8"),
        "predicted": kind.astype("u1"),
        "label": np.full(count, 255, "u1"),
        "probability": probability,
        "margin": probability,
        "novelty": rng.gamma(4, 0.12, count).astype("<f4"),
        "x": (30 * np.cos(angle) + rng.normal(0, 6, count)).astype("<f4"),
        "y": (20 * np.sin(angle) + rng.normal(0, 5, count)).astype("<f4"),
        "case": np.full(count, -1, "<i4"),
        "version": np.zeros(count, "<f8"),
        "status": np.ones(count, "u1"),
        "labelled_by": np.full(count, -1, "<i4"),
    }
    names = {"u1": "uint8", "f4": "float32", "f8": "float64", "i4": "int32"}
    body, described = b"", []
    for name, values in arrays.items():
        described.append({"name": name, "dtype": names[values.dtype.str[1:]], "offset": len(body)})
        body += values.tobytes()
        body += b"\0" * (-len(body) % 8)
    facts = {
        "event": 0,
        "taught_until": 0,
        "count": count,
        "label_set": "cell_type",
        "classes": classes,
        "cases": [],
        "full": True,
    }
    header = json.dumps({**facts, "columns": described}).encode()
    start = b"HSC1" + struct.pack("<I", len(header)) + header
    return start + b"\0" * (-len(start) % 8) + body


def measure(page: Page, script: str) -> str:
    """Frames a second, after half a second in which the page finds its pace."""
    times = page.evaluate(script, SECONDS)
    settled = [later - earlier for earlier, later in pairwise(times) if later - times[0] > 500]
    worst = sorted(settled)[int(0.95 * len(settled))]
    return f"{1000 / statistics.mean(settled):5.1f} frames a second, 95th percentile {worst:.0f} ms a frame"


def opening(page: Page, project: str) -> str:
    """Open a project in browsers that have never seen the page, until a cell lies in its bin and takes a click."""
    browser = page.context.browser
    assert browser is not None
    took = []
    for _ in range(OPENINGS):
        with browser.new_context(viewport=page.viewport_size) as fresh:
            opened = fresh.new_page()
            opened.add_init_script(OPENED)
            opened.goto(project)
            took.append(opened.evaluate("window.opened"))
    return f"{statistics.median(took):.0f} ms (median of {OPENINGS}), {max(took):.0f} ms (slowest)"


def pan(page: Page, project: str, classes: list[dict[str, str]], points: int) -> str:
    """Drag the map of so many cells to and fro."""
    made = columns(points, classes, np.random.default_rng(0))
    page.route("**/columns?*", lambda route: route.fulfill(body=made, content_type="application/vnd.hemosight.columns"))
    page.goto(f"{project}/map")
    page.locator(".map-letter").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Move").click()
    page.wait_for_timeout(3000)
    return measure(page, PAN)


def scroll(page: Page, project: str) -> str:
    """Scroll the table from its top; says as well when the last picture in sight has come after that."""
    page.goto(project)
    page.locator(".crop img").first.wait_for(timeout=120_000)
    page.wait_for_timeout(3000)
    return f"{measure(page, SCROLL)}; every picture in sight {page.evaluate(ALL_SHOWN):.0f} ms after it stands"


def relabel(page: Page, project: str, classes: list[dict[str, str]]) -> str:
    """Again and again, give the last cell of a bin the type of the next one, by its key."""
    page.goto(project)
    page.locator(".crop img").first.wait_for(timeout=120_000)
    took = []
    for _ in range(WARM_UP + TRIES):
        page.evaluate(AT_REST)
        page.evaluate(BORDER)
        page.wait_for_timeout(200)
        cell, below = page.evaluate(LAST)
        page.locator(cell).click()
        page.wait_for_timeout(300)
        page.keyboard.press(classes[int(below)]["key"])
        took.append(page.evaluate("window.relabelled"))
    screen, saved = np.quantile(took[WARM_UP:], (0.5, 0.95), axis=0).T
    return f"{screen[0]:.0f} ms (p50), {screen[1]:.0f} ms (p95); saved {saved[0]:.0f} ms (p50), {saved[1]:.0f} ms (p95)"


def main() -> None:
    """Fill two projects, measure, print."""
    path = chromium()
    if path is None or not PAGE.exists():
        sys.exit("this needs a Chromium and the built page: make page")
    with TemporaryDirectory(prefix="hemosight-") as home, filled.served(Path(home)) as address:
        with TemporaryDirectory() as folder:
            crops = [file.read_bytes() for file in drawn.crops(Path(folder))]
        many = [(b"", thumbnail(crop)) for crop in crops]
        few = [(crop, thumbnail(crop)) for crop in crops]
        tall = filled.project(address, Path(home), "Many cells", THUMBNAILS, pictures=many)
        usual = filled.project(address, Path(home), "Usual", CELLS, pictures=few)
        with drawn.client(address) as api:
            classes = api.get(f"/projects/{usual}/label-sets").json()["items"][0]["classes"]
        print(machine())
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=path, args=QUIET) as browser,
        ):
            print(f"Chromium {browser.version}, headless, WebGL in software")
            root = f"{address}/projects"
            for what, measured in (
                (f"opening a project of {CELLS:,} cells", lambda page: opening(page, f"{root}/{usual}")),
                (f"panning {POINTS:,} points", lambda page: pan(page, f"{root}/{usual}", classes, POINTS)),
                (f"scrolling {THUMBNAILS:,} thumbnails", lambda page: scroll(page, f"{root}/{tall}")),
                (f"relabel to screen, {CELLS:,} cells", lambda page: relabel(page, f"{root}/{usual}", classes)),
            ):
                page = browser.new_page(viewport={"width": 1280, "height": 820})
                print(f"{what}: {measured(page)}", flush=True)
                page.close()


if __name__ == "__main__":
    main()
