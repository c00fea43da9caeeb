"""What counting a limited number of cells can say: Rümke's intervals, and two counts by two examiners compared.

A differential of n cells is a sample: a type of which a of 100 counted cells are seen may be rarer or more common in
the blood. Rümke's table (1985, in Koepke (ed.), *Laboratory Hematology*; printed in CLSI H20-A2) gives the exact
binomial limits (Clopper and Pearson 1934, Biometrika 26:404), rounded outwards to whole per cents.

:func:`two_by_two` compares a test method with a reference method after the design of CLSI H20-A2: of every specimen two
examiners count 200 cells each by both methods, so that each method also shows its own scatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hemosight.scoring.metrics import Interval

_ROUND = 1e-9
"""What a bound may stray from a whole number by arithmetic alone."""


def exact(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval of a proportion (Clopper and Pearson 1934); (0, 1) where nothing was counted."""
    if not total:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, total - count)) if count < total else 1.0
    return low, high


def ruemke(percent: float, total: int, level: float = 0.95) -> tuple[int, int]:
    """Rümke's limits in whole per cents of a type of which ``percent`` of ``total`` counted cells were seen.

    Lower limits are rounded down and upper ones up, as in the printed table: 5 % of 100 cells are 1 to 12 %.
    """
    low, high = exact(round(percent * total / 100), total, level)
    return floor(100 * low + _ROUND), ceil(100 * high - _ROUND)


@dataclass(frozen=True)
class TwoByTwo:
    """One type of cell, counted by two examiners with a reference and with a test method (all in per cent of cells).

    Parameters
    ----------
    specimens
        How many.
    reference, test
        Mean share of the type.
    bias
        Mean of the specimens' differences, test less reference, with its 95 % t interval.
    scatter_reference, scatter_test
        Standard deviation of one count, from the differences between a specimen's two counts.
    scatter_expected
        What the standard deviation of one count would be if nothing but the drawing of cells made it vary (binomial).
    within
        Specimens whose test share lies within the Rümke interval of their reference share (both over both counts).
    beyond
        The others' places.
    """

    specimens: int
    reference: float
    test: float
    bias: Interval
    scatter_reference: float
    scatter_test: float
    scatter_expected: float
    within: int
    beyond: tuple[int, ...]


def two_by_two(
    reference: ArrayLike, test: ArrayLike, cells: ArrayLike, test_cells: ArrayLike | None = None
) -> TwoByTwo:
    """Compare two methods of counting one type.

    Parameters
    ----------
    reference, test
        Cells of the type, specimens x 2 counts (examiners).
    cells
        All cells of each count of the reference method, specimens x 2; 200 each in CLSI H20-A2.
    test_cells
        The same of the test method; as many as of the reference method where None.

    Raises :class:`ValueError` for other shapes, for no specimen and for counts without a cell.
    """
    ours = [np.asarray(given, np.float64) for given in (reference, test, cells)]
    ours.append(ours[2] if test_cells is None else np.asarray(test_cells, np.float64))
    if any(given.ndim != 2 or given.shape != ours[0].shape or given.shape[1] != 2 for given in ours):
        raise ValueError(f"expected specimens x 2 counts; came {[given.shape for given in ours]}")
    a, b, n, m = ours
    if not len(n) or not (n > 0).all() or not (m > 0).all():
        raise ValueError("expected at least one specimen, and cells in every count")
    whole_a, whole_b, whole, whole_m = (given.sum(axis=1) for given in (a, b, n, m))
    difference = 100 * (whole_b / whole_m - whole_a / whole)
    limits = np.array([exact(round(k), round(total)) for k, total in zip(whole_a, whole, strict=True)])
    inside = (whole_b / whole_m >= limits[:, 0] - _ROUND) & (whole_b / whole_m <= limits[:, 1] + _ROUND)
    p = whole_a / whole
    expected = np.sqrt((p * (1 - p) * (1 / n).mean(axis=1)).mean())
    return TwoByTwo(
        specimens=len(n),
        reference=float((100 * whole_a / whole).mean()),
        test=float((100 * whole_b / whole_m).mean()),
        bias=mean_interval(difference),
        scatter_reference=_scatter(100 * a / n),
        scatter_test=_scatter(100 * b / m),
        scatter_expected=float(100 * expected),
        within=int(inside.sum()),
        beyond=tuple(int(row) for row in np.flatnonzero(~inside)),
    )


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """A mean with its t interval; without bounds where there are fewer than two values."""
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, float("-inf"), float("inf"))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1)) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def _scatter(shares: NDArray[np.float64]) -> float:
    """Standard deviation of one of two counts (Dahlberg's formula)."""
    return float(np.sqrt((np.diff(shares, axis=1) ** 2).mean() / 2))
