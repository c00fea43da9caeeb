"""Intervals of proportions."""

from __future__ import annotations

from math import sqrt

from scipy.special import betaincinv

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
