"""The workers that ``hemosight serve`` starts: kept alive, and gone when it is gone."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import structlog

from hemosight.service.settings import PREFIX, Settings
from hemosight.service.work.heartbeat import VARIABLE, Listener

log = structlog.get_logger()
_LOOK = 0.5
"""Seconds between two looks at the workers."""
_LONGEST_PAUSE = 60.0


class WorkerPool:
    """So many worker processes; one that dies is started again, later and later if it keeps dying.

    One that does not move for ``settings.worker_silence_seconds`` is ended: a library may hang without an error, and
    what the worker had in hand would wait for ever.

    Parameters
    ----------
    settings
        How many, and their settings.
    dsn
        The database they work on; handed over in their environment, because everybody can read a command line.
    command
        What a worker is; ``hemosight worker`` where not given.
    seconds
        Asked at the end: how long the workers may take to end what they have in hand; the settings' where not given.
    """

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        command: list[str] | None = None,
        *,
        seconds: Callable[[], float] | None = None,
    ) -> None:
        self._seconds = seconds or (lambda: settings.stop_seconds)
        self._settings = settings
        self._command = command or [sys.executable, "-c", "from hemosight.service.work.worker_pool import work; work()"]
        self._environment = environment(settings, dsn)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._beats: dict[int, Listener] = {}
        self._folder = TemporaryDirectory(prefix="hemosight-workers-")
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._keep, name="worker-pool", daemon=True)

    def __enter__(self) -> WorkerPool:
        self._processes = [self._start(place) for place in range(self._settings.workers)]
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let every worker end what it has in hand; then see that it is gone."""
        self.terminate()
        self._watch.join()
        self.terminate()  # one may have been started meanwhile
        deadline = time.monotonic() + self._seconds()
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker_killed", pid=process.pid)
                process.kill()
                process.wait()
            _close(process)
        self._folder.cleanup()

    def terminate(self) -> None:
        """Tell every worker to stop; returns at once."""
        self._stop.set()
        for process in self._processes:
            if process.poll() is None:
                process.terminate()

    def kill(self) -> None:
        """End every worker at once; what it has in hand is done again by others."""
        self._stop.set()
        for process in self._processes:
            process.kill()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [process.pid for process in self._processes]

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        variables = dict(self._environment)
        if self._settings.log_file is not None:
            variables[f"{PREFIX}LOG_FILE"] = str(beside(self._settings.log_file, place))
        beats = Path(self._folder.name) / str(place)
        self._beats[place] = Listener(beats)
        variables[VARIABLE] = str(beats)
        # A session of its own: Ctrl-C in the terminal is ours to pass on. The pipe says when we are gone.
        process = subprocess.Popen(self._command, env=variables, stdin=subprocess.PIPE, start_new_session=True)
        log.info("worker_started", pid=process.pid)
        return process

    def _keep(self) -> None:
        pause, due, calm = 1.0, 0.0, time.monotonic()
        while not self._stop.wait(_LOOK):
            now = time.monotonic()
            if now - calm > 2 * _LONGEST_PAUSE:
                pause = 1.0
            for place, process in enumerate(self._processes):
                if process.poll() is None:
                    self._end_if_hung(place, process)
                    continue
                if now < due:
                    continue
                log.warning("worker_died", pid=process.pid, code=process.returncode, again_in=pause)
                _close(process)
                self._processes[place] = self._start(place)
                calm, due, pause = now, now + pause, min(2 * pause, _LONGEST_PAUSE)

    def _end_if_hung(self, place: int, process: subprocess.Popen[bytes]) -> None:
        silence = self._beats[place].silence()
        if silence > self._settings.worker_silence_seconds:
            log.error("worker_hung", pid=process.pid, seconds=round(silence, 1))
            process.kill()  # it does not hear SIGTERM; what it had in hand is done again by others
            process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe to a worker that has ended."""
    if process.stdin is not None:
        process.stdin.close()


def environment(settings: Settings, dsn: str) -> Mapping[str, str]:
    """The environment in which a worker finds the settings of its server."""
    environment = {**os.environ, f"{PREFIX}DATABASE": dsn}
    for name in ("threads", "backend", "log_level", "log_format", "log_file_bytes", "log_files", "bundle"):
        value = getattr(settings, name)
        if value is not None:
            environment[f"{PREFIX}{name.upper()}"] = str(value)
    return environment


def beside(file: Path, place: int) -> Path:
    """The log file of a worker: two processes must not turn over the same one."""
    return file.with_name(f"{file.stem}-worker-{place + 1}{file.suffix}")


def work() -> None:
    """Be a worker whose server may die: when the pipe to it closes, stop as on SIGTERM."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="server", daemon=True).start()
    sys.argv = ["hemosight", "worker"]
    runpy.run_module("hemosight", run_name="__main__")
