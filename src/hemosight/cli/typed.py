"""What was typed, as anybody could type it again: a record travels, a path of this machine does not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "HEMOSIGHT_DATA"


def typed(words: Iterable[str]) -> list[str]:
    """The words of a command, with ``$HEMOSIGHT_DATA`` where one names that folder or a place in it."""
    named = os.environ.get(VARIABLE)
    if not named:
        return list(words)
    home = Path(named).resolve()

    def portable(word: str) -> str:
        place = Path(word)
        if word.startswith("-") or not place.exists() or not place.resolve().is_relative_to(home):
            return word
        inside = place.resolve().relative_to(home)
        return f"${VARIABLE}" if inside == Path() else f"${VARIABLE}/{inside}"

    return [portable(word) for word in words]
