"""Novelty: low among known cells, high far from them, the same unit whatever the scale."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.space import novelty
from hemosight.space.novelty import Novelty


def _cloud(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, 16)) + shift).astype(np.float32)


def test_known_cells_lie_below_one_and_strangers_above() -> None:
    measure = Novelty.fit(_cloud(600, 0))
    known, strange = measure.score(_cloud(400, 1)), measure.score(_cloud(50, 2, shift=5.0))
    assert (known < 1).mean() > 0.95
    assert (strange > 1.5).all()


@pytest.mark.slow
def test_one_known_cell_in_a_hundred_exceeds_the_unit() -> None:
    cells = _cloud(1500, 3)
    unit = Novelty.fit(cells).unit
    gaps = np.linalg.norm(cells[:, None] - cells[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    own = np.sort(gaps, axis=1)[:, : novelty.NEIGHBOURS].mean(axis=1)
    assert (own > unit).mean() == pytest.approx(0.01, abs=0.003)


def test_novelty_grows_with_distance() -> None:
    measure = Novelty.fit(_cloud(300, 4))
    line = np.outer(np.arange(0, 20, 2), np.ones(16)).astype(np.float32)
    scores = measure.score(line)
    assert (np.diff(scores[1:]) > 0).all()


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_handful_of_known_cells_is_enough(n: int) -> None:
    scores = Novelty.fit(_cloud(n, 5)).score(_cloud(10, 6))
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_copies_alone_do_not_make_everything_novel_by_division_by_zero() -> None:
    same = np.repeat(_cloud(1, 7), 8, axis=0)
    assert np.isfinite(Novelty.fit(same).score(_cloud(3, 8))).all()


def test_a_large_reference_is_sampled_to_nearly_the_same_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = _cloud(3000, 9)
    sampled = Novelty.fit(cells).unit
    monkeypatch.setattr(novelty, "SAMPLE", 10_000)
    assert sampled == pytest.approx(Novelty.fit(cells).unit, rel=0.05)
