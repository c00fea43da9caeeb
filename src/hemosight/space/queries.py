"""Which cell to ask a label for next: small scorers of a pool of cells, without a model and without a state.

Each strategy takes what a reader thinks of every cell, where the cells lie, and which are labelled already::

    rows = query("margin", probabilities, vectors, labelled, 90, rng)

and returns that many rows of the pool, best first, never one that is labelled and none twice; all that are left when
fewer are. Nothing here knows a label.

==============  =================================================================================================
``random``      any cells: what every other strategy has to beat
``uncertainty`` lowest highest probability ("least confident", the paper's)
``margin``      smallest difference between the two highest probabilities
``entropy``     largest entropy of the probabilities
``density``     uncertainty times mean similarity to the pool (Settles and Craven 2008): no outliers
``coreset``     k-centre greedy: the cell farthest from all labelled and chosen ones, again and again
                (Sener and Savarese 2018)
``typical``     the most typical cell of each cluster that has no label yet, largest cluster first
                (TypiClust: Hacohen et al. 2022); needs no reader, so that it can begin
``badge``       k-means++ among gradients of the loss: unsure and unlike one another (Ash et al. 2020)
``diversity``   of ten times as many smallest margins, one from each cluster (Zhdanov 2019; the idea of
                cluster margin, Citovsky et al. 2021)
==============  =================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hemosight.errors import UnknownName
from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import nearest, squared_norms

Rows = NDArray[np.int64]
Probabilities = NDArray[np.float64]
"""One row a cell of the pool, one column a class."""
CANDIDATES = 10
"""Smallest margins that ``diversity`` chooses from, for each cell that is asked for."""
MOST_CLUSTERS = 200
"""Clusters of ``typical``: with more, a cluster is a handful of cells and none is typical of anything."""
NEIGHBOURS = 20
"""Neighbours in the same cluster whose mean distance says how typical a cell is."""
_LLOYD = 8
"""Rounds of k-means: clusters here only have to spread, not to be the best there are."""


def query(
    name: str,
    probabilities: Probabilities | None,
    vectors: Vectors,
    labelled: Rows,
    n: int,
    rng: np.random.Generator,
) -> Rows:
    """Rows of the ``n`` cells to ask for next.

    Parameters
    ----------
    name
        One of :data:`STRATEGIES`.
    probabilities
        What the reader thinks of every cell of the pool; those in :data:`BLIND` do without (None).
    vectors
        Where every cell of the pool lies, cells x dimensions.
    labelled
        Rows that have a label.
    rng
        Breaks ties and draws where a strategy draws.

    Raises
    ------
    UnknownName
        When there is no such strategy.
    """
    if name not in STRATEGIES:
        raise UnknownName(kind="strategy", choices=", ".join(STRATEGIES), name=name)
    pool = np.setdiff1d(np.arange(len(vectors)), labelled)
    n = min(n, len(pool))
    if n <= 0:
        return np.empty(0, np.int64)
    # A stable sort would favour the rows that happen to come first among equals.
    pool = rng.permutation(pool)
    if probabilities is None and name not in BLIND:
        raise UnknownName(kind="strategy that needs no probabilities", choices=", ".join(BLIND), name=name)
    known = np.empty((len(vectors), 0)) if probabilities is None else probabilities
    return STRATEGIES[name](known, vectors, pool, np.asarray(labelled, np.int64), n, rng)


# --- how unsure a reading is: one number a cell, higher is more worth a label ---


def least_confident(probabilities: Probabilities) -> NDArray[np.float64]:
    """One minus the highest probability."""
    return 1.0 - probabilities.max(axis=1)


def small_margin(probabilities: Probabilities) -> NDArray[np.float64]:
    """One minus the difference between the two highest probabilities."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return 1.0 - (two[:, 1] - two[:, 0])


def entropy(probabilities: Probabilities) -> NDArray[np.float64]:
    """Entropy of the probabilities, in nats."""
    return -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)


def similarity(vectors: Vectors, to: Vectors | None = None) -> NDArray[np.float64]:
    """Mean cosine of each vector with those of ``to`` (itself where None), moved to between 0 and 1.

    A mean of inner products is an inner product with the mean: no table of all pairs is needed.
    """
    unit = _unit(vectors)
    centre = (unit if to is None else _unit(to)).mean(axis=0, dtype=np.float64)
    return 0.5 * (1.0 + unit @ centre)


# --- strategies: (probabilities, vectors, unlabelled rows in random order, labelled rows, n, rng) -> rows ---

Strategy = Callable[[Probabilities, Vectors, Rows, Rows, int, np.random.Generator], Rows]


def _by(score: Callable[[Probabilities], NDArray[np.float64]]) -> Strategy:
    def strategy(
        probabilities: Probabilities, _vectors: Vectors, pool: Rows, _labelled: Rows, n: int, _rng: object
    ) -> Rows:
        return _best(score(probabilities[pool]), pool, n)

    return strategy


def _random(
    _probabilities: Probabilities, _vectors: Vectors, pool: Rows, _labelled: Rows, n: int, _rng: object
) -> Rows:
    return pool[:n]


def _density(probabilities: Probabilities, vectors: Vectors, pool: Rows, _labelled: Rows, n: int, _rng: object) -> Rows:
    return _best(least_confident(probabilities[pool]) * similarity(vectors[pool], vectors), pool, n)


