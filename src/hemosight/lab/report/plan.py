"""The section on planning: how many labels a goal takes, forecast from few, and how often that comes true."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.errors import TooFewCells
from hemosight.images.splits import Rows, support_sample
from hemosight.lab.charts import curves
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.scoring import metrics, planner
from hemosight.space import classifiers

HAVE, WISHED = 450, 1800
"""Labels that the planner is shown, and those whose score it is asked to forecast the way to."""
DRAWS = 10
"""Draws of the labels it is shown: one forecast that comes true may be luck."""
TRUTHS = (450, 900, 1800, 3600)
_MOST = 0.8
"""Share of the labels that may be fitted to: the rest is read."""


def plan(work: ReportInputs) -> Section:
    """The planner's forecasts from few labels, beside what more labels then brought."""
    labels = work.material.labels()
    rest = work.material.split.rest[labels[work.material.split.rest] != ""]
    sizes = [size for size in TRUTHS if size <= _MOST * len(rest)]
    if len(sizes) < 2:
        least = int(np.ceil(TRUTHS[1] / _MOST))
        raise TooFewCells(
            expected=f"at least {least} cells for a test of the planner on labelled ones",
            came=len(rest),
            mend="Add cells.",
        )
    wished = min(WISHED, sizes[-1])
    decided_by = {"material": work.material.hash, "classifier": work.classifier, "seed": work.seed}
    tried = work.steps.run(
        "plan-truth",
        {**decided_by, "sizes": sizes},
        {f"truth {draw}": partial(_truth, work, rest, labels, sizes, draw) for draw in range(DRAWS)},
    )
    outcome = tried.group_by("labels", maintain_order=True).agg(
        cells=pl.col("cells").max(), n=pl.len(), sd=pl.col("mean").std(), mean=pl.col("mean").mean()
    )
    target = float(outcome.filter(pl.col("labels") == wished)["mean"][0])
    made = _forecast(work, rest, labels, target, 0)
    truth = wished - made.labels
    forecasts = work.steps.run(
        "plan-forecasts",
        {**decided_by, "target": target, "have": HAVE},
        {f"draw {draw}": partial(_row, work, rest, labels, target, draw) for draw in range(DRAWS)},
    ).with_columns(
        took=pl.lit(truth), inside=pl.col("low").le(truth) & pl.col("high").ge(truth), ratio=pl.col("more") / truth
    )
    ratios = forecasts["ratio"].sort()
    prose = Prose(
        "plan",
        work=work,
        made=made,
        target=target,
        wished=wished,
        truth=truth,
        held=int(forecasts["inside"].sum()),
        tried=len(forecasts),
        # Intervals without an upper end hold much: how many there are belongs beside how many hold the truth.
        unbounded=int(forecasts["high"].is_infinite().sum()),
        median=ratios.median(),
        lowest=ratios[0],
        highest=ratios[-1],
        endless=float("inf"),
        sizes=outcome["labels"].to_list(),
        draws=DRAWS,
        planner=planner,
    )
    figures = (
        _chart(made, outcome, target, prose.block("chart")),
        Figure("plan-draws", "How often the forecast holds", prose.block("draws"), forecasts),
        Figure("plan-types", "Which types the next labels should be", prose.block("types"), made.by_class),
    )
    return Section("plan", "Planning labels", prose.paragraphs(), figures, prose.claims(), {"plan-truths": tried})


def _chart(made: planner.Plan, outcome: pl.DataFrame, target: float, caption: str) -> Figure:
    forecast = made.curve.rename({"macro_f1": "mean"})
    needed = made.labels + made.more if made.reachable else None
    said = forecast.select("kind", pl.col("labels").cast(pl.Float64), "mean", "low", "high")
    marks = [
        ("came true", outcome.select(pl.col("labels").cast(pl.Float64), "mean", "sd", "n")),
        ("target", pl.DataFrame({"labels": [needed], "mean": [target]}, schema_overrides={"labels": pl.Float64})),
    ]
    named = [part.with_columns(kind=pl.lit(kind)) for kind, part in marks]
    return Figure(
        "plan",
        "A forecast, and what came true",
        caption,
        pl.concat([said, *named], how="diagonal"),
        spec=curves.plan(forecast, outcome, target=target, now=made.labels, then=needed),
    )


def _drawn(work: ReportInputs, rest: Rows, labels: NDArray[np.str_], size: int, draw: int) -> Rows:
    return rest[support_sample(labels[rest].tolist(), size, np.random.default_rng([work.seed, draw]))]


def _forecast(work: ReportInputs, rest: Rows, labels: NDArray[np.str_], target: float, draw: int) -> planner.Plan:
    support = _drawn(work, rest, labels, HAVE, draw)
    vectors = work.material.vectors[support]
    return planner.plan(vectors, labels[support], target, classifier=work.classifier, seed=work.seed + draw)


def _row(work: ReportInputs, rest: Rows, labels: NDArray[np.str_], target: float, draw: int) -> pl.DataFrame:
    made = _forecast(work, rest, labels, target, draw)
    facts: dict[str, Any] = {name: getattr(made, name) for name in ("labels", "more", "low", "high", "chance")}
    return pl.DataFrame({"draw": [draw], **{name: [value] for name, value in facts.items()}})


def _truth(work: ReportInputs, rest: Rows, labels: NDArray[np.str_], sizes: list[int], draw: int) -> pl.DataFrame:
    rows = []
    for size in sizes:
        chosen = _drawn(work, rest, labels, size, draw)
        others = np.setdiff1d(np.flatnonzero(labels != ""), chosen)
        reader = classifiers.fit(work.material.vectors[chosen], labels[chosen], work.classifier)
        read = reader.predict(work.material.vectors[others])
        scored = metrics.scores(labels[others], read, bootstraps=0)
        rows.append({"draw": draw, "labels": size, "cells": len(others), "mean": scored.macro_f1.value})
    return pl.DataFrame(rows)
