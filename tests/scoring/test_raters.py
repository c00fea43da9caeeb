"""Agreement of several readers against published tables, and how often intervals hold."""

import numpy as np
import pytest

from hemosight.scoring.raters import counted, fleiss, gwet

# Krippendorff's and Gwet's example: 12 units, 4 raters, some ratings missing (Gwet 2014, table 2.10; data set
# cac.raw4raters of the package irrCAC, whose results are those below).
UNITS = ["11.1", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", ".555", "..11", "..3."]


def units() -> np.ndarray:
    return counted([[None if one == "." else one for one in row] for row in UNITS], "12345")


def test_four_raters_with_missing_ratings() -> None:
    ac1, kappa = gwet(units()), fleiss(units())
    assert ac1.value == pytest.approx(0.77544, abs=5e-6)
    assert (ac1.low, ac1.high) == pytest.approx((0.46081, 1.0), abs=5e-6)
    assert kappa.value == pytest.approx(0.76117, abs=5e-6)
    assert (kappa.low, kappa.high) == pytest.approx((0.42438, 1.0), abs=5e-6)
    assert ac1.share == pytest.approx(0.81818, abs=5e-6)
    assert ac1.cells == 12


def test_fourteen_raters_of_ten_subjects() -> None:
    # The worked example of "Fleiss' kappa" on Wikipedia: 0.210.
    rows = "0 0 0 0 14 0 2 6 4 2 0 0 3 5 6 0 3 9 2 0 2 2 8 1 1 7 7 0 0 0 3 2 6 3 0 2 5 3 2 2 6 5 2 1 0 0 2 2 3 7"
    found = fleiss(np.array(rows.split(), float).reshape(10, 5))
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.share == pytest.approx(0.378, abs=5e-4)


def test_where_kappa_fails_ac1_does_not() -> None:
    # Gwet 2002, "Kappa statistic is not satisfactory": 118 of 125 subjects both positive, 7 apart, none both negative.
    # Kappa is below zero though 94.4 % agree; AC1 is 0.94.
    table = [[2, 0]] * 118 + [[1, 1]] * 7
    found, kappa = gwet(table), fleiss(table)
    assert found.value == pytest.approx(0.9408, abs=5e-5)
    assert found.share == pytest.approx(0.944)
    assert kappa.value is not None
    assert kappa.value < 0


def test_intervals_hold_the_agreement_of_drawn_readers() -> None:
    rng = np.random.default_rng(7)

    def drawn(cells: int) -> np.ndarray:
        truth = rng.choice(3, cells, p=[0.5, 0.3, 0.2])
        said = np.where(rng.random((cells, 4)) < 0.75, truth[:, None], rng.integers(0, 3, (cells, 4)))
        return (said[:, :, None] == np.arange(3)).sum(axis=1)

    population = drawn(100_000)
    for coefficient in (fleiss, gwet):
        true, held = coefficient(population).value, 0
        assert true is not None
        for _ in range(300):
            found = coefficient(drawn(60))
            assert found.low is not None
            assert found.high is not None
            held += found.low <= true <= found.high
        assert 0.915 <= held / 300 <= 0.985


def test_nothing_to_compare_is_no_number() -> None:
    assert gwet([[1, 0], [0, 1]]).value is None  # nobody read a cell twice
    assert fleiss([[3, 0], [3, 0]]).value is None  # chance alone explains it
    assert gwet([[3, 0], [3, 0]]).value == pytest.approx(1)
    with pytest.raises(ValueError, match="cells x classes"):
        gwet([1, 2])
