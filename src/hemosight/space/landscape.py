"""The landscape drawn flat: t-SNE positions of known cells, and a place among them for any other cell.

The map is fitted once and centred once (van der Maaten & Hinton 2008; the paper's settings: perplexity 30, PCA
initialisation, 1000 iterations, Euclidean distance). After that it does not move: a query is placed against the fixed
positions, each query for itself, so that a batch lands where the same cells land one at a time. (openTSNE's own
``transform`` moves the reference in place, and takes seconds.)

A query's place minimises the Student-t cost against its nearest known cells,

    C(y) = sum_j p_j log(1 + |y - y_j|^2),

where ``p_j`` are Gaussian weights over its 90 neighbours at the map's perplexity. This is the attracting half of
t-SNE's cost for one point; the other half spreads a whole map out, and is already in the positions ``y_j`` (adding it
moved no figure of held-out cells by more than 0.002). The cost has a minimum in each cluster that holds neighbours: the
search starts at the best neighbour and so ends in the best one, never in the empty space between two, where a mean
would fall.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import BadTable, ExtraMissing, TooFewCells, UnknownName
from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import Neighbours, nearest, squared_norms

Positions = NDArray[np.float32]
"""Places on the map: float32, cells x 2, in t-SNE's own unit (1 is the reach of the Student kernel)."""

PERPLEXITY = 30
METHODS = ("tsne", "umap")
ITERATIONS = 1000
SHOWN_NEIGHBOURS = 10
"""Neighbours on the map that :func:`purity` and :func:`trustworthiness` look at."""
LEAST_CELLS = 4
"""Fewer cells than this have no neighbourhoods to keep."""
_EXAGGERATED = 250
"""Iterations with exaggerated attraction, of all."""
_BISECTIONS = 40
_STEPS = 30
BLOCK = 256
"""Queries placed together: their neighbours' mutual distances take 16 MB."""
_FEW = 1000
"""Below this the exact tree is quicker than the interpolated grid, for t-SNE's repulsion."""
_MARGIN = 10
"""Further neighbours that are ranked exactly, so that rounding in a large product decides nothing."""


@dataclass(frozen=True)
class Landscape:
    """Known cells on a map, and the way to place others.

    Parameters
    ----------
    reference
        Vectors of the known cells, cells x dimensions.
    positions
        Where they lie, cells x 2, mean zero.
    facts
        How the map was fitted and how true it is: method, perplexity, iterations, seed, trustworthiness, purity.
    """

    reference: Vectors
    positions: Positions
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.positions.shape != (len(self.reference), 2):
            raise BadTable(
                expected=f"two coordinates for each of {len(self.reference)} cells",
                came=f"an array of shape {self.positions.shape}",
                path="the landscape",
                mend="Fit it again (`hemosight landscape`).",
            )
        still = self.positions.view()
        still.flags.writeable = False
        object.__setattr__(self, "positions", still)

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        return squared_norms(self.reference)

    @property
    def perplexity(self) -> float:
        """Effective number of neighbours, of the fit and of a place."""
        return _perplexity(len(self))

    @property
    def looks_at(self) -> int:
        """How many of a cell's nearest known cells :meth:`place` asks for."""
        return self._pulling + _MARGIN

    @property
    def _pulling(self) -> int:
        return min(len(self), int(3 * self.perplexity))

    def place(self, vectors: Vectors, found: Neighbours | None = None) -> Positions:
        """Places of these cells (queries x dimensions -> queries x 2); nothing that is there moves.

        A known cell given as a query lands near its own place, not on it. ``found`` are the rows and distances of each
        query's :attr:`looks_at` nearest known cells, for who has searched already.
        """
        places = np.empty((len(vectors), 2), np.float32)
        k = self._pulling
        for start in range(0, len(vectors), BLOCK):
            block = slice(start, start + BLOCK)
            if found is None:
                near, distances = nearest(vectors[block], self.reference, self.looks_at, norms=self._norms)
            else:
                near, distances = found[0][block, : self.looks_at], found[1][block, : self.looks_at]
            order = np.lexsort((near, distances), axis=1)[:, :k]
            squared = np.take_along_axis(distances, order, axis=1).astype(np.float64) ** 2
            around = self.positions[np.take_along_axis(near, order, axis=1)].astype(np.float64)
            places[block] = settle(around, perplexity_weights(squared, self.perplexity))
        return places


