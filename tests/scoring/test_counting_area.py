"""Which cells are counted: orders that a seed fixes, of which none is likelier than another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hemosight.errors import BadSetting
from hemosight.scoring.counting_area import BATTLEMENT, RANDOM, first_field, met, numbers, order

CELLS = np.arange(1001, 1041)
WRITTEN = [1038, 1011, 1017, 1034, 1006, 1037]


def test_a_seed_fixes_the_order_and_another_gives_another() -> None:
    first = order(CELLS, 7, RANDOM)
    assert sorted(first.tolist()) == list(range(len(CELLS)))
    assert np.array_equal(first, order(CELLS, 7, RANDOM))
    assert not np.array_equal(first, order(CELLS, 8, RANDOM))
    # Written down, so that a record can be checked years later: the method must not change under its name.
    assert CELLS[order(CELLS, 20261127, RANDOM)][:6].tolist() == WRITTEN


def test_every_cell_is_as_likely_at_every_place() -> None:
    """4,000 seeds: which cell comes first, which is among ten, and which two come first together, all uniform."""
    orders = np.array([order(CELLS, seed, RANDOM) for seed in range(4000)])
    firsts = np.bincount(orders[:, 0], minlength=len(CELLS))
    assert stats.chisquare(firsts).pvalue > 1e-3
    among = np.bincount(orders[:, :10].ravel(), minlength=len(CELLS)) / len(orders)
    assert np.abs(among - 0.25).max() < 4.5 * np.sqrt(0.25 * 0.75 / len(orders))
    pairs = np.bincount(5 * (orders[:, 0] // 8) + orders[:, 1] // 8, minlength=25)
    expected = np.array([8 * (7 if one == other else 8) for one in range(5) for other in range(5)]) / (40 * 39)
    assert stats.chisquare(pairs, expected * len(orders)).pvalue > 1e-3


def test_numbers_of_neighbouring_images_and_seeds_have_nothing_in_common() -> None:
    table = np.array([numbers(CELLS, seed) for seed in range(2000)])
    assert stats.kstest(table.ravel(), "uniform").pvalue > 1e-3
    along_cells = np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel())[0, 1]
    along_seeds = np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]
    assert max(abs(along_cells), abs(along_seeds)) < 4.5 / np.sqrt(table.size)


def test_a_cell_that_comes_later_moves_no_other() -> None:
    before = CELLS[order(CELLS, 3, RANDOM)].tolist()
    more = np.append(CELLS, 2000)
    assert [image for image in more[order(more, 3, RANDOM)].tolist() if image != 2000] == before


def test_a_battlement_goes_field_after_field_from_one_that_was_drawn() -> None:
    fields, across = np.repeat([4, 5, 9], [2, 3, 2]), np.array([5.0, 1.0, 3.0, 2.0, 1.0, 8.0, 9.0])
    images = np.arange(11, 18)
    tracks = {4: [12, 11, 15, 14, 13, 16, 17], 5: [15, 14, 13, 16, 17, 12, 11], 9: [16, 17, 12, 11, 15, 14, 13]}
    begun = []
    for seed in range(600):
        along = images[order(images, seed, BATTLEMENT, fields, across)].tolist()
        begun.append(next(field for field, track in tracks.items() if track == along))
    assert stats.chisquare(np.unique(begun, return_counts=True)[1]).pvalue > 1e-3
    assert len(order(images[:0], 1, BATTLEMENT, fields[:0], across[:0])) == 0
    with pytest.raises(BadSetting, match="fields"):
        order(images, 1, BATTLEMENT)


def test_a_battlement_that_goes_on_keeps_the_field_it_began_in() -> None:
    fields, images = np.repeat(np.arange(1, 6), 4), np.arange(100, 120)
    across = np.tile(np.arange(4.0), 5)
    later, more = np.append(fields, [6, 6, 7]), np.append(images, [120, 121, 122])
    further = np.append(across, [0.0, 1.0, 0.0])
    moved = 0
    for seed in range(60):
        first = first_field(fields, seed)
        moved += first_field(later, seed) != first
        along = fields[order(images, seed, BATTLEMENT, fields, across)]
        assert along[0] == first
        after = later[order(more, seed, BATTLEMENT, later, further, first)]
        assert after[0] == first
        # Fields that came later stand where they were taken: behind those of before, in the same direction.
        assert np.unique(after[np.isin(after, fields)]).tolist() == np.unique(fields).tolist()
        assert after[after < 6].tolist() == along.tolist()
        # A field that has no cells by now hands over to the next one.
        left = fields != first
        gone = fields[left][order(images[left], seed, BATTLEMENT, fields[left], across[left], first)]
        assert gone[0] == first % 5 + 1
    assert moved > 5, "the seed alone would have begun elsewhere"


def test_one_counts_until_so_many_leukocytes_are_met() -> None:
    leukocyte = np.array([True, False, True, False, True])
    assert [met(leukocyte, wanted) for wanted in (1, 2, 3, 4)] == [1, 3, 5, 5]
    assert met(leukocyte[:0], 100) == 0


def test_the_share_along_an_order_is_that_of_the_film() -> None:
    """Of 60 cells 20 are platelets and 8 of the 40 leukocytes blasts: ten leukocytes hold two on average."""
    rng = np.random.default_rng(5)
    kinds = rng.permutation(np.repeat(["blast", "other", "platelet"], [8, 32, 20]))
    images, blasts = np.arange(60), []
    for seed in range(3000):
        along = kinds[order(images, seed, RANDOM)]
        counted = along[: met(along != "platelet", 10)]
        blasts.append(int((counted == "blast").sum()))
    # Hypergeometric: mean 2, variance 10 * 0.2 * 0.8 * 30/39.
    assert abs(np.mean(blasts) - 2) < 4.5 * np.sqrt(1.6 * 30 / 39 / len(blasts))
    assert np.var(blasts) == pytest.approx(1.6 * 30 / 39, rel=0.15)
