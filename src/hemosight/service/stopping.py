"""The end of the program: begun by the first signal, over within a time, whatever is broken."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import structlog

log = structlog.get_logger()
_FORCED = 0.72
"""Part of the time after which order is given up: what remains is for ending the server and the workers by force."""


class Stopping:
    """How much time is left to stop in good order; without it, what remains is ended by force.

    Parameters
    ----------
    seconds
        From the first signal to the end of the process.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None
        self._at_worst: list[Callable[[], None]] = []
        self._signalled: int | None = None

    def begin(self) -> None:
        """Start to count; again, it changes nothing. It takes no lock and starts no thread: a signal may call it."""
        if self._deadline is None:
            self._deadline = time.monotonic() + _FORCED * self._seconds
            if self._signalled is not None:
                os.write(self._signalled, b"!")

    def remaining(self) -> float:
        """Seconds left for stopping in good order, at least half a one; all of them where nothing has begun."""
        left = _FORCED * self._seconds if self._deadline is None else self._deadline - time.monotonic()
        return max(0.5, left)

    def at_worst(self, do: Callable[[], None]) -> None:
        """Note what has to be done before the process ends itself; it may take two seconds."""
        self._at_worst.append(do)

    @contextmanager
    def on_signals(self) -> Generator[None]:
        """SIGTERM and SIGINT end the program in order wherever it is, once; while it ends, more of them change
        nothing.
        """

        def stop(_: int, __: FrameType | None) -> None:
            for number in before:
                signal.signal(number, signal.SIG_IGN)
            self.begin()
            raise SystemExit(0)

        waiting, self._signalled = os.pipe()
        # Ready before it is needed: on a machine that has no time, a new thread would come late.
        threading.Thread(target=self._watch, args=(waiting,), name="stopping", daemon=True).start()
        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, stop)
        try:
            yield
        except SystemExit as end:
            if self._deadline is not None:
                _leave(end.code)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _watch(self, waiting: int) -> None:
        os.read(waiting, 1)
        assert self._deadline is not None  # noqa: S101 -- begun
        time.sleep(max(0.0, self._deadline - time.monotonic()))
        # Still here: the interpreter ends daemon threads with the program.
        log.error("stop_forced", after=round(_FORCED * self._seconds, 1))
        doing = [threading.Thread(target=_quietly, args=(do,), daemon=True) for do in reversed(self._at_worst)]
        for thread in doing:
            thread.start()
        for thread in doing:
            thread.join(0.2 * self._seconds)
        os._exit(1)


def _leave(code: object) -> None:
    """End the process: everything is stopped.

    The interpreter takes its time to take itself apart, and the thread that watches the time would go first.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _quietly(do: Callable[[], None]) -> None:
    with suppress(Exception):
        do()
