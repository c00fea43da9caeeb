"""Exact nearest neighbours by one matrix product, in blocks that fit in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors

_BLOCK = 64 * 2**20
"""Bytes of distances held at a time."""


def nearest(
    queries: Vectors,
    reference: Vectors,
    k: int,
    *,
    exclude_self: bool = False,
    norms: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
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
    step = max(1, _BLOCK // (4 * len(reference)))
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
        order = np.argsort(np.take_along_axis(squared, near, axis=1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        rows[start : start + len(block)] = near
        # Measured anew: the difference of large squares above is good for ranking, not for small distances.
        distances[start : start + len(block)] = np.linalg.norm(reference[near] - block[:, None], axis=2)
    return rows, distances


def squared_norms(vectors: Vectors) -> NDArray[np.float32]:
    """Squared length of each row."""
    return np.einsum("ij,ij->i", vectors, vectors)
