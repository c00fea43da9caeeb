"""What was typed, as anybody could type it again: a record travels; a path of this machine and a secret do not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "HEMOSIGHT_DATA"
MASK = "***"
"""Stands where a secret was typed."""
_SECRET = re.compile(r"--[\w-]*(token|password|passphrase|secret|api-key)s?(?P<value>=.*)?", re.IGNORECASE | re.DOTALL)
"""An option whose value is a secret; ``--password-file`` names a file and is none."""
_WITHIN = (
    # A DSN or address with a password in it, and one whose query or keywords name a secret.
    (re.compile(r"(\w+://[^\s/:@]*):[^\s/]*@"), rf"\1:{MASK}@"),
    (re.compile(r"((?:token|password|passphrase|secret|api[-_]key)=)[^\s&]+", re.IGNORECASE), rf"\1{MASK}"),
    # An API token, wherever it stands.
    (re.compile(r"\bhs_[\w-]{20,}"), MASK),
)


def typed(words: Iterable[str]) -> list[str]:
    """The words of a command, with ``$HEMOSIGHT_DATA`` where one names that folder or a place in it.

    API tokens and passwords are masked (:data:`MASK`), as the value of an option, within an address or a DSN.
    """
    named = os.environ.get(VARIABLE)
    home = Path(named).resolve() if named else None

    def portable(word: str) -> str:
        if home is None:
            return word
        place = Path(word)
        if word.startswith("-") or not place.exists() or not place.resolve().is_relative_to(home):
            return word
        inside = place.resolve().relative_to(home)
        return f"${VARIABLE}" if inside == Path() else f"${VARIABLE}/{inside}"

    return [portable(word) for word in _masked(words)]


def _masked(words: Iterable[str]) -> list[str]:
    found: list[str] = []
    secret = False
    for word in words:
        option = _SECRET.fullmatch(word)
        if secret:
            found.append(MASK)
            secret = False
        elif option is not None:
            name, equals, _ = word.partition("=")
            found.append(name + equals + MASK if equals else name)
            secret = not equals
        else:
            for pattern, masked in _WITHIN:
                word = pattern.sub(masked, word)
            found.append(word)
    return found
