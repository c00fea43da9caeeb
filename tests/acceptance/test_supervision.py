"""The database killed, hung and out of room: it comes back by itself, nothing is lost, and a stop stops."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from processes import Server, kept_down, kill_database, until

from hemosight.service.storage.cluster import Cluster

pytestmark = pytest.mark.acceptance
PATIENCE = 120
STOPS = 10.0
"""Seconds in which a stop has to be over, as the settings say."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hs-"))
    made.chmod(0o755)
    yield made
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(made) in " ".join(process.info["cmdline"] or ()):
            process.kill()
    shutil.rmtree(made, ignore_errors=True)


def _allowed() -> float:
    """Seconds that a stop may take: on a loaded machine, where a program takes long to begin, some more."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return STOPS + 10 * (time.monotonic() - began)


@pytest.mark.attack(
    who="a power cut, the system's memory killer",
    what="ends the database",
    held="it is started again; 503 meanwhile, and nothing acknowledged is lost",
)
def test_a_killed_database_comes_back_and_labels_pressed_meanwhile_arrive(folder: Path) -> None:
    server = Server(folder / "data", folder / "log")
    try:
        with server.client() as client:
            project = client.post("/projects", json={"name": "cells"}).json()["id"]
            made = client.post(f"/projects/{project}/drawn", json={"count": 2, "seed": 1})
            assert made.status_code == 201, made.text
            image = client.get(f"/projects/{project}/images").json()["items"][0]["id"]
            with kept_down(folder / "data"):
                kill_database(folder / "data")
                refused = client.get(f"/projects/{project}/images")
                assert refused.status_code == 503, refused.text
                assert int(refused.headers["Retry-After"]) >= 1
                assert refused.json()["error"]["code"] == "unavailable"
                assert str(folder) not in refused.text, "no path, no socket"
                assert "postgres" not in refused.text.lower()
                ready = httpx.get(f"{server.address}/readyz", timeout=30)
                assert (ready.status_code, ready.json()["database"]) == (503, False)
                assert httpx.get(f"{server.address}/healthz", timeout=5).status_code == 200
                # As the page does: the same request again and again until there is an answer.
                answers: list[httpx.Response] = []
                label = threading.Thread(target=lambda: answers.append(_press(server, project, image)))
                label.start()
                time.sleep(1.0)
                assert not answers
            label.join(PATIENCE)
            assert answers[0].status_code == 200, answers[0].text
            stands = client.get(f"/projects/{project}/labels").json()["items"]
            assert [item["label"] for item in stands] == ["monocyte"], "once, and not twice"
            until(lambda: httpx.get(f"{server.address}/readyz").json()["database"], PATIENCE)
    finally:
        allowed, began = _allowed(), time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < allowed
    assert Cluster(folder / "data" / "postgres").postmaster() is None


def _press(server: Server, project: int, image: int) -> httpx.Response:
    body: dict[str, Any] = {
        "request": "7d1d0d3e-55a8-4a6e-a68f-0d6e0fbe8f0a",
        "label_set": "cell_type",
        "items": [{"image": image, "label": "monocyte", "version": 0}],
    }
    with httpx.Client(base_url=f"{server.address}/api/v1", timeout=30) as client:
        while True:
            answer = client.get("/session")
            if answer.status_code == 200:
                client.headers["X-CSRF-Token"] = answer.json()["csrf"]
                answer = client.post(f"/projects/{project}/labels", json=body)
            if answer.status_code != 503:
                return answer
            time.sleep(0.3)


BROKEN = (
    "killed and kept down",
    "stopped dead",
    "a request that does not end",
    "a worker that is stopped dead",
    # Half a minute passes until the service looks whether a backup is due.
    pytest.param("a backup that does not end", marks=pytest.mark.long),
    pytest.param("a backup on trial", marks=pytest.mark.long),
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_stop_is_over_in_time_whatever_is_broken(folder: Path, broken: str) -> None:
    backups = {"HEMOSIGHT_BACKUP_DIR": str(folder / "backups")} if "backup" in broken else None
    server = Server(folder / "data", folder / "log", workers="worker" in broken, settings=backups)
    found = Cluster(folder / "data" / "postgres").postmaster()
    assert found is not None
    held: list[psutil.Process] = [found.process, *found.process.children(recursive=True)]
    with kept_down(folder / "data") if broken == "killed and kept down" else _nothing():
        if broken == "killed and kept down":
            kill_database(folder / "data")
        elif broken == "stopped dead":
            for process in held:
                process.send_signal(signal.SIGSTOP)
        elif "worker" in broken or "backup" in broken:
            held = [_stopped(server, folder, broken)]
        asking = threading.Thread(target=_ask, args=(server,), daemon=True)
        asking.start()
        time.sleep(0.5)
        allowed = _allowed()
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        server.process.wait(300)
        took = time.monotonic() - began
        assert took < allowed, f"{took:.1f} s: {(folder / 'log').read_text()[-3000:]}"
    until(lambda: Cluster(folder / "data" / "postgres").postmaster() is None, 3)
    if "worker" in broken or "backup" in broken:
        until(lambda: not _lives(held[0]), 3)
    server.stop()


def _stopped(server: Server, folder: Path, broken: str) -> psutil.Process:
    """A process that the server has started, stopped dead as soon as it is there."""
    own = psutil.Process(server.process.pid)
    worker, trial = "worker" in broken, "trial" in broken
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for one in own.children(recursive=True) if worker else psutil.process_iter():
            with suppress(psutil.NoSuchProcess):
                words = " ".join(one.cmdline())
                found = "/.check-" in words and one.name() == "postgres" if trial else "pg_dump" in words
                if "worker_pool" in words if worker else found and str(folder) in words:
                    one.send_signal(signal.SIGSTOP)
                    return one
        time.sleep(0.005)
    raise AssertionError(f"not within {PATIENCE} seconds: {broken}")


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@contextmanager
def _nothing() -> Generator[None]:
    yield


def _ask(server: Server) -> None:
    try:
        with httpx.stream("POST", f"{server.address}/api/v1/session", content=_slow(), timeout=60) as answer:
            answer.read()
    except httpx.HTTPError:
        pass


def _slow() -> Iterator[bytes]:
    """A body that never ends."""
    while True:
        yield b" "
        time.sleep(0.5)


@pytest.mark.long
def test_out_of_disk_it_comes_back_when_there_is_room(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", data], check=False)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    unwatched = {"HEMOSIGHT_DISK_STOP_BYTES": "0", "HEMOSIGHT_DISK_WARN_BYTES": "0"}
    try:
        server = Server(data, folder / "log", settings=unwatched)
        with server.client() as client:
            made = 0
            while client.post("/projects", json={"name": f"p{made}"}).status_code == 201:
                made += 1
                if made == 20:
                    _fill(data / "filler")
            assert made >= 20
            until(lambda: client.post("/projects", json={"name": "x"}).status_code == 503, PATIENCE)
            assert httpx.get(f"{server.address}/healthz", timeout=5).status_code == 200
            (data / "filler").unlink()
            until(lambda: client.post("/projects", json={"name": "after"}).status_code == 201, PATIENCE)
            names = {item["name"] for item in _all(client)}
            assert names >= {f"p{number}" for number in range(made)}, "every acknowledged project is there"
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def _fill(file: Path) -> None:
    with file.open("wb") as out:
        try:
            while True:
                out.write(b"\0" * (1 << 16))
                out.flush()
        except OSError:
            return


def _all(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = 0
    while True:
        page = client.get("/projects", params={"limit": 200, "after": after}).json()
        items += page["items"]
        if page["next"] is None:
            return items
        after = page["next"]
