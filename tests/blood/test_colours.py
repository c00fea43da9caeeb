from __future__ import annotations

from itertools import combinations

import pytest

from hemosight.blood import colours
from hemosight.blood.colours import ALIKE, CONTRAST, Ink
from hemosight.blood.palette import KNOWN, PAGE

NINE = [Ink(mark.light, mark.dark) for mark in KNOWN.values()]


def test_distance_and_contrast_know_black_and_white() -> None:
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.distance("#000000", "#ffffff") == pytest.approx(1, abs=1e-6)
    assert colours.distance("#3b5bdb", "#3b5bdb") == 0


def test_a_free_colour_is_no_other_types_on_either_page_and_stands_out_from_it() -> None:
    found = colours.free(NINE, 16)
    assert found == colours.free(NINE, 16), "the same colours for whoever asks"
    for one, other in combinations([*NINE, *found], 2):
        assert colours.distance(one.light, other.light) > 2 * ALIKE, (one, other)
        assert colours.distance(one.dark, other.dark) > 2 * ALIKE, (one, other)
    for ink in found:
        assert colours.contrast(ink.light, PAGE[0]) >= CONTRAST
        assert colours.contrast(ink.dark, PAGE[1]) >= CONTRAST


def test_a_hundred_types_have_a_hundred_colours() -> None:
    found = [*NINE, *colours.free(NINE, 91)]
    assert min(colours.distance(one.light, other.light) for one, other in combinations(found, 2)) > ALIKE
    assert min(colours.distance(one.dark, other.dark) for one, other in combinations(found, 2)) > ALIKE
