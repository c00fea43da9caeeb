"""Repeatability: which part of the scatter of repeated results has which cause (what CLSI EP05 asks for).

Nested analysis of variance of balanced data by moments, one or two levels of groups (Snedecor and Cochran 1989,
*Statistical Methods*, ch. 13); intervals of standard deviations by chi-square, those of sums after Satterthwaite 1946
(Biometrics Bulletin 2:110).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hemosight.scoring.metrics import Interval


@dataclass(frozen=True)
class Components:
    """Variances by cause, in squared units of the results.

    Parameters
    ----------
    between
        Of the outer groups (specimens, days).
    middle
        Of the inner groups within an outer one (runs, stain batches); 0 where the design has none.
    within
        Of repeats within the innermost group: repeatability.
    mean_squares
        As an analysis of variance prints them, outermost first.
    repeatability
        Standard deviation of repeats, with its 95 % interval.
    precision
        Standard deviation of ``within`` and ``middle`` together (within-laboratory precision of EP05 where the inner
        groups are days or runs), with its 95 % interval; equal to ``repeatability`` where there is no inner group.
    """

    between: float
    middle: float
    within: float
    mean_squares: tuple[float, ...]
    repeatability: Interval
    precision: Interval


def components(values: ArrayLike, level: float = 0.95) -> Components:
    """Variance components of ``values``: groups x repeats, or groups x inner groups x repeats, at least two of each.

    A component that moments put below zero is 0. Raises :class:`ValueError` for another shape or missing values.
    """
    y = np.asarray(values, np.float64)
    if y.ndim not in (2, 3) or min(y.shape) < 2 or not np.isfinite(y).all():
        raise ValueError(f"expected groups x repeats or groups x inner groups x repeats, 2 or more; came {y.shape}")
    groups, repeats = y.shape[0], y.shape[-1]
    inner = y.shape[1] if y.ndim == 3 else 1
    free = groups * inner * (repeats - 1)
    means = y.mean(axis=-1)
    within = float(((y - means[..., None]) ** 2).sum()) / free
    if y.ndim == 2:
        outer = repeats * float(means.var(ddof=1))
        between = max((outer - within) / repeats, 0.0)
        repeatability = _deviation(within, free, level)
        return Components(between, 0.0, within, (outer, within), repeatability, repeatability)
    centre = means.mean(axis=1)
    free_inner = groups * (inner - 1)
    nested = repeats * float(((means - centre[:, None]) ** 2).sum()) / free_inner
    outer = repeats * inner * float(centre.var(ddof=1))
    middle = max((nested - within) / repeats, 0.0)
    between = max((outer - nested) / (repeats * inner), 0.0)
    # Satterthwaite: nested / r + (r - 1) / r * within estimates the sum of both.
    parts = np.array([nested / repeats, within * (repeats - 1) / repeats])
    together = float(parts.sum())
    spread = float((parts**2 / np.array([free_inner, free])).sum())
    degrees = together**2 / spread if spread else float(free)
    return Components(
        between,
        middle,
        within,
        (outer, nested, within),
        _deviation(within, free, level),
        _deviation(middle + within, degrees, level),
    )


def _deviation(variance: float, degrees: float, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = (sqrt(degrees * variance / float(stats.chi2.ppf(q, degrees))) for q in (1 - tail, tail))
    return Interval(sqrt(variance), low, high)
