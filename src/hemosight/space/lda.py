"""The default classifier: shrunk linear discriminant analysis from additive statistics.

Classes are Gaussians that share one covariance, shrunk towards a multiple of the identity by the analytic amount
of Ledoit and Wolf (2004, "A well-conditioned estimator for large-dimensional covariance matrices"); it equals
scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=a, priors=uniform)`` at the same amount ``a``.
Three properties make it the default:

- it measures best on these embeddings from two labels a class to all of them (docs/decisions/0004-classifiers.md);
- everything it needs from the data is a sum over cells, so that a correction changes a sum and a refit is one
  Cholesky factorisation, and cross-validation subtracts a fold instead of fitting on the others;
- class frequencies of the support set do not enter (uniform priors): a support set is collected, not sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp

from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier

FOLDS = 5
_BLOCK = 2048
_TEMPERATURES = (0.5, 5000.0)
"""Where the calibrating temperature is sought: Gaussians in a thousand dimensions are far too sure of themselves."""
_OVERCONFIDENCE = 5.0
"""Temperature to start from, per dimension and cell: measured between 4 and 6 from 45 to 7,200 cells."""
_PRIOR_CELLS = 20.0
"""Weight, in cells, of that start; few labels lean on it, many override it."""


@dataclass(frozen=True)
class LDAStatistics:
    """Sums over labelled cells; two sets of cells add, a correction subtracts and adds.

    Parameters
    ----------
    counts
        Weight of each class; shape (classes,).
    sums
        Sum of each class's vectors; classes x dimensions.
    products
        Sum of outer products of all vectors; dimensions x dimensions.
    origin
        The point vectors are measured from, which keeps the sums small; shape (dimensions,).
    """

    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    products: NDArray[np.float64]
    origin: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        codes: NDArray[np.int64],
        classes: int,
        origin: NDArray[np.float64],
        weights: Weights = None,
    ) -> LDAStatistics:
        """Sum over cells; ``codes`` are class numbers, ``weights`` one a cell (all one where None)."""
        weight = np.ones(len(vectors)) if weights is None else np.asarray(weights, np.float64)
        counts = np.bincount(codes, weight, minlength=classes).astype(np.float64)
        sums = np.zeros((classes, vectors.shape[1]))
        products = np.zeros((vectors.shape[1],) * 2)
        for start in range(0, len(vectors), _BLOCK):
            part = slice(start, start + _BLOCK)
            shifted = vectors[part].astype(np.float64) - origin
            weighted = shifted * weight[part, None]
            np.add.at(sums, codes[part], weighted)
            products += weighted.T @ shifted
        return cls(counts, sums, products, origin)

    def __add__(self, other: LDAStatistics) -> LDAStatistics:
        return LDAStatistics(
            self.counts + other.counts, self.sums + other.sums, self.products + other.products, self.origin
        )

    def __mul__(self, weight: float) -> LDAStatistics:
        """The same cells, each with so many times its weight."""
        return LDAStatistics(self.counts * weight, self.sums * weight, self.products * weight, self.origin)

    def __sub__(self, other: LDAStatistics) -> LDAStatistics:
        return LDAStatistics(
            self.counts - other.counts, self.sums - other.sums, self.products - other.products, self.origin
        )

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which classes have any cell."""
        return self.counts > 1e-9

    def means(self) -> NDArray[np.float64]:
        """Class means measured from the origin, classes x dimensions; zero where a class is empty."""
        return np.divide(self.sums, self.counts[:, None], out=np.zeros_like(self.sums), where=self.present[:, None])

    def covariance(self) -> NDArray[np.float64]:
        """The classes' common covariance, dimensions x dimensions."""
        means = self.means()
        within = self.products - (means * self.counts[:, None]).T @ means
        return within / max(self.counts.sum(), 1e-9)


