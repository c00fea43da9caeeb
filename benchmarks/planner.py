"""Whether the planner's forecasts are borne out: what many labels really reach is asked for with few in hand.

    python benchmarks/planner.py --out planner.csv

Half of a bundle's labelled cells are for labels, the other half tells the truth: the mean macro-F1 of three draws of
each size. Each forecast sees one draw of 300 or 600 labels, in the cells' own proportions, and is asked for the score
of four times as many.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.engine.bundle import load
from hemosight.images.splits import support_sample
from hemosight.lab.studies.study_data import bundled
from hemosight.scoring import metrics
from hemosight.scoring.planner import plan
from hemosight.space import classifiers

GIVEN = (300, 600)
TIMES = 4
DRAWS = 3
FORECASTS = 4


def main() -> None:
    """Forecast, compare, write a row for each forecast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="the built-in one where left out")
    parser.add_argument("--out", type=Path, default=Path("planner.csv"), help="table to write")
    chosen = parser.parse_args()
    cells = bundled(load(chosen.bundle))
    labels = cells.labels()
    half = cells.folds(2, 11, cells.split.rest)[0]

    def drawn(n: int, seed: int) -> NDArray[np.int64]:
        return half.rest[support_sample(labels[half.rest].tolist(), n, np.random.default_rng(seed))]

    def truth(n: int) -> float:
        scores = []
        for draw in range(DRAWS):
            rows = drawn(n, 100 + draw)
            read = classifiers.fit(cells.vectors[rows], labels[rows]).predict(cells.vectors[half.held])
            scores.append(metrics.scores(labels[half.held], read, bootstraps=0).macro_f1.value)
        return float(np.mean(scores))

    rows = []
    for given in GIVEN:
        target = truth(TIMES * given)
        for seed in range(FORECASTS):
            own = drawn(given, seed)
            made = plan(cells.vectors[own], labels[own], target, draws=2, samples=100, seed=seed)
            rows.append(
                {
                    "labels": given,
                    "target": round(target, 4),
                    "score": round(made.score, 4),
                    "truly_more": (TIMES - 1) * given,
                    "more": made.more,
                    "low": made.low,
                    "high": made.high,
                    "chance": made.chance,
                }
            )
            print(rows[-1])
    pl.DataFrame(rows).write_csv(chosen.out)


if __name__ == "__main__":
    main()
