"""Yes-or-no agreement: published tables, and two readers of the same cells."""

import math

import numpy as np
import pytest

from hemosight.scoring.qualitative import Qualitative, paired, qualitative


def test_a_liver_scan() -> None:
    # Altman and Bland 1994, BMJ 308:1552 and 309:102: 231 of 258 abnormal livers found, 54 of 86 normal ones left.
    table = Qualitative(both=231, missed=27, false=32, neither=54)
    assert table.sensitivity.value == pytest.approx(0.90, abs=0.005)
    assert table.specificity.value == pytest.approx(0.63, abs=0.005)
    assert table.positive_value.value == pytest.approx(0.88, abs=0.005)
    assert table.negative_value.value == pytest.approx(0.67, abs=0.005)
    assert table.positive_ratio.value == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_score_intervals_as_newcombe_printed_them(part: int, whole: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    found = Qualitative(both=part, missed=whole - part, false=0, neither=0).sensitivity
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_counts_come_from_what_was_there_and_found() -> None:
    table = qualitative([1, 1, 1, 0, 0], [1, 0, 1, 1, 0])
    assert table == Qualitative(2, 1, 1, 1)
    assert table.agreement.value == pytest.approx(0.6)


def test_nothing_found_falsely_is_an_infinite_ratio_and_no_error() -> None:
    table = Qualitative(both=5, missed=1, false=0, neither=9)
    assert math.isinf(table.positive_ratio.value)
    assert math.isnan(Qualitative(0, 0, 1, 2).sensitivity.value)


def test_likelihood_ratios_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        found = Qualitative(*_split(rng, 120, 0.8), *_split(rng, 150, 0.2)).positive_ratio
        held += found.low <= 4.0 <= found.high
    assert 0.92 <= held / 400 <= 0.985


def _split(rng: np.random.Generator, n: int, p: float) -> tuple[int, int]:
    k = int(rng.binomial(n, p))
    return k, n - k


def test_approval_asked_twice() -> None:
    # Agresti 2002, Categorical Data Analysis, table 10.1: of 1600 asked twice 794 approved both times, 150 only the
    # first, 86 only the second time; difference 0.04 with the interval 0.021 to 0.059, z0^2 = 17.4.
    first = np.repeat([True, True, False, False], [794, 150, 86, 570])
    second = np.repeat([True, False, True, False], [794, 150, 86, 570])
    change = paired(second, first)
    assert (change.gained, change.lost, change.total) == (150, 86, 1600)
    assert (change.difference.value, change.difference.low, change.difference.high) == pytest.approx(
        (0.04, 0.021, 0.059), abs=6e-4
    )
    assert change.p == pytest.approx(3.7e-5, rel=0.2)  # the exact test's; z0^2 = 17.36 has 3.1e-5


def test_an_interval_of_a_change_holds_it_even_where_few_cells_change() -> None:
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(500):
        drawn = rng.choice(4, 80, p=[0.85, 0.03, 0.05, 0.07])  # both, first alone, second alone, neither
        change = paired(np.isin(drawn, [0, 1]), np.isin(drawn, [0, 2]))
        held += change.difference.low <= 0.02 <= change.difference.high
    assert held / 500 >= 0.94
    assert math.isnan(paired([], []).difference.value)