Weights = NDArray[np.float64] | Sequence[float] | None
Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Weights (dimensions x classes) and biases (classes) of a linear classifier."""


def shrinkage(
    covariance: NDArray[np.float64],
    residual_norms: NDArray[np.float64],
    weights: NDArray[np.float64],
    dimensions: int | None = None,
) -> float:
    """Ledoit and Wolf's amount, between 0 and 1.

    ``residual_norms`` are squared lengths of each cell's distance from its class mean, ``weights`` the cells'
    weights. With b = mean(norms^2) and s = |covariance|_F^2, the amount is (b - s) / n over the squared distance of
    the covariance from the nearest multiple of the identity. ``dimensions`` are those of the whole space where the
    covariance is given in the subspace that the cells span, beyond which it is zero.
    """
    total = weights.sum()
    dimensions = dimensions or len(covariance)
    spread = float((covariance**2).sum())
    noise = (float(weights @ residual_norms**2) / total - spread) / total
    distance = spread - np.trace(covariance) ** 2 / dimensions
    if distance <= 0:  # no cell differs from its class mean, or all directions vary alike
        return 1.0
    return float(np.clip(noise / distance, 0.0, 1.0))


def shrunk(
    statistics: LDAStatistics,
    amount: float,
    dimensions: int | None = None,
    deviations: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The common covariance shrunk by an amount towards a multiple of the identity, dimensions x dimensions.

    ``dimensions`` as in :func:`shrinkage`. With ``deviations``, one a dimension, it is shrunk towards a multiple of the
    diagonal matrix of their squares: as if vectors had been divided by them (:func:`fit_standardised`).
    """
    covariance = statistics.covariance()
    unit = np.ones(len(covariance)) if deviations is None else deviations**2
    level = float((covariance.diagonal() / unit).sum()) / (dimensions or len(covariance))
    covariance *= 1.0 - amount
    if level <= 1e-12:
        # One cell a class: no spread within any. The spread between them sets the scale, alike in every direction.
        between = statistics.means()[statistics.present].var(axis=0) / unit
        level, amount = max(float(between.mean()), 1e-12), 1.0
    covariance[np.diag_indices_from(covariance)] += amount * level * unit
    return covariance


def solve(
    statistics: LDAStatistics,
    amount: float,
    dimensions: int | None = None,
    deviations: NDArray[np.float64] | None = None,
) -> Affine:
    """Discriminant weights (dimensions x classes) and biases (classes) at a given shrinkage.

    ``dimensions`` and ``deviations`` as in :func:`shrunk`.
    """
    means = statistics.means()
    covariance = shrunk(statistics, amount, dimensions, deviations)
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    weight = cho_solve(factor, means.T)
    bias = -0.5 * np.einsum("ij,ji->i", means, weight)
    bias = np.where(statistics.present, bias, -np.inf)
    return weight, bias - np.where(statistics.present, statistics.origin @ weight, 0.0)


def fit(vectors: Vectors, labels: NDArray[np.str_], weights: Weights = None) -> LinearClassifier:
    """Fit on labelled cells and calibrate by cross-validation.

    ``vectors`` is cells x dimensions, ``labels`` one name a cell, ``weights`` one number a cell. Scores are divided
    by one temperature, the most likely one for held-out folds; cells of a class whose other cells are all in the
    same fold do not take part.
    """
    dealt = FoldedStatistics.of(vectors, labels, vectors.mean(axis=0, dtype=np.float64), weights)
    slopes, bias = solve(dealt.total, dealt.amount)
    temperature = temperature_of(dealt.parts, dealt.total, dealt.amount, vectors, dealt.codes, dealt.fold)
    return LinearClassifier(dealt.names, slopes, bias, 1.0 / temperature)


def deviations_of(vectors: Vectors) -> NDArray[np.float64]:
    """Standard deviation of each dimension over cells; shape (dimensions,), never zero."""
    return np.maximum(vectors.std(axis=0, dtype=np.float64), 1e-6)


def fit_standardised(vectors: Vectors, labels: NDArray[np.str_]) -> LinearClassifier:
    """As :func:`fit` of vectors divided by each dimension's deviation over all these cells.

    Directions that vary little count as much as those that vary most. That suits what an encoder was not taught, such
    as attributes (docs/decisions/0004-classifiers.md); what it was taught lies in the wide directions, and there
    standardising costs, most of all where a laboratory is new.
    """
    deviations = deviations_of(vectors)
    fitted = fit((vectors / deviations).astype(np.float32), labels)
    return replace(fitted, weight=fitted.weight / deviations[:, None])