def _coreset(_probabilities: Probabilities, vectors: Vectors, pool: Rows, labelled: Rows, n: int, _rng: object) -> Rows:
    cells = vectors[pool]
    norms = squared_norms(cells)
    if len(labelled):
        far = nearest(cells, vectors[labelled], 1)[1][:, 0].astype(np.float64) ** 2
    else:
        far = ((cells - cells.mean(axis=0)) ** 2).sum(axis=1, dtype=np.float64)  # begin at the outermost
    chosen: list[int] = []
    for pick in range(n):
        at = int(far.argmax())
        chosen.append(at)
        distance = norms + norms[at] - 2.0 * (cells @ cells[at])
        far = distance if pick == 0 and not len(labelled) else np.minimum(far, distance)
        far[chosen] = -np.inf
    return pool[chosen]


def _typical(
    _probabilities: Probabilities,
    vectors: Vectors,
    pool: Rows,
    labelled: Rows,
    n: int,
    rng: np.random.Generator,
) -> Rows:
    clusters = min(len(labelled) + n, MOST_CLUSTERS, len(vectors))
    member = _clusters(vectors, clusters, rng)
    covered = np.bincount(member[labelled], minlength=clusters)
    free = [pool[member[pool] == cluster] for cluster in range(clusters)]
    ranked = [_most_typical_first(vectors, rows) for rows in free]
    size = np.bincount(member, minlength=clusters)
    # Clusters with the fewest labels take turns, the largest of them first.
    chosen: list[int] = []
    taken = np.zeros(clusters, np.int64)
    while len(chosen) < n:
        for cluster in np.lexsort((-size, covered + taken)).tolist():
            if taken[cluster] < len(ranked[cluster]):
                chosen.append(int(ranked[cluster][taken[cluster]]))
                taken[cluster] += 1
                break
    return np.array(chosen, np.int64)


def _badge(
    probabilities: Probabilities,
    vectors: Vectors,
    pool: Rows,
    _labelled: Rows,
    n: int,
    rng: np.random.Generator,
) -> Rows:
    cells = vectors[pool]
    # The gradient of the last layer is (p - one-hot of the reading) times the vector; inner products of such outer
    # products are products of inner products, so that the gradients themselves are never written out.
    errors = probabilities[pool].copy()
    errors[np.arange(len(pool)), errors.argmax(axis=1)] -= 1.0
    lengths = (errors**2).sum(axis=1) * (cells**2).sum(axis=1, dtype=np.float64)
    at = int(lengths.argmax())
    chosen, far = [at], np.full(len(pool), np.inf)
    while len(chosen) < n:
        inner = (errors @ errors[at]) * (cells @ cells[at])
        far = np.minimum(far, np.maximum(lengths + lengths[at] - 2.0 * inner, 0.0))
        far[chosen] = 0.0
        total = far.sum()
        if total > 0:
            at = int(rng.choice(len(pool), p=far / total))
        else:  # every gradient left is that of a chosen cell
            at = int(np.setdiff1d(np.arange(len(pool)), chosen)[0])
        chosen.append(at)
    return pool[chosen]


def _diversity(
    probabilities: Probabilities,
    vectors: Vectors,
    pool: Rows,
    _labelled: Rows,
    n: int,
    rng: np.random.Generator,
) -> Rows:
    worth = small_margin(probabilities[pool])
    candidates = np.argsort(-worth, kind="stable")[: CANDIDATES * n]
    member = _clusters(vectors[pool[candidates]], n, rng)
    # The smallest margin of each cluster; where a cluster is empty, the next smallest of all.
    first = np.unique(member, return_index=True)[1]  # candidates are sorted: the first of a cluster is its best
    others = np.setdiff1d(np.arange(len(candidates)), first)
    order = np.concatenate([np.sort(first), others])[:n]
    return pool[candidates[order]]


STRATEGIES: Mapping[str, Strategy] = {
    "random": _random,
    "uncertainty": _by(least_confident),
    "margin": _by(small_margin),
    "entropy": _by(entropy),
    "density": _density,
    "coreset": _coreset,
    "typical": _typical,
    "badge": _badge,
    "diversity": _diversity,
}
"""Every strategy by name."""
BLIND = ("random", "coreset", "typical")
"""Strategies that need no reader."""


def _best(score: NDArray[np.float64], pool: Rows, n: int) -> Rows:
    return pool[np.argsort(-score, kind="stable")[:n]]


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float64) / np.where(lengths > 0, lengths, 1.0)


def _clusters(vectors: Vectors, k: int, rng: np.random.Generator) -> Rows:
    """A few rounds of k-means from a k-means++ start; the cluster of each row."""
    norms = squared_norms(vectors)
    centres = [int(rng.integers(len(vectors)))]
    far = np.full(len(vectors), np.inf)
    for _ in range(k - 1):
        at = centres[-1]
        far = np.minimum(far, np.maximum(norms + norms[at] - 2.0 * (vectors @ vectors[at]), 0.0))
        far[centres] = 0.0
        total = float(far.sum())
        centres.append(int(rng.choice(len(vectors), p=far / total)) if total > 0 else at)
    means = vectors[centres].astype(np.float32)
    member = nearest(vectors, means, 1)[0][:, 0]
    for _ in range(_LLOYD):
        counts = np.bincount(member, minlength=k)[:, None]
        belongs = csr_array((np.ones(len(member), np.float32), (member, np.arange(len(member)))), (k, len(member)))
        means = np.where(counts > 0, (belongs @ vectors) / np.maximum(counts, 1), means).astype(np.float32)
        moved = nearest(vectors, means, 1)[0][:, 0]
        if (moved == member).all():
            break
        member = moved
    return member


def _most_typical_first(vectors: Vectors, rows: Rows) -> Rows:
    """Cells of one cluster, those with the nearest neighbours in it first."""
    if len(rows) < 2:
        return rows
    distances = nearest(vectors[rows], vectors[rows], NEIGHBOURS, exclude_self=True)[1]
    return rows[np.argsort(distances.mean(axis=1), kind="stable")]
