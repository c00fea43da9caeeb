"""Queries: no label asked for twice, every strategy beats chance where it must, agreement with scikit-activeml."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hemosight.errors import UnknownName
from hemosight.space import lda
from hemosight.space.queries import BLIND, NEIGHBOURS, STRATEGIES, query, similarity


def _pool(n: int, seed: int, classes: int = 4, dim: int = 6) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)).astype(np.float32), rng.dirichlet(np.full(classes, 0.5), n)


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_label_is_asked_for_twice_and_all_are_in_the_end(name: str) -> None:
    vectors, probabilities = _pool(137, 1)
    rng = np.random.default_rng(2)
    labelled = np.array([5, 17, 99])
    while len(labelled) < len(vectors):
        asked = query(name, probabilities, vectors, labelled, 20, rng)
        assert len(asked) == min(20, len(vectors) - len(labelled))
        assert len(set(asked.tolist())) == len(asked)
        assert not set(asked.tolist()) & set(labelled.tolist())
        labelled = np.concatenate([labelled, asked])
    assert sorted(labelled.tolist()) == list(range(len(vectors)))
    assert len(query(name, probabilities, vectors, labelled, 20, rng)) == 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_cells_do_not_confuse(name: str) -> None:
    vectors, probabilities = np.ones((30, 4), np.float32), np.full((30, 3), 1 / 3)
    asked = query(name, probabilities, vectors, np.array([0]), 12, np.random.default_rng(0))
    assert len(set(asked.tolist()) - {0}) == 12


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_asks_the_same(name: str) -> None:
    vectors, probabilities = _pool(80, 3)
    first, again = (query(name, probabilities, vectors, np.array([1]), 10, np.random.default_rng(4)) for _ in range(2))
    assert first.tolist() == again.tolist()


@pytest.mark.parametrize("name", sorted(BLIND))
def test_some_need_no_reader(name: str) -> None:
    vectors, _ = _pool(60, 5)
    assert len(query(name, None, vectors, np.empty(0, np.int64), 9, np.random.default_rng(0))) == 9


def test_others_say_that_they_do() -> None:
    vectors, _ = _pool(60, 5)
    with pytest.raises(UnknownName, match="random, coreset, typical"):
        query("margin", None, vectors, np.array([0]), 9, np.random.default_rng(0))
    with pytest.raises(UnknownName, match="random, uncertainty, margin"):
        query("oracle", None, vectors, np.array([0]), 9, np.random.default_rng(0))


# --- against the obvious, and against scikit-activeml ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs"), [("uncertainty", "least_confident"), ("margin", "margin_sampling"), ("entropy", "entropy")]
)
def test_unsure_cells_are_scikit_activemls(name: str, theirs: str) -> None:
    from skactiveml.pool import uncertainty_scores

    vectors, probabilities = _pool(200, 6)
    scores = uncertainty_scores(probabilities, method=theirs)
    labelled = np.arange(10)
    expected = [row for row in np.argsort(-scores, kind="stable").tolist() if row not in labelled][:25]
    assert query(name, probabilities, vectors, labelled, 25, np.random.default_rng(0)).tolist() == expected


@pytest.mark.slow
def test_the_core_set_is_scikit_activemls() -> None:
    from skactiveml.pool import CoreSet

    vectors, probabilities = _pool(120, 7)
    labelled = np.array([3, 40, 77])
    y = np.full(len(vectors), np.nan)
    y[labelled] = 0
    expected = CoreSet(random_state=0).query(X=vectors.astype(np.float64), y=y, batch_size=15)
    asked = query("coreset", probabilities, vectors, labelled, 15, np.random.default_rng(0))
    assert asked.tolist() == np.asarray(expected).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [[], [3, 40, 130]])
def test_the_typical_are_scikit_activemls(labelled: list[int]) -> None:
    """On clusters that any k-means finds: of each without a label the same cell, the largest cluster first."""
    from skactiveml.pool import TypiClust

    rng = np.random.default_rng(12)
    member = np.repeat(np.arange(6), [30, 36, 42, 48, 54, 60])
    vectors = (30.0 * np.eye(6)[member] + rng.normal(size=(len(member), 6))).astype(np.float32)
    y = np.full(len(vectors), np.nan)
    y[labelled] = 0
    n = 6 - len(labelled)
    expected = TypiClust(k=NEIGHBOURS, random_state=0).query(X=vectors.astype(np.float64), y=y, batch_size=n)
    asked = query("typical", None, vectors, np.array(labelled, np.int64), n, rng)
    assert asked.tolist() == np.asarray(expected).tolist()


class _Follower:
    """Draws what it is told to, and keeps the chances it was asked to draw with."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.chances: list[NDArray[np.float64]] = []

    def permutation(self, pool: NDArray[np.int64]) -> NDArray[np.int64]:
        self.pool = pool
        return pool

    def choice(self, _n: int, p: NDArray[np.float64]) -> int:
        self.chances.append(p)
        return self.pool.tolist().index(self.rows[len(self.chances)])


