"""Watching a scanner: several control charts at once, with one promise for all of them together.

Each chart of :mod:`.control` raises a false alarm now and then; a dozen side by side, each with a mean and a deviation
that twenty points say roughly, do so every few cases, and an alarm that always rings is switched off. So limits are
wider here by a factor that grows with the number of charts (:func:`stretch`): where nothing changes about one scanner
in three is flagged within a hundred cases. ``10_x`` is not asked: no wider limit makes it rarer, and of a mean that is
known from twenty points alone it is broken every two hundredth time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemosight.scoring.control import BASELINE, RULES, Flag, RunLength, broken, first_flag, of_shares, of_values

WATCHED = tuple(rule for rule in RULES if rule != "10_x")
"""The rules that are asked."""
SHIFT = 3.0
"""Standard deviations of the drift whose run length is stated."""
HORIZON = 100
"""Cases within which false alarms are stated."""
_MOST = 400


@dataclass(frozen=True)
class WatchedMeasure:
    """One measure of one scanner, a value a case in order of time; nan where a case says nothing of it.

    Parameters
    ----------
    values
        What was measured; of shares the counts.
    totals
        Of shares: cells that the counts are of. None of a plain measurement.
    epochs
        Places from which what is usual is learnt anew: after a validation, under another bundle.
    restarts
        Places from which runs begin anew while what is usual stays: a flag was answered.
    """

    values: NDArray[np.float64]
    totals: NDArray[np.float64] | None = None
    epochs: Sequence[int] = ()
    restarts: Sequence[int] = ()

    def __post_init__(self) -> None:
        """Raise :class:`ValueError` where values and totals differ in number."""
        if self.totals is not None and len(self.totals) != len(self.values):
            raise ValueError(f"expected as many totals as counts; came {len(self.totals)} and {len(self.values)}")


@dataclass(frozen=True)
class Watch:
    """A chart as it is watched, one entry a case.

    Parameters
    ----------
    values
        What was measured; of shares the share. nan where a case says nothing.
    z
        The same in standard deviations from what is usual; nan where what is usual is not known yet.
    usual
        Which points say what is usual, and are not judged.
    centre, deviation
        What is usual now; nan while it is being learnt.
    flags
        Rules that were broken with the stretched limits, in order.
    """

    values: NDArray[np.float64]
    z: NDArray[np.float64]
    usual: NDArray[np.bool_]
    centre: float
    deviation: float
    flags: tuple[Flag, ...]


def stretch(charts: int) -> float:
    """By how much the limits are wider where so many charts are watched.

    Fitted to simulated charts of normal points: with it about one unchanged scanner in three is flagged within
    :data:`HORIZON` cases, whatever the number of charts (a test of this module simulates them).
    """
    return 1.13 + 0.2 * float(np.log(max(charts, 1)))


def watch(measured: WatchedMeasure, charts: int, baseline: int = BASELINE) -> Watch:
    """Judge every point of a measure that is watched beside others, ``charts`` of them together."""
    values = np.asarray(measured.values, np.float64)
    totals = None if measured.totals is None else np.asarray(measured.totals, np.float64)
    known = np.isfinite(values) if totals is None else np.isfinite(values) & (totals > 0)
    z, usual = np.full(len(values), np.nan), np.zeros(len(values), np.bool_)
    centre = deviation = float("nan")
    flags: list[Flag] = []
    edges = sorted({0, len(values), *(place for place in measured.epochs if 0 < place < len(values))})
    if len(values) in measured.epochs:  # a validation after the last case: nothing is usual yet
        edges.append(len(values))
    for begin, end in pairwise(edges):
        rows = begin + np.flatnonzero(known[begin:end])
        usual[rows[:baseline]] = True
        centre = deviation = float("nan")
        if totals is None:
            chart = of_values(values[rows], baseline, ())
        else:
            chart = of_shares(values[rows], totals[rows], baseline, ())
        if chart is None:
            continue
        score = chart.z
        if chart.rare and totals is not None:
            # Patients differ in what is rare, too: more than counting alone would have them.
            score = score / _spread(values[rows], totals[rows], chart.centre, baseline)
        z[rows], centre, deviation = score, chart.centre, chart.deviation
        flags += _flags(score, rows, baseline, measured.restarts, stretch(charts))
    shown = values if totals is None else np.divide(values, totals, out=np.full(len(values), np.nan), where=known)
    return Watch(shown, z, usual, centre, deviation, tuple(sorted(flags, key=lambda flag: flag.at)))


def _spread(counts: NDArray[np.float64], totals: NDArray[np.float64], share: float, baseline: int) -> float:
    """How far usual cases scatter, in binomial standard deviations; never below 1."""
    raw = (counts - totals * share) / np.sqrt(totals * share * (1 - share))
    return max(float(raw[:baseline].std(ddof=1)), 1.0)


def _flags(
    z: NDArray[np.float64], rows: NDArray[np.int64], baseline: int, restarts: Sequence[int], wider: float
) -> list[Flag]:
    """Flags of the points behind the baseline of one epoch; a run does not go across a restart.

    Of what is rare points look upwards alone: those rules that ask for both sides are never broken by them.
    """
    edges = sorted({baseline, len(rows), *(max(int(np.searchsorted(rows, at)), baseline) for at in restarts)})
    found = []
    for begin, end in pairwise(edges):
        found += [Flag(int(rows[begin + flag.at]), flag.rule) for flag in broken(z[begin:end] / wider, WATCHED)]
    return found


@dataclass(frozen=True)
class ChartPerformance:
    """What so many charts together promise, by simulation with a baseline of :data:`~.control.BASELINE` points.

    Parameters
    ----------
    false
        Share of scanners flagged within :data:`HORIZON` cases though nothing changes.
    drifted
        After how many cases a drift of one measure by :data:`SHIFT` standard deviations is flagged.
    """

    false: float
    drifted: RunLength


@lru_cache
def performance(charts: int, simulated: int = 1000, seed: int = 0) -> ChartPerformance:
    """What is promised where so many charts are watched; charts count as independent of one another."""
    wider, rng = stretch(charts), np.random.default_rng(seed)
    usual, points = rng.normal(size=(simulated, BASELINE)), rng.normal(size=(simulated, _MOST))
    centre, deviation = usual.mean(axis=1, keepdims=True), usual.std(axis=1, ddof=1, keepdims=True)
    unchanged = _firsts((points[:, :HORIZON] - centre) / deviation / wider)
    lengths = _firsts((points + SHIFT - centre) / deviation / wider)
    alone = float(np.mean(unchanged <= HORIZON))
    median, most = np.quantile(lengths, [0.5, 0.95])
    return ChartPerformance(1 - (1 - alone) ** charts, RunLength(float(lengths.mean()), float(median), float(most)))


def _firsts(z: ArrayLike) -> NDArray[np.float64]:
    """After how many points each row is flagged; one more than there are where it is not."""
    rows = np.asarray(z, np.float64)
    found = [first_flag(row, WATCHED) for row in rows]
    return np.array([rows.shape[1] + 1 if at is None else at + 1 for at in found], np.float64)
