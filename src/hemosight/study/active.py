"""Active learning (paper, Fig. 3 and 4): which cells to label, so that the fewest labels do.

Each run begins with ten labels of each class (``stratified``), or with as many cells that are typical of the pool and
chosen without a label (``cold``), and asks for 90 more a round until none is left. Every fold is a run of its own; all
strategies of a fold begin with the same cells and are measured on the same ones. After every round the readings of the
fold left out, and of the held-out tenth, are scored.

Readers see all dimensions; only the geometry of the pool that some strategies ask for (who is near whom) is taken in
the leading principal axes of the pool, which needs no label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import wilcoxon

from hemosight.images.splits import Rows, Split, few_shot
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.growing import Growing
from hemosight.space.labels import CELL_TYPE
from hemosight.space.queries import STRATEGIES, query
from hemosight.space.readers import Reader
from hemosight.space.selftraining import Background
from hemosight.study import curves
from hemosight.study.material import Material
from hemosight.study.steps import Steps
from hemosight.study.tables import FOLD, HELD_OUT, measured, summary

BATCH = 90
FIRST = 10
"""Labels of each class to begin with: 90 with nine classes."""
FOLDS = 5
AXES = 64
"""Principal axes of the pool in which distances are measured."""
COLD = {"cold margin": ("typical", "margin")}
"""Strategies that choose their first cells too: with what they begin, and with what they go on."""
NAMES = (*STRATEGIES, *COLD)
ALL = "all labels"
"""Not a strategy: the whole pool labelled at once, what runs that end early are measured against."""
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


def active(
    material: Material,
    *,
    strategies: Sequence[str] = NAMES,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    batch: int = BATCH,
    first: int = FIRST,
    folds: int = FOLDS,
    most: int | None = None,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Run every strategy on every fold, to exhaustion or to ``most`` labels.

    ``classifier`` is one of :data:`hemosight.space.classifiers.FITTERS`, or ``self-taught``, which learns from what has
    not been asked yet, without its labels, as well. With ``most`` there is a row of :data:`ALL` for each fold besides.

    Returns a table of scores (:mod:`hemosight.study.tables`), before whose columns stand

    ==============  ========  ==========================================================================
    ``study``       text      ``active``
    ``classifier``  text      which was fitted
    ``strategy``    text      a name of :data:`~hemosight.space.queries.STRATEGIES`, ``cold margin``, or ``all labels``
    ``fold``        integer   0 to 4
    ``round``       integer   0 after the first labels
    ``labels``      integer   labels so far
    ``pool``        integer   cells that could be labelled
    ``on``          text      ``fold``, ``held-out``, or ``labels`` for what was asked
    ==============  ========  ==========================================================================

    Besides scores, rows with ``on`` = ``labels`` and ``metric`` = ``share`` give each class's share of the labels so
    far. :func:`learning`, :func:`reaching`, :func:`laws` and :func:`faster` go on from this table.
    """
    labels = material.labels(label_set)
    rest, held_out = (rows[labels[rows] != ""] for rows in (material.split.rest, material.split.held))

    parts = material.folds(folds, seed, rest)

    @cache
    def shared(fold: int) -> Pool:
        vectors = material.vectors[parts[fold].rest]
        return Pool(vectors, labels[parts[fold].rest], principal(vectors, AXES), classifier)

    def piece(name: str, fold: int, part: Split) -> Callable[[], pl.DataFrame]:
        facts = {"study": "active", "classifier": classifier, "strategy": name, "fold": fold}
        measure = {FOLD: part.held, HELD_OUT: held_out}

        def work() -> pl.DataFrame:
            pool = shared(fold)
            rounds = (
                [pool.whole()]
                if name == ALL
                else pool.run(name, batch=batch, first=first, most=most, seed=(seed, fold))
            )
            tables = []
            for number, (asked, reader) in enumerate(rounds):
                so_far = {**facts, "round": number, "labels": len(asked), "pool": len(part.rest)}
                tables += [
                    measured(
                        labels[rows], reader.classes, reader.probabilities(material.vectors[rows]), {**so_far, "on": on}
                    )
                    for on, rows in measure.items()
                    if len(rows)
                ]
                tables.append(_shares(pool.labels[asked], so_far, tables[-1]))
            return pl.concat(tables)

        return work

    names = strategies if most is None else (*strategies, ALL)
    pieces = {f"{name} {fold}": piece(name, fold, part) for fold, part in enumerate(parts) for name in names}
    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "classifier": classifier,
        "batch": batch,
        "first": first,
        "folds": folds,
        "most": most,
        "seed": seed,
    }
    return (steps or Steps()).run("active", decided_by, pieces)


