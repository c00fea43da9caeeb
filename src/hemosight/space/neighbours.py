"""Exact nearest neighbours by one matrix product, in blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors

Product = Callable[[Vectors], NDArray[np.float32]]
"""Queries -> their products with all of a reference (queries x rows), which whoever made it keeps ready."""
Neighbours = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of the reference and their distances, both queries x k, nearest first (:func:`nearest`)."""
BLOCK = 64 * 2**20
"""Bytes of distances held at a time."""
_GROUP = 16
"""Columns of a group whose least value stands for them."""
_SMALL = 0.01
"""Share of the squared lengths below which a squared distance is small; above it, four digits of it are right."""


def nearest(
    queries: Vectors,
    reference: Vectors,
    k: int,
    *,
    exclude_self: bool = False,
    norms: NDArray[np.float32] | None = None,
    product: Product | None = None,
) -> Neighbours:
    """The ``k`` nearest reference rows of each query, nearest first, by Euclidean distance.

    ``exclude_self`` leaves reference row ``i`` out of query ``i``'s neighbours: the two arrays are then the same
    cells. ``norms`` are the reference's :func:`squared_norms`, and ``product`` multiplies queries with it, for who asks
    often. Returns rows and distances, both queries x k; fewer columns where the reference has fewer rows. Equal
    distances are ordered by row.
    """
    k = min(k, len(reference) - int(exclude_self))
    rows = np.empty((len(queries), max(k, 0)), np.int64)
    distances = np.empty(rows.shape, np.float32)
    if k <= 0:
        return rows, distances
    norms = squared_norms(reference) if norms is None else norms
    step = max(1, BLOCK // (4 * len(reference)))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        # |q - r|^2 = |q|^2 - 2 q.r + |r|^2; the query's own norm does not change the order.
        squared = block @ reference.T if product is None else product(block)
        squared *= -2.0
        squared += norms
        if exclude_self:
            squared[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        near = _least(squared, k)
        near.sort(axis=1)
        found = np.take_along_axis(squared, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        near, found = np.take_along_axis(near, order, axis=1), np.take_along_axis(found, order, axis=1)
        rows[start : start + len(block)] = near
        distances[start : start + len(block)] = _apart(block, reference, near, found, norms)
    return rows, distances


def _least(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns of the ``k`` least values of each row, in no order.

    The least of each of many groups of columns are found first: what is among the ``k`` least of all is in one of the
    ``k`` groups whose least value is smallest. A tenth of the values are then left to choose from.
    """
    count = values.shape[1]
    width = count // _GROUP
    if width < 2 * k:
        return np.argpartition(values, k - 1, axis=1)[:, :k]
    whole = width * _GROUP
    least = values[:, :whole].reshape(-1, _GROUP, width).min(axis=1)
    groups = np.argpartition(least, k - 1, axis=1)[:, :k]
    columns = (groups[:, None] + np.arange(0, whole, width)[:, None]).reshape(len(values), -1)
    beyond = np.broadcast_to(np.arange(whole, count), (len(values), count - whole))
    columns = np.concatenate([columns, beyond], axis=1)
    chosen = np.argpartition(np.take_along_axis(values, columns, axis=1), k - 1, axis=1)[:, :k]
    return np.take_along_axis(columns, chosen, axis=1)


def _apart(
    queries: Vectors,
    reference: Vectors,
    near: NDArray[np.int64],
    found: NDArray[np.float32],
    norms: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Distance of each query to each of its chosen reference rows (queries x k), nearest first.

    ``found`` are the squared distances less the query's own norm. A difference of large squares is good for large
    distances, and for ranking: small ones are measured anew.
    """
    own = squared_norms(queries)[:, None]
    squared = found + own
    small = squared < _SMALL * (own + norms[near])
    for query in np.flatnonzero(small.any(axis=1)):
        away = reference[near[query, small[query]]] - queries[query]
        squared[query, small[query]] = np.einsum("kd,kd->k", away, away)
    return np.sqrt(squared)


def squared_norms(vectors: Vectors) -> NDArray[np.float32]:
    """Squared length of each row."""
    return np.einsum("ij,ij->i", vectors, vectors)
