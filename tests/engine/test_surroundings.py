"""Around a cell: one search says what novelty, neighbours and place say one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemosight.engine.bundle import Bundle, load
from hemosight.engine.surroundings import NEIGHBOURS, Surveyor
from hemosight.space.landscape import Landscape
from hemosight.space.neighbours import nearest


def _near(bundle: Bundle, cells: int = 40) -> np.ndarray:
    """Cells beside known ones: of unit length, none of them known."""
    rng = np.random.default_rng(0)
    known = bundle.support.embeddings.vectors
    moved = known[rng.choice(len(known), cells)] + rng.normal(size=(cells, known.shape[1])).astype(np.float32) * 0.02
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def default() -> Bundle:
    return load()


def test_one_search_equals_three(default: Bundle) -> None:
    vectors = _near(default)
    around = Surveyor(default).look(vectors)
    assert default.landscape is not None
    assert around.places is not None
    assert np.allclose(around.places, default.landscape.place(vectors), atol=1e-4)
    assert around.novelties == pytest.approx(default.novelty.score(vectors), rel=1e-5)
    known = default.support.embeddings.vectors
    _, distances = nearest(vectors, known, NEIGHBOURS)  # rows may differ: two cells at one distance, but for rounding
    assert np.allclose(around.distances, distances, atol=1e-6)
    assert np.allclose(np.linalg.norm(known[around.rows] - vectors[:, None], axis=2), around.distances, atol=1e-6)


def test_without_a_map_there_is_no_place(default: Bundle) -> None:
    bare = replace(default, landscape=None)
    around = Surveyor(bare).look(_near(bare, 3))
    assert around.places is None
    assert around.rows.shape == (3, NEIGHBOURS)


def test_few_known_cells_are_all_neighbours(tiny_bundle: Bundle) -> None:
    known = tiny_bundle.support.embeddings.vectors
    positions = np.random.default_rng(1).normal(size=(len(known), 2)).astype(np.float32)
    small = replace(tiny_bundle, landscape=Landscape(known, positions - positions.mean(axis=0)))
    around = Surveyor(small).look(known[:2])
    assert around.distances.shape == (2, min(NEIGHBOURS, len(known)))
    assert around.rows[:, 0].tolist() == [0, 1], "a known cell is its own nearest"
    assert around.places is not None
    assert np.isfinite(around.places).all()
