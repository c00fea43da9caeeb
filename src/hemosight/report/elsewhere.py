"""Sections on what lies ahead of a laboratory: cells of another source, and how many labels a goal takes."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.charts import curves, scores
from hemosight.errors import TooFewLabels
from hemosight.images.splits import support_sample
from hemosight.network import Network
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.space import classifiers
from hemosight.space.labels import title
from hemosight.study import figures, metrics, planner
from hemosight.study import transfer as study
from hemosight.study.tables import summary

HAVE, WISHED = 450, 1800
"""Labels that the planner is shown, and those whose score it is asked to forecast the way to."""
_TRUTHS = (450, 900, 1800, 3600)


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
        figure, words, claim = _recovery(recovered, basis)
        made.append(figure)
        text.append(words)
        claims.append(claim)
    control = study.shortcut(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    if len(control):
        made.append(
            Figure(
                "shortcut",
                "Whether a type is read from the cell or from its scanner",
                "For each type that one scanner alone supplies: that scanner's other cells, and how many are "
                "read as it; "
                "with all labels, and without any label of the others. Wilson's 95% intervals. " + basis,
                control.drop("study", "classifier"),
            )
        )
        for row in control.filter(pl.col("trained_on") == "all labels").iter_rows(named=True):
            text.append(
                f"{title(row['class'])} comes from {row['source']} alone; of that source's "
                f"{row['other_cells']:,} other "
                f"cells {row['read_as_it']:,} are read as it ({row['share']:.1%}, 95% interval {row['low']:.1%} to "
                f"{row['high']:.1%})."
            )
            claims.append(
                Claim(
                    f"other cells of {row['source']} read as {title(row['class']).lower()}",
                    f"{row['read_as_it']:,} of {row['other_cells']:,}",
                    "five folds",
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


def _recovery(recovered: pl.DataFrame, basis: str) -> tuple[Figure, str, Claim]:
    means = summary(recovered.filter(pl.col("metric") == "macro_f1"), over=("draw",))
    means = means.with_columns(series=pl.col("source") + ": " + pl.col("trained_on"))
    # Labels of the others alone are where "others + few" begins.
    begun = means.filter(pl.col("trained_on") == study.OTHERS).with_columns(
        series=pl.col("source") + ": " + pl.lit(study.JOINED)
    )
    drawn = pl.concat([begun, means.filter(pl.col("trained_on") != study.OTHERS)]).sort("series", "per_class")
    drawn = drawn.select("series", "source", "per_class", "cells", "n", "mean", "sd")
    joined = drawn.filter(pl.col("series").str.ends_with(study.JOINED))
    parts = []
    for (source,), part in joined.group_by(["source"], maintain_order=True):
        first, last = part.row(0, named=True), part.row(-1, named=True)
        parts.append(
            f"{source} goes from {first['mean']:.3f} without a label of its own to {last['mean']:.3f} with "
            f"{last['per_class']} of each type"
        )
    words = f"Macro-F1 on a source whose cells lent no label, then few: {'; '.join(parts)}."
    end = joined.row(-1, named=True)
    claim = Claim(
        f"macro-F1 on {end['source']} with {end['per_class']} labels of each type from it",
        f"{end['mean']:.3f}",
        f"{end['n']} draws, {end['cells']:,.0f} cells",
    )
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
    return figure, words, claim


def _shifts(readings: pl.DataFrame, basis: str) -> tuple[list[Figure], str]:
    scored = figures.scores(readings, ["shift"])
    macro = scored.filter(pl.col("metric") == "macro_f1").select("shift", "cells", "value", "low", "high")
    error = scored.filter(pl.col("metric") == "ece").select("shift", pl.col("value").alias("calibration error"))
    both = macro.join(error, on="shift", how="left", maintain_order="left")
    curve = figures.reliability(readings, ["shift"])
    worst = both.sort("value").row(0, named=True)
    plain = both.filter(pl.col("shift") == study.AS_IT_IS).row(0, named=True)
    words = (
        f"The same held-out cells {worst['shift']} are read worst: macro-F1 {worst['value']:.3f} against "
        f"{plain['value']:.3f} as they are; the calibration error goes from {plain['calibration error']:.3f} to "
        f"{worst['calibration error']:.3f}. A simulated shift shows robustness to what it simulates and no more."
    )
    return [
        Figure(
            "shifts",
            "Held-out cells under simulated shifts",
            f"Macro-F1 with 95% bootstrap intervals of the same {plain['cells']:,} held-out cells as they are "
            f"and changed, "
            f"read with all labels. {basis}",
            both,
            spec=scores.shifts(both),
        ),
        Figure(
            "shifts-reliability",
            "Calibration under shift",
            f"Share that was right by the probability said, {figures.BINS} bins, of {plain['cells']:,} held-out cells "
            f"under each shift. {basis}",
            curve,
            spec=scores.reliability(curve, by="shift"),
        ),
    ], words


def plan(work: Work) -> Section:
    """The planner's forecast from few labels, beside what more labels then brought."""
    labels = work.material.labels()
    rest = work.material.split.rest[labels[work.material.split.rest] != ""]
    sizes = [size for size in _TRUTHS if size <= 0.8 * len(rest)]
    if len(sizes) < 2:
        raise TooFewLabels(came=f"{len(rest):,} labelled cells, where the planner's test takes {2 * HAVE:,}")
    wished = min(WISHED, sizes[-1])
    outcome = work.steps.run(
        "plan-truth",
        {"material": work.material.hash, "classifier": work.classifier, "seed": work.seed, "sizes": sizes},
        {"truth": lambda: _truth(work, rest, labels, sizes)},
    )
    target = float(outcome.filter(pl.col("labels") == wished)["mean"][0])
    support = rest[support_sample(labels[rest].tolist(), HAVE, np.random.default_rng(work.seed))]
    made = planner.plan(
        work.material.vectors[support], labels[support], target, classifier=work.classifier, seed=work.seed
    )
    needed = made.labels + made.more
    said = f"{made.more:,.0f}" if made.reachable else f"over {planner.BEYOND * made.labels:,.0f}"
    high = f"{made.high:,.0f}" if np.isfinite(made.high) else f"over {planner.BEYOND * made.labels:,.0f}"
    inside = made.low <= wished - made.labels <= made.high
    basis = f"Classifier: {work.classifier}. {work.basis}."
    forecast = made.curve.rename({"macro_f1": "mean"})
    figure = Figure(
        "plan",
        "A forecast, and what came true",
        f"From {made.labels:,} labels: the fitted law with its 95% interval (line and band). Points: what supports of "
        f"{', '.join(f'{size:,}' for size in sizes)} labels reached on all cells outside of them. {basis}",
        pl.concat(
            [
                forecast.select("kind", "labels", "mean", "low", "high").with_columns(
                    pl.col("labels").cast(pl.Float64)
                ),
                outcome.select(
                    kind=pl.lit("came true"),
                    labels=pl.col("labels").cast(pl.Float64),
                    mean="mean",
                    low=pl.lit(None, pl.Float64),
                    high=pl.lit(None, pl.Float64),
                ),
            ]
        ),
        spec=curves.plan(forecast, outcome, target=target, now=made.labels, then=needed if made.reachable else None),
    )
    shares = Figure(
        "plan-types",
        "Which types the next labels should be",
        f"The planner's division of the further labels among types. {basis}",
        made.by_class,
    )
    text = (
        f"Shown {made.labels:,} labels and asked for a macro-F1 of {target:.3f}, which {wished:,} labels reached, the "
        f"planner says {said} more (95% interval {made.low:,.0f} to {high}); in truth it took "
        f"{wished - made.labels:,}, "
        f"{'inside' if inside else 'outside'} its interval.",
    )
    claims = (
        Claim(
            f"further labels to macro-F1 {target:.3f}, forecast from {made.labels:,}",
            f"{said} [{made.low:,.0f}, {high}]",
            f"in truth {wished - made.labels:,}",
        ),
    )
    return Section("plan", "Planning labels", text, (figure, shares), claims)


def _truth(work: Work, rest: NDArray[np.int64], labels: NDArray[np.str_], sizes: list[int]) -> pl.DataFrame:
    rows = []
    for size in sizes:
        chosen = rest[support_sample(labels[rest].tolist(), size, np.random.default_rng(work.seed))]
        others = np.setdiff1d(np.flatnonzero(labels != ""), chosen)
        reader = classifiers.fit(work.material.vectors[chosen], labels[chosen], work.classifier)
        read = reader.predict(work.material.vectors[others])
        scored = metrics.scores(labels[others], read, bootstraps=1)
        rows.append({"labels": size, "cells": len(others), "mean": scored.macro_f1.value})
    return pl.DataFrame(rows)
