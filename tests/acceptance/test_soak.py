"""Reviewers at work for minutes: no request fails, and the server's memory does not grow.

``SOAK_MINUTES=30`` goes on for longer, ``SOAK_PEOPLE=50`` with more; the table that it prints is that of
benchmarks/reviewers.py, which measures how quick it is. Here an answer may be late, but none may fail.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemosight.engine.bundle import Bundle

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import filled
import reviewers

pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(3600)]
MINUTES = float(os.environ.get("SOAK_MINUTES", "5"))
PEOPLE, IMAGES = int(os.environ.get("SOAK_PEOPLE", "30")), 2000
GIGABYTE = 1 << 30


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_reviewers_at_work_meet_no_error_and_memory_stays(
    folder: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiny_bundle.save(folder / "tiny.hemosight")
    with filled.served(folder / "data", bundle) as address:
        project = filled.project(address, folder / "data", "soak", IMAGES, bundle=bundle)
        done = reviewers.load(address, project, PEOPLE, 60 * MINUTES, reviewers.FLAT_OUT)
    with capsys.disabled():
        reviewers.show(done, PEOPLE, IMAGES)
    assert done.failed == {}
    assert all(len(done.found[kind]) > 10 for kind in reviewers.KINDS), "each kind of request was made"
    total = 60 * MINUTES
    # What a project needs in memory is there after two fifths; from then on labels alone are added.
    early = max(size for at, size, _ in done.memory if at <= 0.4 * total)
    late = max(size for at, size, _ in done.memory if at > 0.8 * total)
    assert late < 1.2 * early, f"{early / 1e6:.0f} MB became {late / 1e6:.0f} MB"
    assert late < GIGABYTE
