"""The section on morphological attributes (Fig. 2), read from the same embedding."""

from __future__ import annotations

import polars as pl

from hemosight.lab.charts import scores
from hemosight.lab.report import published
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import attributes as study
from hemosight.lab.studies.attributes import FOLDED, MEAN, OFFICIAL
from hemosight.lab.studies.tables import summary


def attributes(work: ReportInputs) -> Section:
    """Morphological attributes on the same embedding (Fig. 2)."""
    table = study.attributes(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    macro = summary(table.filter(pl.col("metric") == "macro_f1"), over=("fold",))
    folded = macro.filter(pl.col("split") == FOLDED)
    official = macro.filter(pl.col("split") == OFFICIAL).select("attribute", official="mean")
    both = folded.select("attribute", "cells", "n", "mean", "sd").join(official, on="attribute", how="left")
    mean = both.filter(pl.col("attribute") == MEAN).row(0, named=True)
    each = both.filter(pl.col("attribute") != MEAN).sort("mean", descending=True)
    best, worst = (each.row(at, named=True) for at in (0, -1))
    known = [sum(label != "" for label in work.material.labels(name).tolist()) for name in each["attribute"].to_list()]
    there = macro.filter((pl.col("split") == OFFICIAL) & (pl.col("attribute") != MEAN))["cells"]
    prose = Prose(
        "attributes",
        work=work,
        mean=mean,
        best=best,
        worst=worst,
        count=len(each),
        annotated=max(known),
        tested=round(float(there.max())) if len(there) else 0,  # type: ignore[arg-type] -- a number
        published=published,
    )
    figure = Figure(
        "attributes",
        "Attributes read from the same embedding",
        prose.block("caption"),
        pl.concat([each, both.filter(pl.col("attribute") == MEAN)]),
        spec=scores.attributes(each, mean=mean["mean"]),
    )
    tables = {"attributes-fits": table}
    return Section("attributes", "Morphological attributes", prose.paragraphs(), (figure,), prose.claims(), tables)
