"""A page on a project of camera fields, and the API as the page has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import drawn
import httpx
from playwright.sync_api import Browser, Page
from running import Serving


@dataclass
class FieldDesk:
    """A page on a project, and its API."""

    page: Page
    api: httpx.Client
    address: str
    project: int

    def get(self, path: str) -> Any:
        """What the service answers about the project."""
        return self.api.get(f"/projects/{self.project}{path}").raise_for_status().json()


@contextmanager
def opened(browser: Browser, served: Serving, name: str) -> Iterator[FieldDesk]:
    """Make a project and open it."""
    with drawn.client(served.address) as api:
        project = api.post("/projects", json={"name": name}).raise_for_status().json()["id"]
        page = browser.new_context(viewport={"width": 1280, "height": 820}, reduced_motion="reduce").new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{served.address}/projects/{project}")
        yield FieldDesk(page, api, served.address, project)
        page.context.close()
