"""The section on the supervised baseline (Fig. 1): the same labels, another way to learn from them."""

from __future__ import annotations

from typing import Any

import polars as pl

from hemosight.lab.charts import curves
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import baseline as study
from hemosight.lab.studies.label_efficiency import FOLDS, label_efficiency
from hemosight.lab.studies.tables import FOLD, HELD_OUT, summary

_OURS = "embeddings"
_FEW = 450
"""Images up to which the paper's baseline is its top alone (Liu et al. 2024, Methods)."""


def baseline(work: ReportInputs) -> Section:
    """Both curves on the same folds and labels, and where they cross."""
    if work.features is None:
        work.say(f"features of the network that the baseline starts from, {study.BACKBONE}")
    theirs = study.compared(
        work.material,
        features=work.features,
        network=work.network,
        train=work.train,
        seed=work.seed,
        steps=work.steps,
        progress=work.embedding,
    )
    # The baseline has one draw of labels from each fold; the first of the label-efficiency study is the same.
    ours = label_efficiency(
        work.material, classifier=work.classifier, repeats=1, seed=work.seed, steps=work.steps
    ).with_columns(classifier=pl.lit(_OURS))
    where, cells = (HELD_OUT, "held-out cells") if len(work.material.split.held) else (FOLD, "the fold left out")
    means = (
        summary(pl.concat([ours, theirs]).filter((pl.col("metric") == "macro_f1") & (pl.col("on") == where)))
        .select(pl.col("classifier").alias("series"), "per_class", pl.col("labels").round(), "cells", "n", "mean", "sd")
        .sort(pl.col("series").cast(pl.Enum([_OURS, study.TOP_ONLY, study.TRAINED])), "labels")
    )
    crossed = study.crossing(ours, theirs).with_columns(self_supervised=pl.lit(_OURS))
    prose = Prose(
        "baseline",
        work=work,
        cells=cells,
        rows=[row | _sizes(row["baseline"], means) for row in crossed.filter(pl.col("on") == where).to_dicts()],
        few={size: folds for size, folds in work.train.items() if folds < FOLDS},
        ours=_OURS,
        top_only=study.TOP_ONLY,
        trained=study.TRAINED,
        backbone=study.BACKBONE,
        size=study.SIZE,
        folds=FOLDS,
        alone=_FEW,
    )
    made = (
        Figure(
            "baseline",
            "Against a network taught with labels",
            prose.block("curves"),
            means,
            spec=curves.efficiency(means),
        ),
        Figure("baseline-crossing", "Where the curves cross", prose.block("crossing"), crossed),
    )
    text = (prose.block("said"), *prose.paragraphs())
    return Section("baseline", "The supervised baseline", text, made, prose.claims(), {"baseline-fits": theirs})


def _sizes(contender: str, means: pl.DataFrame) -> dict[str, Any]:
    """The fewest and the most labels that a contender was taught with, and in how many folds."""
    own = means.filter(pl.col("series") == contender)
    ends = {"smallest": own["labels"].min(), "largest": own["labels"].max()}
    return ends | {"fewest": own["n"].min(), "most": own["n"].max()}
