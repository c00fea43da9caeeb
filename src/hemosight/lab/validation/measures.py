"""What the cells of a validation say, table by table: by type, by case and by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.intervals import wilson
from hemosight.blood.palette import ordered
from hemosight.lab.validation.cells import ValidationCells, leukocyte, leukocytes
from hemosight.lab.validation.protocol import CaseCriterion, Protocol
from hemosight.scoring import by_patient, metrics, raters
from hemosight.scoring.agreement import agreement
from hemosight.scoring.by_patient import BlastFigures, PatientScores
from hemosight.scoring.comparison import Line, bland_altman, deming, passing_bablok
from hemosight.scoring.counting import exact, two_by_two
from hemosight.scoring.metrics import Interval
from hemosight.scoring.qualitative import Qualitative, qualitative

WITH_IT = 10
"""Cases that must have a type before a line is fitted to it: most of the others are pairs of zeros."""


def spread(prefix: str, found: Interval | None) -> dict[str, float | None]:
    """A figure and its bounds as three columns; null where there is none."""
    parts = {"": "value", "_low": "low", "_high": "high"}
    return {
        prefix + tail: None if found is None or not np.isfinite(value := getattr(found, name)) else float(value)
        for tail, name in parts.items()
    }


# --- the differential -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Shares of the leukocytes by case, and their comparison by type.

    Parameters
    ----------
    shares
        ``case``, ``type``, ``reference``, ``test`` (per cent of the leukocytes; erythroblasts for every 100 of them),
        ``reference_cells``, ``test_cells`` (leukocytes that the per cents are of), ``low``, ``high`` (Rümke's limits
        of the reference share; null for erythroblasts), ``within``.
    by_type
        One row a type; columns as in the dossier's table of the comparison.
    count
        Cells of one count in the median case.
    halved
        Cases too small for two counts of the protocol's size.
    """

    shares: pl.DataFrame
    by_type: pl.DataFrame
    count: int
    halved: int


