"""A real browser and a real service, for tests that go the way a person goes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import drawn
import pytest
from playwright.sync_api import Browser, sync_playwright
from running import PAGE, QUIET, Serving, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The service as it is installed: with accounts, one worker and the bundle that comes along."""
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    service = Serving(tmp_path_factory.mktemp("serving"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="package")
def served() -> Iterator[Serving]:
    """The service without accounts, on this machine alone.

    It takes seconds to start: modules share it, each in a project of its own. Who stops it, or wants it empty, takes
    :func:`alone`.
    """
    with _without_accounts() as service:
        yield service


@pytest.fixture(scope="module")
def alone() -> Iterator[Serving]:
    """As :func:`served`, for one module."""
    with _without_accounts() as service:
        yield service


@contextmanager
def _without_accounts() -> Iterator[Serving]:
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    with drawn.serving() as service:
        yield service


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a database may lie: its server is not root, and its socket's path has to be short."""
    made = Path(tempfile.mkdtemp(prefix="hemosight-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def crops() -> list[Path]:
    """Two hundred real crops, unevenly of nine types, as a smear would have them."""
    data = os.environ.get("HEMOSIGHT_DATA")
    if not data:
        pytest.skip("HEMOSIGHT_DATA names no folder of real crops")
    wanted = {"neutrophil": 90, "lymphocyte": 40, "monocyte": 15, "eosinophil": 10, "basophil": 5}
    wanted |= {"ig": 15, "erythroblast": 5, "platelet": 10}
    chosen = [
        path
        for name, count in wanted.items()
        for path in sorted((Path(data) / "PBC_dataset_normal_DIB" / name).glob("*.jpg"))[:count]
    ]
    return [*chosen, *sorted((Path(data) / "LMU_AML" / "blast").glob("*"))[:10]]
