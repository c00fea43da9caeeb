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

from hemosight.study import metrics

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
    if probabilities is not None:
        read = np.array(classes, np.str_)[probabilities.argmax(axis=1)]
    assert read is not None  # noqa: S101 -- narrows the type: one of the two is given
    names = np.unique(np.concatenate([truth, read]))
    matrix = metrics.confusions(np.searchsorted(names, truth), np.searchsorted(names, read), len(names))
    present = matrix.sum(axis=1) > 0
    precision, recall, f1 = (figure[0] for figure in metrics.per_class(matrix[None]))
    rows: list[tuple[str, str | None, int, float]] = [
        ("macro_f1", None, len(truth), float(f1[present].mean())),
        ("accuracy", None, len(truth), float(metrics.accuracies(matrix[None])[0])),
    ]
    if probabilities is not None:
        sure = probabilities.max(axis=1)
        rows.append(("ece", None, len(truth), metrics.calibration_error(sure, read == truth)))
        rows.append(("confidence", None, len(truth), float(sure.mean())))
    for name, figures in (("precision", precision), ("recall", recall), ("f1", f1)):
        rows += [
            (name, str(names[k]), int(matrix[k].sum()), float(figures[k])) for k in np.flatnonzero(present).tolist()
        ]
    figures = pl.DataFrame(
        rows,
        schema={"metric": pl.String, "class": pl.String, "cells": pl.Int64, "value": pl.Float64},
        orient="row",
    )
    return figures.select(*(_constant(name, value) for name, value in facts.items()), pl.all()).with_columns(
        scaled=scaled(pl.col("value"))
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
