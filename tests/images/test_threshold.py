"""The score from which something is taken for a white cell: moved by what people corrected, and not by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemosight.images.finding.cells import FoundCell, find
from hemosight.images.finding.threshold import LEAST_SEEN, FinderErrors, JudgedField, fit, judged
from hemosight.images.synthetic.camera import draw_field


def _fields(rng: np.random.Generator, count: int, pale: float) -> list[JudgedField]:
    """Four cells with high scores and dirt with low ones; in a share of the fields a pale cell scores 0.2 to 0.45."""
    fields = []
    for _ in range(count):
        scores, truth = list(rng.uniform(0.8, 1, 4)) + list(rng.uniform(0.02, 0.12, 3)), [True] * 4 + [False] * 3
        if rng.uniform() < pale:
            scores.append(rng.uniform(0.2, 0.45))
            truth.append(True)
        fields.append(JudgedField(np.array(scores), np.array(truth)))
    return fields


def test_cells_that_people_keep_adding_lower_the_threshold() -> None:
    found = fit(_fields(np.random.default_rng(1), 30, 0.6))
    assert 0.12 < found.least <= 0.25
    assert found.before.missed > 10
    assert found.after.total <= 2
    assert found.chance < 0.001


def test_false_ones_that_people_keep_removing_raise_it() -> None:
    rng = np.random.default_rng(2)
    fields = [
        JudgedField(np.array([0.97, 0.95, rng.uniform(0.5, 0.7)]), np.array([True, True, False])) for _ in range(20)
    ]
    found = fit(fields)
    assert 0.7 <= found.least < 0.95
    assert (found.before.false_cells, found.after.false_cells) == (20, 0)


def test_a_handful_of_errors_moves_nothing() -> None:
    found = fit(_fields(np.random.default_rng(3), 30, 0.1)[:20])
    assert found.least == 0.5
    assert found.chance >= 0.02


def test_what_the_search_does_not_see_moves_nothing() -> None:
    fields = [replace(field, unseen=2) for field in _fields(np.random.default_rng(4), 20, 0.0)]
    found = fit(fields)
    assert (found.least, found.before.missed, found.after.missed) == (0.5, 40, 40)


@pytest.mark.slow
def test_without_any_signal_it_moves_as_seldom_as_is_said() -> None:
    """Scores that tell nothing around the threshold: in 300 projects it may move in one of twenty."""
    rng = np.random.default_rng(5)
    moved = 0
    for _ in range(300):
        fields = []
        for _ in range(15):
            unsure = rng.uniform(0.3, 0.7, 2)
            scores = np.concatenate([rng.uniform(0.9, 1, 4), unsure])
            fields.append(JudgedField(scores, np.concatenate([np.ones(4, bool), rng.uniform(size=2) < 0.5])))
        moved += fit(fields).least != 0.5
    assert moved / 300 < 0.05


def test_a_threshold_that_was_moved_goes_back_when_fields_say_so() -> None:
    rng = np.random.default_rng(6)
    fields = [JudgedField(np.array([0.97, rng.uniform(0.2, 0.4)]), np.array([True, False])) for _ in range(20)]
    found = fit(fields, least=0.15)
    assert found.least >= 0.4
    assert found.before == FinderErrors(0, 20)


def test_no_field_says_nothing() -> None:
    found = fit([])
    assert (found.least, found.chance) == (0.5, 1.0)


@pytest.mark.parametrize("removed", [0, 1])
def test_what_people_left_standing_is_what_is_right(removed: int) -> None:
    pixels = draw_field(900, 700, ["lymphocyte", "neutrophil", "monocyte"], np.random.default_rng(4)).pixels
    candidates = find(pixels, 77.0, LEAST_SEEN)
    standing = [cell for cell in candidates if cell.score >= 0.5][removed:]
    unseen = FoundCell(5, 5, 20, 20, 0.0)
    found = judged(candidates, [*standing, unseen])
    assert (int(found.truth.sum()), found.unseen) == (len(standing), 1)
    assert (found.scores[found.truth] >= 0.5).all()
