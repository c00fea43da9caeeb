"""What was typed, as anybody could type it again: a record travels; a path of this machine and a secret do not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "HEMOSIGHT_DATA"
MASK = "***"
"""Stands where a secret was typed."""
_NAMES = (
    r"(?:token|password|passwd|passphrase|pwd|secret|credential|signature|"
    r"(?:api|access|secret|account|shared|subscription|session|client)[-_ ]?(?:access[-_ ]?)?key)s?"
)
"""What is called so is a secret, whatever stands before; ``password-file`` names a file and is none."""
_OPTION = re.compile(rf"--?[\w-]*?{_NAMES}(?P<value>=.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"(?:authorization:\s*)?(?:bearer|basic|digest|negotiate)", re.IGNORECASE)
"""How somebody signs in, where the next word is what they sign in with."""
_VALUE = r"""(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|\{[^}]*\}?|[^\s&'"]+)"""
"""In quotes or braces, which may be missing at its end, or up to a blank or the next item of a query."""
_WITHIN = (
    # The password of an address or DSN, with whatever signs and blanks; digits up to a slash are a port.
    (re.compile(r"(\w[\w+.-]*://[^/:@]*):(?!\d*(?:[/?#]|$))(?:[^/?#]*|.*)@", re.DOTALL), rf"\1:{MASK}@"),
    # A header, with the scheme that says how to sign in.
    (re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?)[^\s\"']+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(\bbearer\s+)[^\s\"',;]+", re.IGNORECASE), rf"\1{MASK}"),
    # Options, keywords, queries, JSON, whose name says that it is a secret.
    (re.compile(rf"""([\w-]*{_NAMES}["']?\s*[=:]\s*){_VALUE}""", re.IGNORECASE | re.DOTALL), rf"\1{MASK}"),
    (re.compile(rf"(--[\w-]*{_NAMES}\s+){_VALUE}", re.IGNORECASE | re.DOTALL), rf"\1{MASK}"),
    (re.compile(rf"([?&;](?:sig|key|code|auth)=){_VALUE}", re.IGNORECASE | re.DOTALL), rf"\1{MASK}"),
    # An API token, wherever it stands.
    (re.compile(r"\bhs_[\w-]{20,}"), MASK),
)


def typed(words: Iterable[str]) -> list[str]:
    """The words of a command, with ``$HEMOSIGHT_DATA`` where one names that folder or a place in it.

    API tokens, passwords, keys and signatures are masked (:data:`MASK`): as the value of an option, within an address,
    its query or a DSN, in quotes or not, and after ``Bearer``.
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
        option = _OPTION.fullmatch(word)
        if secret:
            found.append(MASK)
            secret = False
        elif _SCHEME.fullmatch(word):
            found.append(word)
            secret = True
        elif option is not None:
            name, equals, _ = word.partition("=")
            found.append(name + equals + MASK if equals else name)
            secret = not equals
        else:
            for pattern, masked in _WITHIN:
                word = pattern.sub(masked, word)
            found.append(word)
    return found