def fit(
    vectors: Vectors,
    labels: Sequence[str | None] | None = None,
    *,
    seed: int = 0,
    iterations: int = ITERATIONS,
    method: str = "tsne",
    threads: int = -1,
) -> Landscape:
    """Lay cells out flat.

    Parameters
    ----------
    vectors
        Cells x dimensions.
    labels
        One a cell, None where there is none; with them the map's purity is measured.
    iterations
        Of t-SNE, the first 250 of them with exaggerated attraction.
    method
        ``tsne`` (the paper's) or ``umap`` (McInnes et al. 2018; same number of neighbours).
    threads
        Processor threads; -1 for all.

    Raises :class:`~hemosight.errors.TooFewCells` with fewer than four cells, and
    :class:`~hemosight.errors.ExtraMissing` where the method's library is not installed.
    """
    if len(vectors) < LEAST_CELLS:
        raise TooFewCells(
            expected=f"at least {LEAST_CELLS} cells for a landscape", came=len(vectors), mend="Add cells."
        )
    perplexity = _perplexity(len(vectors))
    if method == "tsne":
        laid = _tsne(vectors, perplexity, iterations, seed, threads)
    elif method == "umap":
        laid = _umap(vectors, perplexity, seed)
    else:
        raise UnknownName(kind="method", choices=", ".join(METHODS), name=method)
    positions = (laid - laid.mean(axis=0)).astype(np.float32)
    facts: dict[str, Any] = {
        "method": method,
        "perplexity": perplexity,
        "initialisation": "pca" if method == "tsne" else "spectral",
        "metric": "euclidean",
        "seed": seed,
        "cells": len(vectors),
        "trustworthiness": round(trustworthiness(vectors, positions), 5),
    }
    if method == "tsne":
        facts["iterations"] = iterations
    if labels is not None:
        facts["purity"] = round(purity(positions, labels), 5)
    return Landscape(vectors, positions, facts)


# --- how true a map is ------------------------------------------------------------------------------------


