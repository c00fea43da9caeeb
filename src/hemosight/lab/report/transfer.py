"""The section on another laboratory: cells of a source that lent no label, and cells as others would see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from hemosight.engine.network import Network
from hemosight.errors import TooFewLabels
from hemosight.lab.charts import curves, scores
from hemosight.lab.report.figure import Figure, ReportInputs, Section, source_name
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import figures
from hemosight.lab.studies import transfer as study
from hemosight.lab.studies.tables import summary
from hemosight.scoring.metrics import CALIBRATION_BINS

CONTROL_FOLDS = 5
"""In how many folds :func:`~hemosight.lab.studies.transfer.shortcut` reads all cells (a test holds it to that)."""


def transfer(work: ReportInputs) -> Section:
    """Another source read without a label of it, with few, and the held-out cells under simulated shifts."""
    fitted = {"classifier": work.classifier, "steps": work.steps}
    recovered = study.recovery(work.material, seed=work.seed, **fitted)
    control = study.shortcut(work.material, seed=work.seed, **fitted)
    tables = {"transfer-fits": recovered} if len(recovered) else {}
    curves_of = _recovery(recovered) if len(recovered) else None
    shifts = None
    if len(work.material.split.held):
        network = Network(work.bundle.encoder, work.bundle.preprocessing)
        tables["shift-readings"] = study.shifted(work.material, network, **fitted)
        shifts = shifts_in_numbers(tables["shift-readings"])
    if curves_of is None and not len(control) and shifts is None:
        raise TooFewLabels(came="one source, and nothing held out")
    prose = words(
        work,
        recovered=[] if curves_of is None else _ends(curves_of),
        control=control.filter(pl.col("trained_on") == "all labels").to_dicts(),
        shifts=shifts,
    )
    made: list[Figure] = []
    if curves_of is not None:
        title, spec = "The way back on a new source", curves.recovery(curves_of)
        made.append(Figure("transfer-recovery", title, prose.block("recovery"), curves_of, spec=spec))
    if len(control):
        title = "Whether a type is read from the cell or from its scanner"
        made.append(Figure("shortcut", title, prose.block("shortcut"), control.drop("study", "classifier")))
    if shifts is not None:
        scored, curve = shifts["scores"], shifts["reliability"]
        title = "Held-out cells under simulated shifts"
        made.append(Figure("shifts", title, prose.block("shifts"), scored, spec=scores.shifts(scored)))
        title, spec = "Calibration under shift", scores.reliability(curve, by="shift")
        made.append(Figure("shifts-reliability", title, prose.block("reliability"), curve, spec=spec))
    return Section("transfer", "Another laboratory", prose.paragraphs(), tuple(made), prose.claims(), tables)


def words(
    work: ReportInputs,
    *,
    recovered: Sequence[Mapping[str, Any]] = (),
    control: Sequence[Mapping[str, Any]] = (),
    shifts: Mapping[str, Any] | None = None,
) -> Prose:
    """What is said of what was measured; of what was not, nothing."""
    return Prose(
        "transfer",
        work=work,
        recovered=recovered,
        control=control,
        shifts=shifts,
        weight=study.WEIGHT,
        draws=study.DRAWS,
        folds=CONTROL_FOLDS,
        bins=CALIBRATION_BINS,
    )


def _recovery(recovered: pl.DataFrame) -> pl.DataFrame:
    """Mean macro-F1 on each source by labels of each type from it, a series for each way of teaching."""
    means = summary(recovered.filter(pl.col("metric") == "macro_f1"), over=("draw",))
    means = means.with_columns(place=pl.col("source").map_elements(source_name, pl.String))
    means = means.with_columns(series=pl.col("place") + ": " + pl.col("trained_on"))
    # Labels of the others alone are where "others + few" begins.
    begun = means.filter(pl.col("trained_on") == study.OTHERS).with_columns(
        series=pl.col("place") + ": " + pl.lit(study.JOINED)
    )
    drawn = pl.concat([begun, means.filter(pl.col("trained_on") != study.OTHERS)]).sort("series", "per_class")
    return drawn.select("series", "source", "per_class", "cells", "n", "mean", "sd")


def _ends(drawn: pl.DataFrame) -> list[dict[str, Any]]:
    """Where each source begins, without a label of its own, and where it ends."""
    joined = drawn.filter(pl.col("series").str.ends_with(study.JOINED))
    return [
        {"source": str(source), "first": part.row(0, named=True), "last": part.row(-1, named=True)}
        for (source,), part in joined.group_by(["source"], maintain_order=True)
    ]


def shifts_in_numbers(readings: pl.DataFrame) -> dict[str, Any]:
    """``scores`` and ``reliability`` of each shift, the ``worst`` shift, cells as they are (``plain``), ``labels``."""
    scored = figures.scores(readings, ["shift"])
    macro = scored.filter(pl.col("metric") == "macro_f1").select("shift", "cells", "value", "low", "high")
    error = scored.filter(pl.col("metric") == "ece").select("shift", pl.col("value").alias("calibration error"))
    both = macro.join(error, on="shift", how="left", maintain_order="left")
    curve = figures.reliability(readings, ["shift"])
    curve = curve.sort(pl.col("shift").cast(pl.Enum(both["shift"].to_list())), maintain_order=True)
    # The cells as they are are what the others are compared with: a shift that helps is no reason to call them worst.
    return {
        "scores": both,
        "reliability": curve,
        "worst": both.filter(pl.col("shift") != study.AS_IT_IS).sort("value").row(0, named=True),
        "plain": both.filter(pl.col("shift") == study.AS_IT_IS).row(0, named=True),
        "labels": int(readings["labels"][0]),
    }