class Pool:
    """Cells that may be asked for, by any number of runs, in threads too.

    Parameters
    ----------
    vectors, labels
        The pool: cells x dimensions, and what the answer would be.
    geometry
        Where each cell lies for who asks which are near (:func:`principal`).
    classifier
        What reads in between; the default is taught in rounds, others are fitted anew.
    """

    def __init__(
        self, vectors: Vectors, labels: NDArray[np.str_], geometry: Vectors, classifier: str = classifiers.DEFAULT
    ) -> None:
        self.vectors = vectors
        self.labels = labels
        self.geometry = geometry
        self.classifier = classifier
        self._known: dict[bytes, Reader] = {}

    def run(
        self, name: str, *, batch: int, first: int, most: int | None, seed: Sequence[int]
    ) -> list[tuple[Rows, Reader]]:
        """What had been asked and the reader that came of it, after each round."""
        classes = tuple(np.unique(self.labels).tolist())
        begin, go_on = COLD.get(name, (None, name))
        rng = np.random.default_rng(seed)
        if begin is None:
            asked = few_shot(self.labels.tolist(), first, rng)
        else:
            asked = query(begin, None, self.geometry, np.empty(0, np.int64), first * len(classes), rng)
        growing = Growing(self.vectors, classes)
        new, done = asked, []
        limit = len(self.labels) if most is None else min(most, len(self.labels))
        while True:
            if self.classifier == classifiers.DEFAULT:
                growing.add(new, self.labels[new])
                reader = growing.reader()
            elif len(asked) == len(self.labels):
                # In the pool's order, not in that of asking, which some fits deal their folds by.
                _, reader = self.whole()
            elif not done:
                reader = self._taught(asked)
            else:
                reader = self._fitted(asked)
            done.append((asked, reader))
            if len(asked) >= limit:
                return done
            new = query(
                go_on, reader.probabilities(self.vectors), self.geometry, asked, min(batch, limit - len(asked)), rng
            )
            asked = np.concatenate([asked, new])

    def whole(self) -> tuple[Rows, Reader]:
        """All of the pool asked for, and the reader that comes of it."""
        everything = np.arange(len(self.labels))
        return everything, self._taught(everything)

    def _taught(self, asked: Rows) -> Reader:
        """What runs share is fitted once: their first cells, and all of them. Threads at once may each fit it."""
        key = asked.tobytes()
        if key not in self._known:
            self._known[key] = self._fitted(asked)
        return self._known[key]

    def _fitted(self, asked: Rows) -> Reader:
        background = None
        if self.classifier == classifiers.SELF_TAUGHT:
            background = Background(np.delete(self.vectors, asked, axis=0))
        return classifiers.fit(self.vectors[asked], self.labels[asked], self.classifier, background=background)


def principal(vectors: Vectors, axes: int) -> Vectors:
    """Vectors in their own leading principal axes; as they are where they have no more dimensions."""
    if vectors.shape[1] <= axes:
        return vectors
    middle, directions = leading(vectors, axes)
    return np.asarray((vectors - middle) @ directions, np.float32)


def leading(vectors: Vectors, axes: int) -> tuple[Vectors, Vectors]:
    """The mean of vectors, and their leading principal axes in columns, the first of them last."""
    middle = vectors.mean(axis=0, dtype=np.float32)
    centred = vectors - middle
    dim = vectors.shape[1]
    _, directions = eigh((centred.T @ centred).astype(np.float64), subset_by_index=(dim - axes, dim - 1))
    return middle, directions.astype(np.float32)


def _shares(asked: NDArray[np.str_], facts: dict[str, Any], like: pl.DataFrame) -> pl.DataFrame:
    names, counts = np.unique(asked, return_counts=True)
    return pl.DataFrame(
        {
            **{name: [value] * len(names) for name, value in facts.items()},
            "on": "labels",
            "metric": "share",
            "class": names.tolist(),
            "cells": counts.tolist(),
            "value": (counts / len(asked)).tolist(),
            "scaled": pl.Series([None] * len(names), dtype=pl.Float64),
        },
        schema_overrides={"cells": pl.Int64},
    ).select(like.columns)


# --- what the runs say ------------------------------------------------------------------------------------


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
