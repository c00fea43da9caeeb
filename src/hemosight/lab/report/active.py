"""The section on active learning (Fig. 3, 4): which cells to label, so that the fewest labels do."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from hemosight.lab.charts import curves as charts
from hemosight.lab.charts.needed import needed
from hemosight.lab.report import published
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import active as study
from hemosight.lab.studies import active_results as results
from hemosight.lab.studies.strategy_choice import WITHIN, chosen_on_folds, row_of
from hemosight.lab.studies.tables import FOLD, HELD_OUT
from hemosight.scoring import curves

_SHOWN_BY_CLASS = 2
"""Strategies beside random in the small charts: the two that the folds put first."""
_SURE = 0.05
RESAMPLED = 200
"""Fits to resampled residuals for the intervals of the best strategy's law."""


def active(work: ReportInputs) -> Section:
    """Learning curves of every strategy, their laws, and the labels that reach the score of all."""
    table = study.active(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    where = HELD_OUT if len(work.material.split.held) else FOLD
    learned = results.learning(table.filter(pl.col("on") != "labels"))
    macro = learned.filter((pl.col("metric") == "macro_f1") & (pl.col("on") == where))
    reached = results.reaching(table, within=(0.0, WITHIN))
    order = chosen_on_folds(reached, learned)
    best = order[0]
    measured = reached.filter(pl.col("on") == where).sort("within", "labels", nulls_last=True)
    strict = measured.filter(pl.col("within") == 0.0)
    target = float(strict["target"][0])
    # Hundreds of fits: kept like the runs they are fitted to.
    facts = {"material": work.material.hash, "classifier": work.classifier, "seed": work.seed, "on": where}
    fitted = work.steps.run("active-laws", facts, {"laws": lambda: results.laws(table, on=where)})
    tests = results.faster(fitted)
    ranked = macro.sort(pl.col("strategy").cast(pl.Enum(order)), "labels")
    law, fits = _law(ranked, best)
    pool = int(table["pool"].max())  # type: ignore[arg-type] -- a number: there are rows
    by_type = [name for name in order if name != "random"][:_SHOWN_BY_CLASS]
    by_type += ["random"] if "random" in order else []
    prose = Prose(
        "active",
        work=work,
        best=best,
        every=row_of(measured, best, 0.0),
        nearly=row_of(measured, best, WITHIN),
        chance=row_of(measured, "random", 0.0),
        chance_nearly=row_of(measured, "random", WITHIN),
        within=WITHIN,
        same=where == FOLD,
        batch=study.BATCH,
        pool=pool,
        folds=table["fold"].n_unique(),
        cells="held-out cells" if where == HELD_OUT else "the fold left out",
        measured=round(float(macro["cells"].mean())),  # type: ignore[arg-type] -- a number: there are rows
        by_type=by_type,
        resampled=RESAMPLED,
        tests=tests_in_numbers(tests),
        published=published,
    )
    made = (
        Figure(
            "active-learning",
            "Learning curves of the strategies",
            prose.block("learning"),
            _drawn(ranked, law, target, pool),
            spec=charts.learning(ranked, target=target, fitted=law, banded=(best, "random")),
        ),
        Figure(
            "labels-needed",
            "Labels that read as well as all of them",
            prose.block("needed"),
            measured.select("within", "strategy", "target", "labels", "share", "low", "high", "stays"),
            spec=needed(strict, paper=published.SHARE),
        ),
        _by_class(learned, where, order, by_type, prose.block("types")),
        # None of these where runs are too short for a law.
        *([Figure("power-laws", "The laws of the learning curves", prose.block("laws"), fits)] if len(fits) else []),
        *([_faster(tests, prose.block("faster"))] if len(tests) else []),
    )
    further = {"active-runs": table, "active-laws": fitted, "active-reaching": reached}
    return Section("active", "Active learning", prose.paragraphs(), made, prose.claims(), further)


def tests_in_numbers(tests: pl.DataFrame) -> dict[str, Any] | None:
    """What is said of the tests against random, of the rate ``r`` and of the ``area``; None where there is none."""
    if not len(tests):
        return None
    said: dict[str, Any] = {"p": _SURE}
    for quantity in ("r", "area"):
        rows = tests.filter(pl.col("quantity") == quantity)
        said[quantity] = {
            "sure": rows.filter(pl.col("p") < _SURE).sort("p")["strategy"].to_list(),
            "all": len(rows),
            "pairs": rows["pairs"].max(),
            "low": rows["median"].min(),
            "high": rows["median"].max(),
        }
    rates = tests.filter(pl.col("quantity") == "r")
    return said | {"at_bound": int(rates["at_bound"].sum()), "pairs": int(rates["pairs"].sum())}


def _faster(tests: pl.DataFrame, caption: str) -> Figure:
    title = "Who learns faster than at random"
    return Figure("faster-than-random", title, caption, tests.sort("quantity", "p"))


def _drawn(ranked: pl.DataFrame, law: pl.DataFrame, target: float, pool: int) -> pl.DataFrame:
    """All that the first chart draws: rounds, points of the dashed laws, and the level of all labels."""
    level = pl.DataFrame({"strategy": ["all labels"], "labels": [float(pool)], "mean": [target]})
    parts = [("measured", ranked.select("strategy", pl.col("labels").cast(pl.Float64), "n", "mean", "sd"))]
    parts += [("law", law), ("level", level)]
    named = [part.with_columns(kind=pl.lit(kind)) for kind, part in parts]
    return pl.concat(named, how="diagonal").select("kind", "strategy", "labels", "n", "mean", "sd")


def _by_class(learned: pl.DataFrame, where: str, order: list[str], chosen: list[str], caption: str) -> Figure:
    wanted = (pl.col("metric") == "f1") & (pl.col("on") == where) & pl.col("strategy").is_in(chosen)
    drawn = learned.filter(wanted).sort(pl.col("strategy").cast(pl.Enum(order)), "class", "labels")
    drawn = drawn.select("strategy", "class", "labels", "n", "mean", "sd")
    spec = charts.learning_by_class(drawn)
    return Figure("active-learning-types", "Learning curves of each type", caption, drawn, spec=spec)


def _law(macro: pl.DataFrame, best: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The laws of the mean curves: points of the best one's and of random's to draw, and everyone's parameters."""
    points, rows = [], []
    for (name,), part in macro.group_by(["strategy"], maintain_order=True):
        sizes, values = part["labels"].to_numpy().astype(np.float64), part["mean"].to_numpy()
        if len(np.unique(sizes)) < curves.POINTS:
            continue
        found = curves.fit(sizes, values, samples=RESAMPLED)
        row: dict[str, float | str] = {"strategy": str(name)}
        for parameter in ("p_max", "k", "n0", "r"):
            low, high = found.interval(lambda law, of=parameter: getattr(law, of))
            row |= {
                parameter: getattr(found.law, parameter),
                f"{parameter} low": low,
                f"{parameter} high": high,
            }
        rows.append({**row, "spread": found.spread})
        if name in (best, "random"):
            drawn = np.geomspace(sizes[0], sizes[-1], 60)
            points.append(pl.DataFrame({"strategy": [name] * 60, "labels": drawn, "mean": found.law(drawn)}))
    law = (
        pl.concat(points)
        if points
        else pl.DataFrame(schema={"strategy": pl.String, "labels": pl.Float64, "mean": pl.Float64})
    )
    return law, pl.DataFrame(rows)
