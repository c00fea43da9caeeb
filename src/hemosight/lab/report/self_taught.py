"""The section on active learning with a reader that learns from the cells nobody has labelled as well."""

from __future__ import annotations

import polars as pl

from hemosight.lab.charts import curves as charts
from hemosight.lab.report.figure import Figure, ReportInputs, Section
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import active as study
from hemosight.lab.studies import active_results as results
from hemosight.lab.studies.strategy_choice import WITHIN, chosen_on_folds, row_of
from hemosight.lab.studies.tables import FOLD, HELD_OUT
from hemosight.space import classifiers

STRATEGIES = ("uncertainty", "cold margin", "random")
"""The paper's choice, one that chooses its first cells too, and chance."""
ROUNDS = 14
"""After the first labels: a plateau is reached long before, and a fit takes seconds."""
PLAIN = "plain"


def self_taught(work: ReportInputs) -> Section:
    """The same strategies with a plain reader and with one that teaches itself on the rest of the pool."""
    most = study.BATCH * (ROUNDS + 1)
    runs = {
        name: study.active(
            work.material,
            strategies=STRATEGIES,
            classifier=name,
            batch=study.BATCH,
            most=most,
            seed=work.seed,
            steps=work.steps,
        )
        for name in (classifiers.DEFAULT, classifiers.SELF_TAUGHT)
    }
    table = runs[classifiers.SELF_TAUGHT]
    where = HELD_OUT if len(work.material.split.held) else FOLD
    asked = pl.col("strategy") != study.ALL
    learned = {
        name: results.learning(run.filter((pl.col("on") != "labels") & asked)).filter(pl.col("metric") == "macro_f1")
        for name, run in runs.items()
    }
    # All labels have to be there for the score that is to be reached, and are no strategy.
    reached = {name: results.reaching(run, within=(0.0, WITHIN)).filter(asked) for name, run in runs.items()}
    best, *_ = chosen_on_folds(reached[classifiers.SELF_TAUGHT], learned[classifiers.SELF_TAUGHT])
    curves = pl.concat(_named(one, name) for name, one in learned.items()).filter(pl.col("on") == where)
    # Those of the reader that this is about first, and in the colours that are told apart best.
    first_taught = pl.Enum([*STRATEGIES, *(f"{name} ({PLAIN})" for name in STRATEGIES)])
    curves = curves.sort(pl.col("strategy").cast(first_taught), "labels")
    needs = pl.concat(_named(one, name) for name, one in reached.items()).filter(pl.col("on") == where)
    target, pool = float(needs["target"].max()), int(table["pool"].max())  # type: ignore[arg-type] -- numbers
    prose = Prose(
        "self_taught",
        work=work,
        best=best,
        taught=row_of(needs, best, WITHIN),
        plain=row_of(needs, f"{best} ({PLAIN})", WITHIN),
        first=curves.filter(pl.col("strategy") == best).sort("labels")[:2].row(-1, named=True),
        plain_name=PLAIN,
        default=classifiers.DEFAULT,
        within=WITHIN,
        target=target,
        batch=study.BATCH,
        pool=pool,
        most=most,
        folds=table["fold"].n_unique(),
        held=round(float(curves["cells"].mean())),  # type: ignore[arg-type] -- a number
        cells="held-out cells" if where == HELD_OUT else "the fold left out",
    )
    made = (
        Figure(
            "active-self-taught",
            "Learning curves beside unlabelled cells",
            prose.block("learning"),
            curves.select("strategy", "labels", "cells", "n", "mean", "sd"),
            spec=charts.learning(curves, target=target, banded=(best,)),
        ),
        Figure(
            "labels-needed-self-taught",
            "Labels that read nearly as well as all of them",
            prose.block("needed"),
            needs.select("within", "strategy", "target", "labels", "share", "low", "high", "stays").sort(
                "within", "labels", nulls_last=True
            ),
        ),
    )
    title, tables = "Active learning beside unlabelled cells", {"active-self-taught-runs": table}
    return Section("self-taught", title, prose.paragraphs(), made, prose.claims(), tables)


def _named(table: pl.DataFrame, classifier: str) -> pl.DataFrame:
    """Strategies of the plain reader under names of their own."""
    if classifier == classifiers.SELF_TAUGHT:
        return table
    return table.with_columns(strategy=pl.format("{} ({})", "strategy", pl.lit(PLAIN)))
