"""Control charts: rules where they are completed, published run lengths, and a planted drift."""

import numpy as np
import pytest

from hemosight.scoring.control import RULES, Flag, broken, first_flag, of_shares, of_values, run_length


@pytest.mark.parametrize(
    ("z", "flag"),
    [
        ([0.5, -1.2, 3.1], Flag(2, "1_3s")),
        ([0.1, 2.1, 2.4], Flag(2, "2_2s")),
        ([0.1, 2.1, -2.2], Flag(2, "R_4s")),
        ([0.2, -1.1, -1.3, -1.2, -1.4], Flag(4, "4_1s")),
        ([-0.1, *[0.2] * 10], Flag(10, "10_x")),
    ],
)
def test_each_rule_names_the_point_that_completes_it(z: list[float], flag: Flag) -> None:
    assert broken(z) == [flag]
    assert first_flag(np.array(z)) == flag.at


def test_what_is_usual_breaks_no_rule() -> None:
    assert broken([0.5, -0.5, 1.9, -1.9, 0.9, 1.1, -2.1, 0.3, 2.1]) == []


def test_the_quick_search_finds_what_the_slow_one_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        z = rng.normal(0.7, 1.2, 40)
        flags = broken(z)
        assert first_flag(z) == (flags[0].at if flags else None)


@pytest.mark.parametrize(("shift", "published"), [(0.0, 370.4), (1.0, 43.9), (2.0, 6.3), (3.0, 2.0)])
def test_run_lengths_of_three_sigma_limits(shift: float, published: float) -> None:
    # Champ and Woodall 1987, Technometrics 29:393, table 1, limits of 3 standard deviations alone.
    assert run_length(shift, ("1_3s",), charts=3000).mean == pytest.approx(published, rel=0.07)


def test_more_rules_see_sooner_and_raise_the_false_alarm_rate() -> None:
    alone, all_rules = run_length(1.5, ("1_3s",), charts=500), run_length(1.5, RULES, charts=500)
    assert all_rules.mean < alone.mean / 1.5
    assert 100 < run_length(0.0, RULES, charts=500).mean < 250


def test_a_planted_drift_is_flagged_within_the_stated_run_length() -> None:
    stated = run_length(2.0)
    rng = np.random.default_rng(11)
    delays = []
    for _ in range(200):
        usual, drifted = rng.normal(0.52, 0.02, 30), rng.normal(0.56, 0.02, 60)
        chart = of_values(np.concatenate([usual, drifted]))
        assert chart is not None
        after = [flag.at - 30 + 1 for flag in chart.flags if flag.at >= 30]
        delays.append(after[0] if after else 60)
    # Usual values from 20 points are known roughly: a few charts take longer than where they are known.
    assert np.mean(np.array(delays) <= stated.most) >= 0.9
    assert np.median(delays) <= stated.median + 1


def test_shares_of_many_and_few_cells_are_judged_alike() -> None:
    rng = np.random.default_rng(12)
    totals = rng.choice([40, 400], 300)
    chart = of_shares(rng.binomial(totals, 0.06), totals, baseline=60, rules=("1_3s",))
    assert chart is not None
    assert chart.centre == pytest.approx(0.06, abs=0.012)
    # Without regard to the number of cells most flags would be of small cases.
    assert len(chart.flags) <= 8
    drifted = of_shares(np.concatenate([rng.binomial(100, 0.05, 25), rng.binomial(100, 0.2, 10)]), np.full(35, 100))
    assert drifted is not None
    assert drifted.flags[0].at in range(25, 29)


def test_patients_that_differ_are_usual_where_they_did_from_the_start() -> None:
    rng = np.random.default_rng(13)
    shares = rng.beta(4, 12, 200)  # far wider than binomial
    chart = of_shares(rng.binomial(200, shares), np.full(200, 200), baseline=60, rules=("1_3s",))
    assert chart is not None
    assert len(chart.flags) <= 6


def test_what_is_hardly_ever_seen_raises_no_flag_by_being_absent() -> None:
    rng = np.random.default_rng(14)
    flagged = 0
    for _ in range(40):
        chart = of_shares(rng.binomial(50, 0.004, 60), np.full(60, 50))
        assert chart is not None
        flagged += bool(chart.flags)
    assert flagged <= 8  # forty points each at 1 in 740, and what is usual is known from a thousand cells
    seen = of_shares([*rng.binomial(50, 0.004, 25), 0, 6], np.full(27, 50))
    assert seen is not None
    assert [flag.at for flag in seen.flags] == [26]


def test_no_chart_without_a_point_beyond_the_baseline() -> None:
    assert of_values(np.ones(20)) is None
    assert of_shares([1] * 20, [10] * 20) is None
    assert of_shares([1] * 30, [0] * 30) is None
