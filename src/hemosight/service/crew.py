"""The workers that ``hemosight serve`` starts: kept alive, and gone when it is gone."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType

import structlog

from hemosight.service.settings import PREFIX, Settings

log = structlog.get_logger()
_LOOK = 0.5
"""Seconds between two looks at the workers."""
_LONGEST_PAUSE = 60.0


class Crew:
    """So many worker processes; one that dies is started again, later and later if it keeps dying.

    Parameters
    ----------
    settings
        How many, and what they are told.
    dsn
        The database they work on; handed over in their environment, because everybody can read a command line.
    command
        What a worker is; ``hemosight worker`` where not given.
    """

    def __init__(self, settings: Settings, dsn: str, command: list[str] | None = None) -> None:
        self._settings = settings
        self._command = command or [sys.executable, "-c", "from hemosight.service.crew import hand; hand()"]
        self._environment = environment(settings, dsn)
        self._hands: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._keep, name="crew", daemon=True)

    def __enter__(self) -> Crew:
        self._hands = [self._start() for _ in range(self._settings.workers)]
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let every worker end what it has in hand; then see that it is gone."""
        self._stop.set()
        self._watch.join()
        for hand in self._hands:
            if hand.poll() is None:
                hand.terminate()
        deadline = time.monotonic() + self._settings.stop_seconds
        for hand in self._hands:
            try:
                hand.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker_killed", pid=hand.pid)
                hand.kill()
                hand.wait()
            _close(hand)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [hand.pid for hand in self._hands]

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal is ours to pass on. The pipe says when we are gone.
        hand = subprocess.Popen(self._command, env=self._environment, stdin=subprocess.PIPE, start_new_session=True)
        log.info("worker_started", pid=hand.pid)
        return hand

    def _keep(self) -> None:
        pause, due, calm = 1.0, 0.0, time.monotonic()
        while not self._stop.wait(_LOOK):
            now = time.monotonic()
            if now - calm > 2 * _LONGEST_PAUSE:
                pause = 1.0
            for place, hand in enumerate(self._hands):
                if hand.poll() is None or now < due:
                    continue
                log.warning("worker_died", pid=hand.pid, code=hand.returncode, again_in=pause)
                _close(hand)
                self._hands[place] = self._start()
                calm, due, pause = now, now + pause, min(2 * pause, _LONGEST_PAUSE)


def _close(hand: subprocess.Popen[bytes]) -> None:
    """Let go of the pipe to a worker that has ended."""
    if hand.stdin is not None:
        hand.stdin.close()


def environment(settings: Settings, dsn: str) -> Mapping[str, str]:
    """The environment in which a worker finds the settings of its server."""
    told = {**os.environ, f"{PREFIX}DATABASE": dsn}
    for name in ("threads", "log_level", "log_format", "bundle"):
        value = getattr(settings, name)
        if value is not None:
            told[f"{PREFIX}{name.upper()}"] = str(value)
    return told


def hand() -> None:
    """Be a worker whose server may die: when the pipe to it closes, stop as on SIGTERM."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="server", daemon=True).start()
    sys.argv = ["hemosight", "worker"]
    runpy.run_module("hemosight", run_name="__main__")
