"""Intervals of proportions."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import betaincinv, gammaln

_Z = 1.959963984540054
"""The 97.5 % point of the standard normal."""


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); (0, 1) where nothing was counted."""
    if not total:
        return 0.0, 1.0
    p, z2 = count / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    # At the two ends the formula gives the bound exactly, rounding does not.
    return (0.0 if not count else middle - half), (1.0 if count == total else middle + half)


def exact(count: int, total: int) -> tuple[float, float]:
    """The exact 95 % interval of a proportion (Clopper and Pearson 1934); (0, 1) where nothing was counted.

    It holds the truth at least as often as it says, however few were counted; Wilson's holds it so often on average.
    """
    low = float(betaincinv(count, total - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 0.975)) if count < total else 1.0
    return low, high


def at_least(right: int, sample: int, group: int, risk: float = 0.05) -> int:
    """How many of a finite group are right, at the least, where ``right`` of a random sample of it are.

    The exact one-sided bound of the hypergeometric distribution: in at most ``risk`` of all draws a group has fewer
    than it says. The bound of Clopper and Pearson is that of an endless group, and lies below it.
    """
    low, high = right, group - (sample - right)
    while low < high:
        middle = (low + high) // 2
        if _tail(right, sample, middle, group) > risk:
            high = middle
        else:
            low = middle + 1
    return low


def _tail(right: int, sample: int, good: int, group: int) -> float:
    """Chance of at least so many right ones in a sample of a group with so many good ones."""
    x = np.arange(max(right, sample - (group - good)), min(sample, good) + 1)
    chances = _log_choose(good, x) + _log_choose(group - good, sample - x) - _log_choose(group, np.array(sample))
    return float(np.exp(chances).sum())


def _log_choose(of: int, some: np.ndarray) -> np.ndarray:
    return gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
