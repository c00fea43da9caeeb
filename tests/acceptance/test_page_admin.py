"""What an administrator sees of a machine that runs out of room, and what somebody is told whose upload it refuses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from processes import Server
from running import PAGE

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]
MORE_THAN_THERE_IS = str(1 << 60)


@pytest.fixture(scope="module")
def full() -> Iterator[Server]:
    """A service whose disk is, as far as it knows, as good as full."""
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    limits = {"HEMOSIGHT_DISK_WARN_BYTES": MORE_THAN_THERE_IS, "HEMOSIGHT_DISK_STOP_BYTES": MORE_THAN_THERE_IS}
    server = Server(folder / "data", folder / "log", settings=limits)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_disk_without_room_is_said(browser: Browser, full: Server, tmp_path: Path) -> None:
    with full.client() as client:
        project = client.post("/projects", json={"name": "Slides"}).json()["id"]
    context = browser.new_context(base_url=full.address)
    try:
        page = context.new_page()
        page.goto("/admin/users")
        expect(page.get_by_role("alert")).to_contain_text("Uploads are refused", timeout=30_000)
        page.goto(f"/projects/{project}")
        crop = tmp_path / "cell.png"
        crop.write_bytes(b"x" * 100)
        page.locator("input[data-picker=files]").first.set_input_files(crop)
        expect(page.get_by_text("free on the disk").first).to_be_visible(timeout=30_000)
    finally:
        context.close()
