"""The map: neighbours stay neighbours, it never moves, and a stranger lands among its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness as theirs

from hemosight.engine.bundle import load
from hemosight.errors import BadTable, TooFewCells, UnknownName
from hemosight.space import landscape
from hemosight.space.landscape import Landscape, fit, perplexity_weights, purity, trustworthiness

GROUPS, EACH, DIM = 4, 30, 16


def _cells(seed: int, each: int = EACH) -> tuple[NDArray[np.float32], list[str]]:
    """Unit vectors in four loose groups, the same groups for every seed."""
    centres = np.random.default_rng(7).normal(size=(GROUPS, DIM))
    rng = np.random.default_rng(seed)
    vectors = np.repeat(centres, each, axis=0) + rng.normal(size=(GROUPS * each, DIM)) * 0.35
    labels = [f"type {group}" for group in range(GROUPS) for _ in range(each)]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.fixture(scope="module")
def laid() -> Landscape:
    vectors, labels = _cells(1)
    return fit(vectors, labels, iterations=300, threads=1)


def test_neighbours_are_neighbours_on_the_map(laid: Landscape) -> None:
    shuffled = np.random.default_rng(0).permutation(laid.positions)
    assert trustworthiness(laid.reference, shuffled) < 0.6
    assert laid.facts["trustworthiness"] > 0.9
    assert laid.facts["purity"] > 0.95


def test_the_map_is_centred_and_says_how_it_was_made(laid: Landscape) -> None:
    assert laid.positions.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    assert laid.facts["perplexity"] == 30
    assert laid.facts["iterations"] == 300
    assert laid.facts["cells"] == len(laid) == GROUPS * EACH


def test_the_same_seed_is_the_same_map() -> None:
    vectors, _ = _cells(1)
    one, two = (fit(vectors, iterations=50, seed=3, threads=1) for _ in range(2))
    assert np.array_equal(one.positions, two.positions)


def test_a_stranger_lands_among_its_own(laid: Landscape) -> None:
    vectors, labels = _cells(2)
    _, known = _cells(1)
    placed = laid.place(vectors)
    assert purity(placed, labels, among=laid.positions, among_labels=known) > 0.95
    guessed = np.random.default_rng(0).permutation(placed)
    assert purity(guessed, labels, among=laid.positions, among_labels=known) < 0.5, "the figure can be bad"


def test_a_known_cell_lands_near_its_own_place(laid: Landscape) -> None:
    away = np.linalg.norm(laid.place(laid.reference) - laid.positions, axis=1)
    assert np.median(away) < 0.1 * np.ptp(laid.positions)


def test_placing_moves_nothing(laid: Landscape) -> None:
    before = laid.positions.copy()
    laid.place(_cells(2)[0])
    assert np.array_equal(laid.positions, before)
    with pytest.raises(ValueError, match="read-only"):
        laid.positions[0] = 0


@pytest.mark.parametrize("block", [3, 256])
def test_a_batch_lands_where_its_cells_land_alone(laid: Landscape, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, _ = _cells(3, each=5)
    together = laid.place(queries)
    monkeypatch.setattr(landscape, "BLOCK", block)
    backwards = laid.place(queries[::-1])[::-1]
    alone = np.concatenate([laid.place(query[None]) for query in queries])
    # To rounding: processors add a narrow product and a wide one in another order.
    assert together == pytest.approx(alone, abs=1e-4)
    assert together == pytest.approx(backwards, abs=1e-4)


def test_a_place_between_two_groups_is_in_one_of_them() -> None:
    """A mean would fall where no cell is."""
    around = np.array([[[-50.0, 0], [-51, 0], [-50, 1], [50, 0], [51, 0]]])
    (place,) = landscape.settle(around, np.full((1, 5), 0.2))
    assert np.linalg.norm(place - [-50, 0]) < 1


def test_settling_never_raises_the_cost() -> None:
    rng = np.random.default_rng(0)
    around, weights = rng.normal(size=(20, 8, 2)) * 9, rng.dirichlet(np.ones(8), 20)

    def cost(places: NDArray[np.float64]) -> NDArray[np.float64]:
        return (weights * np.log1p(((around - places[:, None]) ** 2).sum(axis=2))).sum(axis=1)

    settled = cost(landscape.settle(around, weights))
    best = np.min([cost(around[:, j]) for j in range(8)], axis=0)
    assert (settled <= best + 1e-12).all()
    # Where it ends nothing near is lower.
    for step in rng.normal(size=(20, 1, 2)) * 0.1:
        assert (cost(landscape.settle(around, weights) + step[0]) > settled - 1e-3).all()


@pytest.mark.parametrize("perplexity", [2.0, 5.0, 15.0])
def test_weights_have_the_perplexity(perplexity: float) -> None:
    squared = np.sort(np.random.default_rng(0).gamma(3, 0.1, (9, 40)), axis=1)
    weights = perplexity_weights(squared, perplexity)
    entropy = -(weights * np.log(weights + 1e-300)).sum(axis=1)
    assert np.exp(entropy) == pytest.approx(np.full(9, perplexity), rel=1e-3)
    assert (np.diff(weights, axis=1) <= 0).all()


def test_weights_of_equal_distances_are_equal() -> None:
    assert perplexity_weights(np.zeros((1, 4)), 2.0) == pytest.approx(np.full((1, 4), 0.25))


def test_trustworthiness_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    for positions in (vectors[:, :2], rng.normal(size=(300, 2)).astype(np.float32)):
        expected = theirs(vectors, positions, n_neighbors=10)
        assert trustworthiness(vectors, positions, 10) == pytest.approx(expected, abs=1e-6)


def test_purity_by_hand() -> None:
    positions = np.array([[0, 0], [0, 1], [10, 0], [10, 1], [5, 5]], np.float32)
    assert purity(positions, ["a", "a", "b", "b", None], k=1) == 1.0
    assert purity(positions, ["a", "b", "a", "b", None], k=1) == 0.0
    assert np.isnan(purity(positions, [None] * 5))


def test_too_few_cells_and_wrong_shapes_are_clear_errors() -> None:
    vectors, _ = _cells(1)
    with pytest.raises(TooFewCells, match="landscape"):
        fit(vectors[:3])
    with pytest.raises(BadTable):
        Landscape(vectors, np.zeros((3, 2), np.float32))
    with pytest.raises(UnknownName):
        fit(vectors, method="pca")


def test_four_cells_make_a_map() -> None:
    vectors, _ = _cells(1)
    laid = fit(vectors[::30], iterations=50, threads=1)
    assert np.isfinite(laid.place(vectors[:2])).all()


@pytest.mark.slow
def test_umap_lays_out_too() -> None:
    vectors, labels = _cells(1)
    assert fit(vectors, labels, method="umap").facts["purity"] > 0.9


@pytest.mark.slow
def test_the_default_bundle_has_a_map_on_which_strangers_land_among_their_own() -> None:
    bundle = load()
    assert bundle.landscape is not None
    facts = bundle.manifest.landscape
    assert len(bundle.landscape) == facts["cells"] == len(bundle.support)
    assert facts["trustworthiness"] > 0.9
    # Strangers here are other patients as well: fewer land among their own than at home (0.81 against 0.93).
    assert facts["placed"]["purity"] > facts["purity"] - 0.15
    known = bundle.support.labels["cell_type"]
    assert purity(bundle.landscape.positions, known) == pytest.approx(facts["purity"], abs=1e-4)
