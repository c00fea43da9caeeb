"""Yes or no: whether a candidate finds what the reference says is there (what CLSI EP12 asks for)."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hemosight.blood.intervals import wilson
from hemosight.scoring.metrics import Interval

_Z = 1.959963984540054
"""The 97.5 % point of the standard normal."""


@dataclass(frozen=True)
class Qualitative:
    """A table of two by two: specimens (or cells) that have something, and those in which it is found.

    Parameters
    ----------
    both, missed, false, neither
        There and found; there and not found; not there and found; neither.
    """

    both: int
    missed: int
    false: int
    neither: int

    @property
    def total(self) -> int:
        """All specimens."""
        return self.both + self.missed + self.false + self.neither

    @property
    def sensitivity(self) -> Interval:
        """Found, of those that have it (positive agreement where the reference is no truth); 95 % score intervals."""
        return share(self.both, self.both + self.missed)

    @property
    def specificity(self) -> Interval:
        """Not found, of those that do not have it (negative agreement)."""
        return share(self.neither, self.neither + self.false)

    @property
    def agreement(self) -> Interval:
        """Share of all in which both say the same."""
        return share(self.both + self.neither, self.total)

    @property
    def positive_value(self) -> Interval:
        """Having it, of those in which it is found. It holds for specimens mixed as these were, and no others."""
        return share(self.both, self.both + self.false)

    @property
    def negative_value(self) -> Interval:
        """Not having it, of those in which it is not found; of this mixture alone."""
        return share(self.neither, self.neither + self.missed)

    @property
    def positive_ratio(self) -> Interval:
        """Likelihood ratio of a finding, with the logarithmic interval of Simel et al. 1991 (J Clin Epidemiol 44:763).

        Infinite where nothing was found falsely.
        """
        return _ratio(self.both, self.both + self.missed, self.false, self.false + self.neither)

    @property
    def negative_ratio(self) -> Interval:
        """Likelihood ratio of no finding."""
        return _ratio(self.missed, self.both + self.missed, self.neither, self.false + self.neither)


def qualitative(there: ArrayLike, found: ArrayLike) -> Qualitative:
    """Count specimens: whether each has something, and whether it was found."""
    truth, calls = np.asarray(there, np.bool_), np.asarray(found, np.bool_)
    if truth.shape != calls.shape:
        raise ValueError(f"expected two rows of one length; came {truth.shape} and {calls.shape}")
    counts = [truth & calls, truth & ~calls, ~truth & calls, ~truth & ~calls]
    return Qualitative(*(int(one.sum()) for one in counts))


def share(part: int, whole: int) -> Interval:
    """A proportion with its 95 % score interval (Wilson 1927), as EP12 has it; NaN in [0, 1] of nothing."""
    return Interval(part / whole if whole else float("nan"), *wilson(part, whole))


@dataclass(frozen=True)
class PairedChange:
    """Two readers of the same cells, right or wrong: what the second changes.

    Parameters
    ----------
    gained, lost
        Cells that the second alone has right, and the first alone.
    difference
        Share right of the second less that of the first, with its 95 % interval.
    p
        Of the exact McNemar test: how often as uneven a split of the changed cells comes by chance.
    """

    gained: int
    lost: int
    total: int
    difference: Interval
    p: float


def paired(first: ArrayLike, second: ArrayLike) -> PairedChange:
    """Compare two readers on the same cells (McNemar 1947; interval after Agresti and Min 2005, adding 0.5 to cells).

    Agresti and Min, Statistics in Medicine 24:729-740: Wald's interval of the table with 0.5 added to each of its four
    cells, which keeps its level where few cells change.
    """
    one, other = np.asarray(first, np.bool_), np.asarray(second, np.bool_)
    if one.shape != other.shape:
        raise ValueError(f"expected two rows of one length; came {one.shape} and {other.shape}")
    gained, lost, n = int((~one & other).sum()), int((one & ~other).sum()), len(one)
    if not n:
        return PairedChange(0, 0, 0, Interval(float("nan"), -1.0, 1.0), 1.0)
    b, c, m = gained + 0.5, lost + 0.5, n + 2.0
    middle, half = (b - c) / m, _Z * sqrt(b + c - (b - c) ** 2 / m) / m
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    bounds = max(middle - half, -1.0), min(middle + half, 1.0)
    return PairedChange(gained, lost, n, Interval((gained - lost) / n, *bounds), p)


def _ratio(part: int, whole: int, other: int, others: int) -> Interval:
    if not whole or not others or not (part or other):
        return Interval(float("nan"), 0.0, float("inf"))
    if not other:
        return Interval(float("inf"), 0.0, float("inf"))
    value = (part / whole) / (other / others)
    if not part:
        return Interval(0.0, 0.0, float("inf"))
    half = _Z * sqrt(1 / part - 1 / whole + 1 / other - 1 / others)
    return Interval(value, exp(log(value) - half), exp(log(value) + half))
