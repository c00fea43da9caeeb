"""Linear algebra on one thread: two wait for each other wherever anything else runs, and take ten times as long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


class _Inside:
    """Who holds the limit now."""

    lock = threading.Lock()
    count = 0
    limit = ExitStack()


@cache
def blas() -> ThreadpoolController:
    """The libraries of linear algebra that are loaded; looking for them takes as long as a small refit."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the process's linear algebra to one thread until the last who is inside leaves.

    The limit is the process's: one that put back what it found would put back another's limit.
    """
    with _Inside.lock:
        if not _Inside.count:
            _Inside.limit.enter_context(blas().limit(limits=1, user_api="blas"))
        _Inside.count += 1
    try:
        yield
    finally:
        with _Inside.lock:
            _Inside.count -= 1
            if not _Inside.count:
                _Inside.limit.close()
