"""How new what a request reads has to be: as new as the request.

A request asks a project in memory several times. What was taken in of the database after the request had come is new
enough each time, until the request itself writes: then it has to see that.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

LONGEST = 0.5
"""Seconds: a long request (an export, a stream) is told no older news than that."""
_asked: ContextVar[float | None] = ContextVar("asked", default=None)


def begin_request() -> None:
    """A request comes now, in this context."""
    _asked.set(time.monotonic())


def wrote() -> None:
    """A request writes, in this context: what was taken in before is too old for it from now on."""
    _asked.set(None)


def new_enough() -> float:
    """The moment (``time.monotonic``) since which what was taken in is new enough: now, outside a request."""
    now, asked = time.monotonic(), _asked.get()
    return now if asked is None else max(asked, now - LONGEST)
