"""Method comparison: the values that others published, and how often intervals hold what was drawn."""

import numpy as np
import pytest

from hemosight.scoring.comparison import bland_altman, deming, passing_bablok

# Serum and plasma creatinine of heart surgery patients, complete pairs: data set `creatinine` of the R package mcr.
CREATININE = """
0.82 0.79 1.83 1.62 1.39 1.36 0.81 1.3 1.72 1.88 3.23 3.35 1.23 1.06 1.37 1.34 1.72 1.56 0.96 0.94 0.76 0.69 1.15 1.16
0.95 0.71 1 0.83 1.52 1.44 1.56 1.26 2.45 2.36 1.85 1.9 0.89 0.95 0.82 0.77 1.01 0.82 0.96 0.88 3.38 3.42 1.31 1.15
1.1 0.96 1.26 1.12 1.15 1.02 1.2 1.29 1.01 0.87 1.33 1.13 0.87 0.82 1.66 1.33 1.41 1.14 1.08 0.93 1.17 1.09 1.77 1.89
1.33 1.57 1.23 1.29 1.21 1.13 1.2 1.11 1.49 1.61 0.89 0.79 1.09 1.19 1.03 0.96 1.07 1.25 0.89 0.87 1.39 1.36 0.96 0.86
1.06 1.03 1.17 0.86 0.9 0.8 1.39 1.22 0.91 0.86 2.28 2.25 0.9 0.87 1.34 1.3 1.32 1.04 1.02 0.92 1.04 1.01 1.27 1.21
1.08 1.11 1.1 1.21 1.39 1.54 1.07 0.99 0.79 0.79 1.02 1.06 0.94 1.02 1.99 2.15 0.7 0.56 0.84 1.01 0.66 0.59 1.1 1.17
0.9 0.82 2.06 2.09 1.31 1.44 1.03 1.22 1.61 1.77 1.52 1.6 1.11 1.13 0.85 1.06 1.2 1.38 1.09 1.24 1.27 1.29 2.06 2.08
1.21 1.31 0.77 0.82 1.06 1.28 1.02 1.15 1 1.04 1.47 1.51 0.97 1.13 1.7 1.84 1.78 1.94 0.93 1.32 0.92 1.36 1.59 1.88
0.68 0.73 0.7 0.78 1.08 1.01 0.83 0.9 1.17 1.3 0.98 0.96 0.77 0.61 0.91 1.27 1.1 1.05 0.8 1.12 0.85 0.72 0.82 0.87
"""


def creatinine() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.array(CREATININE.split(), float).reshape(-1, 2).T
    assert len(x) == 108
    return x, y


def test_passing_bablok_gives_what_mcr_printed() -> None:
    # mcreg(method.reg = "PaBa", method.ci = "analytical"), printed in the program beside "Passing-Bablok regression in
    # SAS", The DO Loop, 14 February 2022. mcr interpolates between angles, hence the fourth decimal of two bounds.
    line = passing_bablok(*creatinine())
    assert line is not None
    assert line.slope.value == pytest.approx(1.0880089, abs=1e-7)
    assert line.intercept.value == pytest.approx(-0.1171729, abs=1e-7)
    assert (line.slope.low, line.slope.high) == pytest.approx((1.0, 1.173005), abs=2e-4)
    assert (line.intercept.low, line.intercept.high) == pytest.approx((-0.2001149, -0.02), abs=2e-4)


def test_passing_bablok_of_twenty_pairs() -> None:
    # The tests of the Python package methcomp 1.0 hold what mcr gives for these pairs; its bounds lie between two
    # neighbouring slopes.
    y = [1.03, 2.05, 2.79, 3.67, 5.0, 5.82, 7.16, 7.69, 8.53, 10.38, 11.11, 12.17, 13.47, 13.83, 15.15, 16.12, 16.94]
    y += [18.09, 19.13, 19.54]
    line = passing_bablok(np.arange(1, 21), y)
    assert line is not None
    assert line.slope.value == pytest.approx(1.0050, abs=1e-6)
    assert (line.slope.low, line.slope.high) == pytest.approx((0.9848, 1.0266), abs=2e-3)
    assert line.intercept.value == pytest.approx(0.0125, abs=0.01)


