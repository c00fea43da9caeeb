"""Exact neighbours equal the slow obvious loop."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.space import neighbours
from hemosight.space.neighbours import nearest


def _slow(queries: np.ndarray, reference: np.ndarray, k: int, skip_self: bool) -> list[list[int]]:
    found = []
    for i, query in enumerate(queries):
        gaps = [(float(np.linalg.norm(query - other)), j) for j, other in enumerate(reference)]
        found.append([j for _, j in sorted(gaps) if not (skip_self and i == j)][:k])
    return found


@pytest.mark.parametrize("skip_self", [False, True])
def test_equal_to_the_obvious_loop(skip_self: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 4 * 40 * 7)  # seven queries a block: borders are crossed
    points = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    rows, distances = nearest(points, points, 6, exclude_self=skip_self)
    assert rows.tolist() == _slow(points, points, 6, skip_self)
    expected = np.linalg.norm(points[:, None] - points[rows], axis=2)
    assert np.allclose(distances, expected, atol=1e-3)
    assert (np.diff(distances, axis=1) >= -1e-6).all()


def test_distances_keep_four_digits_however_small() -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(300, 64)).astype(np.float32)
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    step = rng.normal(size=(300, 64)) * np.logspace(-7, -0.5, 300)[:, None] / 8
    queries = (reference + step).astype(np.float32)
    rows, distances = nearest(queries, reference, 8)
    expected = np.linalg.norm(queries[:, None].astype(np.float64) - reference[rows], axis=2)
    assert distances == pytest.approx(expected, rel=2e-4, abs=1e-8)
    assert (rows[:, 0] == np.arange(300)).mean() > 0.95


def test_a_point_is_its_own_nearest_unless_excluded() -> None:
    points = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    assert nearest(points, points, 1)[0][:, 0].tolist() == list(range(9))
    assert (nearest(points, points, 1, exclude_self=True)[0][:, 0] != np.arange(9)).all()


def test_fewer_references_than_asked_for() -> None:
    points = np.eye(3, dtype=np.float32)
    rows, distances = nearest(points, points, 10)
    assert rows.shape == distances.shape == (3, 3)
    assert nearest(points[:1], points[:1], 5, exclude_self=True)[0].shape == (1, 0)


@pytest.mark.parametrize("count", [3200, 3211, 4000])
def test_the_least_of_groups_leave_the_same_neighbours(count: int) -> None:
    rng = np.random.default_rng(4)
    products = rng.normal(size=(9, count)).astype(np.float32)
    products[0] = np.sort(products[0])  # all of the nearest in a few groups, or in one stride
    products[1, ::200] += 10
    products[2] = np.round(products[2])  # many alike
    reference = np.zeros((count, 2), np.float32)
    rows, _ = nearest(np.zeros((9, 2), np.float32), reference, 100, product=lambda _: products.copy())
    assert all(len(set(row)) == 100 for row in rows.tolist())
    found = np.take_along_axis(products, rows, axis=1)
    assert np.array_equal(found, np.sort(products, axis=1)[:, ::-1][:, :100])


def test_who_multiplies_is_asked_for_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(5).normal(size=(40, 5)).astype(np.float32)
    monkeypatch.setattr(neighbours, "BLOCK", 4 * 40 * 7)
    asked: list[int] = []

    def product(queries: np.ndarray) -> np.ndarray:
        asked.append(len(queries))
        return queries @ points.T

    assert np.array_equal(nearest(points, points, 6, product=product)[0], nearest(points, points, 6)[0])
    assert asked == [7, 7, 7, 7, 7, 5]
