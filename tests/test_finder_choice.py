"""benchmarks/find.py --choose: what is chosen without a laboratory depends on nothing of that laboratory."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import find_choice
import find_weights
from find_fields import Known, drawn

from hemosight.images.finding import cells as finder

pytestmark = pytest.mark.slow  # fields are drawn for three seconds

GRID = {"features": ("few", "relative"), "blue": (0.0, 0.5), "over_red": (0.0, 2.1), "least": (0.5, 0.3)}
FURTHER = {"margin": (0.25,)}


@pytest.fixture(scope="module")
def laboratories() -> dict[str, list[Known]]:
    """Two, and the drawn fields that always take part."""
    return {name: drawn(8, seed=seed, most=3) for name, seed in (("drawn", 50), ("one", 51), ("other", 52))}


def noise(fields: list[Known]) -> list[Known]:
    rng = np.random.default_rng(5)
    return [replace(one, pixels=rng.integers(0, 256, one.pixels.shape, np.uint8), boxes=[]) for one in fields]


def chosen(name: str, fields: dict[str, list[Known]]) -> find_choice.Chosen:
    return find_choice.without(name, fields, None, fields["drawn"], GRID, FURTHER)


def test_the_choice_never_sees_the_laboratory_that_is_left_out(laboratories: dict[str, list[Known]]) -> None:
    spoilt = {**laboratories, "other": noise(laboratories["other"])}
    first, again = chosen("other", laboratories), chosen("other", spoilt)
    assert again.choice == first.choice
    assert again.f1 == first.f1 > 0.8
    assert again.model.text() == first.model.text()
    assert again.as_shipped.text() == first.as_shipped.text()
    assert chosen("one", spoilt).f1 < first.f1  # where it takes part, noise does harm


def test_what_ships_is_searched_as_it_ships(laboratories: dict[str, list[Known]]) -> None:
    for one in laboratories["one"][:3]:
        own = find_choice.found(
            find_choice.look(one, find_choice.Choice()), find_weights.Model.shipped(), find_choice.Choice()
        )
        expected = finder.find(one.pixels, one.red_cell_px)
        assert [replace(cell, marks=()) for cell in own] == [replace(cell, marks=()) for cell in expected]


def test_constants_are_put_back() -> None:
    before = find_choice.Choice()
    with find_choice.shipping(replace(before, blue=9.0, same=0.1)):
        assert find_choice.Choice() == before
        during = finder.SAME
    assert (during, finder.SAME) == (0.1, before.same)
