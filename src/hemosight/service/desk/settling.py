"""Waiting until readings have followed the labels, also where what was waited for is made anew meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence


class Settling(threading.Event):
    """Set while the readings of a label set have followed every label, and for good once its fit is ``dropped``: what
    there is to wait for then is the fit that takes its place.
    """

    dropped = False

    def drop(self) -> None:
        """Let go of whoever waits: the label set is learnt anew, or is no more."""
        self.dropped = True
        self.set()


def settle(due: Callable[[], Sequence[Settling]], patience: float) -> bool:
    """Wait until all that is ``due`` is set; False where that took longer than ``patience`` seconds.

    ``due`` is asked again where one of them was dropped meanwhile. Call it without the project's lock.
    """
    ends = time.monotonic() + patience
    while True:
        waits = due()
        if not all(one.wait(ends - time.monotonic()) for one in waits):
            return False
        if not any(one.dropped for one in waits):
            return True
