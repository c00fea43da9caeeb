"""A worker's heartbeat, by which its server sees that it does not move any more.

The beat is the time of change of a file that the server names: not a row of the database, which may be away while the
worker is well. A worker hangs in two ways. A library that does not let go of the interpreter stops everything in it,
and nobody is left to beat. One that waits for ever elsewhere stops a single thread: then the time that is written stays
where that thread began.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path

VARIABLE = "HEMOSIGHT_WORKER_HEARTBEAT"
"""Of the environment: the file's path; without it nothing is written."""
EVERY = 1.0
"""Seconds between two beats."""


class Heartbeat:
    """What a worker does now, and since when; safe to use from several threads.

    Parameters
    ----------
    file
        Whose time of change tells; None where nobody looks.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._began: dict[object, float] = {}

    @classmethod
    def of_environment(cls) -> Heartbeat:
        """The one that the server of this process asked for."""
        named = os.environ.get(VARIABLE)
        return cls(Path(named) if named else None)

    @contextlib.contextmanager
    def at_work(self) -> Generator[None]:
        """While something runs that may hang."""
        step = object()
        with self._lock:
            self._began[step] = time.time()
        try:
            yield
        finally:
            with self._lock:
                del self._began[step]

    def beat(self) -> None:
        """Write when everything moved last: now, or when the oldest step began that has not ended."""
        if self._file is None:
            return
        with self._lock:
            moved = min(self._began.values(), default=time.time())
        with contextlib.suppress(OSError):  # the server is gone, or the disk is full: it sees an old beat
            os.utime(self._file, (moved, moved))

    async def go_on(self) -> None:
        """Beat until the task is cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(EVERY)


class Listener:
    """Hears the heartbeat of one worker.

    It compares beats with its own clock only by whether they changed: a machine that slept, or whose clock was set,
    ends no worker.
    """

    def __init__(self, file: Path) -> None:
        file.touch()
        self._file = file
        self._last = file.stat().st_mtime
        self._since = time.monotonic()

    def silence(self) -> float:
        """Seconds for which the worker has not moved."""
        with contextlib.suppress(OSError):
            beat = self._file.stat().st_mtime
            if beat != self._last:
                self._last, self._since = beat, time.monotonic()
        return time.monotonic() - self._since
