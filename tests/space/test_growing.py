"""Teaching in rounds reads as a fit on everything would."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.space import discriminant
from hemosight.space.growing import Growing

CLASSES = ("blast", "ig", "monocyte")


def _cells(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(CLASSES), n)
    centres = np.random.default_rng(9).normal(size=(len(CLASSES), 24))
    return (centres[codes] + 1.5 * rng.normal(size=(n, 24))).astype(np.float32), np.array(CLASSES)[codes]


@pytest.mark.parametrize("rounds", [1, 4, 9])
def test_rounds_equal_one_fit(rounds: int) -> None:
    vectors, labels = _cells(300, 1)
    order = np.random.default_rng(2).permutation(300)[:180]
    growing = Growing(vectors, CLASSES, growth=1.0)
    for rows in np.array_split(order, rounds):
        growing.add(rows, labels[rows])
        growing.reader()
    reader = growing.reader()
    slow = discriminant.fit(vectors[order], labels[order])
    assert reader.classes == slow.classes
    assert np.allclose(reader.probabilities(vectors), slow.probabilities(vectors), atol=1e-5)


def test_an_old_temperature_changes_no_reading() -> None:
    vectors, labels = _cells(300, 3)
    often, seldom = Growing(vectors, CLASSES, growth=1.0), Growing(vectors, CLASSES, growth=10.0)
    for rows in np.array_split(np.arange(200), 8):
        for growing in (often, seldom):
            growing.add(rows, labels[rows])
        one, other = often.reader(), seldom.reader()
        assert (one.predict(vectors) == other.predict(vectors)).all()
    assert often.reader().slope != seldom.reader().slope


def test_a_class_without_a_label_is_never_read() -> None:
    vectors, labels = _cells(100, 4)
    growing = Growing(vectors, CLASSES)
    rows = np.flatnonzero(labels != "ig")
    growing.add(rows, labels[rows])
    probabilities = growing.reader().probabilities(vectors)
    assert np.allclose(probabilities[:, 1], 0.0)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
