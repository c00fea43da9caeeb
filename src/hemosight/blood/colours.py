"""Colours for types beyond the nine: readable on either page, and as far as can be from every colour in use.

Distances are Euclidean in OKLab (Ottosson 2020), where equal steps look alike; contrast is WCAG 2.2's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.palette import PAGE

CONTRAST = 3.0
"""Least contrast of a colour with its page (WCAG 2.2, 1.4.11)."""
ALIKE = 0.03
"""Colours nearer to one another than this are taken for one; any two of the nine lie at least 0.10 apart."""
_STEPS = range(24, 241, 24)
"""Of red, green and blue, from which colours are chosen."""

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Ink:
    """One colour as it stands on a light and on a dark page, each ``#rrggbb``."""

    light: str
    dark: str


def distance(one: str, other: str) -> float:
    """How far two colours lie apart in OKLab; black and white are 1 apart.

    >>> round(distance("#000000", "#ffffff"), 3)
    1.0
    """
    first, second = _oklab([one, other])
    return float(np.linalg.norm(first - second))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21."""
    values = _linear([one, other]) @ _LUMINANCE
    return float((values.max() + 0.05) / (values.min() + 0.05))


def free(taken: Iterable[Ink], count: int) -> list[Ink]:
    """``count`` inks, none of them one of those ``taken`` nor another of these; the same call gives the same inks.

    Each is the one farthest from all before it, by the nearer of its two colours.
    """
    inks, lights, darks = _candidates()
    held = list(taken)
    room = np.full(len(inks), np.inf)

    def keep_away(ink: Ink) -> None:
        for side, near in ((lights, ink.light), (darks, ink.dark)):
            np.minimum(room, np.linalg.norm(side - _oklab([near]), axis=1), out=room)

    for ink in held:
        keep_away(ink)
    found: list[Ink] = []
    for _ in range(count):
        found.append(inks[int(room.argmax())])
        keep_away(found[-1])
    return found


@cache
def _candidates() -> tuple[list[Ink], NDArray[np.float64], NDArray[np.float64]]:
    """Inks to choose from, and both of their colours in OKLab.

    A colour of a light page goes with the one of a dark page that is the most like it in hue and strength.
    """
    colours = ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in product(_STEPS, repeat=3)]
    lab = _oklab(colours)
    luminance = _linear(colours) @ _LUMINANCE
    strength = np.linalg.norm(lab[:, 1:], axis=1)
    pages = _linear(PAGE) @ _LUMINANCE
    # Greys are those of types that nobody gave a colour.
    strong = strength > 0.06
    light = np.flatnonzero(strong & ((pages[0] + 0.05) / (luminance + 0.05) >= CONTRAST))
    dark = np.flatnonzero(strong & ((luminance + 0.05) / (pages[1] + 0.05) >= CONTRAST))
    # As light on the dark page as it is dark on the light one.
    wanted = np.column_stack([1.1 - lab[light, 0], lab[light, 1:]])
    partner = dark[np.linalg.norm(wanted[:, None] - lab[dark][None], axis=2).argmin(axis=1)]
    inks = [Ink(colours[one], colours[other]) for one, other in zip(light, partner, strict=True)]
    return inks, lab[light], lab[partner]


def _linear(colours: Sequence[str]) -> NDArray[np.float64]:
    values = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _oklab(colours: Sequence[str]) -> NDArray[np.float64]:
    return np.cbrt(_linear(colours) @ _TO_CONES.T) @ _TO_LAB.T
