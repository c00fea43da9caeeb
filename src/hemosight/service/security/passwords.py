"""Passwords: argon2, with the library's recommended cost."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from pwdlib import PasswordHash

from hemosight.service.errors import Unfit

_HASHING = PasswordHash.recommended()
LONGEST = 256
"""Characters; more would only cost the server time."""


def hashed(password: str, least: int) -> str:
    """The hash of a new password.

    Raises :class:`~hemosight.service.errors.Unfit` where it is shorter than ``least`` or is one character over and
    over.
    """
    if not least <= len(password) <= LONGEST:
        raise Unfit(
            expected=f"a password of {least} to {LONGEST} characters",
            came=f"one of {len(password)}",
            mend="Several words in a row are easy to remember.",
        )
    if len(set(password)) < 4:
        raise Unfit(
            expected="a password of different characters",
            came="one with fewer than four",
            mend="Several words in a row are easy to remember.",
        )
    return _HASHING.hash(_normal(password))


def verify(password: str, known: str | None) -> tuple[bool, str | None]:
    """Whether a password is the known one, and its new hash where the old one's cost is out of date.

    Where nothing is known (no such account, or one without a password) it takes as long, and is wrong.
    """
    right, renewed = _HASHING.verify_and_update(_normal(password[:LONGEST]), known or _nobodys())
    return (right, renewed) if known is not None else (False, None)


@lru_cache(1)
def _nobodys() -> str:
    return _HASHING.hash("nobody's password")


def _normal(password: str) -> str:
    # The same keys give differently composed letters on different systems. Half surrogates have no UTF-8 at all.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
