"""The sections of a dossier: measures as sentences, charts and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from hemosight.blood.vocabulary import title
from hemosight.engine.bundle import Bundle
from hemosight.lab.charts import comparison as comparison_charts
from hemosight.lab.charts import scores as score_charts
from hemosight.lab.report.figure import Claim, Figure, Section, source_name
from hemosight.lab.report.prose import Prose
from hemosight.lab.validation.cells import ValidationCells
from hemosight.lab.validation.gallery import picture
from hemosight.lab.validation.measures import Agreements, Comparison, Found, confusion, failures
from hemosight.lab.validation.origin import Origin
from hemosight.lab.validation.protocol import Protocol
from hemosight.lab.validation.repeated import CarryOver, Repeated
from hemosight.lab.validation.untested import untested
from hemosight.lab.validation.verdict import Verdict
from hemosight.scoring.by_patient import PatientScores

GALLERY, _COLUMNS = 24, 6
_FLAGS = ("positive", "called")


@dataclass(frozen=True)
class Measured:
    """Everything that was measured."""

    cells: ValidationCells
    protocol: Protocol
    comparison: Comparison
    found: Found
    scores: PatientScores
    calibration: tuple[float, pl.DataFrame]
    subgroups: pl.DataFrame
    agreements: Agreements | None
    repeated: Repeated | None
    carried: CarryOver
    bundle: Bundle
    origin: Origin


def values(measured: Measured, judged: list[Verdict]) -> Mapping[str, Any]:
    """What the template of the dossier's sentences is filled with."""
    cells, carried = measured.cells, measured.carried
    pairs = confusion(cells).filter(pl.col("truth") != pl.col("read")).sort("cells", "truth", "read", descending=True)
    wrong = int(pairs["cells"].sum()) if len(pairs) else 0
    total = max(int(carried.steps["cells"].sum()), 1)
    sides = {
        name: float((carried.steps[name] * carried.steps["cells"]).sum()) / total
        for name in ("right_before", "right_after")
    }
    return {
        "protocol": measured.protocol,
        "laboratory": measured.protocol.laboratory,
        "cells": len(cells),
        "case_count": len(cells.cases),
        "readers": list(cells.readers),
        "readers_read": {name: sum(label is not None for label in said) for name, said in cells.readers.items()},
        "beside_readings": measured.origin.beside_readings,
        "reference": measured.origin.reference,
        "referred": _referred(measured),
        "reviewed": cells.reviewed.sum().row(0, named=True) if len(cells.reviewed) else None,
        "judged": judged,
        "counts": Counter(one.judged for one in judged) | Counter({"met": 0}),
        "left_out_cells": sum(cells.left_out.values()),
        "left_out_cases": sum(len(names) for names in cells.cases_left_out.values()),
        "halved": measured.comparison.halved,
        "count": measured.comparison.count,
        "found": measured.found.by_cell,
        "table": measured.found.by_case,
        "sought": measured.protocol.finding.type,
        "accuracy": vars(measured.scores.accuracy),
        "macro": vars(measured.scores.macro_f1),
        "worst": pairs.head(5).to_dicts(),
        "calibration": measured.calibration[0],
        "repeated": measured.repeated,
        "same": measured.repeated.by_condition.row(0, named=True) if measured.repeated is not None else None,
        "carried": {
            "changed": float(carried.steps["changed"].sum()) / total,
            "difference": carried.change.difference,
            **sides,
        },
        "wrong": wrong,
        "shown": min(len(failures(cells, GALLERY)), GALLERY),
        "untested": untested(measured.cells, measured.protocol, measured.comparison, measured.found, measured.origin),
    }


def _referred(measured: Measured) -> int:
    """How many of the cells have the label of a table in place of their own."""
    reference = measured.origin.reference
    return 0 if reference is None else len(reference.cells & set(measured.cells.table["id"].to_list()))


def all_of(measured: Measured, prose: Prose, claims: tuple[Claim, ...]) -> list[Section]:
    """Every section in the dossier's order."""
    return [
        _protocol(measured, prose, claims),
        _comparison(measured, prose),
        _finding(measured, prose),
        _by_cell(measured, prose),
        _subgroups(measured, prose),
        *([_readers(measured.agreements, prose)] if measured.agreements is not None else []),
        _repeats(measured, prose),
        _failures(measured, prose),
        Section("not-tested", "What was not tested", prose.paragraphs("not_tested")),
    ]


