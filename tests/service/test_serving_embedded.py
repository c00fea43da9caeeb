"""``hemosight serve`` as its user runs it: a process, its database, its worker; stopped in order, and killed."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from hemosight.engine.bundle import Bundle

pytestmark = pytest.mark.service

PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives for a test
PATIENCE = 120


@dataclass
class Served:
    """A running ``hemosight serve``."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str]
    told: list[str] = field(default_factory=list)

    def until(self, pattern: str) -> re.Match[str]:
        """Read what it prints until a line matches."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, "".join(self.told)
                continue
            self.told.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"never said {pattern}: {''.join(self.told)}")

    @property
    def workers(self) -> list[psutil.Process]:
        """Its workers."""
        return [
            child for child in psutil.Process(self.process.pid).children() if "worker_pool" in " ".join(child.cmdline())
        ]


def serve(folder: Path, *options: str) -> Served:
    """Start it on a free port."""
    command = [sys.executable, "-m", "hemosight", "serve", "--data-dir", str(folder / "d"), "--port", "0", *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "HEMOSIGHT_STOP_SECONDS": "20", "HEMOSIGHT_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return Served(process, lines)


@pytest.fixture
def folder(tiny_bundle: Bundle) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="hs-"))  # short: a socket lies in it
    tiny_bundle.save(place / "tiny.hemosight")
    before = {child.pid for child in psutil.Process().children()}
    try:
        yield place
    finally:
        for child in psutil.Process().children():
            if child.pid not in before:
                child.kill()
        _stop_database(place)
        shutil.rmtree(place, ignore_errors=True)


def _stop_database(place: Path) -> None:
    pid = _postmaster(place)
    if pid is not None:
        with_it = psutil.Process(pid)
        with_it.send_signal(signal.SIGINT)
        with_it.wait(30)


def _postmaster(place: Path) -> int | None:
    file = place / "d" / "postgres" / "postmaster.pid"
    if not file.exists():
        return None
    pid = int(file.read_text().split()[0])
    return pid if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None


def test_first_run_stop_and_life_after_kill(folder: Path) -> None:
    bundle = ("--bundle", str(folder / "tiny.hemosight"))
    served = serve(folder, *bundle)
    address = served.until(r"HemoSight is at (http://127\.0\.0\.1:\d+)")[1]
    token = served.until(r"/first-run\?token=(\S+)")[1]
    with httpx.Client(base_url=address + "/api/v1") as visitor:
        first = {"token": token, "name": "amina", "display": "Amina", "password": PASSWORD}
        made = visitor.post("/first-run", json=first)
        assert made.status_code == 201, made.text
        visitor.headers["X-CSRF-Token"] = made.json()["csrf"]
        project = visitor.post("/projects", json={"name": "Slides"}).json()["id"]
        _ready(address)
        with visitor.stream("GET", f"/projects/{project}/events", timeout=60) as stream:
            chunks = stream.iter_text()
            assert next(chunks)
            served.process.send_signal(signal.SIGTERM)
            assert any("event: ping" in chunk for chunk in chunks), "the stream ended in order, not by a broken line"
    (worker,) = served.workers or [None]
    assert served.process.wait(60) == 0
    assert _postmaster(folder) is None
    assert worker is None or not worker.is_running()

    # Killed outright: the database goes on without it, and the worker stops by itself.
    served = serve(folder, *bundle)
    address = served.until(r"HemoSight is at (http://\S+)")[1]
    assert not any("first-run" in line for line in served.told)
    _ready(address)
    (worker,) = served.workers
    postmaster = _postmaster(folder)
    served.process.kill()
    served.process.wait()
    worker.wait(60)
    assert _postmaster(folder) == postmaster

    served = serve(folder, *bundle)
    address = served.until(r"HemoSight is at (http://\S+)")[1]
    assert _postmaster(folder) == postmaster, "the running database is used again"
    signed = httpx.post(f"{address}/api/v1/session", json={"name": "amina", "password": PASSWORD})
    assert signed.status_code == 200
    assert signed.json()["user"]["is_admin"] is True
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(60) == 0
    assert _postmaster(folder) is None


def _ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = httpx.get(f"{address}/readyz")
        if answer.status_code == 200:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)


def test_it_does_not_listen_widely_while_nobody_has_an_account(folder: Path) -> None:
    served = serve(folder, "--no-worker", "--host", "0.0.0.0")  # noqa: S104 -- refused
    assert served.until(r"hemosight: expected an account with a password before listening on 0\.0\.0\.0")
    assert served.process.wait(60) == 2
    assert _postmaster(folder) is None


def test_a_taken_port_is_said_at_once(folder: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = serve(folder, "--port", str(taken.getsockname()[1]))
        assert served.until(r"hemosight: expected a free port \d+ on 127\.0\.0\.1")
        assert served.process.wait(60) == 2
    assert not (folder / "d").exists(), "nothing was begun"
