"""Control charts of the desk on Johns Hopkins' patients as cases: how often they ring, and how soon they see a drift.

    python benchmarks/drift.py --data "$HEMOSIGHT_DATA"

Patients come in drawn orders, so that nothing drifts but what is planted. Types are as people labelled the cells;
pictures are looked at as at the desk.
"""

from __future__ import annotations

import argparse
import datetime
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hemosight.images import sources
from hemosight.images.looks import looks
from hemosight.images.pixel_scale import spread
from hemosight.scoring.watch import HORIZON, SHIFT
from hemosight.service.desk.drift import LOOKED, ScannerDrift, scanner
from hemosight.service.storage.drift import StoredPoint

LEAST = 20
"""Labelled leukocytes that a case must have."""
BEFORE = 30
"""Cases before a planted drift."""
_APART = {"erythroblast", "platelet"}


def measured(folder: Path) -> list[dict[str, Any]]:
    """One row a patient, as the desk would keep it."""
    table = sources.read(folder).table
    found = []
    for _, own in table.filter(pl.col("label").is_not_null()).group_by("patient", maintain_order=True):
        types = Counter(label for label in own["label"].to_list() if label not in _APART)
        if types.total() < LEAST:
            continue
        seen = looks(spread(own["path"].to_list(), LOOKED))
        looked = {"colour": seen.colour, "light": seen.light, "width": seen.width}
        none = {"cells": types.total(), "unusual": 0, "named": 0, "agree": 0}
        found.append({**none, "leukocytes": types.total(), "types": dict(types), **looked})
    return found


def charted(rows: list[dict[str, Any]]) -> ScannerDrift:
    """The charts of cases in this order."""
    now = datetime.datetime.now(datetime.UTC)
    return scanner([StoredPoint(at, str(at), at + 1, at + 1, 1, now, 1, row) for at, row in enumerate(rows)], [])


def delays(
    rows: list[dict[str, Any]], chart: str, plant: Callable[[dict[str, Any]], dict[str, Any]], orders: int, seed: int
) -> list[float]:
    """By which case of a planted drift a chart flags it, for each order; infinite where it does not."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(orders):
        order = [rows[at] for at in rng.permutation(len(rows))]
        its = charted([*order[:BEFORE], *map(plant, order[BEFORE:])])
        flags = next(one.watch.flags for one in its.charts if one.name == chart)
        found.append(next((flag.at - BEFORE + 1.0 for flag in flags if flag.at >= BEFORE), float("inf")))
    return found


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--orders", type=int, default=100)
    given = options.parse_args()
    rows = measured(given.data / "JHU_AML")
    rng = np.random.default_rng(0)
    quiet = [charted([rows[at] for at in rng.permutation(len(rows))]) for _ in range(given.orders)]
    flagged = [any(chart.watch.flags for chart in one.charts) for one in quiet]
    expected = quiet[0].performance
    print(f"{len(rows)} patients, {len(quiet[0].charts)} charts, {given.orders} orders")
    print(f"nothing changes: {np.mean(flagged):.0%} of orders flagged in {len(rows) - 20} judged cases")
    if expected is not None:
        stated = f"half by case {expected.drifted.median:.0f}, 95% by {expected.drifted.most:.0f}"
        print(f"stated: {expected.false:.0%} in {HORIZON} cases; a drift of {SHIFT:g} deviations: {stated}")
    for chart, name in (("stain", "colour"), ("scale", "width"), ("brightness", "light")):
        known = np.array([row[name] for row in rows if row[name] is not None])
        moved = SHIFT * float(known.std(ddof=1))

        def plant(row: dict[str, Any], name: str = name, moved: float = moved) -> dict[str, Any]:
            return row | {name: None if row[name] is None else row[name] + moved}

        late = delays(rows, chart, plant, given.orders, 1)
        print(f"{chart} drifts: half by case {np.median(late):.0f}, 95% by {np.quantile(late, 0.95):.0f}")


if __name__ == "__main__":
    main()