def _protocol(measured: Measured, prose: Prose, claims: tuple[Claim, ...]) -> Section:
    cells = measured.cells
    rows = [{"what": f"cells {why}", "how many": n, "names": ""} for why, n in cells.left_out.items()]
    rows += [
        {"what": f"cases {why}", "how many": len(names), "names": ", ".join(names[:12]) + (", ..." * (len(names) > 12))}
        for why, names in cells.cases_left_out.items()
    ]
    if others := cells.readers_left_out:
        what = "readers whom the protocol does not name"
        rows.append({"what": what, "how many": len(others), "names": ", ".join(others)})
    figures = []
    if rows:
        figures.append(Figure("left_out", "What does not count", prose.block("left_out"), pl.DataFrame(rows)))
    reviewed = _reviewed(measured)
    if measured.origin.beside_readings or (reviewed["labelled"] < reviewed["cells"]).any():
        shown = reviewed.with_columns(counts=pl.when("counts").then(pl.lit("yes")).otherwise(pl.lit("no")))
        share = pl.col("share").map_elements(lambda value: f"{value:.1%}", return_dtype=pl.String)
        caption = prose.block("reviewed")
        figures.append(Figure("reviewed", "Labelled cells by case", caption, reviewed, shown=shown.with_columns(share)))
    return Section("protocol", "Protocol and cells", prose.paragraphs("protocol"), tuple(figures), claims)


def _reviewed(measured: Measured) -> pl.DataFrame:
    """How far people labelled each case, the least first: ``case``, ``cells``, ``labelled``, ``share``, ``counts``.

    Where it is known also how many of the cells that count were labelled by agreeing with the reading (``agreed``), and
    how many of those in one step with others (``at_once``).
    """
    cells, origin = measured.cells, measured.origin
    table = cells.reviewed.with_columns(
        share=pl.col("labelled") / pl.col("cells"), counts=pl.col("case").is_in(list(cells.cases))
    )
    if origin.agreed is not None:
        own = cells.table.group_by("case").agg(
            agreed=pl.col("id").is_in(list(origin.agreed)).sum(), at_once=pl.col("id").is_in(list(origin.at_once)).sum()
        )
        table = table.join(own, on="case", how="left")
    return table.sort("share", "case")


def _comparison(measured: Measured, prose: Prose) -> Section:
    shares, by_type = measured.comparison.shares, measured.comparison.by_type
    lines = []
    for row in by_type.filter(pl.col("pb_slope").is_not_null()).iter_rows(named=True):
        top = float(shares.filter(type=row["type"])["reference"].max() or 1.0)  # pyright: ignore[reportArgumentType] -- a number
        lines += [{"type": row["type"], "x": x, "y": row["pb_intercept"] + row["pb_slope"] * x} for x in (0.0, top)]
    drawn = pl.DataFrame(lines, schema={"type": pl.String, "x": pl.Float64, "y": pl.Float64})
    limits = by_type.select("type", "bias", "limit_low", "limit_high")
    shown = pl.DataFrame(
        [
            {
                "label": row["type"],
                "cases with it": row["with_it"],
                "reference %": row["reference"],
                "bundle %": row["test"],
                "bias": _bounded(row, "bias", 1),
                "95% of differences": _range(row, "limit_low", "limit_high", 1),
                "Passing-Bablok slope": _bounded(row, "pb_slope", 2),
                "intercept": _bounded(row, "pb_intercept", 1),
                "Deming slope": _bounded(row, "deming_slope", 2),
                "within": "" if row.get("within") is None else f"{row['within']} of {row['cases']}",
            }
            for row in by_type.iter_rows(named=True)
        ]
    )
    figures = [
        Figure(
            "scatter",
            "Shares by both methods",
            prose.block("scatter"),
            shares,
            comparison_charts.scatter(shares, drawn),
        ),
        Figure(
            "differences",
            "Differences by the mean of both",
            prose.block("differences"),
            shares,
            comparison_charts.differences(shares, limits),
        ),
        Figure("by_type", "Comparison by type", prose.block("by_type"), by_type, shown=shown),
    ]
    if "scatter_reference" in by_type.columns:
        counts = by_type.filter(pl.col("scatter_reference").is_not_null()).select(
            pl.col("type").alias("label"), "scatter_reference", "scatter_test", "scatter_expected"
        )
        counts = counts.rename({"scatter_test": "scatter_bundle", "scatter_expected": "drawing_of_cells"})
        figures.append(Figure("two_counts", "Scatter of one count", prose.block("two_counts"), counts))
    return Section(
        "comparison", "Differential: bundle against reference", prose.paragraphs("comparison"), tuple(figures)
    )


