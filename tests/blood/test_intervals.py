"""Intervals of proportions hold the truth as often as they say."""

from __future__ import annotations

from math import comb

import pytest

from hemosight.blood.intervals import exact, wilson


def coverage(interval: object, share: float, total: int) -> float:
    """How often the interval of a count out of ``total`` holds ``share``, summed over all counts."""
    found = 0.0
    for count in range(total + 1):
        low, high = interval(count, total)  # type: ignore[operator]
        if low <= share <= high:
            found += comb(total, count) * share**count * (1 - share) ** (total - count)
    return found


@pytest.mark.parametrize("total", [3, 7, 10, 13])
def test_the_exact_interval_never_holds_less_often_than_it_says(total: int) -> None:
    shares = [at / 200 for at in range(1, 200)]
    assert min(coverage(exact, share, total) for share in shares) >= 0.95 - 1e-9
    assert min(coverage(wilson, share, total) for share in shares) < 0.95, "Wilson's does so on average alone"


def test_nothing_counted_says_nothing() -> None:
    assert exact(0, 0) == wilson(0, 0) == (0.0, 1.0)
    low, high = exact(10, 10)
    assert (low, high) == (pytest.approx(0.6915, abs=1e-4), 1.0)
