"""The section on label efficiency (Fig. 1): how many labels are enough."""

from __future__ import annotations

import polars as pl

from hemosight.lab.charts import curves
from hemosight.lab.report import published
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import label_efficiency as study
from hemosight.lab.studies.label_efficiency import DRAWS, FOLDS
from hemosight.lab.studies.tables import FOLD, HELD_OUT, summary

_SLACK = 0.02
"""How far below the score with all labels is said to be within reach of it."""
_WHERE = {FOLD: "the fold left out", HELD_OUT: "held-out cells"}


def label_efficiency(work: ReportInputs) -> Section:
    """How many labels are enough (Fig. 1)."""
    table = study.label_efficiency(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    macro = (
        summary(table.filter(pl.col("metric") == "macro_f1"))
        .with_columns(series=pl.col("on").replace(_WHERE))
        .select("series", "on", "per_class", pl.col("labels").round(), "cells", "n", "mean", "sd")
        .sort("series", "labels")
    )
    fold = macro.filter(pl.col("on") == FOLD)
    first, last = (fold.row(at, named=True) for at in (0, -1))
    prose = Prose(
        "label_efficiency",
        work=work,
        first=first,
        last=last,
        within=fold.filter(pl.col("mean") >= last["mean"] - _SLACK).row(0, named=True),
        slack=_SLACK,
        classes=len(set(work.material.labels().tolist()) - {""}),
        folds=FOLDS,
        draws=DRAWS,
        paper=published.MACRO_F1,
    )
    figure = Figure(
        "label-efficiency",
        "How many labels are enough",
        prose.block("caption"),
        macro,
        spec=curves.efficiency(macro),
    )
    tables = {"label-efficiency-fits": table}
    return Section("label-efficiency", "Label efficiency", prose.paragraphs(), (figure,), prose.claims(), tables)
