"""Workers are kept alive, and are gone when their server is."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from gate import told

from hemosight.service.crew import Crew, environment

SLEEPS = [sys.executable, "-c", "import time; time.sleep(300)"]


def eventually(holds: Callable[[], bool], patience: float = 30) -> bool:
    """Whether something comes to hold."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_worker_that_dies_is_started_again() -> None:
    with Crew(told(workers=2), "host=/nowhere", SLEEPS) as crew:
        first, second = crew.pids
        psutil.Process(first).kill()
        assert eventually(lambda: crew.pids[0] != first)
        assert crew.pids[1] == second
        last = crew.pids
    assert not any(psutil.pid_exists(pid) for pid in last)


def test_a_worker_that_will_not_stop_is_ended() -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
    )
    with Crew(told(workers=1, stop_seconds=0.3), "host=/nowhere", [sys.executable, "-c", stubborn]) as crew:
        (pid,) = crew.pids
        began = time.monotonic()
    assert not psutil.pid_exists(pid)
    assert time.monotonic() - began < 60


def test_no_workers_are_no_trouble() -> None:
    with Crew(told(workers=0), "host=/nowhere", SLEEPS) as crew:
        assert crew.pids == []


def test_a_worker_is_told_by_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "told"
    writes = (
        "import json, os, pathlib, time; "
        f"pathlib.Path({str(out)!r}).write_text(json.dumps(dict(os.environ))); time.sleep(300)"
    )
    settings = told(workers=1, threads=3, bundle=tmp_path / "b.hemosight")
    with Crew(settings, "host=/nowhere password=secret", [sys.executable, "-c", writes]) as crew:
        assert eventually(lambda: out.exists() and out.read_text().endswith("}"))
        assert "secret" not in " ".join(psutil.Process(crew.pids[0]).cmdline())
    found = json.loads(out.read_text())
    assert found["HEMOSIGHT_DATABASE"] == "host=/nowhere password=secret"
    assert found["HEMOSIGHT_THREADS"] == "3"
    assert found["HEMOSIGHT_BUNDLE"].endswith("b.hemosight")
    assert set(os.environ) <= set(environment(settings, "x"))
