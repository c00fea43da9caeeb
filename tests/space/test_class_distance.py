"""Distance from classes: the plain formula, low for known cells, high between classes where cells vary little."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.space.class_distance import LEAST_CELLS, ClassDistance
from hemosight.space.novelty import Novelty


def clouds(count: int, seed: int, dims: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, wide along the first ten directions and narrow along the others, in which they differ."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, count)
    spread = np.where(np.arange(dims) < 10, 4.0, 0.3)
    means = np.zeros((3, dims))
    means[np.arange(3), 20 + np.arange(3)] = 4.0
    vectors = means[code] + rng.normal(size=(count, dims)) * spread
    return vectors.astype(np.float32), np.array(["a", "b", "c"])[code]


def fitted(count: int = 2000) -> ClassDistance:
    found = ClassDistance.fit(*clouds(count, 0))
    assert found is not None
    return found


def test_it_is_the_mahalanobis_distance_of_the_plain_formula() -> None:
    measure, (cells, _) = fitted(), clouds(7, 3)
    complete = np.linalg.qr(np.hstack([measure.axes, np.eye(80, dtype=np.float32)]))[0][:, :80]
    variances = np.concatenate([measure.variances, np.full(80 - len(measure.variances), measure.rest)])
    covariance = complete @ np.diag(variances) @ complete.T
    slow = [
        min(np.sqrt((cell - mean) @ np.linalg.solve(covariance, cell - mean)) for mean in measure.means.astype(float))
        for cell in cells.astype(float)
    ]
    assert measure.distance(cells) == pytest.approx(slow, rel=1e-3)


def test_one_new_cell_in_a_hundred_of_known_classes_exceeds_the_unit() -> None:
    assert (fitted(6000).score(clouds(6000, 1)[0]) > 1).mean() == pytest.approx(0.01, abs=0.006)


def test_a_cell_between_classes_stands_out_though_known_cells_lie_farther_apart_than_it_from_them() -> None:
    vectors, labels = clouds(2000, 0)
    between = np.zeros((50, 80), np.float32)
    between[:, :10] = clouds(50, 5)[0][:, :10]
    between[:, [20, 21, 22]] = 2.0
    by_cells, by_classes = Novelty.fit(vectors), Novelty.fit(vectors, labels=labels)
    assert (by_cells.score(between) > 1).mean() < 0.2
    assert (by_classes.score(between) > 1).mean() > 0.95


def test_few_cells_or_one_class_are_measured_by_the_nearest_cells() -> None:
    vectors, labels = clouds(LEAST_CELLS - 1, 0)
    assert ClassDistance.fit(vectors, labels) is None
    assert np.array_equal(Novelty.fit(vectors, labels=labels).score(vectors), Novelty.fit(vectors).score(vectors))
    vectors, labels = clouds(LEAST_CELLS, 0)
    assert ClassDistance.fit(vectors, np.full_like(labels, "a")) is None


def test_it_is_the_same_from_its_tensors() -> None:
    measure, (cells, _) = fitted(), clouds(20, 2)
    assert np.array_equal(ClassDistance.of(measure.tensors()).score(cells), measure.score(cells))
