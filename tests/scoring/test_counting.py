"""Counting limited numbers of cells: Rümke's printed table, and two counts by two examiners."""

import numpy as np
import pytest
from scipy import stats

from hemosight.scoring.counting import exact, ruemke, two_by_two

# Rümke 1985, as printed in CLSI H20-A2: percentage seen -> limits at 100, 200, 500 and 1000 cells.
PRINTED = {
    0: ((0, 4), (0, 2), (0, 1), (0, 1)),
    1: ((0, 6), (0, 4), (0, 3), (0, 2)),
    2: ((0, 8), (0, 6), (0, 4), (1, 4)),
    3: ((0, 9), (1, 7), (1, 5), (2, 5)),
    5: ((1, 12), (2, 10), (3, 8), (3, 7)),
    10: ((4, 18), (6, 16), (7, 13), (8, 13)),
    25: ((16, 35), (19, 32), (21, 30), (22, 28)),
    50: ((39, 61), (42, 58), (45, 55), (46, 54)),
}


@pytest.mark.parametrize("percent", PRINTED)
def test_limits_are_those_of_the_printed_table(percent: int) -> None:
    assert tuple(ruemke(percent, cells) for cells in (100, 200, 500, 1000)) == PRINTED[percent]


def test_exact_limits_hold_their_level() -> None:
    # Clopper and Pearson guarantee at least 95 %: the sum over all outcomes says so without drawing one.
    for p in (0.02, 0.1, 0.37):
        inside = [low <= p <= high for low, high in (exact(k, 60) for k in range(61))]
        assert 0.95 <= stats.binom.pmf(np.arange(61), 60, p)[inside].sum() <= 0.995
    assert exact(0, 0) == (0.0, 1.0)


def test_a_method_that_is_the_reference_agrees_as_often_as_the_limits_say() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0.05, 0.6, 300)
    reference = rng.binomial(200, p[:, None], (300, 2))
    # A test method that counts nothing but the truth: the reference's own scatter is all there is.
    found = two_by_two(reference, np.repeat(200 * p[:, None], 2, axis=1), np.full((300, 2), 200))
    assert found.within / found.specimens >= 0.93
    assert found.scatter_reference == pytest.approx(found.scatter_expected, rel=0.15)
    assert found.scatter_test == 0
    assert found.bias.low <= 0 <= found.bias.high


def test_a_bias_is_found_and_its_specimens_are_named() -> None:
    reference = np.array([[20, 24], [60, 66], [100, 92], [44, 40]])
    test = reference + np.array([[0, 0], [0, 0], [0, 0], [60, 60]])
    found = two_by_two(reference, test, np.full((4, 2), 200))
    assert found.beyond == (3,)
    assert found.within == 3
    assert found.bias.value == pytest.approx(7.5)  # 120 of 400 cells more in one of four specimens
    assert found.scatter_reference == pytest.approx(np.sqrt(np.mean([4, 9, 16, 4]) / 2))


def test_counts_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="specimens x 2"):
        two_by_two([[1, 2, 3]], [[1, 2, 3]], [[5, 5, 5]])
    with pytest.raises(ValueError, match="cells in every count"):
        two_by_two([[0, 0]], [[0, 0]], [[0, 5]])
