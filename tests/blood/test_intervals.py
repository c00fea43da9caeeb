"""Intervals of proportions hold the truth as often as they say."""

from __future__ import annotations

from math import comb

import pytest
from scipy.special import betaincinv

from hemosight.blood.intervals import at_least, exact, wilson


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


@pytest.mark.parametrize(("sample", "group"), [(5, 5), (5, 6), (7, 20), (12, 40), (59, 100)])
def test_the_bound_of_a_finite_group_is_that_of_a_slow_sum(sample: int, group: int) -> None:
    for right in range(sample + 1):

        def chance(good: int, seen: int = right) -> float:
            fits = sum(comb(good, x) * comb(group - good, sample - x) for x in range(seen, sample + 1))
            return fits / comb(group, sample)

        slow = min(good for good in range(right, group - (sample - right) + 1) if chance(good) > 0.05)
        assert at_least(right, sample, group) == slow


def test_the_bound_of_a_group_is_no_lower_than_that_of_an_endless_one() -> None:
    assert at_least(59, 59, 59) == 59, "who has seen all knows all"
    for right, sample in ((59, 59), (58, 59), (90, 100), (1, 20)):
        endless = float(betaincinv(right, sample - right + 1, 0.05))
        shares = [at_least(right, sample, group) / group for group in (200, 2_000, 20_000, 2_000_000)]
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] == pytest.approx(endless, abs=1e-4)
        assert shares[-1] >= endless
    assert at_least(59, 59, 20_000) / 20_000 >= 0.95
    assert at_least(58, 58, 2_000_000) / 2_000_000 < 0.95


def test_a_group_has_fewer_right_ones_than_its_bound_says_in_one_draw_of_twenty_at_the_most() -> None:
    group, sample = 60, 15
    for good in range(group + 1):
        over = sum(
            comb(good, right) * comb(group - good, sample - right)
            for right in range(sample + 1)
            if good >= right and group - good >= sample - right and at_least(right, sample, group) > good
        )
        assert over / comb(group, sample) <= 0.05
