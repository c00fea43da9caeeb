"""The section on active learning (Fig. 3, 4): which cells to label, so that the fewest labels do."""

from __future__ import annotations

import numpy as np
import polars as pl

from hemosight.charts import curves as charts
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.study import active as study
from hemosight.study import curves
from hemosight.study.tables import FOLD, HELD_OUT

PAPER_LABELS, PAPER_SHARE = 2250, 0.133
"""Labels that reached the score of all in the paper (Liu et al. 2024), and their share of all."""
WITHIN = 0.005
"""How far below the score with all labels still counts as reaching it, in the second figure's table."""
_SHOWN_BY_CLASS = 2
"""Strategies beside random in the small charts: the two that need fewest labels."""
_RESAMPLED = 200
"""Fits to resampled residuals for the intervals of the best strategy's law."""


def active(work: Work) -> Section:
    """Learning curves of every strategy, their laws, and the labels that reach the score of all."""
    table = study.active(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    where = HELD_OUT if len(work.material.split.held) else FOLD
    cells = "held-out cells" if where == HELD_OUT else "the fold left out"
    learned = study.learning(table.filter(pl.col("on") != "labels"))
    macro = learned.filter((pl.col("metric") == "macro_f1") & (pl.col("on") == where))
    reached = study.reaching(table, within=(0.0, WITHIN))
    strict = reached.filter((pl.col("on") == where) & (pl.col("within") == 0.0)).sort("labels")
    best = strict.row(0, named=True)
    chance = strict.filter(pl.col("strategy") == "random")
    # Hundreds of fits: kept like the runs they are fitted to.
    kept = {"material": work.material.hash, "classifier": work.classifier, "seed": work.seed, "on": where}
    fitted = work.steps.run("active-laws", kept, {"laws": lambda: study.laws(table, on=where)})
    tests = study.faster(fitted)
    order = strict["strategy"].to_list()
    ranked = macro.sort(pl.col("strategy").cast(pl.Enum(order)), "labels")
    law, fits = _law(ranked, best["strategy"])
    folds = table["fold"].n_unique()
    pool = int(table["pool"].max())  # type: ignore[arg-type] -- a number: there are rows
    basis = f"Classifier: {work.classifier}. {work.basis}."
    how = f"{study.BATCH} labels a round from a pool of {pool:,}, {folds} folds, measured on {cells}"
    made = (
        Figure(
            "active-learning",
            "Learning curves of the strategies",
            f"Macro-F1 after each round; bands, for two of them, are one standard deviation between folds, "
            f"dashes the fitted law "
            f"P(n) = Pmax - k / (n - n0)^r. {how}. {basis}",
            ranked.select("strategy", "labels", "n", "mean", "sd"),
            spec=charts.learning(ranked, target=best["target"], fitted=law, banded=(best["strategy"], "random")),
        ),
        Figure(
            "labels-needed",
            "Labels that read as well as all of them",
            f"Fewest labels after which the mean over folds reaches the score with all labels "
            f"({best['target']:.4f}); lines "
            f"are 95% intervals over resampled folds. {how}. {basis}",
            strict.select("strategy", "target", "labels", "share", "low", "high", "stays"),
            spec=charts.needed(strict, paper=PAPER_SHARE),
        ),
        _by_class(learned, where, order, f"{how}. {basis}"),
        Figure(
            "power-laws",
            "The laws of the learning curves",
            f"P(n) = Pmax - k / (n - n0)^r fitted to the mean macro-F1, 95% intervals from {_RESAMPLED} fits to "
            f"resampled "
            f"residuals. {how}. {basis}",
            fits,
        ),
        Figure(
            "faster-than-random",
            "Who learns faster than at random",
            f"One-sided Wilcoxon signed-rank tests over folds and types: of the law's rate r, the paper's test, and of "
            f"the mean score over the logarithm of the labels. {how}. {basis}",
            tests.sort("quantity", "p"),
        ),
    )
    fewer = "fewer" if best["labels"] < PAPER_LABELS else "not fewer"
    share = "a smaller share" if best["share"] < PAPER_SHARE else "no smaller share"
    text = [
        f"{best['strategy'].capitalize()} needs {best['labels']:,} of {pool:,} labels ({best['share']:.1%}; 95% "
        f"interval "
        f"{best['low']:,} to {best['high']:,}) to read {cells} as well as all labels do (macro-F1 "
        f"{best['target']:.4f}). "
        f"The paper needed {PAPER_LABELS:,} ({PAPER_SHARE:.1%}): {fewer} labels are needed here and {share}, on other "
        "cells and with another encoder.",
    ]
    if len(chance):
        at = chance.row(0, named=True)
        text.append(
            f"At random the same score takes {at['labels']:,} labels ({at['share']:.1%})"
            + (f", {at['labels'] / best['labels']:.1f} times as many." if best["labels"] else ".")
        )
    significant = tests.filter((pl.col("quantity") == "area") & (pl.col("p") < 0.05))["strategy"].to_list()
    text.append(
        f"{len(significant)} of {tests['strategy'].n_unique()} strategies read better than random over the whole curve "
        f"(area, p < 0.05 each, not corrected){': ' + ', '.join(significant) if significant else ''}."
    )
    claims = (
        Claim(
            f"labels to the score of all, {best['strategy']}",
            f"{best['labels']:,} ({best['share']:.1%})",
            f"{folds} folds, {cells}",
            f"{PAPER_LABELS:,} ({PAPER_SHARE:.1%})",
        ),
    )
    further = {"active-runs": table, "active-laws": fitted, "active-reaching": reached}
    return Section("active", "Active learning", tuple(text), made, claims, further)


def _by_class(learned: pl.DataFrame, where: str, order: list[str], how: str) -> Figure:
    chosen = [name for name in order if name != "random"][:_SHOWN_BY_CLASS]
    chosen += ["random"] if "random" in order else []
    wanted = (pl.col("metric") == "f1") & (pl.col("on") == where) & pl.col("strategy").is_in(chosen)
    drawn = learned.filter(wanted).sort(pl.col("strategy").cast(pl.Enum(order)), "class", "labels")
    drawn = drawn.select("strategy", "class", "labels", "n", "mean", "sd")
    return Figure(
        "active-learning-types",
        "Learning curves of each type",
        f"F1 of each type after each round, of {', '.join(chosen)}. {how}",
        drawn,
        spec=charts.learning_by_class(drawn),
    )


def _law(macro: pl.DataFrame, best: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The laws of the mean curves: points of the best one's and of random's to draw, and everyone's parameters."""
    points, rows = [], []
    for (name,), part in macro.group_by(["strategy"], maintain_order=True):
        sizes, values = part["labels"].to_numpy().astype(np.float64), part["mean"].to_numpy()
        if len(np.unique(sizes)) < curves.POINTS:
            continue
        found = curves.fit(sizes, values, samples=_RESAMPLED)
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
