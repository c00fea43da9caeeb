"""A letter and a colour for every type of cell, the same on every page and in every report.

The nine colours were found by search: any two lie at least 0.10 apart in OKLab, for normal vision and for
simulated protanopia and deuteranopia, 0.08 for tritanopia (Machado et al. 2009, severity 1); each has a contrast of
at least 3:1 with its page, near-white or near-black (WCAG 2.2, 1.4.11). Nine is near the most that can be told
apart, so a colour never stands without its letter. A finer type has the colour of the type it belongs to and its own
letter; any further type is grey, so that no other type's colour ever stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from string import ascii_uppercase, digits

from hemosight.blood.vocabulary import NOT_COUNTED, children_of, parent_of

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

_GREYS = (("#50565c", "#d3d6d9"), ("#777d83", "#a4a9ae"), ("#8d9297", "#767c82"))
"""Of types beyond the nine and their finer ones, in turn."""
_TAKEN = "H"
"""Keys that mean something else at the desk: H folds the heat map in and out."""


def ordered(types: Iterable[str]) -> tuple[str, ...]:
    """Types as a differential lists them, each once.

    The nine known ones first, each followed by its finer types, then others by name, then what is not counted.
    """
    given = set(types)
    known = [name for root in KNOWN for name in (root, *children_of(root)) if name in given]
    uncounted = [name for name in NOT_COUNTED if name in given]
    return (*known, *sorted(given.difference(known, uncounted), key=str.casefold), *uncounted)


def marks(types: Iterable[str]) -> dict[str, Mark]:
    """A mark for every type, in the order of :func:`ordered`.

    The nine known types keep their own. Any other takes a free letter: its own first letters before the rest of the
    alphabet and the digits; where these run out, after 26 further types, numbers go on from 10. A finer type has the
    colour of the type above it; any other, and what is not counted, is one of three greys in turn.
    """
    names = ordered(types)
    used = {KNOWN[name].letter for name in names if name in KNOWN}
    # A letter of a known type stays free for it, even on a page where it does not occur.
    reserved = {mark.letter for mark in KNOWN.values()} | set(_TAKEN)
    found: dict[str, Mark] = {}
    greys = cycle(_GREYS)
    for name in names:
        if name in KNOWN:
            found[name] = KNOWN[name]
            continue
        letter = _letter(name, used, reserved)
        used.add(letter)
        parent = parent_of(name)
        light, dark = (KNOWN[parent].light, KNOWN[parent].dark) if parent is not None else next(greys)
        found[name] = Mark(letter, light, dark)
    return found


def _letter(name: str, used: set[str], reserved: set[str]) -> str:
    own = [letter for letter in name.upper() if letter in ascii_uppercase]
    for letter in (*own, *ascii_uppercase, *digits):
        if letter not in used and letter not in reserved:
            return letter
    number = 10
    while str(number) in used:
        number += 1
    return str(number)
