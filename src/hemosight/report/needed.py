"""Labels that reach a score: which strategy is quoted, and what is said of it.

Rows are those of :func:`hemosight.study.active.reaching`.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from hemosight.report import published
from hemosight.study.tables import FOLD

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


def kept(row: dict[str, Any], basis: str) -> str:
    """The basis of a claim, and from where on the score stays."""
    return f"{basis}; " + ("ends below" if row["stays"] is None else f"stays from {row['stays']:,} on")


def row_of(measured: pl.DataFrame, strategy: str, within: float) -> dict[str, Any]:
    """What one strategy needs, to one score; empty where there is none."""
    found = measured.filter((pl.col("strategy") == strategy) & (pl.col("within") == within))
    return found.row(0, named=True) if len(found) else {}


def amount(row: dict[str, Any], pool: int) -> str:
    """How many of how many, and how sure."""
    if row["labels"] is None:
        return f"more than were asked for of {pool:,} labels"
    return f"{row['labels']:,} of {pool:,} labels ({row['share']:.1%}; 95% interval {_ends(row, ' to ')})"


def _ends(row: dict[str, Any], between: str) -> str:
    return between.join("beyond the end" if row[end] is None else f"{row[end]:,}" for end in ("low", "high"))


def stays(row: dict[str, Any]) -> str:
    """Whether the score is kept once it is reached."""
    if row["stays"] is None:
        return "and ends below that"
    if row["stays"] == row["labels"]:
        return "and never falls below it again"
    if row["stays"] >= 0.98 * row["labels"] / row["share"]:  # rounds end a cell or two short of the pool
        return "though it stays there only with all of them"
    return f"and stays there from {row['stays']:,} on"


def value(row: dict[str, Any]) -> str:
    """The same as a claim has it."""
    if row["labels"] is None:
        return "not reached"
    return f"{row['labels']:,} ({row['share']:.1%}) [{_ends(row, ', ')}]"


def times(chance: dict[str, Any], mine: dict[str, Any]) -> str:
    """How many times as many chance needs."""
    return f", {chance['labels'] / mine['labels']:.1f} times as many" if chance["labels"] and mine["labels"] else ""


def beside_paper(row: dict[str, Any]) -> str:
    """Beside what the paper needed."""
    said = f"The paper needed {published.LABELS:,} ({published.SHARE:.1%})"
    if row["labels"] is None:
        return f"{said}, on other cells and with another encoder."
    fewer = "fewer" if row["labels"] < published.LABELS else "not fewer"
    share = "a smaller share" if row["share"] < published.SHARE else "no smaller share"
    return f"{said}: {fewer} labels are needed here and {share}, on other cells and with another encoder."
