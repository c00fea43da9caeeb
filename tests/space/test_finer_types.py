"""Finer types: told within their type, from few labels, without touching what is read of the others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hemosight.space.finer_types import FinerTypes
from hemosight.space.linear_classifier import LinearClassifier

NAMES = ("neutrophil", "lymphocyte", "band")
PARENTS = {2: 0}
DIMENSIONS = 40


@pytest.fixture
def cells() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two hundred neutrophils, every fourth a band: the two differ along one axis among forty."""
    rng = np.random.default_rng(1)
    truth = np.where(np.arange(200) % 4 == 0, 2, 0)
    vectors = rng.normal(size=(200, DIMENSIONS)).astype(np.float32)
    vectors[truth == 2, 0] += 6
    return vectors, truth


def _finer(vectors: NDArray[np.float32]) -> FinerTypes:
    return FinerTypes(NAMES, PARENTS, lambda rows: vectors[rows], DIMENSIONS)


def _nobody(_parent: int, _count: int) -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def test_a_label_of_a_finer_type_teaches_the_type_above_it() -> None:
    finer = _finer(np.zeros((1, DIMENSIONS), np.float32))
    assert finer.upper.tolist() == [0, 1, 0]


def test_ten_labels_of_each_tell_them_apart(cells: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    vectors, truth = cells
    finer = _finer(vectors)
    taught = [*np.flatnonzero(truth == 2)[:10], *np.flatnonzero(truth == 0)[:10]]
    finer.update(taught, truth[taught].tolist())
    (split,) = finer.splits(_nobody)
    rest = np.setdiff1d(np.arange(200), taught)
    read = np.array([0, 2])[split.classifier.scores(vectors[rest]).argmax(axis=1)]
    assert (read == truth[rest]).mean() > 0.9


def test_unlabelled_cells_stand_in_for_what_nobody_labelled(
    cells: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    vectors, truth = cells
    bands = np.flatnonzero(truth == 2)[:10].tolist()
    asked = []

    def stand_ins(parent: int, count: int) -> NDArray[np.int64]:
        asked.append((parent, count))
        return np.arange(1, 41, 40 // count)[:count]

    finer = _finer(vectors)
    finer.update(bands, [2] * 10)
    assert finer.splits(_nobody) == (), "of one kind alone nothing is told apart"
    (split,) = finer.splits(stand_ins)
    assert asked == [(0, 10)]
    rest = np.arange(100, 200)
    read = np.array([0, 2])[split.classifier.scores(vectors[rest]).argmax(axis=1)]
    assert (read == truth[rest]).mean() > 0.8


def test_the_probability_of_the_type_is_shared_and_no_other_moves(
    cells: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    vectors, truth = cells
    finer = _finer(vectors)
    finer.update(list(range(40)), truth[:40].tolist())
    rng = np.random.default_rng(0)
    upper = LinearClassifier(NAMES, rng.normal(size=(DIMENSIONS, 3)), np.array([0.0, 0.0, -np.inf]), 1.0)
    before = upper.probabilities(vectors)
    after = before.copy()
    for split in finer.splits(_nobody):
        split.share(after, vectors)
    assert after[:, 1].tolist() == before[:, 1].tolist()
    assert after[:, [0, 2]].sum(axis=1) == pytest.approx(before[:, 0])
    assert (after[:, 2] > 0).all()


def test_labels_come_change_and_go(cells: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    vectors, truth = cells
    finer, again = _finer(vectors), _finer(vectors)
    finer.update(list(range(60)), [1] * 60)
    assert finer.splits(_nobody) == ()
    finer.update(list(range(40)), truth[:40].tolist())
    finer.update(list(range(40, 60)), [-1] * 20)
    again.update(list(range(40)), truth[:40].tolist())
    (one,), (other,) = finer.splits(_nobody), again.splits(_nobody)
    assert np.array_equal(one.classifier.scores(vectors), other.classifier.scores(vectors))
