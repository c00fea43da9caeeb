"""What axe finds in a page: faults that stand in the way of whoever reads by ear, by keyboard or with weak sight."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

_SCRIPT = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


def grave(page: Page) -> list[tuple[str, list[str]]]:
    """Serious and critical faults, each with the first elements that have it; skips without axe-core."""
    if not _SCRIPT.exists():
        pytest.skip("axe-core is not installed: make page")
    # Evaluated by the browser's own door: the page's policy lets no script in, ours included.
    page.evaluate(_SCRIPT.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        (each["id"], [node["html"][:160] for node in each["nodes"]][:4])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
