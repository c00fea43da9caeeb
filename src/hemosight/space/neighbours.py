"""Exact nearest neighbours by one matrix product, in blocks that fit in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors

Neighbours = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of the reference and their distances, both queries x k, nearest first (:func:`nearest`)."""
BLOCK = 64 * 2**20
"""Bytes of distances held at a time."""
_SMALL = 0.01
"""Share of the squared lengths below which a squared distance is small; above it, four digits of it are right."""


def nearest(
    queries: Vectors,
    reference: Vectors,
    k: int,
    *,
    exclude_self: bool = False,
    norms: NDArray[np.float32] | None = None,
) -> Neighbours:
    """The ``k`` nearest reference rows of each query, nearest first, by Euclidean distance.

    ``exclude_self`` leaves reference row ``i`` out of query ``i``'s neighbours: the two arrays are then the same
    cells. ``norms`` are the reference's :func:`squared_norms`, for who asks often. Returns rows and distances, both
    queries x k; fewer columns where the reference has fewer rows. Equal distances are ordered by row.
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
        squared = block @ reference.T
        squared *= -2.0
        squared += norms
        if exclude_self:
            squared[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        near = np.argpartition(squared, k - 1, axis=1)[:, :k]
        near.sort(axis=1)
        found = np.take_along_axis(squared, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        near, found = np.take_along_axis(near, order, axis=1), np.take_along_axis(found, order, axis=1)
        rows[start : start + len(block)] = near
        distances[start : start + len(block)] = _apart(block, reference, near, found, norms)
    return rows, distances


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
