"""A Chromium and a service to run: what the fixtures of these tests start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

PAGE = Path(__file__).parents[2] / "src/hemosight/service/static/index.html"
QUIET = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""Chromium's switches: it works as root, draws WebGL without a graphics card, and asks nobody for anything.

As on a machine without a graphics card, SwiftShader draws WebGL and the processor all else directly: a whole page put
together by SwiftShader takes twice the processor time.
"""


def is_soon(wanted: object, read: Callable[[], object]) -> None:
    """Assert of something that the page shows at once: at the service it is a moment later."""
    until = time.monotonic() + 30
    while read() != wanted and time.monotonic() < until:
        time.sleep(0.1)
    assert read() == wanted


def in_both_schemes(page: Page) -> Iterator[str]:
    """``dark``, in which a page was opened, then ``light``: it follows the system, and need not be loaded again."""
    yield "dark"
    page.emulate_media(color_scheme="light")
    # A page hears of it when its next frame is drawn, and one that stands still on a busy machine may not draw any.
    page.evaluate("new Promise(requestAnimationFrame)")
    page.locator("html[data-bs-theme=light]").wait_for()
    yield "light"


def chromium() -> str | None:
    """Where a Chromium lies: the one named, the system's, or playwright's own."""
    for name in (os.environ.get("HEMOSIGHT_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


class Serving:
    """``hemosight serve`` as a process of its own, on a port that it keeps when it is started again."""

    def __init__(self, folder: Path, *options: str, python: str | Path = sys.executable) -> None:
        self.folder = folder
        self.options = options
        self.python = python
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.said = folder / "said.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(self.python), "-m", "hemosight", "serve", "--data-dir", str(self.folder / "data")]
        with self.said.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), *self.options], stdout=out, stderr=subprocess.STDOUT
            )
        # What has no worker is never ready.
        asked = f"{self.address}/{'healthz' if '--no-worker' in self.options else 'readyz'}"
        for _ in range(1500):
            if self._process.poll() is not None:
                pytest.fail(f"the service ended: {self.said.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(asked, timeout=2):  # noqa: S310 -- our own service
                    return
            except OSError:
                time.sleep(0.2)
        pytest.fail("the service did not get ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def first_link(self) -> str:
        """The link that makes the first administrator."""
        return re.findall(r"http\S+/first-run\?token=\S+", self.said.read_text())[-1]
