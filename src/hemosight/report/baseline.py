"""The section on the supervised baseline (Fig. 1): the same labels, another way to learn from them."""

from __future__ import annotations

from typing import Any

import polars as pl

from hemosight.charts import curves
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.study import baseline as study
from hemosight.study.label_efficiency import FOLDS, label_efficiency
from hemosight.study.tables import FOLD, HELD_OUT, summary

_MINE = "embeddings"
_FEW = 450
"""Images up to which the paper's baseline is its top alone (Liu et al. 2024, Methods)."""


def baseline(work: Work) -> Section:
    """Both curves on the same folds and labels, and where they cross."""
    if work.features is None:
        work.say(f"features of the network that the baseline starts from, {study.BACKBONE}")
    theirs = study.compared(
        work.material,
        features=work.features,
        train=work.train,
        seed=work.seed,
        steps=work.steps,
        progress=work.embedding,
    )
    # The baseline has one draw of labels from each fold; the first of the label-efficiency study is the same.
    mine = label_efficiency(
        work.material, classifier=work.classifier, repeats=1, seed=work.seed, steps=work.steps
    ).with_columns(classifier=pl.lit(_MINE))
    where, cells = (HELD_OUT, "held-out cells") if len(work.material.split.held) else (FOLD, "the fold left out")
    means = (
        summary(pl.concat([mine, theirs]).filter((pl.col("metric") == "macro_f1") & (pl.col("on") == where)))
        .select(pl.col("classifier").alias("series"), "per_class", pl.col("labels").round(), "cells", "n", "mean", "sd")
        .sort(pl.col("series").cast(pl.Enum([_MINE, study.TOP_ONLY, study.TRAINED])), "labels")
    )
    crossed = study.crossing(mine, theirs).with_columns(self_supervised=pl.lit(_MINE))
    here = crossed.filter(pl.col("on") == where).to_dicts()
    said = " ".join(f"{_sentence(row, means)} ({cells})." for row in here)
    frozen = (
        f"{study.BACKBONE} at {study.SIZE} pixels, which knows ImageNet alone"
        if work.features is None
        else f"the network of {work.features.name}"
    )
    curves_are = (
        f"{_MINE}: the classifier on this encoder's, which has seen no label; {study.TOP_ONLY}: a softmax layer on the "
        f"frozen features of {frozen}"
    )
    if work.train:
        curves_are += f"; {study.TRAINED}: that network taught end to end, in the paper's two stages"
    how = f"{FOLDS} folds, one draw of labels each, the same for every curve{_fewer(work)}, measured on {cells}"
    basis = f"Classifier: {work.classifier}. {work.basis}."
    made = (
        Figure(
            "baseline",
            "Against a network taught with labels",
            f"Macro-F1 by number of labels, y stretched by -log(1 - x); bands show one standard deviation between "
            f"folds. {curves_are}. {how}. {said} {basis}",
            means,
            spec=curves.efficiency(means),
        ),
        Figure(
            "baseline-crossing",
            "Where the curves cross",
            "Labels from which on the baseline's mean macro-F1 is no lower, between two sizes on a logarithmic axis, "
            f"empty where it never is; first and last: how far ahead the embeddings are at the smallest and the "
            f"largest size both have, in the folds that both have. {FOLDS} folds{_fewer(work)}. {basis}",
            crossed,
        ),
    )
    beyond = (
        "was trained at the sizes in the table."
        if work.train
        else "is another contender, which was not asked for here (--train-baseline)."
    )
    text = (
        said,
        f"{study.TOP_ONLY.capitalize()} is what the paper's baseline is up to {_FEW} images. With more, the paper "
        f"trains every layer; that network {beyond}",
    )
    claims = tuple(
        Claim(
            f"labels from which {row['baseline']} reads no worse than the embeddings, {cells}",
            "none of these sizes" if row["labels"] is None else f"{row['labels']:,.0f}",
            f"{_folds(row, means)}, up to {_largest(row, means):,.0f} labels",
        )
        for row in here
    )
    return Section("baseline", "The supervised baseline", text, made, claims, {"baseline-fits": theirs})


def _sentence(row: dict[str, Any], means: pl.DataFrame) -> str:
    theirs = means.filter(pl.col("series") == row["baseline"])["labels"]
    name, smallest = str(row["baseline"]).capitalize(), float(theirs.min())  # type: ignore[arg-type] -- numbers
    apart = f"from {row['first']:+.3f} at {smallest:,.0f} labels to {row['last']:+.3f} at {_largest(row, means):,.0f}"
    if row["labels"] is None:
        end = "does not catch up"
    elif round(row["labels"]) <= smallest:
        end = "is no worse at any size"
    else:
        end = f"catches up at {row['labels']:,.0f} labels"
    return f"{name} {end}: the embeddings' lead in macro-F1 goes {apart}"


def _fewer(work: Work) -> str:
    """Where a network was trained in some of the folds only."""
    few = {size: folds for size, folds in work.train.items() if folds < FOLDS}
    if not few:
        return ""
    parts = (
        f"{folds} with {'all labels' if size is None else f'{size:,} of each class'}" for size, folds in few.items()
    )
    return f" (the {study.TRAINED}: in the first {', '.join(parts)})"


def _folds(row: dict[str, Any], means: pl.DataFrame) -> str:
    fits = means.filter(pl.col("series") == row["baseline"])["n"]
    fewest, most = int(fits.min()), int(fits.max())  # type: ignore[arg-type] -- numbers
    if fewest < most:
        return f"{fewest} to {most} folds"
    return f"{most} fold{'s' * (most > 1)}"


def _largest(row: dict[str, Any], means: pl.DataFrame) -> float:
    return float(means.filter(pl.col("series") == row["baseline"])["labels"].max())  # type: ignore[arg-type] -- numbers
