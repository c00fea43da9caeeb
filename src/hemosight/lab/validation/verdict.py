"""What was asked of a validation and what it found: one line for each limit of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from hemosight.lab.validation.measures import Agreements, Comparison, Found
from hemosight.lab.validation.protocol import Limits
from hemosight.lab.validation.repeated import Repeated
from hemosight.scoring.by_patient import PatientScores
from hemosight.scoring.metrics import Interval
from hemosight.scoring.qualitative import share

Judged = Literal["met", "not shown", "not met", "not measured"]
"""``met``: the whole interval lies on the good side. ``not shown``: the figure does, its interval does not: too few
cells to be sure. ``not met``: the figure itself lies on the bad side."""


@dataclass(frozen=True)
class Verdict:
    """One limit of the protocol.

    Parameters
    ----------
    name
        The limit's name in the protocol.
    what
        The measure, in words.
    limit
        What was asked; ``at_least`` says on which side the good lies.
    found
        What was measured; None where these cells do not allow it.
    points
        Whether it is in per cent points instead of a share.
    """

    name: str
    what: str
    limit: float
    at_least: bool
    found: Interval | None
    points: bool = False

    @property
    def judged(self) -> Judged:
        """Whether the limit is met."""
        if self.found is None or not np.isfinite(self.found.value):
            return "not measured"
        sign = 1.0 if self.at_least else -1.0
        bound = self.found.low if self.at_least else self.found.high
        if sign * self.found.value < sign * self.limit:
            return "not met"
        return "met" if sign * bound >= sign * self.limit else "not shown"

    @property
    def said(self) -> str:
        """The figure with its interval."""
        if self.found is None or not np.isfinite(self.found.value):
            return "not measured"
        digits = 1 if self.points else 3
        value, low, high = (f"{one:.{digits}f}" for one in (self.found.value, self.found.low, self.found.high))
        bounds = "" if self.found.low == self.found.high else f" [{low}, {high}]"
        return value + bounds + (" points" if self.points else "")

    @property
    def asked(self) -> str:
        """The limit in words."""
        limit = f"{self.limit:g}" + (" points" if self.points else "")
        return f"at {'least' if self.at_least else 'most'} {limit}"


def verdicts(
    limits: Limits,
    *,
    scores: PatientScores,
    found: Found,
    comparison: Comparison,
    calibration: float,
    repeated: Repeated | None,
    agreements: Agreements | None,
    unfamiliar: float,
    sought: str,
) -> list[Verdict]:
    """One verdict for each limit that the protocol names, in its order."""
    by_case, counted = found.by_case, comparison.by_type.filter(pl.col("within").is_not_null())
    cases = int(counted["cases"].max() or 0)  # pyright: ignore[reportArgumentType] -- a number -- a whole number
    within = None
    if cases:
        within = share(int(counted["within"].min() or 0), cases)  # pyright: ignore[reportArgumentType]
    biased = comparison.by_type.with_columns(away=pl.col("bias").abs()).sort("away", descending=True, nulls_last=True)
    bias = None
    if len(biased) and biased["away"][0] is not None:
        row = biased.row(0, named=True)
        ends = sorted(abs(row[end]) if row[end] is not None else float("inf") for end in ("bias_low", "bias_high"))
        bias = Interval(row["away"], ends[0], max(ends[1], row["away"]))
    ac1 = None
    if agreements is not None:
        row = agreements.together.row(0, named=True)
        ac1 = None if row["ac1"] is None else Interval(row["ac1"], row["ac1_low"], row["ac1_high"])
    exact = Interval(calibration, calibration, calibration)
    known: dict[str, tuple[str, Interval | None]] = {
        "least_macro_f1": ("macro-F1 of all cells", scores.macro_f1),
        "least_accuracy": ("share of cells read right", scores.accuracy),
        "least_found": (f"share of the {sought} cells that are read so", found.by_cell.found),
        "most_false": (f"share of other cells read as {sought}", found.by_cell.false),
        "least_sensitivity": (f"cases with {sought} that are called so", by_case.sensitivity),
        "least_specificity": (f"cases without {sought} that are not called so", by_case.specificity),
        "most_bias": ("largest mean difference of a type's share", bias),
        "least_within": ("cases within counting limits, of the worst type", within),
        "most_calibration_error": ("expected calibration error", exact),
        "most_repeatability": (
            "standard deviation of a type's share when read again, worst type",
            None if repeated is None else repeated.worst,
        ),
        "least_agreement": ("agreement of the readers (Gwet's AC1)", ac1),
        "most_unfamiliar": ("share of unfamiliar cells", Interval(unfamiliar, unfamiliar, unfamiliar)),
    }
    rows = []
    for name, limit in limits.model_dump(exclude_none=True).items():
        what, measured = known[name]
        points = name in ("most_bias", "most_repeatability")
        rows.append(Verdict(name, what, float(limit), name.startswith("least_"), measured, points))
    return rows
