"""The section on active learning (Fig. 3, 4): which cells to label, so that the fewest labels do."""

from __future__ import annotations

import numpy as np
import polars as pl

from hemosight.charts import curves as charts
from hemosight.report import published
from hemosight.report.figure import Claim, Figure, Section, Work
from hemosight.report.needed import WITHIN, amount, beside_paper, chosen_on_folds, kept, row_of, stays, times, value
from hemosight.study import active as study
from hemosight.study import curves
from hemosight.study.tables import FOLD, HELD_OUT

_SHOWN_BY_CLASS = 2
"""Strategies beside random in the small charts: the two that the folds put first."""
_SURE = 0.05
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
    order = chosen_on_folds(reached, learned)
    best = order[0]
    measured = reached.filter(pl.col("on") == where).sort("within", "labels", nulls_last=True)
    strict = measured.filter(pl.col("within") == 0.0)
    target = float(strict["target"][0])
    # Hundreds of fits: kept like the runs they are fitted to.
    facts = {"material": work.material.hash, "classifier": work.classifier, "seed": work.seed, "on": where}
    fitted = work.steps.run("active-laws", facts, {"laws": lambda: study.laws(table, on=where)})
    tests = study.faster(fitted)
    ranked = macro.sort(pl.col("strategy").cast(pl.Enum(order)), "labels")
    law, fits = _law(ranked, best)
    folds = table["fold"].n_unique()
    pool = int(table["pool"].max())  # type: ignore[arg-type] -- a number: there are rows
    basis = f"Classifier: {work.classifier}. {work.basis}."
    how = f"{study.BATCH} labels a round from a pool of {pool:,}, {folds} folds, measured on {cells}"
    made = (
        Figure(
            "active-learning",
            "Learning curves of the strategies",
            f"Macro-F1 after each round; bands, for {best} and random, are one standard deviation between folds, "
            f"dashes their fitted laws P(n) = Pmax - k / (n - n0)^r, the dashed level the score with all labels "
            f"({target:.4f}). Strategies are in the order of the folds. {how}. {basis}",
            _drawn(ranked, law, target, pool),
            spec=charts.learning(ranked, target=target, fitted=law, banded=(best, "random")),
        ),
        Figure(
            "labels-needed",
            "Labels that read as well as all of them",
            f"Fewest labels after which the mean over folds reaches the score with all labels ({target:.4f}); lines "
            f"are 95% intervals over resampled folds. The table also has the labels to within {WITHIN:g} of it, and "
            f"stays: the labels after which the mean never falls below again. {how}. {basis}",
            measured.select("within", "strategy", "target", "labels", "share", "low", "high", "stays"),
            spec=charts.needed(strict, paper=published.SHARE),
        ),
        _by_class(learned, where, order, f"{how}. {basis}"),
        *_laws(fits, tests, f"{how}. {basis}"),
    )
    text, claims = _told(measured, best, pool, cells, f"{folds} folds, {_cells(macro):,} {cells}", where == FOLD)
    text.append(_tested(tests) if len(tests) else "Runs are too short here for a law, and for a test of its rate.")
    further = {"active-runs": table, "active-laws": fitted, "active-reaching": reached}
    return Section("active", "Active learning", tuple(text), made, claims, further)


def _told(
    measured: pl.DataFrame, best: str, pool: int, cells: str, basis: str, same: bool
) -> tuple[list[str], tuple[Claim, ...]]:
    """What the chosen strategy needs, all the way and nearly; beside the paper, and beside random."""
    every, nearly = (row_of(measured, best, within) for within in (0.0, WITHIN))
    chance, chance_nearly = (row_of(measured, "random", within) for within in (0.0, WITHIN))
    caveat = "; it was chosen on these cells, which flatters it" if same else ""
    text = [
        f"{best.capitalize()} was chosen by the folds: fewest labels within {WITHIN:g} of the score of all there, ties "
        f"by the mean of the curve{caveat}. On {cells} it needs {amount(every, pool)} to read as well as all labels "
        f"do (macro-F1 {every['target']:.4f}), {stays(every)}. To within {WITHIN:g} of that ({nearly['target']:.4f}) "
        f"it needs {amount(nearly, pool)}, {stays(nearly)}. {beside_paper(every)}"
    ]
    if chance and best != "random":
        text.append(
            f"At random the score of all takes {amount(chance, pool)}{times(chance, every)}; to within {WITHIN:g} of "
            f"it, {amount(chance_nearly, pool)}{times(chance_nearly, nearly)}."
        )
    paper = f"{published.LABELS:,} ({published.SHARE:.1%})"
    claims = (
        Claim(
            f"labels to the score of all, {best}, chosen on the folds",
            value(every),
            kept(every, basis),
            paper,
        ),
        Claim(f"labels to within {WITHIN:g} of it, {best}", value(nearly), kept(nearly, basis)),
    )
    return text, claims


