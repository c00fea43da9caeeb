"""Control charts: whether what a laboratory sends still looks as it did when the model was validated.

Every case gives one point a chart. The first :data:`BASELINE` points say what is usual; each later point is judged by
rules that Westgard et al. 1981 (Clin Chem 27:493-501) chose among those of Shewhart and of Western Electric:

========  =============================================================================
``1_3s``  one point beyond 3 standard deviations
``2_2s``  two points in a row beyond 2 on the same side
``R_4s``  two points in a row more than 4 apart, beyond 2 on both sides
``4_1s``  four points in a row beyond 1 on the same side
``10_x``  ten points in a row on the same side of the mean
========  =============================================================================

Shares of cells scatter by themselves the more, the fewer cells a case has: their points are Laney's (2002, Quality
Engineering 14:531-537): distances in binomial standard deviations, themselves scaled by how far usual cases scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

BASELINE = 20
"""Points from which a chart knows what is usual (CLSI C24 asks for 20)."""
EXPECTED = 5.0
"""Expected cells of a case below which a share is charted by its exact tail."""
RULES = ("1_3s", "2_2s", "R_4s", "4_1s", "10_x")
SPACING = 1.128
"""Mean range of two values of a normal distribution, in standard deviations (d2)."""
_MOST = 5000


@dataclass(frozen=True)
class Flag:
    """A rule that a point broke."""

    at: int
    rule: str


@dataclass(frozen=True)
class Chart:
    """One chart.

    Parameters
    ----------
    values
        What was measured, one a case in order of time.
    z
        The same in standard deviations from what is usual.
    centre, deviation
        What is usual; for shares the deviation is that of a case of the median number of cells.
    baseline
        Points that said so; they are not judged.
    flags
        Broken rules, in order.
    rare
        Whether it is of what most cases have none of: points look upwards alone, and say nothing in a row.
    """

    values: NDArray[np.float64]
    z: NDArray[np.float64]
    centre: float
    deviation: float
    baseline: int
    flags: tuple[Flag, ...]
    rare: bool = False


def of_values(values: ArrayLike, baseline: int = BASELINE, rules: Sequence[str] = RULES) -> Chart | None:
    """A chart of single measurements, such as the pixel scale; None with no point beyond the baseline.

    The deviation is that of the baseline's points (n - 1), not of its moving ranges: cases come from several patients,
    whose difference is part of what is usual.
    """
    y = np.asarray(values, np.float64)
    if len(y) <= baseline or baseline < 2:
        return None
    centre, deviation = float(y[:baseline].mean()), float(y[:baseline].std(ddof=1))
    deviation = max(deviation, 1e-12)
    z = (y - centre) / deviation
    return Chart(y, z, centre, deviation, baseline, _flags(z, baseline, rules))


def of_shares(
    counts: ArrayLike, totals: ArrayLike, baseline: int = BASELINE, rules: Sequence[str] = RULES
) -> Chart | None:
    """A chart of shares: ``counts`` of ``totals`` cells a case; None with no point beyond the baseline or no cells."""
    k, n = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    if len(k) <= baseline or baseline < 2 or not (n > 0).all():
        return None
    # A half cell of each kind: what never occurred in the baseline has an expectation above zero (Jeffreys).
    p = (k[:baseline].sum() + 0.5) / (n[:baseline].sum() + 1)
    if p * float(np.median(n)) < EXPECTED:
        return _of_rare(k, n, float(p), baseline, rules)
    binomial = np.sqrt(p * (1 - p) / n)
    raw = (k / n - p) / binomial
    # Never narrower than binomial: a quiet baseline is luck, not precision.
    scale = max(float(raw[:baseline].std(ddof=1)), 1.0)
    z = raw / scale
    typical = scale * float(np.sqrt(p * (1 - p) / np.median(n)))
    return Chart(k / n, z, float(p), typical, baseline, _flags(z, baseline, rules))


def _of_rare(k: NDArray[np.float64], n: NDArray[np.float64], p: float, baseline: int, rules: Sequence[str]) -> Chart:
    """A chart of what is hardly ever seen: most cases have none, so that ten below the mean in a row mean nothing.

    Points are normal quantiles of the exact tail (at least so many cells by chance), and the rule of single points is
    the only one; it looks upwards alone, as there is no less than none.
    """
    tail = stats.binom.sf(k - 1, n, p)
    z = np.where(k > 0, stats.norm.isf(np.clip(tail, 1e-15, 1.0)), 0.0)
    deviation = float(np.sqrt(p * (1 - p) / np.median(n)))
    kept = [rule for rule in rules if rule == "1_3s"]
    return Chart(k / n, np.maximum(z, 0.0), p, deviation, baseline, _flags(np.maximum(z, 0.0), baseline, kept), True)


def broken(z: ArrayLike, rules: Sequence[str] = RULES) -> list[Flag]:
    """Which rules the points of a chart break, ``z`` in standard deviations; a rule is named where it is completed."""
    y = np.asarray(z, np.float64)
    return [Flag(at, rule) for at in range(len(y)) for rule in RULES if rule in rules and _breaks(y, at, rule)]


def _flags(z: NDArray[np.float64], baseline: int, rules: Sequence[str]) -> tuple[Flag, ...]:
    return tuple(Flag(flag.at + baseline, flag.rule) for flag in broken(z[baseline:], rules))


def _breaks(y: NDArray[np.float64], at: int, rule: str) -> bool:
    need, limit = {"1_3s": (1, 3.0), "2_2s": (2, 2.0), "R_4s": (2, 2.0), "4_1s": (4, 1.0), "10_x": (10, 0.0)}[rule]
    if at + 1 < need:
        return False
    window = y[at + 1 - need : at + 1]
    if rule == "R_4s":
        return bool(window.max() > 2 and window.min() < -2)
    if rule == "1_3s":
        return bool(abs(window[0]) > limit)
    return bool((window > limit).all() or (window < -limit).all())


@dataclass(frozen=True)
class RunLength:
    """After how many points a chart raises its first flag, by simulation.

    Parameters
    ----------
    mean
        The average run length.
    median, most
        Half of all charts flag by the first, 95 in a hundred by the second.
    """

    mean: float
    median: float
    most: float


def run_length(shift: float, rules: Sequence[str] = RULES, charts: int = 2000, seed: int = 0) -> RunLength:
    """The run length of normal points whose mean lies ``shift`` standard deviations from what is usual.

    The usual mean and deviation are taken as known; from :data:`BASELINE` points they are known roughly, which makes
    false alarms somewhat more frequent and some charts slower.
    """
    rng = np.random.default_rng(seed)
    lengths = np.zeros(charts)
    length = 64 if abs(shift) >= 1 else 512
    for row in range(charts):
        points, at = rng.normal(shift, 1.0, length), None
        while at is None and len(points) <= _MOST:
            at = first_flag(points, rules)
            if at is None:
                points = np.concatenate([points, rng.normal(shift, 1.0, len(points))])
        lengths[row] = at + 1 if at is not None else len(points)
    median, most = np.quantile(lengths, [0.5, 0.95])
    return RunLength(float(lengths.mean()), float(median), float(most))


def first_flag(z: NDArray[np.float64], rules: Sequence[str] = RULES) -> int | None:
    """Where the first rule is broken; None where none is. As :func:`broken`, all points at once."""
    bad = np.zeros(len(z), bool)
    for rule in rules:
        if rule == "1_3s":
            bad |= np.abs(z) > 3
        elif rule == "R_4s":
            bad[1:] |= (np.maximum(z[1:], z[:-1]) > 2) & (np.minimum(z[1:], z[:-1]) < -2)
        else:
            need, limit = {"2_2s": (2, 2.0), "4_1s": (4, 1.0), "10_x": (10, 0.0)}[rule]
            if len(z) >= need:
                views = np.lib.stride_tricks.sliding_window_view(z, need)
                bad[need - 1 :] |= (views > limit).all(axis=1) | (views < -limit).all(axis=1)
    places = np.flatnonzero(bad)
    return int(places[0]) if len(places) else None