def trustworthiness(vectors: Vectors, positions: Positions, k: int = SHOWN_NEIGHBOURS) -> float:
    """How far a cell's neighbours on the map are its neighbours in the space; 1 is a true map, 0.5 about chance.

    Venna & Kaski (2001): ``1 - 2 / (n k (2n - 3k - 1)) * sum_i sum_j max(0, r(i, j) - k)`` over each cell's ``k``
    nearest on the map, where ``r(i, j)`` is j's rank among i's neighbours in the space. ``k`` must be below n / 2;
    it is lowered where it is not.
    """
    n = len(vectors)
    k = max(1, min(k, (n - 1) // 2))
    shown, _ = nearest(positions, positions, k, exclude_self=True)
    norms = squared_norms(vectors)
    lost = 0
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        squared = norms - 2.0 * (vectors[rows] @ vectors.T)
        squared[np.arange(len(rows)), rows] = -np.inf
        theirs = np.take_along_axis(squared, shown[rows], axis=1)
        # The rank of a neighbour is the number of cells that are nearer; the cell itself, nearest of all, makes it
        # count from one.
        ordered = np.sort(squared, axis=1)
        ranks = np.stack([np.searchsorted(row, at) for row, at in zip(ordered, theirs, strict=True)])
        lost += int(np.maximum(ranks - k, 0).sum())
    return 1.0 - 2.0 * lost / (n * k * (2 * n - 3 * k - 1))


def purity(
    positions: Positions,
    labels: Sequence[str | None],
    *,
    among: Positions | None = None,
    among_labels: Sequence[str | None] | None = None,
    k: int = SHOWN_NEIGHBOURS,
) -> float:
    """Share of each cell's ``k`` nearest on the map that carry its label, averaged over labelled cells.

    With ``among`` and ``among_labels`` the neighbours are sought there (queries among known cells); without, among
    the cells themselves. Unlabelled cells take no part on either side; the figure is NaN where no cell is labelled.
    """
    labelled = _labelled(labels)
    own, names = positions[labelled], np.array([str(labels[row]) for row in labelled])
    if among is None or among_labels is None:
        others, other_names, alone = own, names, True
    else:
        theirs = _labelled(among_labels)
        others, alone = among[theirs], False
        other_names = np.array([str(among_labels[row]) for row in theirs])
    near, _ = nearest(own, others, k, exclude_self=alone)
    return float((other_names[near] == names[:, None]).mean()) if near.size else float("nan")


# --- fitting ----------------------------------------------------------------------------------------------


def _perplexity(cells: int) -> float:
    """The paper's, or as many neighbours as a few cells allow."""
    return float(min(PERPLEXITY, max((cells - 1) / 3, 1.0)))


def _tsne(vectors: Vectors, perplexity: float, iterations: int, seed: int, threads: int) -> NDArray[np.float64]:
    try:
        from openTSNE import TSNE
    except ImportError as error:
        raise ExtraMissing("study", "opentsne") from error
    early = min(_EXAGGERATED, iterations)
    settings: dict[str, Any] = {"perplexity": perplexity, "n_jobs": threads}  # typed as whole numbers there
    model = TSNE(
        initialization="pca",
        early_exaggeration_iter=early,
        n_iter=iterations - early,
        metric="euclidean",
        neighbors="exact",
        negative_gradient_method="bh" if len(vectors) < _FEW else "fft",
        random_state=seed,
        **settings,
    )
    return np.asarray(model.fit(vectors), np.float64)


def _umap(vectors: Vectors, perplexity: float, seed: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        # It warns that there is no tensorflow, and that a seed costs it its threads.
        warnings.simplefilter("ignore")
        try:
            from umap import UMAP
        except ImportError as error:
            raise ExtraMissing("study", "umap-learn") from error
        model = UMAP(n_neighbors=max(2, round(perplexity)), random_state=seed)
        return np.asarray(model.fit_transform(vectors), np.float64)


# --- placing ----------------------------------------------------------------------------------------------


def perplexity_weights(squared: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Gaussian weights over neighbours, rows summing to one, whose entropy is log(perplexity).

    ``squared`` are squared distances, queries x neighbours, nearest first. Where no width reaches the perplexity
    (too few neighbours, or all at one distance) the weights end up alike.
    """
    excess = squared - squared[:, :1]
    scale = np.maximum(excess.mean(axis=1, keepdims=True), 1e-12)
    low, high = np.full_like(scale, -20.0), np.full_like(scale, 20.0)
    weights = np.ones_like(excess)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        narrow = np.exp(middle) / scale
        weights = np.exp(-excess * narrow)
        total = weights.sum(axis=1, keepdims=True)
        weights /= total
        # -sum w log w, where log w is -excess * narrow - log(total)
        entropy = np.log(total) + narrow * np.einsum("qk,qk->q", weights, excess)[:, None]
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return weights


def settle(around: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise the Student-t cost: neighbours' places (queries x k x 2) and weights (queries x k) -> queries x 2.

    Each step is the weighted mean under weights p_j / (1 + d_j^2), which never raises the cost (it majorises it).
    """
    # Where to begin needs no more than single precision; the matrix product is eight times faster than differences.
    spots = around.astype(np.float32)
    squares = np.einsum("qkd,qkd->qk", spots, spots)
    between = squares[:, :, None] + squares[:, None] - 2 * (spots @ spots.transpose(0, 2, 1))
    logs = np.log(1 + np.maximum(between, 0))
    costs = (logs @ weights.astype(np.float32)[:, :, None])[:, :, 0]
    across, down = (np.ascontiguousarray(around[:, :, axis]) for axis in (0, 1))  # long rows are added up the quickest
    best = costs.argmin(axis=1)[:, None]
    x, y = np.take_along_axis(across, best, axis=1), np.take_along_axis(down, best, axis=1)
    for _ in range(_STEPS):
        pull = weights / (1.0 + (across - x) ** 2 + (down - y) ** 2)
        total = pull.sum(axis=1)
        x, y = ((np.einsum("qk,qk->q", pull, along) / total)[:, None] for along in (across, down))
    return np.concatenate([x, y], axis=1)


def _labelled(labels: Sequence[str | None]) -> NDArray[np.int64]:
    return np.array([row for row, label in enumerate(labels) if label is not None], np.int64)
