"""Passwords: argon2, with the library's recommended cost."""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import NoReturn, TypeVar

from pwdlib import PasswordHash

from hemosight.service.errors import Refusal

HASHING = PasswordHash.recommended()
"""What hashes; tests that sign in by the hundred put a cheap one in its place."""
LONGEST = 256
"""Characters; more would only cost the server time."""
AT_ONCE = 2
"""Passwords that are hashed at the same time: each takes 64 MB and a core."""
WAITING = 200
"""Passwords that may wait for it; more are refused at once, and told to come back."""
_POOL = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
_PLACES = threading.BoundedSemaphore(AT_ONCE + WAITING)
T = TypeVar("T")


def hashed(password: str, least: int) -> str:
    """The hash of a new password.

    Raises :class:`~hemosight.service.errors.Refusal` where it is shorter than ``least`` or is one character over and
    over.
    """
    if not least <= len(password) <= LONGEST:
        raise Refusal(
            "unfit",
            expected=f"a password of {least} to {LONGEST} characters",
            came=f"one of {len(password)}",
            mend="Several words in a row are easy to remember.",
        )
    if len(set(password)) < 4:
        raise Refusal(
            "unfit",
            expected="a password of different characters",
            came="one with fewer than four",
            mend="Several words in a row are easy to remember.",
        )
    return _in_turn(lambda: HASHING.hash(_normal(password)))


def verify(password: str, known: str | None) -> tuple[bool, str | None]:
    """Whether a password is the known one, and its new hash where the old one's cost is out of date.

    Where nothing is known (no such account, or one without a password) it takes as long, and is wrong.
    """
    return _in_turn(lambda: _verify(password, known))


async def verify_later(password: str, known: str | None, wanted: Callable[[], bool]) -> tuple[bool, str | None]:
    """As :func:`verify`, without holding a thread while it waits. ``wanted`` is asked when its turn has come: whoever
    left costs nothing.
    """
    with _place():
        return await asyncio.wrap_future(_POOL.submit(lambda: _verify(password, known) if wanted() else _gone()))


def _verify(password: str, known: str | None) -> tuple[bool, str | None]:
    right, renewed = HASHING.verify_and_update(_normal(password[:LONGEST]), known or _nobodys())
    return (right, renewed) if known is not None else (False, None)


def _in_turn(work: Callable[[], T]) -> T:
    """Do it among at most :data:`AT_ONCE` others."""
    with _place():
        return _POOL.submit(work).result()


@contextmanager
def _place() -> Generator[None]:
    """A place in the queue. Raises :class:`~hemosight.service.errors.Refusal` where too many wait."""
    if not _PLACES.acquire(blocking=False):
        raise _busy()
    try:
        yield
    finally:
        _PLACES.release()


def _gone() -> NoReturn:
    raise _busy()


def _busy() -> Refusal:
    return Refusal(
        "busy",
        expected="fewer people signing in at the same time",
        came=f"more than {WAITING} at once",
        mend="Try again in a few seconds.",
        retry_after=5,
    )


@lru_cache(1)
def _nobodys() -> str:
    return HASHING.hash("nobody's password")


def _normal(password: str) -> str:
    # The same keys give differently composed letters on different systems. Half surrogates have no UTF-8 at all.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()


def wrong() -> Refusal:
    """The refusal of a name and password that do not belong together; which of them is wrong is not said."""
    return Refusal(
        "wrong_password",
        expected="the name and password of an account",
        came="another pair",
        mend="Try again, or ask an administrator for a new password.",
    )