@dataclass(frozen=True)
class FoldedStatistics:
    """Labelled cells dealt to folds, and their sums.

    Parameters
    ----------
    names
        Of the classes, sorted.
    codes, fold
        The number of each cell's class, and of its fold.
    parts, total
        Sums of each fold, and of all.
    amount
        Ledoit and Wolf's shrinkage for all cells.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    fold: NDArray[np.int64]
    parts: tuple[LDAStatistics, ...]
    total: LDAStatistics
    amount: float

    @classmethod
    def of(
        cls, vectors: Vectors, labels: NDArray[np.str_], origin: NDArray[np.float64], weights: Weights = None
    ) -> FoldedStatistics:
        """Deal and sum; vectors are measured from ``origin``."""
        names, codes = np.unique(labels, return_inverse=True)
        codes = codes.astype(np.int64)
        weight = np.ones(len(codes)) if weights is None else np.asarray(weights, np.float64)
        fold = calibration_folds(codes)
        parts = tuple(
            LDAStatistics.of(vectors[fold == k], codes[fold == k], len(names), origin, weight[fold == k])
            for k in range(int(fold.max()) + 1)
        )
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        amount = estimate(total, vectors, codes, weight)
        return cls(tuple(str(name) for name in names), codes, fold, parts, total, amount)


def estimate(
    total: LDAStatistics,
    vectors: Vectors,
    codes: NDArray[np.int64],
    weight: NDArray[np.float64],
    dimensions: int | None = None,
) -> float:
    """Ledoit and Wolf's amount for these cells, whose sums are ``total``; ``dimensions`` as in :func:`shrinkage`."""
    means = total.means() + total.origin
    norms = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        norms[part] = ((vectors[part] - means[codes[part]]) ** 2).sum(axis=1)
    return shrinkage(total.covariance(), norms, weight, dimensions)


def calibration_folds(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal each class's cells to the folds in turn, each class starting at another fold.

    The stagger leaves most classes whole where there are fewer cells in a class than folds, without which two cells
    a class would be calibrated on one. Cells appended later leave earlier ones in their folds.
    """
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    rank = np.arange(len(codes)) - np.searchsorted(sorted_codes, sorted_codes)
    fold = np.empty_like(codes)
    fold[order] = (rank + sorted_codes) % FOLDS
    return fold


def temperature_of(
    parts: Sequence[LDAStatistics],
    total: LDAStatistics,
    amount: float,
    vectors: Vectors,
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> float:
    """The temperature that makes held-out folds likeliest; ``parts`` are the folds' statistics, ``total`` their sum."""
    held, truth = held_out(parts, total, vectors, codes, fold, lambda others: solve(others, amount))
    return calibrate(held, truth, overconfidence(vectors.shape[1], len(vectors)))


def held_out(
    parts: Sequence[LDAStatistics],
    total: LDAStatistics,
    vectors: Vectors,
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
    fit_on: Callable[[LDAStatistics], Affine],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores (cells x classes) of each fold's cells by what was fitted on the other folds, and their classes.

    Cells of a class that the other folds do not have are left out; without a class of two cells, none is left.
    """
    scores, truth = [np.zeros((0, len(total.counts)))], [np.zeros(0, np.int64)]
    for k, part in enumerate(parts):
        others = total - part
        rows = np.flatnonzero((fold == k) & others.present[codes])
        if len(rows) == 0 or others.present.sum() < 2:
            continue
        slopes, bias = fit_on(others)
        scores.append(vectors[rows].astype(np.float64) @ slopes + bias)
        truth.append(codes[rows])
    return np.concatenate(scores), np.concatenate(truth)


def overconfidence(dimensions: int, cells: float) -> float:
    """The temperature that scores fitted on so many cells need, before any is held out."""
    return 1.0 + _OVERCONFIDENCE * dimensions / cells


def calibrate(held: NDArray[np.float64], true: NDArray[np.int64], expected: float) -> float:
    """The most likely temperature for scores of cells that were held out (cells x classes; ``true`` are columns).

    With few of them it stays near the ``expected`` one (:func:`overconfidence`).
    """
    if not len(held):
        return expected

    from scipy.optimize import minimize_scalar  # a tenth of a second, which reading needs nothing of

    def surprise(log_temperature: float) -> float:
        scaled = held / np.exp(log_temperature)
        lost = logsumexp(scaled, axis=1) - scaled[np.arange(len(true)), true]
        return float(lost.sum() + 0.5 * _PRIOR_CELLS * (log_temperature - np.log(expected)) ** 2)

    low, high = (float(np.log(bound)) for bound in _TEMPERATURES)
    found: Any = minimize_scalar(surprise, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))
