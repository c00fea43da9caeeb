"""The one scorer: how well labels were read, per class and on the whole, with bootstrap intervals and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000
CALIBRATION_BINS = 15
"""Equal bins of confidence, of the calibration error and of every reliability curve (as in Guo et al. 2017)."""
Metric = Literal["precision", "recall", "f1"]
PER_CLASS: tuple[Metric, ...] = ("precision", "recall", "f1")


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
    """How labels were read.

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
    calibration_error, confidence
        Expected calibration error and mean confidence; None where no confidence was given.
    resampled
        Confusion matrices of the bootstrap's draws, draws x classes x classes.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    accuracy: Interval
    macro_f1: Interval
    calibration_error: float | None
    confidence: float | None
    resampled: NDArray[np.int64] = field(repr=False, compare=False)

    @property
    def cells(self) -> int:
        """How many cells were compared."""
        return int(self.confusion.sum())

    @property
    def true_cells(self) -> NDArray[np.int64]:
        """How many cells are of each class in truth."""
        return self.confusion.sum(axis=1)

    def of_class(self, metric: Metric) -> tuple[Interval, ...]:
        """One metric of every class with its 95% interval; draws that have no cell to measure it on say nothing."""
        place = PER_CLASS.index(metric)
        true, read = self.resampled.sum(axis=2) > 0, self.resampled.sum(axis=1) > 0
        defined = (read, true, true | read)[place]
        draws = per_class(self.resampled)[place]
        values: NDArray[np.float64] = getattr(self, metric)
        return tuple(
            _interval(value, draws[kept, column] if (kept := defined[:, column]).any() else draws[:, column])
            for column, value in enumerate(values)
        )


def scores(
    truth: Sequence[str] | NDArray[np.str_],
    read: Sequence[str] | NDArray[np.str_],
    *,
    confidence: NDArray[np.float64] | None = None,
    seed: int = 0,
    bootstraps: int = BOOTSTRAPS,
) -> Scores:
    """Compare true and read labels, one of each a cell.

    Parameters
    ----------
    confidence
        The probability of each read label, for the calibration error.
    seed, bootstraps
        Of the resampling of cells; without any, the intervals' bounds are NaN.
    """
    truth, read = np.asarray(truth, np.str_), np.asarray(read, np.str_)
    names = np.unique(np.concatenate([truth, read]))
    t, r, k = np.searchsorted(names, truth), np.searchsorted(names, read), len(names)
    confusion = confusions(t, r, k)
    rng = np.random.default_rng(seed)
    # Resampling cells with replacement is drawing the confusion matrix from a multinomial.
    resampled = rng.multinomial(len(t), (confusion / max(len(t), 1)).ravel(), size=bootstraps).reshape(-1, k, k)
    precision, recall, f1 = _of_cells(t, r, k)
    return Scores(
        classes=tuple(str(name) for name in names),
        confusion=confusion,
        precision=precision,
        recall=recall,
        f1=f1,
        accuracy=_interval(accuracies(confusion[None])[0], accuracies(resampled)),
        macro_f1=_interval(macros(confusion[None])[0], macros(resampled)),
        calibration_error=None if confidence is None else calibration_error(confidence, truth == read),
        confidence=None if confidence is None else float(confidence.mean()),
        resampled=resampled,
    )


def _of_cells(t: NDArray[np.int64], r: NDArray[np.int64], k: int) -> tuple[NDArray[np.float64], ...]:
    if not len(t):
        return np.zeros(k), np.zeros(k), np.zeros(k)
    from sklearn.metrics import precision_recall_fscore_support  # a second of importing that few commands need

    quiet: dict[str, Any] = {"zero_division": 0}  # typed by its default, a word
    found = precision_recall_fscore_support(t, r, labels=np.arange(k), **quiet)
    return tuple(np.asarray(values, np.float64) for values in found[:3])


@dataclass(frozen=True)
class ReliabilityBin:
    """Cells whose confidence lies between ``low`` and ``high``: their mean confidence, and the share that was right."""

    bin: int
    low: float
    high: float
    cells: int
    confidence: float
    accuracy: float


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: |accuracy - confidence| averaged over cells in :data:`CALIBRATION_BINS` bins.

    ``confidence`` is each cell's highest probability, ``correct`` whether its label was right (Guo et al. 2017).
    """
    bins = _bins(confidence, CALIBRATION_BINS)
    gaps = np.bincount(bins, confidence - correct, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / max(len(bins), 1))


def reliability(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """What :func:`calibration_error` averages: each bin of confidence that has cells, from low to high."""
    places = _bins(confidence, bins)
    return [
        ReliabilityBin(
            bin=int(place),
            low=float(place / bins),
            high=float((place + 1) / bins),
            cells=int((places == place).sum()),
            confidence=float(confidence[places == place].mean()),
            accuracy=float(correct[places == place].mean()),
        )
        for place in np.unique(places)
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
    low, high = np.quantile(resampled, [0.025, 0.975]) if len(resampled) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def _bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of confidence that each cell falls into."""
    return np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
