"""Charts watched side by side: one false alarm rate for all, a planted drift in time, what restarts what is usual."""

from __future__ import annotations

import numpy as np
import pytest

from hemosight.scoring.control import BASELINE, Flag
from hemosight.scoring.watch import HORIZON, SHIFT, WatchedMeasure, performance, stretch, watch


def unchanged(rng: np.random.Generator, charts: int, cases: int) -> bool:
    """Whether any of so many charts of normal points is flagged within so many judged cases."""
    return any(watch(WatchedMeasure(rng.normal(size=BASELINE + cases)), charts).flags for _ in range(charts))


@pytest.mark.parametrize("charts", [1, *(pytest.param(charts, marks=pytest.mark.slow) for charts in (4, 12))])
def test_a_scanner_in_which_nothing_changes_is_flagged_as_often_as_is_stated(charts: int) -> None:
    rng = np.random.default_rng(charts)
    flagged = np.mean([unchanged(rng, charts, HORIZON) for _ in range(120)])
    assert performance(charts).false == pytest.approx(1 / 3, abs=0.1), (
        "the limits are wide enough for any number of charts"
    )
    assert flagged == pytest.approx(performance(charts).false, abs=0.13)


def test_a_dozen_charts_with_the_limits_of_one_would_ring_all_the_time() -> None:
    rng = np.random.default_rng(3)
    alone = [any(watch(WatchedMeasure(rng.normal(size=70)), 1).flags for _ in range(12)) for _ in range(60)]
    assert np.mean(alone) > 0.85
    assert stretch(12) > stretch(1)


@pytest.mark.parametrize("charts", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_planted_drift_is_flagged_within_the_stated_run_length(charts: int) -> None:
    rng, stated = np.random.default_rng(8), performance(charts).drifted
    delays = []
    for _ in range(300):
        before, after = rng.normal(77.0, 1.5, 30), rng.normal(77.0 + SHIFT * 1.5, 1.5, 60)
        flags = [flag.at - 30 + 1 for flag in watch(WatchedMeasure(np.concatenate([before, after])), charts).flags]
        delays.append(next((delay for delay in flags if delay > 0), 61))
    assert np.median(delays) == pytest.approx(stated.median, abs=1.01)
    assert np.mean(np.array(delays) <= stated.most) == pytest.approx(0.95, abs=0.04)


def test_a_drift_of_a_share_is_flagged_whatever_the_size_of_cases() -> None:
    rng = np.random.default_rng(2)
    cells = rng.integers(60, 300, 60)
    share = np.where(np.arange(60) < 35, 0.05, 0.2)
    found = watch(WatchedMeasure(rng.binomial(cells, share).astype(float), cells.astype(float)), 10)
    assert found.flags
    assert 35 <= found.flags[0].at < 40
    assert found.centre == pytest.approx(0.05, abs=0.02)
    assert found.values[0] == pytest.approx(found.values[0])
    assert found.usual.sum() == BASELINE


def test_a_case_that_says_nothing_is_no_point_and_ends_no_run() -> None:
    values = np.concatenate([np.tile([-1.0, 1.0], 10), [0.0, 9.0, np.nan]])
    found = watch(WatchedMeasure(values), 1)
    assert found.flags == (Flag(21, "1_3s"),)
    assert np.isnan(found.z[22])
    assert np.isnan(found.values[22])
    late = np.insert(values[:22], 3, np.nan)  # the baseline then reaches one case further
    assert watch(WatchedMeasure(late), 1).flags == (Flag(22, "1_3s"),)
    shares = watch(WatchedMeasure(np.array([5.0] * 21 + [0.0, 60.0]), np.array([100.0] * 21 + [0.0, 100.0])), 1)
    assert [flag.at for flag in shares.flags] == [22]
    assert np.isnan(shares.values[21])


def test_after_a_validation_what_is_usual_is_learnt_anew() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 1, 25), rng.normal(8, 1, 25)])
    kept, anew = watch(WatchedMeasure(values), 1), watch(WatchedMeasure(values, epochs=[25]), 1)
    assert {flag.at for flag in kept.flags} >= set(range(25, 50))
    assert not anew.flags
    assert anew.centre == pytest.approx(8, abs=0.7)
    assert anew.usual[25:45].all()
    assert np.isnan(watch(WatchedMeasure(values, epochs=[50]), 1).centre), (
        "validated after the last case: nothing is usual"
    )


def test_an_answered_flag_is_no_part_of_a_later_run() -> None:
    values = np.array([*([-1.0, 1.0] * 10), 2.9, 2.9])
    assert [flag.rule for flag in watch(WatchedMeasure(values), 1).flags] == ["2_2s"]
    assert not watch(WatchedMeasure(values, restarts=[21]), 1).flags
    far = np.array([*([-1.0, 1.0] * 10), 2.9, 9.0])
    assert [flag.rule for flag in watch(WatchedMeasure(far, restarts=[21]), 1).flags] == ["1_3s"]


def test_what_is_hardly_ever_seen_is_watched_upwards_alone() -> None:
    counts, cells = np.zeros(40), np.full(40, 100.0)
    assert not watch(WatchedMeasure(counts, cells), 8).flags
    counts[30] = 12
    assert [flag.at for flag in watch(WatchedMeasure(counts, cells), 8).flags] == [30]


def test_totals_have_to_be_as_many_as_counts() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        WatchedMeasure(np.ones(2), np.ones(3))
