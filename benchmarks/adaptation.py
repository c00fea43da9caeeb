"""A new laboratory without labels: whether adapting to its cells helps, whatever types they are.

Each laboratory in turn is left out and read by the others' labels: as it is, after its vectors were brought to the
others' mean and spread (of all its cells, or class-balanced by what its cells are first read as), and by a reader that
taught itself on its cells (:mod:`hemosight.space.selftraining`). The cells come in several proportions, drawn anew: a
clinical one (60 neutrophils, 30 lymphocytes, 6 monocytes, 3 eosinophils, 1 basophil in a hundred), all types alike, and
as they are. What loses in any row has no place in a default::

    hemosight embed --data DATA --out all.safetensors
    python benchmarks/adaptation.py --data DATA --embeddings all.safetensors

Prints macro-F1 over the types that were drawn, and the expected calibration error, mean over draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemosight.lab.studies.study_data import StudyData, gather
from hemosight.scoring import by_patient, metrics
from hemosight.space import classifiers, selftraining
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.selftraining import Background

CLINICAL = {"neutrophil": 0.60, "lymphocyte": 0.30, "monocyte": 0.06, "eosinophil": 0.03, "basophil": 0.01}
CELLS = 200
DRAWS = 5
ROUNDS = 3

Labels = NDArray[np.str_]
Probabilities = NDArray[np.float64]
Adapt = Callable[[Vectors, Labels, LinearClassifier, Vectors], Probabilities]


def as_it_is(_vectors: Vectors, _labels: Labels, reader: LinearClassifier, cells: Vectors) -> Probabilities:
    """Nothing is adapted."""
    return reader.probabilities(cells)


def restandardised(vectors: Vectors, _labels: Labels, reader: LinearClassifier, cells: Vectors) -> Probabilities:
    """All cells of the new laboratory brought to the mean and spread of all others."""
    return reader.probabilities(_moved(cells, cells.mean(0), cells.std(0), vectors.mean(0), vectors.std(0)))


def class_balanced(vectors: Vectors, labels: Labels, reader: LinearClassifier, cells: Vectors) -> Probabilities:
    """The same with every type weighing alike on both sides; what new cells are is read, three times over."""
    read, moved = reader.predict(cells), cells
    for _ in range(ROUNDS):
        common = sorted(set(read.tolist()) & set(labels.tolist()))
        there, here = _balanced(cells, read, common), _balanced(vectors, labels, common)
        moved = _moved(cells, *there, *here)
        read = reader.predict(moved)
    return reader.probabilities(moved)


def self_taught(vectors: Vectors, labels: Labels, reader: LinearClassifier, cells: Vectors) -> Probabilities:
    """The new laboratory's cells are the background that a reader teaches itself on, if that helps at home."""
    return selftraining.fit(vectors, labels, Background(cells)).over(reader.classes).probabilities(cells)


METHODS: dict[str, Adapt] = {
    "as it is": as_it_is,
    "re-standardised": restandardised,
    "class-balanced": class_balanced,
    "self-taught": self_taught,
}


def _balanced(vectors: Vectors, labels: Labels, names: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation where every one of these types weighs alike."""
    means = np.stack([vectors[labels == name].mean(axis=0) for name in names])
    squares = np.stack([(vectors[labels == name] ** 2).mean(axis=0) for name in names])
    mean = means.mean(axis=0)
    return mean, np.sqrt(np.maximum(squares.mean(axis=0) - mean**2, 1e-12))


def _moved(cells: Vectors, mean: Vectors, spread: Vectors, to_mean: Vectors, to_spread: Vectors) -> Vectors:
    return ((cells - mean) / np.maximum(spread, 1e-6) * to_spread + to_mean).astype(np.float32)


def proportions(labels: Labels, rng: np.random.Generator) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Names of proportions, and rows of cells drawn in them; a type that has too few cells gives all it has."""

    def drawn(shares: dict[str, float]) -> NDArray[np.int64]:
        parts = []
        for name, share in shares.items():
            rows = rng.permutation(np.flatnonzero(labels == name))
            parts.append(rows[: max(1, round(share * CELLS))])
        return np.concatenate(parts)

    names = np.unique(labels).tolist()
    if set(CLINICAL) <= set(names):
        yield "clinical", drawn(CLINICAL)
    yield "all alike", drawn(dict.fromkeys(names, 1 / len(names)))
    yield "as they are", rng.permutation(len(labels))[:CELLS]


def compared(data: StudyData, vectors: Vectors, seed: int = 0) -> None:
    """Print a row for each laboratory and proportions."""
    labels, sources = data.labels(), data.sources
    print(f"{'left out':12}{'proportions':14}" + "".join(f"{name:>24}" for name in METHODS))
    for laboratory in np.unique(sources).tolist():
        there, others = np.flatnonzero(sources == laboratory), np.flatnonzero(sources != laboratory)
        reader = classifiers.fit(vectors[others], labels[others])
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for draw in range(DRAWS):
            for how, rows in proportions(labels[there], np.random.default_rng([seed, draw])):
                cells = there[rows]
                for name, adapt in METHODS.items():
                    said = adapt(vectors[others], labels[others], reader, vectors[cells])
                    read = np.array(reader.classes)[said.argmax(axis=1)]
                    score = by_patient.scores(labels[cells], read, [""] * len(cells), bootstraps=1).macro_f1.value
                    error = metrics.calibration_error(said.max(axis=1), read == labels[cells])
                    found.setdefault(how, {}).setdefault(name, []).append((score, error))
        for how, by_method in found.items():
            means = {name: np.mean(figures, axis=0) for name, figures in by_method.items()}
            shown = "".join(f"{f'{score:.3f} ({error:.3f})':>24}" for score, error in means.values())
            print(f"{laboratory:12}{how:14}{shown}", flush=True)


def reduced(vectors: Vectors, dims: int) -> Vectors:
    """The first principal components, which read nearly alike and are fitted in seconds."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(centred @ directions[:, ::-1][:, :dims])


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--dims", type=int, default=0, help="principal components; 0 for all dimensions")
    options = parser.parse_args()
    data = gather(options.data, embeddings=options.embeddings)
    compared(data, reduced(data.vectors, options.dims) if options.dims else data.vectors)


if __name__ == "__main__":
    main()