def test_deming_gives_what_mcr_printed() -> None:
    # mcreg(method.reg = "Deming", error.ratio = 1): the example of mcr's manual.
    line = deming(*creatinine())
    assert line is not None
    assert line.slope.value == pytest.approx(1.05453934, abs=1e-8)
    assert line.intercept.value == pytest.approx(-0.05891341, abs=1e-8)


def test_deming_is_pearsons_line() -> None:
    # Pearson 1901, Philosophical Magazine 2:559, the line of best fit to ten points: y = 5.784 - 0.546 x.
    x = [0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
    y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
    line = deming(x, y)
    assert line is not None
    assert (line.intercept.value, line.slope.value) == pytest.approx((5.784, -0.546), abs=5e-4)


def test_bland_and_altmans_peak_flows() -> None:
    # Bland and Altman 1986, Lancet i:307, table of 17 subjects, large less mini meter: bias -2.1 (-22.0 to 17.8),
    # standard deviation 38.8; a limit's interval is 34.6 to each side (-114.3 to -45.1 about -79.7).
    large = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    found = bland_altman(mini, large)
    assert found is not None
    assert (found.bias.value, found.bias.low, found.bias.high) == pytest.approx((-2.1, -22.0, 17.8), abs=0.06)
    assert found.deviation == pytest.approx(38.8, abs=0.05)
    assert found.low.high - found.low.value == pytest.approx(34.6, abs=0.1)
    # The paper takes 2 standard deviations for 1.96.
    assert (found.low.value, found.high.value) == pytest.approx((-79.7 + 0.04 * 38.8, 75.5 - 0.04 * 38.8), abs=0.1)


@pytest.mark.slow
def test_intervals_hold_the_line_that_was_drawn() -> None:
    rng = np.random.default_rng(3)
    held = np.zeros((2, 2))
    trials = 200
    for _ in range(trials):
        truth = rng.uniform(0, 60, 40)
        x, y = truth + rng.normal(0, 2, 40), 2 + 1.1 * truth + rng.normal(0, 2.2, 40)
        for row, line in enumerate((passing_bablok(x, y), deming(x, y, ratio=1.21))):
            assert line is not None
            held[row] += [line.slope.low <= 1.1 <= line.slope.high, line.intercept.low <= 2 <= line.intercept.high]
    assert (held / trials > 0.9).all()
    assert (held / trials < 0.995).all()


def test_limits_of_agreement_hold_ninety_five_per_cent() -> None:
    rng = np.random.default_rng(5)
    reference, error = rng.uniform(0, 50, 4000), rng.normal(1.5, 3, 4000)
    found = bland_altman(reference, reference + error)
    assert found is not None
    assert (found.low.value, found.high.value) == pytest.approx((1.5 - 5.88, 1.5 + 5.88), abs=0.25)


def test_a_curve_is_no_line_and_a_line_is_one() -> None:
    rng = np.random.default_rng(6)
    x = np.linspace(1, 50, 80)
    curved = passing_bablok(x, 0.02 * x**2 + rng.normal(0, 0.5, 80))
    straight = passing_bablok(x, 1.2 * x + rng.normal(0, 0.5, 80))
    assert curved is not None
    assert straight is not None
    assert curved.linearity is not None
    assert straight.linearity is not None
    assert curved.linearity < 0.01 < 0.05 < straight.linearity


@pytest.mark.parametrize("permuted", [0, 1, 2])
def test_ties_do_not_make_the_order_of_specimens_matter(permuted: int) -> None:
    rng = np.random.default_rng(8)
    x, y = rng.integers(0, 8, 40), rng.integers(0, 8, 40) + np.arange(40) // 10
    order = np.random.default_rng(permuted).permutation(40)
    first, other = passing_bablok(x, y), passing_bablok(x[order], y[order])
    assert first is not None
    assert other is not None
    assert other.slope == first.slope


def test_a_type_that_never_occurs_has_no_line() -> None:
    assert passing_bablok([0, 0, 0, 0], [0, 0, 0, 0]) is None
    assert deming([0, 0, 0, 0], [0, 0, 1, 0]) is None
    assert bland_altman([1.0], [1.0]) is None
    with pytest.raises(ValueError, match="finite numbers of one length"):
        bland_altman([1.0, float("nan")], [1.0, 2.0])
