"""Two methods that measure the same: Passing-Bablok, Deming, Bland-Altman (what CLSI EP09 asks for).

Neither method is taken for the truth: both err, so that ordinary least squares would lie too flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hemosight.scoring.counting import mean_interval
from hemosight.scoring.metrics import Interval

Values = NDArray[np.float64]
FEWEST = 3
"""Specimens below which no line is fitted."""


@dataclass(frozen=True)
class Line:
    """test = intercept + slope x reference, with 95 % intervals.

    Parameters
    ----------
    slope, intercept
        A slope of 1 is no proportional difference, an intercept of 0 no constant one.
    linearity
        Of Passing-Bablok alone: p of the cusum test (small: the relation is no line); None else.
    """

    slope: Interval
    intercept: Interval
    linearity: float | None = None


def passing_bablok(reference: ArrayLike, test: ArrayLike, level: float = 0.95) -> Line | None:
    """The shifted median of all pairwise slopes (Passing and Bablok 1983, J Clin Chem Clin Biochem 21:709-720).

    Robust against outliers; for methods that are correlated positively. Pairs of equal reference have an infinite
    slope, pairs equal in both have none, slopes of exactly -1 are left out (section 2 of the paper). None below
    :data:`FEWEST` specimens, where all reference values are equal, and where too many values are (types that hardly
    occur): there is no line then.
    """
    x, y = _pairs(reference, test)
    if len(x) < FEWEST or np.ptp(x) == 0:
        return None
    i, j = np.triu_indices(len(x), 1)
    dx, dy = x[j] - x[i], y[j] - y[i]
    known = (dx != 0) | (dy != 0)
    dx, dy = dx[known], dy[known]
    with np.errstate(divide="ignore"):
        slopes = dy / dx  # a vertical pair is +inf or -inf, by the sign of dy
    slopes = np.sort(slopes[slopes != -1])
    n, shift = len(slopes), int((slopes < -1).sum())
    if not n:
        return None
    middle = (n - 1) / 2 + shift
    ends = int(np.floor(middle)), int(np.ceil(middle))
    if ends[1] >= n or not np.isfinite(slopes[list(ends)]).all():
        return None
    slope = float(slopes[list(ends)].mean())
    spread = float(stats.norm.ppf((1 + level) / 2)) * sqrt(len(x) * (len(x) - 1) * (2 * len(x) + 5) / 18)
    first = round((n - spread) / 2)
    at_low, at_high = first + shift - 1, n - first + shift  # places of order statistics, from 0
    low = float(slopes[at_low]) if 0 <= at_low < n else float("-inf")
    high = float(slopes[at_high]) if 0 <= at_high < n else float("inf")

    def intercept(b: float) -> float:
        return float(np.median(y - b * x)) if np.isfinite(b) else float("-inf") if b > 0 else float("inf")

    return Line(
        Interval(slope, low, high),
        Interval(intercept(slope), intercept(high), intercept(low)),
        _cusum(x, y, slope, intercept(slope)),
    )


def deming(reference: ArrayLike, test: ArrayLike, ratio: float = 1.0, level: float = 0.95) -> Line | None:
    """The line with the least squared distances in both directions, with jackknife intervals (Linnet 1993).

    Parameters
    ----------
    ratio
        Variance of the test method's errors over that of the reference method's; 1 where both err alike.

    None below :data:`FEWEST` specimens or where the methods do not vary together. Formula: Cornbleet and Gochman 1979,
    Clin Chem 25:432-438; intervals: Linnet 1993, Clin Chem 39:424-432.
    """
    x, y = _pairs(reference, test)
    n = len(x)
    found = _deming(x, y, ratio) if n >= FEWEST else None
    if found is None:
        return None
    fits = [_deming(np.delete(x, row), np.delete(y, row), ratio) for row in range(n)]
    if any(fit is None for fit in fits):
        free = Interval(found[0], float("-inf"), float("inf")), Interval(found[1], float("-inf"), float("inf"))
        return Line(*free)
    left_out = np.array(fits, np.float64)
    pseudo = n * np.array(found) - (n - 1) * left_out
    half = stats.t.ppf((1 + level) / 2, n - 2) * pseudo.std(axis=0, ddof=1) / sqrt(n)
    slope, intercept = (
        Interval(value, value - float(width), value + float(width)) for value, width in zip(found, half, strict=True)
    )
    return Line(slope, intercept)


@dataclass(frozen=True)
class Differences:
    """What Bland and Altman look at: differences of two methods, test less reference.

    Parameters
    ----------
    specimens
        How many.
    bias
        The mean difference, with its 95 % interval.
    deviation
        Standard deviation of the differences.
    low, high
        Limits of agreement, within which 95 % of differences are expected, each with its own 95 % interval.
    """

    specimens: int
    bias: Interval
    deviation: float
    low: Interval
    high: Interval


def bland_altman(reference: ArrayLike, test: ArrayLike, level: float = 0.95) -> Differences | None:
    """Bias and limits of agreement (Bland and Altman 1986, Lancet i:307-310); None below two specimens.

    The limits' own intervals are the paper's: their variance is about 3 s^2 / n.
    """
    x, y = _pairs(reference, test)
    n = len(x)
    if n < 2:
        return None
    difference = y - x
    mean, deviation = float(difference.mean()), float(difference.std(ddof=1))
    away = float(stats.norm.ppf(0.975)) * deviation
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation * sqrt(3 / n)
    low, high = mean - away, mean + away
    return Differences(
        specimens=n,
        bias=mean_interval(difference, level),
        deviation=deviation,
        low=Interval(low, low - half, low + half),
        high=Interval(high, high - half, high + half),
    )


def _pairs(reference: ArrayLike, test: ArrayLike) -> tuple[Values, Values]:
    x, y = np.asarray(reference, np.float64), np.asarray(test, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"expected two rows of finite numbers of one length; came shapes {x.shape} and {y.shape}")
    return x, y


def _deming(x: Values, y: Values, ratio: float) -> tuple[float, float] | None:
    sxx, syy = float(((x - x.mean()) ** 2).mean()), float(((y - y.mean()) ** 2).mean())
    sxy = float(((x - x.mean()) * (y - y.mean())).mean())
    if abs(sxy) < 1e-12 * max(sxx, syy, 1e-300):
        return None
    slope = (syy - ratio * sxx + sqrt((syy - ratio * sxx) ** 2 + 4 * ratio * sxy * sxy)) / (2 * sxy)
    return slope, float(y.mean() - slope * x.mean())


def _cusum(x: Values, y: Values, slope: float, intercept: float) -> float | None:
    """Test whether points above and below the line are well mixed along it (cusum): p, small for a curve."""
    away = y - intercept - slope * x
    above, below = int((away > 0).sum()), int((away < 0).sum())
    if not above or not below:
        return None
    score = np.where(away > 0, sqrt(below / above), np.where(away < 0, -sqrt(above / below), 0.0))
    along = (y + x / slope - intercept) / sqrt(1 + 1 / slope**2) if slope else x
    walk = np.abs(np.cumsum(score[np.argsort(along, kind="stable")])).max()
    return float(stats.kstwobign.sf(walk / sqrt(below + 1))) if above + below else None
