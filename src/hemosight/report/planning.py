"""The section on planning: how many labels a goal takes, forecast from few, and how often that comes true."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.charts import curves
from hemosight.errors import TooFewCells
from hemosight.images.splits import Rows, support_sample
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.space import classifiers
from hemosight.study import metrics, planner

HAVE, WISHED = 450, 1800
"""Labels that the planner is shown, and those whose score it is asked to forecast the way to."""
DRAWS = 10
"""Draws of the labels it is shown: one forecast that comes true may be luck."""
_TRUTHS = (450, 900, 1800, 3600)
_MOST = 0.8
"""Share of the labels that may be fitted to: the rest is read."""


def plan(work: Work) -> Section:
    """The planner's forecasts from few labels, beside what more labels then brought."""
    labels = work.material.labels()
    rest = work.material.split.rest[labels[work.material.split.rest] != ""]
    sizes = [size for size in _TRUTHS if size <= _MOST * len(rest)]
    if len(sizes) < 2:
        least = int(np.ceil(_TRUTHS[1] / _MOST))
        raise TooFewCells(least=least, purpose="a test of the planner on labelled ones", came=len(rest))
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
    basis = f"Classifier: {work.classifier}. {work.basis}."
    how = (
        f"Each forecast is from {planner.FOLDS} folds in {planner.DRAWS} draws of its {made.labels:,} labels, its "
        f"interval from {planner.SAMPLES} resamples of them"
    )
    text, claims = _told(forecasts, made, target, wished)
    figures = (
        _chart(made, outcome, target, f"{how}. {basis}"),
        Figure(
            "plan-draws",
            "How often the forecast holds",
            f"Further labels to macro-F1 {target:.3f}, forecast from {DRAWS} draws of {made.labels:,} labels, beside "
            f"what it took on average ({truth:,}); inside: the interval holds it; ratio: the forecast over it. {how}. "
            f"{basis}",
            forecasts,
        ),
        Figure(
            "plan-types",
            "Which types the next labels should be",
            f"The planner's division of the further labels among types, in the first of {DRAWS} draws of "
            f"{made.labels:,} labels; for the law of each type, {planner.FOLDS} folds. {basis}",
            made.by_class,
        ),
    )
    return Section("plan", "Planning labels", text, figures, claims, {"plan-truths": tried})


def _told(
    forecasts: pl.DataFrame, made: planner.Plan, target: float, wished: int
) -> tuple[tuple[str, ...], tuple[Claim, ...]]:
    held, ratio = int(forecasts["inside"].sum()), float(forecasts["ratio"].median())  # type: ignore[arg-type] -- numbers
    truth = wished - made.labels
    said, low, high = (_number(value, made) for value in (made.more, made.low, made.high))
    inside = "inside" if made.low <= truth <= made.high else "outside"
    middle = f"{ratio:.2f}" if np.isfinite(ratio) else "no end"
    ends = " to ".join(
        f"{value:.2f}" if np.isfinite(value) else "no end" for value in forecasts["ratio"].sort()[[0, -1]]
    )
    text = (
        f"Shown {made.labels:,} labels and asked for the macro-F1 that {wished:,} labels reached on average "
        f"({target:.3f}), the planner's 95% interval holds the truth, {truth:,} more, in {held} of {len(forecasts)} "
        f"draws of the labels it is shown; {_open(forecasts)}. Its forecast is {middle} times the truth in the median "
        f"({ends}).",
        f"In the first draw, which is drawn below, it says {said} more ({low} to {high}): the truth is {inside} its "
        "interval.",
    )
    draws = f"{len(forecasts)} draws of {made.labels:,} labels"
    claims = (
        Claim(
            f"planner's intervals that hold the {truth:,} further labels it took to macro-F1 {target:.3f}",
            f"{held} of {len(forecasts)}",
            f"{draws}; {_open(forecasts)}",
        ),
        Claim("planner's forecast over the labels it took, median", f"{middle} [{ends}]", draws),
    )
    return text, claims


def _open(forecasts: pl.DataFrame) -> str:
    """Intervals without an upper end hold much: how many there are belongs beside how many hold the truth."""
    many = int(forecasts["high"].is_infinite().sum())
    return f"{many or 'none'} of the intervals ha{'s' if many == 1 else 've'} no upper end"


def _chart(made: planner.Plan, outcome: pl.DataFrame, target: float, basis: str) -> Figure:
    forecast = made.curve.rename({"macro_f1": "mean"})
    needed = made.labels + made.more if made.reachable else None
    said = forecast.select("kind", pl.col("labels").cast(pl.Float64), "mean", "low", "high")
    marks = [
        ("came true", outcome.select(pl.col("labels").cast(pl.Float64), "mean", "sd", "n")),
        ("target", pl.DataFrame({"labels": [needed], "mean": [target]}, schema_overrides={"labels": pl.Float64})),
    ]
    named = [part.with_columns(kind=pl.lit(kind)) for kind, part in marks]
    sizes = ", ".join(f"{size:,}" for size in outcome["labels"].to_list())
    return Figure(
        "plan",
        "A forecast, and what came true",
        f"From the first draw of {made.labels:,} labels: the fitted law with its 95% interval (line and band), and "
        f"where it meets the target, {target:.3f}. Points: what supports of {sizes} labels reached on all cells "
        f"outside of them, means of {DRAWS} draws. {basis}",
        pl.concat([said, *named], how="diagonal"),
        spec=curves.plan(forecast, outcome, target=target, now=made.labels, then=needed),
    )


def _number(value: float, made: planner.Plan) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else f"over {made.farthest:,}"


def _drawn(work: Work, rest: Rows, labels: NDArray[np.str_], size: int, draw: int) -> Rows:
    return rest[support_sample(labels[rest].tolist(), size, np.random.default_rng([work.seed, draw]))]


def _forecast(work: Work, rest: Rows, labels: NDArray[np.str_], target: float, draw: int) -> planner.Plan:
    support = _drawn(work, rest, labels, HAVE, draw)
    vectors = work.material.vectors[support]
    return planner.plan(vectors, labels[support], target, classifier=work.classifier, seed=work.seed + draw)


def _row(work: Work, rest: Rows, labels: NDArray[np.str_], target: float, draw: int) -> pl.DataFrame:
    made = _forecast(work, rest, labels, target, draw)
    facts: dict[str, Any] = {name: getattr(made, name) for name in ("labels", "more", "low", "high", "chance")}
    return pl.DataFrame({"draw": [draw], **{name: [value] for name, value in facts.items()}})


def _truth(work: Work, rest: Rows, labels: NDArray[np.str_], sizes: list[int], draw: int) -> pl.DataFrame:
    rows = []
    for size in sizes:
        chosen = _drawn(work, rest, labels, size, draw)
        others = np.setdiff1d(np.flatnonzero(labels != ""), chosen)
        reader = classifiers.fit(work.material.vectors[chosen], labels[chosen], work.classifier)
        read = reader.predict(work.material.vectors[others])
        scored = metrics.scores(labels[others], read, bootstraps=1)
        rows.append({"draw": draw, "labels": size, "cells": len(others), "mean": scored.macro_f1.value})
    return pl.DataFrame(rows)
