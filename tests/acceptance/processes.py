"""Real processes of the review service: a server, workers, and a program that speaks to them over HTTP."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from hemosight.service.storage.cluster import Cluster
from hemosight.service.storage.holding import TURN

_READY = "HemoSight is at "


class Process:
    """A command of HemoSight, running; ``settings`` are further variables of its environment."""

    def __init__(self, *words: str | Path, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self._log = log.open("ab")
        environment = {
            name: value
            for name, value in os.environ.items()
            # What computes is as it is for everything that tests start, whatever is the quickest on this machine.
            if name in ("HEMOSIGHT_DATA", "HEMOSIGHT_BACKEND") or "HEMOSIGHT_" not in name
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hemosight", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, "PYTHONUNBUFFERED": "1", **(settings or {})},
        )

    def kill(self) -> None:
        """As a power cut would, as far as this process goes."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As its user would; gives the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(300)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        return code


class Server(Process):
    """``hemosight serve``, without workers of its own unless ``workers``; for one local person, unless ``login``."""

    def __init__(
        self,
        data_dir: Path,
        log: Path,
        *words: str,
        login: bool = False,
        workers: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        who = (*(() if login else ("--no-login",)), *(() if workers else ("--no-worker",)))
        fixed = ("serve", *who, "--port", "0", "--data-dir", data_dir)
        super().__init__(*fixed, *words, log=log, settings=settings)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(_READY.encode()):
                self.address = line.decode().removeprefix(_READY).strip()
                return
        raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")

    @contextmanager
    def client(self) -> Generator[httpx.Client]:
        """A program that may do everything."""
        with httpx.Client(base_url=f"{self.address}/api/v1", timeout=60) as client:
            client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]
            yield client


def kill_database(data: Path) -> None:
    """The PostgreSQL of a data directory, every process of it, as a power cut would."""
    found = Cluster(data / "postgres").postmaster()
    assert found is not None
    everything = [found.process, *found.process.children()]
    for process in everything:
        process.kill()
    psutil.wait_procs(everything, timeout=10)


@contextmanager
def kept_down(data: Path) -> Generator[None]:
    """Nobody gets to start the database of a data directory: the turn is taken."""
    with (data / TURN).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def send(client: httpx.Client, upload: str, files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Files in one request."""
    parts = [("files", (name, data, "application/octet-stream")) for name, data in files.items()]
    answer = client.post(f"{upload}/files", files=parts)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def missing(client: httpx.Client, project: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files that the project does not have: what remains of an upload that broke off."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    answer = client.post(f"{project}/known", json={"sha256": list(sums.values())})
    known = answer.json()["known"]
    return {name: data for name, data in files.items() if sums[name] not in known}


def progress(client: httpx.Client, project: str) -> tuple[int, int]:
    """Images of a project, and how many of them are read."""
    shown = client.get(project).json()
    return shown["images"], shown["read"]


def everything(client: httpx.Client, project: str) -> list[dict[str, Any]]:
    """All images of a project, page by page."""
    items: list[dict[str, Any]] = []
    after = None
    while True:
        page = client.get(f"{project}/images", params={"limit": 200} | ({"after": after} if after else {})).json()
        items += page["items"]
        after = page["next"]
        if after is None:
            return items


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for what other processes bring about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.1)


def batches(files: Mapping[str, bytes], size: int) -> Sequence[dict[str, bytes]]:
    """Files, so many at a time."""
    pairs = list(files.items())
    return [dict(pairs[start : start + size]) for start in range(0, len(pairs), size)]