@pytest.mark.slow
def test_badge_draws_by_the_gradients_of_scikit_activemls() -> None:
    """Given the cells drawn so far, the next is drawn by how far its gradient lies from theirs.

    Theirs takes no gradient for farther from a drawn one than from none (the origin), which the paper's code does not.
    """
    from skactiveml.classifier import ParzenWindowClassifier
    from skactiveml.pool import Badge

    rng = np.random.default_rng(13)
    vectors = (2.0 * np.repeat(np.eye(3, 5), 30, axis=0) + rng.normal(size=(90, 5))).astype(np.float32)
    labelled = np.array([0, 1, 30, 31, 60, 61])
    y = np.full(len(vectors), np.nan)
    y[labelled] = labelled // 30
    reader = ParzenWindowClassifier(classes=[0, 1, 2], random_state=0)
    X = vectors.astype(np.float64)
    drawn, chances = Badge(random_state=0).query(X=X, y=y, clf=reader, batch_size=12, return_utilities=True)
    follower = _Follower([int(row) for row in drawn])
    known = reader.fit(X, y).predict_proba(X)
    asked = query("badge", known, vectors, labelled, 12, follower)  # type: ignore[arg-type] -- all that badge draws with
    assert asked.tolist() == follower.rows, "the first has the longest gradient"
    errors = known - np.eye(3)[known.argmax(axis=1)]
    gradients = np.einsum("nc,nd->ncd", errors, X).reshape(len(X), -1)
    length = (gradients**2).sum(axis=1)[follower.pool]
    for count, (mine, theirs) in enumerate(zip(follower.chances, chances[1:], strict=True), 1):
        apart = gradients[follower.pool, None] - gradients[follower.rows[:count]]
        far = (apart**2).sum(axis=2).min(axis=1)
        assert np.allclose(mine, far / far.sum(), atol=1e-6)
        far = np.minimum(far, length)
        assert np.allclose(np.nan_to_num(theirs[follower.pool]), far / far.sum(), atol=1e-6)


def test_density_is_uncertainty_times_the_mean_of_all_cosines() -> None:
    vectors, probabilities = _pool(50, 8)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    slow = np.array([np.mean([0.5 * (1 + a @ b) for b in unit]) for a in unit])
    assert np.allclose(similarity(vectors), slow, atol=1e-6)
    worth = (1 - probabilities.max(axis=1)) * slow
    asked = query("density", probabilities, vectors, np.empty(0, np.int64), 10, np.random.default_rng(0))
    assert asked.tolist() == np.argsort(-worth)[:10].tolist()


