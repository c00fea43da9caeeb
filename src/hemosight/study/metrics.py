"""How well labels were read: per class and on the whole, with bootstrap intervals and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def to_json(self) -> dict[str, float]:
        """The three numbers, rounded to five digits, for a manifest."""
        return {"value": round(self.value, 5), "low": round(self.low, 5), "high": round(self.high, 5)}


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says.

    Parameters
    ----------
    classes
        Names, in the order of rows and columns.
    confusion
        Cells by true class (rows) and read class (columns).
    precision, recall, f1
        One value a class; 0 where there is nothing to divide by (scikit-learn's ``zero_division=0``).
    accuracy, macro_f1
        With 95% percentile-bootstrap intervals over cells. The macro mean runs over the classes that occur in
        truth.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    accuracy: Interval
    macro_f1: Interval

    @property
    def cells(self) -> int:
        """How many cells were compared."""
        return int(self.confusion.sum())


def scores(
    truth: Sequence[str] | NDArray[np.str_],
    read: Sequence[str] | NDArray[np.str_],
    *,
    seed: int = 0,
    bootstraps: int = BOOTSTRAPS,
) -> Scores:
    """Compare true and read labels, one of each a cell."""
    truth, read = np.asarray(truth, np.str_), np.asarray(read, np.str_)
    names = np.unique(np.concatenate([truth, read]))
    t, r, k = np.searchsorted(names, truth), np.searchsorted(names, read), len(names)
    confusion = confusions(t, r, k)
    rng = np.random.default_rng(seed)
    # Resampling cells with replacement is drawing the confusion matrix from a multinomial.
    resampled = rng.multinomial(len(t), (confusion / max(len(t), 1)).ravel(), size=bootstraps).reshape(-1, k, k)
    precision, recall, f1 = per_class(confusion[None])
    return Scores(
        classes=tuple(str(name) for name in names),
        confusion=confusion,
        precision=precision[0],
        recall=recall[0],
        f1=f1[0],
        accuracy=_interval(accuracies(confusion[None])[0], accuracies(resampled)),
        macro_f1=_interval(macros(confusion[None])[0], macros(resampled)),
    )


def calibration_error(probabilities: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: |accuracy - confidence| averaged over 15 equal bins of confidence.

    ``probabilities`` is each cell's highest probability, ``correct`` whether its label was right (Guo et al. 2017).
    """
    bins = _bins(probabilities)
    gaps = np.bincount(bins, probabilities - correct, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / max(len(bins), 1))


def reliability(probabilities: NDArray[np.float64], correct: NDArray[np.bool_]) -> list[dict[str, float]]:
    """What :func:`calibration_error` averages, a row for each bin that has cells.

    Keys: ``cells``, their mean ``confidence``, and ``accuracy``, the share of them that was right.
    """
    bins = _bins(probabilities)
    return [
        {
            "cells": int((bins == k).sum()),
            "confidence": round(float(probabilities[bins == k].mean()), 5),
            "accuracy": round(float(correct[bins == k].mean()), 5),
        }
        for k in np.unique(bins)
    ]


def confusions(t: NDArray[np.int64], r: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Cells by true class (rows) and read class (columns), from class numbers below ``k``."""
    return np.bincount(t * k + r, minlength=k * k).reshape(k, k)


def per_class(
    matrices: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of stacked confusion matrices, each matrices x classes."""
    hits = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    true, read = matrices.sum(axis=2), matrices.sum(axis=1)
    zero = np.zeros_like(hits)
    precision = np.divide(hits, read, out=zero.copy(), where=read > 0)
    recall = np.divide(hits, true, out=zero.copy(), where=true > 0)
    f1 = np.divide(2 * hits, true + read, out=zero.copy(), where=true + read > 0)
    return precision, recall, f1


def macros(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1 of stacked confusion matrices: the mean over the classes that each of them has cells of.

    A rare class is missing from some resampled sets; counting it as read wrong would widen an interval for nothing.
    """
    there = matrices.sum(axis=2) > 0
    return np.where(there, per_class(matrices)[2], 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def accuracies(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of cells read right in each of stacked confusion matrices."""
    return np.trace(matrices, axis1=1, axis2=2) / np.maximum(matrices.sum(axis=(1, 2)), 1)


def _interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def _bins(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of confidence that each cell falls into."""
    return np.clip((probabilities * CALIBRATION_BINS).astype(np.int64), 0, CALIBRATION_BINS - 1)
