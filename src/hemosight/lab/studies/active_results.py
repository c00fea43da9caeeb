"""What runs of active learning say: learning curves, labels that are enough, laws, which strategy learns faster.

Each function goes on from the table that :func:`hemosight.lab.studies.active.active` returns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from hemosight.lab.studies.tables import FOLD, summary
from hemosight.scoring import curves

FASTER = {
    "strategy": pl.String,
    "quantity": pl.String,
    "than": pl.String,
    "pairs": pl.Int64,
    "at_bound": pl.Int64,
    "median": pl.Float64,
    "p": pl.Float64,
}
"""Columns of :func:`faster`; there is no row where runs are too short for a law."""
REACHING = {
    "strategy": pl.String,
    "on": pl.String,
    "within": pl.Float64,
    "target": pl.Float64,
    "labels": pl.Int64,
    "share": pl.Float64,
    "low": pl.Int64,
    "high": pl.Int64,
    "stays": pl.Int64,
}
"""Columns of :func:`reaching`."""
_WHOLE = 0.98
"""Share of the pool from which on all of it counts as labelled: folds differ by a cell."""
LAWS = {
    "strategy": pl.String,
    "fold": pl.Int64,
    "class": pl.String,
    **dict.fromkeys(("p_max", "k", "n0", "r", "spread", "area"), pl.Float64),
    "at_bound": pl.Boolean,
}
"""Columns of :func:`laws`; there is no row for a run of too few rounds."""


def learning(table: pl.DataFrame) -> pl.DataFrame:
    """Learning curves: mean and standard deviation over folds after each round, per class and in all."""
    # Folds differ by a cell, so that one may have a last round more; it would be a mean of fewer folds.
    whole = table.filter(pl.col("fold").n_unique().over("strategy", "round") == pl.col("fold").n_unique())
    return summary(whole.drop("pool"), over=("fold",))


def reaching(table: pl.DataFrame, *, metric: str = "macro_f1", within: Sequence[float] = (0.0, 0.005)) -> pl.DataFrame:
    """Labels at which each strategy reads as well as with all labels of the pool.

    One row for each strategy, ``on`` and ``within`` (how far below the score with all labels is still as well):

    ==========  =======  =================================================================================
    ``target``  number   mean score with all labels, less ``within``; the same for every strategy
    ``labels``  integer  fewest after which the mean over folds reaches it; null where it never does before the end
    ``share``   number   of the pool
    ``low``     integer  2.5th percentile over resampled folds; null beyond the end
    ``high``    integer  97.5th; null beyond the end
    ``stays``   integer  fewest after which the mean never falls below it again; null where it ends below
    ==========  =======  =================================================================================
    """
    macro = table.filter((pl.col("metric") == metric) & (pl.col("on") != "labels"))
    rows = []
    rng = np.random.default_rng(0)
    for (on,), part in macro.group_by(["on"], maintain_order=True):
        grids = {str(name): _grid(each) for (name,), each in part.group_by(["strategy"], maintain_order=True)}
        complete = [scores[:, -1] for sizes, scores, pool in grids.values() if sizes[-1] >= _WHOLE * pool]
        if not complete:
            continue
        # Whatever the order in which cells were asked for, in the end all are labelled.
        final = np.mean(complete, axis=0)
        for name, (sizes, scores, pool) in grids.items():
            draws = rng.integers(0, len(scores), (1000, len(scores)))
            # Labels beyond the end of a run that reached nothing: none, unless the end is all labels.
            beyond = sizes[-1] if sizes[-1] >= _WHOLE * pool else np.inf
            at_or_beyond = np.append(sizes.astype(np.float64), beyond)
            for slack in within:
                reached = [_first(scores[rows_], final[rows_].mean() - slack) for rows_ in draws]
                above = scores.mean(axis=0) >= final.mean() - slack - 1e-12
                low, high = np.quantile(at_or_beyond[reached], [0.025, 0.975], method="inverted_cdf")
                at = at_or_beyond[_first(scores, final.mean() - slack)]
                stays = at_or_beyond[len(above) - int(np.argmin(above[::-1])) if not above.all() else 0]
                rows.append(
                    {
                        "strategy": name,
                        "on": on,
                        "within": slack,
                        "target": float(final.mean() - slack),
                        "labels": _finite(at),
                        "share": float(at / pool) if np.isfinite(at) else None,
                        "low": _finite(low),
                        "high": _finite(high),
                        "stays": _finite(stays),
                    }
                )
    return pl.DataFrame(rows, schema=REACHING).sort("on", "within", "labels", nulls_last=True)


def laws(table: pl.DataFrame, *, on: str = FOLD) -> pl.DataFrame:
    """The inverse power law of each run's curve, in all (macro-F1) and for each class (F1).

    One row for each strategy, fold and class (null: macro-F1): ``p_max``, ``k``, ``n0``, ``r`` and ``spread``, the
    root mean square of the residuals; ``area``, the mean score over the logarithm of the labels; ``at_bound``, whether
    ``r`` is a bound of the fit and so not measured.
    """
    wanted = (pl.col("metric") == "macro_f1") | (pl.col("metric") == "f1")
    rows = []
    by = ["strategy", "fold", "class"]
    for key, part in table.filter(wanted & (pl.col("on") == on)).group_by(by, maintain_order=True):
        sizes, values = part["labels"].to_numpy().astype(np.float64), part["value"].to_numpy()
        if len(sizes) < curves.POINTS:
            continue
        found = curves.fit(sizes, values)
        position = np.log(sizes)
        area = float(np.trapezoid(values, position) / (position[-1] - position[0]))
        measures = {"spread": found.spread, "area": area, "at_bound": found.law.at_bound}
        rows.append(dict(zip(by, key, strict=True)) | vars(found.law) | measures)
    return pl.DataFrame(rows, schema=LAWS)


def faster(fitted: pl.DataFrame, *, than: str = "random") -> pl.DataFrame:
    """One-sided Wilcoxon tests that a strategy learns faster than another, paired by fold and class.

    ``fitted`` is what :func:`laws` gave. One row for each strategy and ``quantity``: ``r`` (the law's rate, the
    paper's test) and ``area`` (mean score over the logarithm of the labels, which does not trade off against
    Pmax and k as the rate does). Columns ``than``, ``pairs``, ``at_bound`` (pairs of which a rate is at a bound of the
    fit: where they are many, the test of rates says little; null for ``area``), ``median`` (of the differences) and
    ``p``.
    """
    per_class = fitted.filter(pl.col("class").is_not_null())
    rows = []
    reference = per_class.filter(pl.col("strategy") == than)
    for (name,), part in per_class.group_by(["strategy"], maintain_order=True):
        if name == than:
            continue
        both = part.join(reference, on=["fold", "class"], suffix="_than")
        for quantity in ("r", "area"):
            differences = (both[quantity] - both[f"{quantity}_than"]).to_numpy()
            tested = wilcoxon(differences, alternative="greater") if np.any(differences != 0) else (0.0, 1.0)
            rows.append(
                {
                    "strategy": name,
                    "quantity": quantity,
                    "than": than,
                    "pairs": len(differences),
                    "at_bound": int((both["at_bound"] | both["at_bound_than"]).sum()) if quantity == "r" else None,
                    "median": float(np.median(differences)),
                    "p": np.asarray(tested)[1].item(),
                }
            )
    return pl.DataFrame(rows, schema=FASTER)


def _grid(part: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Sizes (of the first fold), scores (folds x rounds that all folds have), and the size of the pool."""
    folds = [each.sort("round") for _, each in part.group_by(["fold"], maintain_order=True)]
    rounds = min(len(each) for each in folds)
    scores = np.array([each["value"].to_numpy()[:rounds] for each in folds])
    return folds[0]["labels"].to_numpy()[:rounds], scores, int(folds[0]["pool"][0])


def _first(scores: NDArray[np.float64], target: float) -> int:
    """The first round whose mean over folds reaches a score; one past the last where none does."""
    above = scores.mean(axis=0) >= target - 1e-12
    return int(above.argmax()) if above.any() else scores.shape[1]


def _finite(labels: float) -> int | None:
    return int(labels) if np.isfinite(labels) else None
