"""The section on another laboratory: cells of a source that lent no label, and cells as others would see them."""

from __future__ import annotations

import polars as pl

from hemosight.charts import curves, scores
from hemosight.errors import TooFewLabels
from hemosight.network import Network
from hemosight.report.figure import Claim, Figure, Section, Work, source_name
from hemosight.space.labels import title
from hemosight.study import figures
from hemosight.study import transfer as study
from hemosight.study.tables import summary

CONTROL_FOLDS = 5
"""In how many folds :func:`~hemosight.study.transfer.shortcut` reads all cells (a test holds it to that)."""


def transfer(work: Work) -> Section:
    """Another source read without a label of it, with few, and the held-out cells under simulated shifts."""
    basis = f"Classifier: {work.classifier}. {work.basis}."
    text: list[str] = []
    made: list[Figure] = []
    claims: list[Claim] = []
    tables: dict[str, pl.DataFrame] = {}
    recovered = study.recovery(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    if len(recovered):
        tables["transfer-fits"] = recovered
        figure, words, reached = _recovery(recovered, basis)
        made.append(figure)
        text.append(words)
        claims += reached
    control = study.shortcut(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    if len(control):
        made.append(
            Figure(
                "shortcut",
                "Whether a type is read from the cell or from its scanner",
                "For each type that one scanner alone supplies: that scanner's other cells, and how many are "
                f"read as it; with all labels ({CONTROL_FOLDS} folds, each cell read by the fit to the others), and by "
                f"one fit without any label of those cells. Wilson's 95% intervals. {basis}",
                control.drop("study", "classifier"),
            )
        )
        for row in control.filter(pl.col("trained_on") == "all labels").iter_rows(named=True):
            text.append(
                f"{title(row['class'])} comes from {source_name(row['source'])} alone; of that source's "
                f"{row['other_cells']:,} other "
                f"cells {row['read_as_it']:,} are read as it ({row['share']:.1%}, 95% interval {row['low']:.1%} to "
                f"{row['high']:.1%})."
            )
            claims.append(
                Claim(
                    f"other cells of {source_name(row['source'])} read as {title(row['class']).lower()}",
                    f"{row['read_as_it']:,} of {row['other_cells']:,}",
                    f"{CONTROL_FOLDS} folds, with all labels",
                )
            )
    if len(work.material.split.held):
        network = Network(work.bundle.encoder, work.bundle.preprocessing)
        readings = study.shifted(work.material, network, classifier=work.classifier, steps=work.steps)
        tables["shift-readings"] = readings
        more, words = _shifts(readings, basis)
        made += more
        text.append(words)
    if not made:
        raise TooFewLabels(came="one source, and nothing held out")
    return Section("transfer", "Another laboratory", tuple(text), tuple(made), tuple(claims), tables)


def _recovery(recovered: pl.DataFrame, basis: str) -> tuple[Figure, str, list[Claim]]:
    means = summary(recovered.filter(pl.col("metric") == "macro_f1"), over=("draw",))
    means = means.with_columns(place=pl.col("source").map_elements(source_name, pl.String))
    means = means.with_columns(series=pl.col("place") + ": " + pl.col("trained_on"))
    # Labels of the others alone are where "others + few" begins.
    begun = means.filter(pl.col("trained_on") == study.OTHERS).with_columns(
        series=pl.col("place") + ": " + pl.lit(study.JOINED)
    )
    drawn = pl.concat([begun, means.filter(pl.col("trained_on") != study.OTHERS)]).sort("series", "per_class")
    drawn = drawn.select("series", "source", "per_class", "cells", "n", "mean", "sd")
    joined = drawn.filter(pl.col("series").str.ends_with(study.JOINED))
    parts, claims = [], []
    for (source,), part in joined.group_by(["source"], maintain_order=True):
        first, last = part.row(0, named=True), part.row(-1, named=True)
        parts.append(
            f"{source_name(str(source))} goes from {first['mean']:.3f} without a label of its own to "
            f"{last['mean']:.3f} with {last['per_class']} of each type"
        )
        claims.append(
            Claim(
                f"macro-F1 on {source_name(str(source))} with {last['per_class']} labels of each type from it",
                f"{last['mean']:.3f} ± {last['sd']:.3f}" if last["sd"] is not None else f"{last['mean']:.3f}",
                f"{last['n']} draws, {last['cells']:,.0f} cells",
            )
        )
    words = f"Macro-F1 on a source whose cells lent no label, then few: {'; '.join(parts)}."
    figure = Figure(
        "transfer-recovery",
        "The way back on a new source",
        f"Macro-F1 on the cells of each source by labels of each type from it: joined to the others' labels "
        f"(each counts "
        f"for {study.WEIGHT:g} of theirs where the classifier takes weights) or alone. Mean and standard deviation of "
        f"{study.DRAWS} draws. A type that no label names counts with F1 0. {basis}",
        drawn,
        spec=curves.recovery(drawn),
    )
    return figure, words, claims


def _shifts(readings: pl.DataFrame, basis: str) -> tuple[list[Figure], str]:
    scored = figures.scores(readings, ["shift"])
    macro = scored.filter(pl.col("metric") == "macro_f1").select("shift", "cells", "value", "low", "high")
    error = scored.filter(pl.col("metric") == "ece").select("shift", pl.col("value").alias("calibration error"))
    both = macro.join(error, on="shift", how="left", maintain_order="left")
    curve = figures.reliability(readings, ["shift"])
    curve = curve.sort(pl.col("shift").cast(pl.Enum(both["shift"].to_list())), maintain_order=True)
    labels = int(readings["labels"][0])
    # The cells as they are are what the others are compared with: a shift that helps is no reason to call them worst.
    worst = both.filter(pl.col("shift") != study.AS_IT_IS).sort("value").row(0, named=True)
    plain = both.filter(pl.col("shift") == study.AS_IT_IS).row(0, named=True)
    words = (
        f"Of the shifts, held-out cells {worst['shift']} are read worst: macro-F1 {worst['value']:.3f} against "
        f"{plain['value']:.3f} as they are; the calibration error goes from {plain['calibration error']:.3f} to "
        f"{worst['calibration error']:.3f}. A simulated shift shows robustness to what it simulates and no more."
    )
    return [
        Figure(
            "shifts",
            "Held-out cells under simulated shifts",
            f"Macro-F1 with 95% bootstrap intervals of the same {plain['cells']:,} held-out cells as they are "
            f"and changed, read by one fit to {labels:,} labels. {basis}",
            both,
            spec=scores.shifts(both),
        ),
        Figure(
            "shifts-reliability",
            "Calibration under shift",
            f"Share that was right by the probability said, {figures.BINS} bins, of {plain['cells']:,} held-out cells "
            f"under each shift, read by one fit to {labels:,} labels; area is the number of cells. {basis}",
            curve,
            spec=scores.reliability(curve, by="shift"),
        ),
    ], words
