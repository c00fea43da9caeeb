"""Frames a second of the page: panning a map of a million points, scrolling a hundred thousand thumbnails.

    python benchmarks/page.py

The page and the service are the real ones; the cells are made up, and given to the page in place of the service's
columns, with one drawn thumbnail for all. Headless Chromium draws WebGL in software (SwiftShader), on the processor
that runs everything else: with a graphics card it is faster. Run it on an idle machine; the load is printed.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import struct
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, Route, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "acceptance"))

import drawn
from running import PAGE, QUIET, chromium

POINTS = 1_000_000
THUMBNAILS = 100_000
SECONDS = 4

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
  const tall = [...document.querySelectorAll(".desk-table *")].filter((e) => e.scrollHeight > e.clientHeight + 1000)[0];
  const times = [], begin = performance.now();
  await new Promise((done) => {
    const frame = (now) => {
      times.push(now);
      tall.scrollTop += 60;
      now - begin < 1000 * seconds ? requestAnimationFrame(frame) : done();
    };
    requestAnimationFrame(frame);
  });
  return times;
}
"""


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
    facts = {"revision": 0, "count": count, "label_set": "cell_type", "classes": classes, "cases": [], "full": True}
    header = json.dumps({**facts, "columns": described}).encode()
    start = b"HSC1" + struct.pack("<I", len(header)) + header
    return start + b"\0" * (-len(start) % 8) + body


def answering(body: bytes, kind: str) -> Callable[[Route], None]:
    """Something to answer a request with, whatever it asks for."""
    return lambda route: route.fulfill(body=body, content_type=kind)


def measure(page: Page, script: str) -> str:
    """Frames a second, after half a second in which the page finds its pace."""
    times = page.evaluate(script, SECONDS)
    settled = [later - earlier for earlier, later in pairwise(times) if later - times[0] > 500]
    worst = sorted(settled)[int(0.95 * len(settled))]
    return f"{1000 / statistics.mean(settled):5.1f} frames a second, 95th percentile {worst:.0f} ms a frame"


def main() -> None:
    """Measure both, print both."""
    path = chromium()
    if path is None or not PAGE.exists():
        sys.exit("this needs a Chromium and the built page: make page")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, drawn.serving() as service, sync_playwright() as playwright:
        files = drawn.crops(Path(folder), {"neutrophil": 1})
        with drawn.client(service.address) as api:
            project = drawn.project(api, "Many cells", files)
            classes = api.get(f"/projects/{project}/label-sets").json()["items"][0]["classes"]
        thumbnail = files[0].read_bytes()
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"Chromium {browser.version}, headless, WebGL in software")
        for what, count, way, ready, script in (
            (f"panning {POINTS:,} points", POINTS, "/map", ".map-letter", PAN),
            (f"scrolling {THUMBNAILS:,} thumbnails", THUMBNAILS, "", ".crop", SCROLL),
        ):
            made = columns(count, classes, rng)
            page = browser.new_page(viewport={"width": 1280, "height": 820})

            page.route("**/columns?*", answering(made, "application/vnd.hemosight.columns"))
            page.route("**/thumbnail", answering(thumbnail, "image/jpeg"))
            page.goto(f"{service.address}/projects/{project}{way}")
            page.locator(ready).first.wait_for(timeout=120_000)
            if script is PAN:
                page.get_by_role("button", name="Move").click()
            page.wait_for_timeout(3000)
            print(f"{what}: {measure(page, script)}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
