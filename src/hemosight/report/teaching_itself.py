"""The section on active learning with a reader that learns from the cells nobody has labelled as well."""

from __future__ import annotations

import polars as pl

from hemosight.charts import curves as charts
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.report.needed import WITHIN, amount, chosen_on_folds, kept, row_of, stays, value
from hemosight.space import classifiers
from hemosight.study import active as study
from hemosight.study.tables import FOLD, HELD_OUT

STRATEGIES = ("uncertainty", "cold margin", "random")
"""The paper's choice, one that chooses its first cells too, and chance."""
ROUNDS = 14
"""After the first labels: a plateau is reached long before, and a fit takes seconds."""
PLAIN = "plain"


def self_taught(work: Work) -> Section:
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
    cells = "held-out cells" if where == HELD_OUT else "the fold left out"
    asked = pl.col("strategy") != study.ALL
    learned = {
        name: study.learning(run.filter((pl.col("on") != "labels") & asked)).filter(pl.col("metric") == "macro_f1")
        for name, run in runs.items()
    }
    # All labels have to be there for the score that is to be reached, and are no strategy.
    reached = {name: study.reaching(run, within=(0.0, WITHIN)).filter(asked) for name, run in runs.items()}
    best, *_ = chosen_on_folds(reached[classifiers.SELF_TAUGHT], learned[classifiers.SELF_TAUGHT])
    curves = pl.concat(_named(one, name) for name, one in learned.items()).filter(pl.col("on") == where)
    # Those of the reader that this is about first, and in the colours that are told apart best.
    first_taught = pl.Enum([*STRATEGIES, *(f"{name} ({PLAIN})" for name in STRATEGIES)])
    curves = curves.sort(pl.col("strategy").cast(first_taught), "labels")
    needs = pl.concat(_named(one, name) for name, one in reached.items()).filter(pl.col("on") == where)
    target, pool = float(needs["target"].max()), int(table["pool"].max())  # type: ignore[arg-type] -- numbers
    folds = table["fold"].n_unique()
    held = round(float(curves["cells"].mean()))  # type: ignore[arg-type] -- a number
    how = (
        f"Without a mark: the reader that teaches itself; ({PLAIN}): {classifiers.DEFAULT}, from labels alone. "
        f"{study.BATCH} labels a round from a pool of {pool:,} to {most:,}, {folds} folds, measured on {cells}. "
        f"{work.basis}."
    )
    mine, plain = row_of(needs, best, WITHIN), row_of(needs, f"{best} ({PLAIN})", WITHIN)
    first = curves.filter(pl.col("strategy") == best).sort("labels")[:2].row(-1, named=True)
    made = (
        Figure(
            "active-self-taught",
            "Learning curves beside unlabelled cells",
            f"Macro-F1 after each round; the dashed level is the score with all labels ({target:.4f}), where "
            f"nothing is left unlabelled and both readers are one. {how}",
            curves.select("strategy", "labels", "cells", "n", "mean", "sd"),
            spec=charts.learning(curves, target=target, banded=(best,)),
        ),
        Figure(
            "labels-needed-self-taught",
            "Labels that read nearly as well as all of them",
            f"Fewest labels after which the mean over folds reaches the score with all labels, less what stands under "
            f"within, with 95% intervals over resampled folds; empty where it is not reached within {most:,}. {how}",
            needs.select("within", "strategy", "target", "labels", "share", "low", "high", "stays").sort(
                "within", "labels", nulls_last=True
            ),
        ),
    )
    text = (
        f"Between rounds the cells that nobody has labelled are there anyway. A reader that learns from them too, "
        f"without labels, needs {amount(mine, pool)} with {best}, chosen on the folds, to read within {WITHIN:g} of "
        f"the score of all ({mine['target']:.4f}), {stays(mine)}; the plain one needs {amount(plain, pool)}. After "
        f"{first['labels']:,.0f} labels it reads with macro-F1 {first['mean']:.3f} on {held:,} {cells}.",
    )
    claims = (
        Claim(
            f"labels to within {WITHIN:g} of the score of all, {best}, beside unlabelled cells",
            value(mine),
            kept(mine, f"{folds} folds, {held:,} {cells}"),
        ),
    )
    return Section(
        "self-taught", "Active learning beside unlabelled cells", text, made, claims, {"active-self-taught-runs": table}
    )


def _named(table: pl.DataFrame, classifier: str) -> pl.DataFrame:
    """Strategies of the plain reader under names of their own."""
    if classifier == classifiers.SELF_TAUGHT:
        return table
    return table.with_columns(strategy=pl.format("{} ({})", "strategy", pl.lit(PLAIN)))