def comparison(cells: ValidationCells, protocol: Protocol) -> Comparison:
    """Compare the differential of every case, type by type (CLSI H20-A2 and EP09).

    A case's leukocytes are drawn into two counts of the protocol's size, or halved where there are fewer. The second
    count's reference is the first further reader's, where one has read the whole case, as H20-A2's second examiner.
    """
    truth, read, cases = cells.column("truth"), cells.column("read"), cells.column("case")
    names = [name for name in ordered(protocol.cells.types) if leukocyte(name)]
    rng = np.random.default_rng(protocol.cells.seed)
    second = next(iter(cells.readers.values()), None)
    counts = np.zeros((len(cells.cases), 2, 2, len(names)))  # cases x methods x counts x types
    totals = np.zeros((len(cells.cases), 2, 2))
    kept, halved, sizes = [], 0, []
    for place, case in enumerate(cells.cases):
        rows = rng.permutation(np.flatnonzero(cases == case))
        size = min(protocol.cells.count, len(rows) // 2)
        halved += size < protocol.cells.count
        sizes.append(size)
        for half in range(2):
            drawn = rows[half * size : (half + 1) * size]
            said = truth[drawn]
            if half and second is not None and all(second[row] is not None for row in drawn):
                said = np.array([str(second[row]) for row in drawn], np.str_)
            for method, labels in enumerate((said, read[drawn])):
                counts[place, method, half] = [(labels == name).sum() for name in names]
                totals[place, method, half] = leukocytes(labels).sum()
        if (totals[place] > 0).all():
            kept.append(place)
    by_case, by_type = _shares(cells, protocol), []
    for column, name in enumerate(names):
        own = by_case.filter(type=name)
        row = _compared(name, own)
        if kept:
            part, whole = counts[kept, :, :, column], totals[kept]
            twice = two_by_two(part[:, 0], part[:, 1], whole[:, 0], whole[:, 1])
            row |= {
                "within": int(own["within"].sum()),
                "scatter_reference": twice.scatter_reference,
                "scatter_test": twice.scatter_test,
                "scatter_expected": twice.scatter_expected,
            }
        by_type.append(row)
    if "erythroblast" in protocol.cells.types:
        by_type.append(_compared("erythroblast", by_case.filter(type="erythroblast")))
    table = pl.DataFrame(by_type, infer_schema_length=None)
    return Comparison(by_case, table, int(np.median(sizes)), halved)


def _shares(cells: ValidationCells, protocol: Protocol) -> pl.DataFrame:
    """The differential of every case by both, over all its cells."""
    truth, read, cases = cells.column("truth"), cells.column("read"), cells.column("case")
    white_truth, white_read = leukocytes(truth), leukocytes(read)
    rows = []
    for case in cells.cases:
        here = cases == case
        n, m = int((here & white_truth).sum()), int((here & white_read).sum())
        if not n or not m:
            continue
        for name in ordered(protocol.cells.types):
            if name == "platelet":
                continue
            k, j = int((here & (truth == name)).sum()), int((here & (read == name)).sum())
            low, high = exact(k, n) if leukocyte(name) else (None, None)
            inside = None if low is None or high is None else low - 1e-9 <= j / m <= high + 1e-9
            rows.append(
                {
                    "case": case,
                    "type": name,
                    "reference": 100 * k / n,
                    "test": 100 * j / m,
                    "reference_cells": n,
                    "test_cells": m,
                    "low": None if low is None else 100 * low,
                    "high": None if high is None else 100 * high,
                    "within": inside,
                }
            )
    kinds = {"low": pl.Float64, "high": pl.Float64, "within": pl.Boolean}
    return pl.DataFrame(rows, schema_overrides=kinds, infer_schema_length=None)


def _compared(name: str, own: pl.DataFrame) -> dict[str, object]:
    """One type's row of the comparison."""
    x, y = own["reference"].to_numpy(), own["test"].to_numpy()
    found, enough = bland_altman(x, y), int((x > 0).sum()) >= WITH_IT
    line, other = (passing_bablok(x, y), deming(x, y)) if enough else (None, None)

    def lined(prefix: str, of: Line | None) -> dict[str, float | None]:
        slope, intercept = (None, None) if of is None else (of.slope, of.intercept)
        return spread(f"{prefix}_slope", slope) | spread(f"{prefix}_intercept", intercept)

    return {
        "type": name,
        "cases": len(own),
        "with_it": int((x > 0).sum()),
        "reference": float(x.mean()) if len(x) else None,
        "test": float(y.mean()) if len(y) else None,
        **spread("bias", None if found is None else found.bias),
        "limit_low": None if found is None else found.low.value,
        "limit_high": None if found is None else found.high.value,
        **lined("pb", line),
        "linearity": None if line is None else line.linearity,
        **lined("deming", other),
    }


# --- what is sought -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """How well what is sought is found: by cell, and by case (CLSI EP12)."""

    by_cell: BlastFigures
    by_case: Qualitative
    cases: pl.DataFrame
    """``case``, ``reference``, ``reference_percent``, ``positive``, ``test``, ``test_percent``, ``called``."""


def finding(cells: ValidationCells, sought: CaseCriterion) -> Found:
    """Look for a type, cell by cell and case by case."""
    truth, read, cases = cells.column("truth"), cells.column("read"), cells.column("case")
    white = leukocytes(truth), leukocytes(read)
    rows = []
    for case in cells.cases:
        here = cases == case
        row: dict[str, str | int | float | bool] = {"case": case}
        for name, labels, among, flag in (
            ("reference", truth, white[0], "positive"),
            ("test", read, white[1], "called"),
        ):
            count = int((here & (labels == sought.type)).sum())
            percent = 100 * count / max(int((here & among).sum()), 1)
            row |= {name: count, f"{name}_percent": percent}
            row[flag] = count >= sought.cells and percent >= sought.percent
        rows.append(row)
    table = pl.DataFrame(rows)
    by_case = qualitative(table["positive"].to_numpy(), table["called"].to_numpy())
    return Found(by_patient.blasts(truth, read, cases, wanted=sought.type), by_case, table)


# --- all cells ------------------------------------------------------------------------------------------------


def overall(cells: ValidationCells) -> PatientScores:
    """Macro-F1 and accuracy of all cells, with intervals over cases."""
    return by_patient.scores(cells.column("truth"), cells.column("read"), cells.column("case"))


def confusion(cells: ValidationCells) -> pl.DataFrame:
    """``truth``, ``read``, ``cells``, ``share`` of the true type; only pairs that occur."""
    counted = cells.table.group_by("truth", "read").agg(cells=pl.len().cast(pl.Int64))
    return counted.with_columns(share=pl.col("cells") / pl.col("cells").sum().over("truth")).sort("truth", "read")


def calibration(cells: ValidationCells) -> tuple[float, pl.DataFrame]:
    """The expected calibration error, and its curve: ``confidence``, ``accuracy``, ``cells`` by bins of confidence."""
    right = cells.column("truth") == cells.column("read")
    sure = cells.table["confidence"].to_numpy()
    curve = pl.DataFrame([vars(one) for one in metrics.reliability(sure, right)])
    return metrics.calibration_error(sure, right), curve


def subgroups(cells: ValidationCells) -> pl.DataFrame:
    """Figures of parts of the cells: by type, by scanner (source), by case.

    Columns: ``group`` (type, scanner, case), ``part``, ``cases``, ``cells``, ``right`` (share read right, of a type:
    sensitivity) with ``low`` and ``high`` (over cases; for a single case Wilson's over cells), ``false`` (of a type:
    share of other cells read so) with bounds, ``calibration`` (expected calibration error), ``unfamiliar`` (share).
    """
    truth, read, cases = cells.column("truth"), cells.column("read"), cells.column("case")
    sure, strange = cells.table["confidence"].to_numpy(), cells.table["unfamiliar"].to_numpy()
    right, rows = truth == read, []

    def row(group: str, part: str, here: NDArray[np.bool_], **more: object) -> None:
        rows.append(
            {
                "group": group,
                "part": part,
                "cases": len(set(cases[here].tolist())),
                "cells": int(here.sum()),
                **more,
                "calibration": metrics.calibration_error(sure[here], right[here]),
                "unfamiliar": float(strange[here].mean()),
            }
        )

    for name in ordered(set(truth.tolist())):
        its = by_patient.blasts(truth, read, cases, wanted=name)
        row("type", name, truth == name, **spread("right", its.found), **spread("false", its.false))
    for name in sorted(set(cells.column("source").tolist())):
        here = cells.column("source") == name
        scored = by_patient.scores(truth[here], read[here], cases[here])
        row("scanner", name or "unnamed", here, **spread("right", scored.accuracy), **spread("false", None))
    for name in cells.cases:
        here = cases == name
        k, n = int((here & right).sum()), int(here.sum())
        row("case", name, here, **spread("right", Interval(k / n, *wilson(k, n))), **spread("false", None))
    return pl.DataFrame(rows, infer_schema_length=None)


# --- readers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreements:
    """How readers agree: reference, further readers, and the bundle beside them."""

    pairs: pl.DataFrame
    """``one``, ``other``, ``cells``, ``share`` (say the same), ``kappa`` with bounds (Cohen)."""
    together: pl.DataFrame
    """``what`` (all types, then each type against the rest), ``cells``, ``share``, ``ac1`` and ``kappa`` (Fleiss), with
    bounds; people alone."""


def agreements(cells: ValidationCells) -> Agreements | None:
    """None where there is no further reader."""
    if not cells.readers:
        return None
    people = {"reference": tuple(cells.table["truth"].to_list()), **cells.readers}
    everyone = {**people, "bundle": tuple(cells.table["read"].to_list())}
    names = list(everyone)
    pairs = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            both = [
                (a, b) for a, b in zip(everyone[one], everyone[other], strict=True) if a is not None and b is not None
            ]
            its = agreement(both)
            pairs.append(
                {"one": one, "other": other, "cells": its.n, "share": its.share}
                | {"kappa": its.kappa, "kappa_low": its.low, "kappa_high": its.high}
            )
    labels = list(zip(*people.values(), strict=True))
    types = ordered({label for row in labels for label in row if label is not None})
    counts = raters.counted(labels, types)
    rows = [_together("all types", counts)]
    for column, name in enumerate(types):
        own = counts[:, column]
        rows.append(_together(name, np.stack([own, counts.sum(axis=1) - own], axis=1)))
    return Agreements(pl.DataFrame(pairs, infer_schema_length=None), pl.DataFrame(rows, infer_schema_length=None))


def _together(what: str, counts: NDArray[np.float64]) -> dict[str, object]:
    twice = counts[counts.sum(axis=1) >= 2]
    ac1, kappa = raters.gwet(twice), raters.fleiss(twice)
    return {
        "what": what,
        "cells": len(twice),
        "share": ac1.share,
        **{f"ac1{tail}": value for tail, value in (("", ac1.value), ("_low", ac1.low), ("_high", ac1.high))},
        **{f"kappa{tail}": value for tail, value in (("", kappa.value), ("_low", kappa.low), ("_high", kappa.high))},
    }


def failures(cells: ValidationCells, most: int) -> Sequence[int]:
    """Rows of cells that were read wrong, the surest first, no more than a quarter of them from one case."""
    wrong = np.flatnonzero(cells.column("truth") != cells.column("read"))
    order = wrong[np.argsort(-cells.table["confidence"].to_numpy()[wrong], kind="stable")]
    cases, taken, chosen = cells.column("case"), dict[str, int](), list[int]()
    for row in order.tolist():
        name = str(cases[row])
        if taken.get(name, 0) < max(most // 4, 1):
            taken[name] = taken.get(name, 0) + 1
            chosen.append(row)
    return chosen[:most]