def _finding(measured: Measured, prose: Prose) -> Section:
    found, name = measured.found, measured.protocol.finding.type
    case = found.by_case
    rows = [
        ("sensitivity (positive agreement)", case.sensitivity, f"{case.both} of {case.both + case.missed}"),
        ("specificity (negative agreement)", case.specificity, f"{case.neither} of {case.neither + case.false}"),
        ("overall agreement", case.agreement, f"{case.both + case.neither} of {case.total}"),
        ("positive predictive value", case.positive_value, f"{case.both} of {case.both + case.false}"),
        ("negative predictive value", case.negative_value, f"{case.neither} of {case.neither + case.missed}"),
        ("likelihood ratio, positive", case.positive_ratio, ""),
        ("likelihood ratio, negative", case.negative_ratio, ""),
    ]
    table = pl.DataFrame(
        [{"measure": what, "cases": n, "value": one.value, "low": one.low, "high": one.high} for what, one, n in rows]
    )
    cases = found.cases.sort("reference_percent", "case", descending=[True, False])
    said = [pl.when(pl.col(name)).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(name) for name in _FLAGS]
    return Section(
        "finding",
        f"{title(name)}: present or not",
        prose.paragraphs("finding"),
        (
            Figure("two_by_two", f"{title(name)} by case", prose.block("two_by_two"), table),
            Figure(
                "found_cases",
                f"{title(name)} cells by case",
                prose.block("found_cases"),
                cases,
                shown=cases.with_columns(said),
            ),
        ),
    )


def _by_cell(measured: Measured, prose: Prose) -> Section:
    pairs, curve = confusion(measured.cells), measured.calibration[1]
    return Section(
        "cells",
        "Cell by cell",
        prose.paragraphs("by_cell"),
        (
            Figure(
                "confusion", "Reference against reading", prose.block("confusion"), pairs, score_charts.confusion(pairs)
            ),
            Figure("reliability", "Calibration", prose.block("reliability"), curve, score_charts.reliability(curve)),
        ),
    )


def _subgroups(measured: Measured, prose: Prose) -> Section:
    table, figures = measured.subgroups, []
    for group, name, heading in (
        ("type", "of_types", "By type"),
        ("scanner", "of_scanners", "By scanner"),
        ("case", "of_cases", "By case"),
    ):
        own = table.filter(group=group).drop("group")
        if group == "case":
            own = own.sort("right", "part")
        shown = []
        for row in own.iter_rows(named=True):
            part = source_name(row["part"]) if group == "scanner" else row["part"]
            line = {"label" if group == "type" else group: part, "cases": row["cases"], "cells": row["cells"]}
            line["read right" if group != "type" else "read so"] = _bounded(row, "right", 3)
            if group == "type":
                line["others read so"] = _bounded(row, "false", 3)
            line |= {"calibration error": f"{row['calibration']:.3f}", "unfamiliar": f"{row['unfamiliar']:.1%}"}
            shown.append(line if group != "case" else {key: line[key] for key in line if key != "cases"})
        figures.append(Figure(name, heading, prose.block(name), own, shown=pl.DataFrame(shown)))
    return Section("subgroups", "Subgroups", prose.paragraphs("subgroups"), tuple(figures))


def _readers(found: Agreements, prose: Prose) -> Section:
    return Section(
        "readers",
        "Readers",
        prose.paragraphs("readers"),
        (
            Figure("pairs", "Every two readers", prose.block("pairs"), found.pairs),
            Figure("together", "All readers", prose.block("together"), found.together),
        ),
    )


def _repeats(measured: Measured, prose: Prose) -> Section:
    figures = []
    if measured.repeated is not None:
        by_type = measured.repeated.by_type.rename({"type": "label"})
        figures = [
            Figure("by_condition", "Read again", prose.block("by_condition"), measured.repeated.by_condition),
            Figure("repeat_types", "Repeatability by type", prose.block("repeat_types"), by_type),
        ]
    figures.append(Figure("carry_over", "Carry-over of labels", prose.block("carry_over"), measured.carried.steps))
    return Section("repeats", "Repeatability and carry-over", prose.paragraphs("repeats"), tuple(figures))


def _failures(measured: Measured, prose: Prose) -> Section:
    cells, plate, rows = measured.cells, [], failures(measured.cells, GALLERY)
    for row in rows:
        shown = picture(cells, row)
        if shown is not None:
            plate.append(shown)
    table = cells.table[list(rows)].select("case", "truth", "read", "confidence", "novelty", "id")
    figures = ()
    if plate:
        caption = prose.block("gallery")
        figures = (Figure("gallery", "Wrong readings", caption, table, plate=tuple(plate), columns=_COLUMNS),)
    return Section("failures", "Failures", prose.paragraphs("failures"), figures)


def _bounded(row: Mapping[str, Any], name: str, digits: int) -> str:
    value, low, high = row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high")
    if value is None:
        return ""
    return f"{value:.{digits}f} [{_number(low, digits)}, {_number(high, digits)}]"


def _range(row: Mapping[str, Any], low: str, high: str, digits: int) -> str:
    return "" if row[low] is None else f"{row[low]:.{digits}f} to {row[high]:.{digits}f}"


def _number(value: float | None, digits: int) -> str:
    return "open" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"