def _tested(tests: pl.DataFrame) -> str:
    """Both tests against random in a sentence each: the paper's, of the rate, and that of the area."""
    rates = f"{_significant(tests, 'r', 'learn faster')}{_bound(tests)}"
    return (
        f"The paper's own test, of the rate r of the fitted laws: {rates}. Over the "
        f"whole curve (area under the score): {_significant(tests, 'area', 'read better')}. One-sided Wilcoxon tests, "
        f"p < {_SURE:g} each, not corrected."
    )


def _significant(tests: pl.DataFrame, quantity: str, verb: str) -> str:
    rows = tests.filter(pl.col("quantity") == quantity)
    sure = rows.filter(pl.col("p") < _SURE).sort("p")
    names = f": {', '.join(sure['strategy'].to_list())}" if len(sure) else ""
    low, high = (f"{value:.2g}" for value in (rows["median"].min(), rows["median"].max()))
    pairs = int(rows["pairs"].max())  # type: ignore[arg-type] -- a number: there are rows
    return (
        f"{len(sure)} of {len(rows)} strategies {verb} than random{names} (median differences over {pairs} pairs of "
        f"fold and type from {low} to {high})"
    )


def _bound(tests: pl.DataFrame) -> str:
    """How many of the pairs hold a rate that is a bound of the fit, and so was not measured."""
    rates = tests.filter(pl.col("quantity") == "r")
    stuck, pairs = int(rates["at_bound"].sum()), int(rates["pairs"].sum())
    return f"; in {stuck:,} of all {pairs:,} pairs a rate is a bound of the fit and not measured" if stuck else ""


def _cells(macro: pl.DataFrame) -> int:
    return round(float(macro["cells"].mean()))  # type: ignore[arg-type] -- a number: there are rows


def _drawn(ranked: pl.DataFrame, law: pl.DataFrame, target: float, pool: int) -> pl.DataFrame:
    """All that the first chart draws: rounds, points of the dashed laws, and the level of all labels."""
    level = pl.DataFrame({"strategy": ["all labels"], "labels": [float(pool)], "mean": [target]})
    parts = [("measured", ranked.select("strategy", pl.col("labels").cast(pl.Float64), "n", "mean", "sd"))]
    parts += [("law", law), ("level", level)]
    named = [part.with_columns(kind=pl.lit(kind)) for kind, part in parts]
    return pl.concat(named, how="diagonal").select("kind", "strategy", "labels", "n", "mean", "sd")


def _laws(fits: pl.DataFrame, tests: pl.DataFrame, how: str) -> tuple[Figure, ...]:
    """The tables of the laws and of the tests; none where runs are too short for a law."""
    laws = Figure(
        "power-laws",
        "The laws of the learning curves",
        f"P(n) = Pmax - k / (n - n0)^r fitted to the mean macro-F1, 95% intervals from {_RESAMPLED} fits to resampled "
        f"residuals. {how}",
        fits,
    )
    faster = Figure(
        "faster-than-random",
        "Who learns faster than at random",
        f"One-sided Wilcoxon signed-rank tests over folds and types: of the law's rate r, the paper's test, and of the "
        f"mean score over the logarithm of the labels. {how}",
        tests.sort("quantity", "p"),
    )
    return tuple(figure for figure in (laws, faster) if len(figure.table))


def _by_class(learned: pl.DataFrame, where: str, order: list[str], how: str) -> Figure:
    chosen = [name for name in order if name != "random"][:_SHOWN_BY_CLASS]
    chosen += ["random"] if "random" in order else []
    wanted = (pl.col("metric") == "f1") & (pl.col("on") == where) & pl.col("strategy").is_in(chosen)
    drawn = learned.filter(wanted).sort(pl.col("strategy").cast(pl.Enum(order)), "class", "labels")
    drawn = drawn.select("strategy", "class", "labels", "n", "mean", "sd")
    return Figure(
        "active-learning-types",
        "Learning curves of each type",
        f"Mean F1 of each type over the folds after each round, of {', '.join(chosen)}; above 0.999 a curve leaves its "
        f"chart. {how}",
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
