"""Which query strategy is quoted, and what it needs, by :func:`hemosight.lab.studies.active_results.reaching`."""

from __future__ import annotations

from typing import Any

import polars as pl

from hemosight.lab.studies.tables import FOLD

WITHIN = 0.005
"""How far below the score with all labels is still nearly as well; by it a strategy is chosen, on the folds."""


def chosen_on_folds(reached: pl.DataFrame, learned: pl.DataFrame) -> list[str]:
    """Strategies, best first, by the folds left out alone: what is quoted on other cells had no say in the choice.

    Fewest labels within :data:`WITHIN` of the score with all labels; ties by the mean of the learning curve.
    """
    curve = learned.filter((pl.col("metric") == "macro_f1") & (pl.col("on") == FOLD))
    height = curve.group_by("strategy").agg(height=pl.col("mean").mean())
    near = reached.filter((pl.col("on") == FOLD) & (pl.col("within") == WITHIN)).join(height, on="strategy")
    by = ["labels", "height", "strategy"]
    return near.sort(by, descending=[False, True, False], nulls_last=True)["strategy"].to_list()


def row_of(measured: pl.DataFrame, strategy: str, within: float) -> dict[str, Any]:
    """What one strategy needs, to one score; empty where there is none."""
    found = measured.filter((pl.col("strategy") == strategy) & (pl.col("within") == within))
    return found.row(0, named=True) if len(found) else {}
