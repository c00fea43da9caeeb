"""One bundle against another on the same labelled cells, before it is switched on: which cells change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hemosight.blood.palette import ordered
from hemosight.lab.report import page
from hemosight.lab.report.figure import Claim, Figure, Section
from hemosight.lab.report.page import Cover
from hemosight.lab.report.prose import Prose
from hemosight.lab.validation.cells import ValidationCells
from hemosight.scoring.by_patient import clusters, draws
from hemosight.scoring.metrics import Interval
from hemosight.scoring.qualitative import PairedChange, paired

DRAWS = 2000


@dataclass(frozen=True)
class Compared:
    """What the new bundle changes.

    Parameters
    ----------
    cells
        Cells that both read.
    cases
        Of how many cases.
    changed
        Cells read otherwise.
    overall
        Right by the old and by the new one, all cells.
    by_type
        One row a type and ``all``: ``cells``, ``changed``, ``right_old``, ``right_new`` (shares), ``gained``, ``lost``,
        ``difference`` with bounds (whole cases are drawn anew), ``p`` (exact McNemar, over cells).
    rows
        The cells that change: ``id``, ``case``, ``truth``, ``old``, ``new``, confidences.
    """

    cells: int
    cases: int
    changed: int
    overall: PairedChange
    by_type: pl.DataFrame
    rows: pl.DataFrame

    @property
    def worse(self) -> list[str]:
        """Types that the new bundle reads worse for certain: their whole interval lies below 0."""
        bad = self.by_type.filter((pl.col("difference_high") < 0) & (pl.col("type") != "all"))
        return bad["type"].to_list()


def compare(old: ValidationCells, new: ValidationCells, seed: int = 0) -> Compared:
    """Compare two bundles' readings of the cells that both have read.

    Cells of one case resemble one another: intervals are percentiles over cases drawn anew (bootstrap).
    """
    columns = ["id", "case", "truth", "read", "confidence"]
    both = old.table.select(columns).join(new.table.select("id", "read", "confidence"), on="id", suffix="_new")
    truth = both["truth"].to_numpy().astype(np.str_)
    first, second = (both[name].to_numpy().astype(np.str_) for name in ("read", "read_new"))
    right, better = first == truth, second == truth
    who = clusters(both["case"].to_numpy().astype(np.str_))
    number = int(who.max(initial=-1)) + 1
    drawn = draws(number, DRAWS, seed)
    table = []
    for name in ("all", *ordered(set(truth.tolist()))):
        here = np.ones(len(truth), bool) if name == "all" else truth == name
        change = paired(right[here], better[here])
        size = np.bincount(who, here, number)
        moved = np.bincount(who, here * (better.astype(float) - right), number)
        totals = drawn @ size
        values = (drawn @ moved)[totals > 0] / totals[totals > 0]
        low, high = np.quantile(values, [0.025, 0.975])
        table.append(
            {
                "type": name,
                "cells": change.total,
                "changed": int((first != second)[here].sum()),
                "right_old": float(right[here].mean()),
                "right_new": float(better[here].mean()),
                "gained": change.gained,
                "lost": change.lost,
                "difference": change.difference.value,
                "difference_low": float(low),
                "difference_high": float(high),
                "p": change.p,
            }
        )
    moved_rows = both.filter(pl.col("read") != pl.col("read_new")).rename(
        {"read": "old", "read_new": "new", "confidence": "confidence_old", "confidence_new": "confidence_new"}
    )
    return Compared(
        cells=len(both),
        cases=number,
        changed=len(moved_rows),
        overall=paired(right, better),
        by_type=pl.DataFrame(table),
        rows=moved_rows.sort("case", "truth", "id"),
    )


def write(out: Path, found: Compared, names: tuple[str, str], facts: Sequence[tuple[str, str]]) -> Path:
    """Write ``report.html`` and ``tables/`` into ``out``; ``names`` are the old and the new bundle's."""
    whole = found.by_type.row(0, named=True)
    interval = Interval(whole["difference"], whole["difference_low"], whole["difference_high"])
    prose = Prose(
        "two_bundles", old=names[0], new=names[1], found=found, whole=whole, interval=vars(interval), worse=found.worse
    )
    shown = pl.DataFrame(
        [
            {
                "label": row["type"],
                "cells": row["cells"],
                "changed": row["changed"],
                "right, old": f"{row['right_old']:.3f}",
                "right, new": f"{row['right_new']:.3f}",
                "gained": row["gained"],
                "lost": row["lost"],
                "difference": f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]",
            }
            for row in found.by_type.iter_rows(named=True)
        ]
    )
    claims = (Claim("share of cells read right, new less old", f"{interval}", f"{found.cells:,} cells", ""),)
    figures = (
        Figure("by_type", "By type", prose.block("by_type"), found.by_type, shown=shown),
        Figure("changed_cells", "Cells that change", prose.block("changed"), found.rows),
    )
    loud = (f"READ WORSE FOR CERTAIN: {', '.join(found.worse)}.",) if found.worse else ()
    cover = Cover("Two bundles on the same cells", prose.block("intro"), ("Measure", "Here", "On", ""), loud)
    sections = [Section("bundles", f"{names[1]} after {names[0]}", prose.paragraphs(), figures, claims)]
    return page.write(out, sections, facts, {}, cover)