def test_badge_spreads_over_cells_and_readings() -> None:
    """Ten copies of one unsure cell beside nine others: no two copies are asked for while others are left."""
    rng = np.random.default_rng(9)
    vectors = np.concatenate([np.repeat(rng.normal(size=(1, 5)), 10, axis=0), rng.normal(size=(9, 5))])
    probabilities = np.full((19, 3), 1 / 3)
    asked = query("badge", probabilities, vectors.astype(np.float32), np.empty(0, np.int64), 10, rng)
    assert (asked < 10).sum() <= 1


def test_typical_begins_in_the_middle_of_each_cluster() -> None:
    rng = np.random.default_rng(10)
    centres = 20.0 * np.eye(5)
    vectors = (np.repeat(centres, 40, axis=0) + rng.normal(size=(200, 5))).astype(np.float32)
    asked = query("typical", None, vectors, np.empty(0, np.int64), 5, rng)
    assert sorted((asked // 40).tolist()) == [0, 1, 2, 3, 4]
    out = np.linalg.norm(vectors - np.repeat(centres, 40, axis=0), axis=1)
    assert (out[asked] < np.median(out)).all()


def test_diversity_takes_one_of_each_heap_of_unsure_cells() -> None:
    rng = np.random.default_rng(11)
    heaps = np.repeat(30.0 * np.eye(4), 20, axis=0) + rng.normal(size=(80, 4))
    unsure = np.tile([[0.5, 0.5]], (80, 1)) + 0.01 * np.where(np.arange(80) < 20, 0.0, 1.0)[:, None] * [1, -1]
    asked = query("diversity", unsure, heaps.astype(np.float32), np.empty(0, np.int64), 4, rng)
    assert sorted((asked // 20).tolist()) == [0, 1, 2, 3], "the first heap alone has the smallest margins"
    plain = query("margin", unsure, heaps.astype(np.float32), np.empty(0, np.int64), 4, rng)
    assert (plain < 20).all()


# --- every strategy beats chance where it must ---


def _rare(seed: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Two large, tight, easy classes and two rare, wide ones that are hard to tell apart: chance labels the easy."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((4, 8))
    centres[0, 0], centres[1, 1], centres[2, 2], centres[3, 2], centres[3, 3] = 10, 10, 10, 10, 2.5
    sizes, spread = np.array([600, 600, 40, 40]), np.array([0.3, 0.3, 1.0, 1.0])
    code = np.repeat(np.arange(4), sizes)
    vectors = centres[code] + spread[code, None] * rng.normal(size=(len(code), 8))
    return vectors.astype(np.float32), np.array(["easy", "plain", "rare", "scarce"])[code]


def _mean_recall(name: str, seed: int) -> float:
    """Of the two rare classes, over three rounds of ten labels after two of each class."""
    vectors, labels = _rare(seed)
    fresh, truth = _rare(seed + 1000)
    rng = np.random.default_rng(seed)
    labelled = np.concatenate([rng.choice(np.flatnonzero(labels == label), 2, False) for label in np.unique(labels)])
    recalls = []
    for _ in range(3):
        reader = lda.fit(vectors[labelled], labels[labelled])
        asked = query(name, reader.probabilities(vectors), vectors, labelled, 10, rng)
        labelled = np.concatenate([labelled, asked])
        read = lda.fit(vectors[labelled], labels[labelled]).predict(fresh)
        recalls.append(np.mean([(read[truth == label] == label).mean() for label in ("rare", "scarce")]))
    return float(np.mean(recalls))


@pytest.fixture(scope="module")
def chance() -> float:
    return float(np.mean([_mean_recall("random", seed) for seed in range(12)]))


# The 36 clusterings into many clusters that the typical are taken from last seconds; core sets are half as quick as
# what is left.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("typical", "coreset") else name
        for name in sorted(set(STRATEGIES) - {"random"})
    ],
)
def test_every_strategy_beats_chance_where_rare_cells_are_the_hard_ones(name: str, chance: float) -> None:
    mine = float(np.mean([_mean_recall(name, seed) for seed in range(12)]))
    assert mine > chance + 0.04, f"{mine:.3f} against {chance:.3f}"
