"""What fewer dimensions cost: support sets read in the leading principal axes of the unlabelled pool.

    python benchmarks/axes.py

Data are the labelled cells inside a bundle; two folds, two draws of each size, macro-F1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hemosight.engine.bundle import load
from hemosight.lab.studies.active import leading
from hemosight.lab.studies.label_efficiency import draws
from hemosight.lab.studies.study_data import bundled
from hemosight.scoring import metrics
from hemosight.space import classifiers

AXES = (64, 128, 256, 384)
SIZES = (2, 10, 50, 200)
FOLDS = 2


def main() -> None:
    """Print a row for each size, a column for each number of axes; the last column has all dimensions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="the built-in one where left out")
    cells = bundled(load(parser.parse_args().bundle))
    labels, found = cells.labels(), {}
    protocol = [draw for draw in draws(cells, per_class=SIZES, repeats=2) if draw.fold < FOLDS]
    for fold in range(FOLDS):
        mine = [draw for draw in protocol if draw.fold == fold]
        middle, directions = leading(cells.vectors[mine[-1].support], max(AXES))
        for axes in (*AXES, None):
            seen = cells.vectors
            if axes is not None:
                seen = np.asarray((seen - middle) @ directions[:, -axes:], np.float32)
            for draw in mine:
                read = classifiers.fit(seen[draw.support], labels[draw.support]).predict(seen[draw.held])
                score = metrics.scores(labels[draw.held], read, bootstraps=0).macro_f1.value
                found.setdefault((draw.per_class, axes), []).append(score)
    print("labels a class", *AXES, "all", sep="\t")
    for size in (*SIZES, None):
        print(size or "all", *(f"{np.mean(found[size, axes]):.4f}" for axes in (*AXES, None)), sep="\t")


if __name__ == "__main__":
    main()
