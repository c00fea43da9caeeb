"""Rows of the studies' tables: one a metric and class, with the facts of the fit they were measured on.

Every table of scores has, after the columns that say what was fitted and on what it was measured:

==========  ========  ================================================================================
``metric``  text      ``macro_f1``, ``accuracy``, ``ece`` (expected calibration error), ``confidence``
                      (mean highest probability), or, for each class, ``precision``, ``recall``, ``f1``
``class``   text      the class; null where the figure is of all classes
``cells``   integer   cells it was measured on: of that class, or all
``value``   number    the figure, between 0 and 1
``scaled``  number    -log(1 - value), the paper's axis; capped where the value is 1
==========  ========  ================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.scoring import metrics
from hemosight.scoring.metrics import Scores

FOLD, HELD_OUT = "fold", "held-out"
"""On which cells: the fold left out of the labels, or the tenth that the encoder has not seen either."""
CAP = 1e-4
"""Least distance from 1 that the scaled axis shows."""


def measured(
    truth: NDArray[np.str_],
    classes: Sequence[str],
    probabilities: NDArray[np.float64] | None,
    facts: Mapping[str, Any],
    read: NDArray[np.str_] | None = None,
) -> pl.DataFrame:
    """Compare readings with the truth; a row for each figure.

    Parameters
    ----------
    truth
        One label a cell.
    classes, probabilities
        What the columns of ``probabilities`` (cells x classes) stand for; None where there are only labels.
    facts
        Columns that stand in every row.
    read
        Labels, where there are no probabilities.
    """
    sure = None
    if probabilities is not None:
        read, sure = np.array(classes, np.str_)[probabilities.argmax(axis=1)], probabilities.max(axis=1)
    assert read is not None  # noqa: S101 -- narrows the type: one of the two is given
    return table_of(metrics.scores(truth, read, confidence=sure, bootstraps=0), facts)


def table_of(scores: Scores, facts: Mapping[str, Any], *, intervals: bool = False) -> pl.DataFrame:
    """Scores as rows of a table, classes that occur in truth alone; with ``intervals`` also ``low`` and ``high``.

    The bounds are null for the calibration error and the mean confidence.
    """
    whole = scores.cells
    rows: list[tuple[str, str | None, int, float, float | None, float | None]] = [
        ("macro_f1", None, whole, *vars(scores.macro_f1).values()),
        ("accuracy", None, whole, *vars(scores.accuracy).values()),
    ]
    if scores.calibration_error is not None and scores.confidence is not None:
        rows.append(("ece", None, whole, scores.calibration_error, None, None))
        rows.append(("confidence", None, whole, scores.confidence, None, None))
    there = np.flatnonzero(scores.true_cells).tolist()
    for name in metrics.PER_CLASS:
        if intervals:
            figures = scores.of_class(name)
        else:
            figures = [metrics.Interval(float(value), np.nan, np.nan) for value in getattr(scores, name)]
        rows += [
            (name, scores.classes[k], int(scores.true_cells[k]), figures[k].value, figures[k].low, figures[k].high)
            for k in there
        ]
    schema = {"metric": pl.String, "class": pl.String, "cells": pl.Int64}
    numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
    table = pl.DataFrame(rows, schema=schema | numbers, orient="row")
    bounds = ("low", "high") if intervals else ()
    return table.select(
        *(_constant(name, value) for name, value in facts.items()),
        *schema,
        "value",
        scaled(pl.col("value")).alias("scaled"),
        *bounds,
    )


def scaled(value: pl.Expr) -> pl.Expr:
    """-log(1 - x): as much room between 0.99 and 0.999 as between 0.9 and 0.99."""
    return -((1.0 - value).clip(lower_bound=CAP).log())


def summary(table: pl.DataFrame, over: Sequence[str] = ("fold", "draw")) -> pl.DataFrame:
    """Mean and standard deviation of ``value`` over folds and draws.

    Columns: those of the table that are left, then ``n`` (fits), ``mean``, ``sd`` (null for one fold) and ``scaled``,
    the mean's place on the paper's axis. Several draws of one fold are averaged first: the standard deviation is that
    between folds. ``cells`` and ``labels`` are means: folds differ by a cell or two.
    """
    averaged = [name for name in ("labels", "cells") if name in table.columns]
    by = [name for name in table.columns if name not in {*over, *averaged, "value", "scaled"}]
    means = [pl.col(name).mean() for name in averaged]
    units = [name for name in over[:1] if name in table.columns]
    units_first = table.group_by([*by, *units], maintain_order=True).agg(pl.col("value").mean(), *means, n=pl.len())
    return (
        units_first.group_by(by, maintain_order=True)
        .agg(pl.col("n").sum(), *means, mean=pl.col("value").mean(), sd=pl.col("value").std())
        .with_columns(scaled=scaled(pl.col("mean")))
    )


def _constant(name: str, value: Any) -> pl.Expr:
    # What may be unknown are numbers: labels of each class where all are taken.
    kind = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, type(None): pl.Int64}.get(type(value), pl.String)
    return pl.lit(value, kind).alias(name)
