"""Signals that end a training run in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came. A second one acts as if nobody listened."""
    came: list[int] = []
    before: dict[int, Any] = {}

    def listen(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.getsignal(number)
            signal.signal(number, listen)
    except ValueError:  # not the main thread, which alone may listen
        before.clear()
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
