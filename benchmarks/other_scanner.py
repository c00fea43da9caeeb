"""Whether labels of one scanner help to read another: why a scanner profile learns from its own labels alone.

A laboratory is read with the bundle's labels of the others, with some labels of its own at the desk's weight, and with
labels of another left-out laboratory at several weights. Labels are drawn at random, and whoever has them says the
truth; means over draws of the accuracy on the cells nobody labelled::

    hemosight embed --data DATA --out all.safetensors
    python benchmarks/other_scanner.py --data DATA --embeddings all.safetensors

The encoder of a bundle may have seen both laboratories: its manifest says which ones it was trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import load
from hemosight.lab.studies.study_data import gather
from hemosight.space import classifiers, lda
from hemosight.space.embeddings import Vectors
from hemosight.space.incremental_lda import WEIGHT, Reference
from hemosight.space.lda import LDAStatistics
from hemosight.space.linear_classifier import LinearClassifier

PAIRS = (("chula", "jhu_aml"), ("jhu_aml", "chula"), ("jhu_aml", "lmu_aml"), ("lmu_aml", "jhu_aml"))
"""Which laboratory is read, and whose labels are tried on it."""
OWN = (0, 10, 25)
OTHERS = 50
WEIGHTS = (0.0, 1.0, 5.0, WEIGHT)
CELLS = 120
DRAWS = 16

Codes = NDArray[np.int64]


def classifier(reference: Reference, *parts: tuple[Vectors, Codes, float]) -> LinearClassifier:
    """Fitted on the reference, and on cells (vectors, codes) that count for so many of its cells each."""
    total = reference.statistics
    for vectors, codes, weight in parts:
        if len(codes) and weight:
            total += LDAStatistics.of(vectors, codes, len(reference.classifier.classes), total.origin) * weight
    return LinearClassifier(reference.classifier.classes, *lda.solve(total, reference.amount), reference.slope)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    options = parser.parse_args()
    data, bundle = gather(options.data, embeddings=options.embeddings), load()
    labels = data.labels()
    print("read | labels of | own labels | " + " | ".join(f"weight {weight:g}" for weight in WEIGHTS))
    for read, other in PAIRS:
        support = bundle.support
        support = support.take([row for row, source in enumerate(support.sources) if source not in (read, other)])
        fitted = classifiers.fit(*support.labelled(CELL_TYPE), "discriminant")
        reference = Reference.of(support, CELL_TYPE, fitted)
        column = {name: code for code, name in enumerate(fitted.classes)}

        def cells(name: str, column: dict[str, int] = column) -> tuple[Vectors, Codes]:
            rows = np.flatnonzero((data.sources == name) & np.isin(labels, list(column)))
            return data.vectors[rows], np.array([column[label] for label in labels[rows]], np.int64)

        right = np.zeros((len(OWN), len(WEIGHTS), options.draws))
        (vectors, codes), (strange, theirs) = cells(read), cells(other)
        for draw in range(options.draws):
            rng = np.random.default_rng(draw)
            case = rng.permutation(len(codes))[: CELLS + max(OWN)]
            lent = rng.permutation(len(theirs))[:OTHERS]
            rest = case[max(OWN) :]  # the same cells whatever was labelled
            for row, count in enumerate(OWN):
                own = vectors[case[:count]], codes[case[:count]], float(WEIGHT)
                for place, weight in enumerate(WEIGHTS):
                    taught = classifier(reference, own, (strange[lent], theirs[lent], weight))
                    right[row, place, draw] = (taught.scores(vectors[rest]).argmax(axis=1) == codes[rest]).mean()
        for row, count in enumerate(OWN):
            print(f"{read} | {other} | {count} | " + " | ".join(f"{mean:.3f}" for mean in right[row].mean(axis=1)))


if __name__ == "__main__":
    main()
