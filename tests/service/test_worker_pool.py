"""Workers are kept alive, and are gone when their server is."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from gate import told

from hemosight.service.work.worker_pool import WorkerPool, environment

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
    with WorkerPool(told(workers=2), "host=/nowhere", SLEEPS) as pool:
        first, second = pool.pids
        psutil.Process(first).kill()
        assert eventually(lambda: pool.pids[0] != first)
        assert pool.pids[1] == second
        last = pool.pids
    assert not any(psutil.pid_exists(pid) for pid in last)


def test_a_worker_that_will_not_stop_is_ended() -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
    )
    with WorkerPool(told(workers=1, stop_seconds=0.3), "host=/nowhere", [sys.executable, "-c", stubborn]) as pool:
        (pid,) = pool.pids
        began = time.monotonic()
    assert not psutil.pid_exists(pid)
    assert time.monotonic() - began < 60


BEATS = """
import asyncio, ctypes, pathlib, sys, threading, time
from hemosight.service.work.heartbeat import Heartbeat

heart, count = Heartbeat.of_environment(), pathlib.Path(sys.argv[1])

async def live():
    beating = asyncio.create_task(heart.go_on())
    await asyncio.sleep(2.5)
    count.write_text(count.read_text() + "x" if count.exists() else "x")
    if len(count.read_text()) > 1:
        await asyncio.sleep(300)  # a worker that is well
    if sys.argv[2] == "all":
        ctypes.PyDLL(None).sleep(300)  # a library that keeps the interpreter to itself
    def step():
        with heart.at_work():
            time.sleep(300)
    await asyncio.to_thread(step)

asyncio.run(live())
"""


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended_and_started_again(tmp_path: Path) -> None:
    """In either way; at the same time, because most of the time is waiting."""
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(_is_ended_and_started_again, tmp_path, hangs) for hangs in ("all", "a thread")]:
            done.result()


def _is_ended_and_started_again(folder: Path, hangs: str) -> None:
    count = folder / hangs
    command = [sys.executable, "-c", BEATS, str(count), hangs]
    with WorkerPool(told(workers=1, worker_silence_seconds=15), "host=/nowhere", command) as pool:
        (first,) = pool.pids
        assert eventually(count.exists, 120)
        assert psutil.pid_exists(first), "one that lives is left alone"
        assert eventually(lambda: pool.pids[0] != first, 120)
        assert not psutil.pid_exists(first)
        second = pool.pids[0]
        assert eventually(lambda: len(count.read_text()) == 2, 120)
        if hangs == "a thread":
            time.sleep(20)
            assert pool.pids == [second], "one that beats is left alone, however long it lives"


def test_no_workers_are_no_trouble() -> None:
    with WorkerPool(told(workers=0), "host=/nowhere", SLEEPS) as pool:
        assert pool.pids == []


def test_a_worker_is_told_by_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "told"
    writes = (
        "import json, os, pathlib, time; "
        f"pathlib.Path({str(out)!r}).write_text(json.dumps(dict(os.environ))); time.sleep(300)"
    )
    settings = told(workers=1, threads=3, bundle=tmp_path / "b.hemosight", backend="openvino")
    with WorkerPool(settings, "host=/nowhere password=secret", [sys.executable, "-c", writes]) as pool:
        assert eventually(lambda: out.exists() and out.read_text().endswith("}"))
        assert "secret" not in " ".join(psutil.Process(pool.pids[0]).cmdline())
    found = json.loads(out.read_text())
    assert found["HEMOSIGHT_DATABASE"] == "host=/nowhere password=secret"
    assert found["HEMOSIGHT_THREADS"] == "3"
    assert found["HEMOSIGHT_BACKEND"] == "openvino"
    assert found["HEMOSIGHT_BUNDLE"].endswith("b.hemosight")
    assert set(os.environ) <= set(environment(settings, "x"))
