"""A letter and a colour for every type of cell, the same on every page and in every report.

The nine colours were found by search: any two lie at least 0.10 apart in OKLab, for normal vision and for
simulated protanopia and deuteranopia, 0.08 for tritanopia (Machado et al. 2009, severity 1); each has a contrast of
at least 3:1 with its page, near-white or near-black (WCAG 2.2, 1.4.11). Nine is near the most that can be told
apart, so a colour never stands without its letter, and types beyond nine share colours, not letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase, digits

PAGE = ("#fbfbfa", "#15171a")
"""The page behind the colours, light and dark."""

UNSURE = "?"
"""The letter of what no type was decided for, and at the desk the label that says a person could not tell."""


@dataclass(frozen=True)
class Mark:
    """How a type is marked: its letter (its key at the desk) and its colours on a light and on a dark page."""

    letter: str
    light: str
    dark: str


_RED = ("#810500", "#da6c36")
_BROWN = ("#7e5b00", "#f3af1d")
_LIME = ("#779d33", "#d6f547")
_GREEN = ("#328268", "#51e4ad")
_CYAN = ("#3697af", "#a7f0f8")
_BLUE = ("#013d90", "#198aec")
_VIOLET = ("#6f4bd4", "#b6b1f1")
_LILAC = ("#b174f6", "#9a43a9")
_PLUM = ("#5e204d", "#b5366a")

KNOWN: Mapping[str, Mark] = {
    "neutrophil": Mark("N", *_BLUE),
    "lymphocyte": Mark("L", *_LILAC),
    "monocyte": Mark("M", *_CYAN),
    "eosinophil": Mark("E", *_RED),
    "basophil": Mark("B", *_PLUM),
    "ig": Mark("I", *_GREEN),
    "blast": Mark("X", *_BROWN),
    "erythroblast": Mark("R", *_LIME),
    "platelet": Mark("P", *_VIOLET),
}
"""The nine cell types, in the order in which a differential lists them."""

_COLOURS = tuple((mark.light, mark.dark) for mark in KNOWN.values())
_TAKEN = "H"
"""Keys that mean something else at the desk: H folds the heat map in and out."""


def ordered(types: Iterable[str]) -> tuple[str, ...]:
    """Types as a differential lists them: the nine known ones first, then the others by name; each once."""
    given = set(types)
    return (*(name for name in KNOWN if name in given), *sorted(given - KNOWN.keys(), key=str.casefold))


def marks(types: Iterable[str]) -> dict[str, Mark]:
    """A mark for every type, in the order of :func:`ordered`.

    The nine known types keep their own. Any other takes a free letter, its own first letters before the rest of the
    alphabet and the digits, and a colour that no type uses yet as far as there is one. Where these run out, after
    26 further types, numbers go on from 10.
    """
    names = ordered(types)
    used = {KNOWN[name].letter for name in names if name in KNOWN}
    # A letter of a known type stays free for it, even on a page where it does not occur.
    reserved = {mark.letter for mark in KNOWN.values()} | set(_TAKEN)
    free = [colour for colour in _COLOURS if not any(_colours(name) == colour for name in names)]
    found: dict[str, Mark] = {}
    for name in names:
        if name in KNOWN:
            found[name] = KNOWN[name]
            continue
        letter = _letter(name, used, reserved)
        used.add(letter)
        light, dark = free.pop(0) if free else _COLOURS[len(found) % len(_COLOURS)]
        found[name] = Mark(letter, light, dark)
    return found


def _colours(name: str) -> tuple[str, str] | None:
    return (KNOWN[name].light, KNOWN[name].dark) if name in KNOWN else None


def _letter(name: str, used: set[str], reserved: set[str]) -> str:
    own = [letter for letter in name.upper() if letter in ascii_uppercase]
    for letter in (*own, *ascii_uppercase, *digits):
        if letter not in used and letter not in reserved:
            return letter
    number = 10
    while str(number) in used:
        number += 1
    return str(number)
