"""What smaller vectors cost: neighbours, readings, how sure they are, novelty and what corrections teach.

    hemosight embed --data DIR --out points.safetensors
    python benchmarks/small_vectors.py --data DIR --embeddings points.safetensors

A project's cells are the held-out part of every laboratory; they are kept in each way and read back. What they are
compared with, the cells of a bundle, are the rest, at full length; a projection, which is fitted on the rest without
labels, is applied to both. Printed for each way:

- how many bytes a vector takes, and the least cosine between a vector and itself read back;
- of the 20 nearest of all held-out cells, the share that stays;
- macro-F1 of the default classifier on each laboratory and on all, the calibration error on all, and how many cells
  are read as something else than before;
- novelty's area under the ROC curve for a type nobody has labelled, the mean over types (``benchmarks/novelty.py``);
- macro-F1 after 25 labels of a laboratory, on the cells of the other ones and by themselves, the mean over laboratories
  and draws.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.lab.benchmark import machine
from hemosight.lab.studies.study_data import StudyData, gather
from hemosight.scoring.metrics import calibration_error, scores
from hemosight.space import classifiers
from hemosight.space.embeddings import Embeddings, Vectors
from hemosight.space.incremental_lda import IncrementalLDA, Reference
from hemosight.space.labels import SupportSet
from hemosight.space.neighbours import nearest
from hemosight.space.novelty import Novelty

NEAREST, LABELS, DRAWS, AXES = 20, 25, 10, 256
Way = tuple[float, Callable[[Vectors], Vectors], Callable[[Vectors], Vectors]]
"""Bytes a vector; what becomes of the cells of a bundle; what becomes of a project's, kept and read back."""


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote.")],
) -> None:
    """Print the table."""
    material = gather(data, embeddings=embeddings)
    labels = material.labels()
    known = material.split.rest[labels[material.split.rest] != ""]
    cells = material.split.held[labels[material.split.held] != ""]
    print(f"{machine()}\n{len(known):,} known cells, {len(cells):,} of a project\n")
    laboratories = np.unique(material.sources[cells]).tolist()
    columns = (
        "kept as|bytes|least cosine|nearest 20 kept|"
        + "|".join(f"{name}" for name in laboratories)
        + "|all|calibration error|read otherwise|novelty|after 25 labels|from 25 alone"
    )
    print(f"| {columns.replace('|', ' | ')} |\n|{'---|' * (columns.count('|') + 1)}")
    before: NDArray[np.str_] | None = None
    full = ways(material.vectors[known])["float32"][2](material.vectors[cells])
    near, _ = nearest(full, full, NEAREST, exclude_self=True)
    for name, (size, of_bundle, of_project) in ways(material.vectors[known]).items():
        small = of_project(material.vectors[cells])
        vectors = np.empty((len(material), small.shape[1]), np.float32)
        vectors[known], vectors[cells] = of_bundle(material.vectors[known]), small
        now, _ = nearest(small, small, NEAREST, exclude_self=True)
        kept = np.mean([len(np.intersect1d(*pair)) / NEAREST for pair in zip(near, now, strict=True)])
        classifier = classifiers.fit(vectors[known], labels[known])
        probabilities = classifier.probabilities(small)
        read = np.array(classifier.classes)[probabilities.argmax(axis=1)]
        before = read if before is None else before
        parts = [*(material.sources[cells] == name for name in laboratories), np.ones(len(cells), bool)]
        found = [scores(labels[cells][part], read[part], bootstraps=0).macro_f1.value for part in parts]
        error = calibration_error(probabilities.max(axis=1), read == labels[cells])
        print(
            f"| {name} | {size:g} | {cosine(full, small)} | {kept:.2%} | "
            + " | ".join(f"{value:.2%}" for value in found)
            + f" | {error:.4f} | {np.sum(read != before)} | {novelty(vectors, labels, known, cells):.4f}"
            + "".join(f" | {value:.2%}" for value in taught(material, vectors, known, cells))
            + " |",
            flush=True,
        )


def ways(known: Vectors) -> dict[str, Way]:
    """Every way by name."""
    width = known.shape[1]
    centre = known.mean(axis=0)
    _, _, axes = np.linalg.svd(known - centre, full_matrices=False)
    found: dict[str, Way] = {
        "float32": (4 * width, same, same),
        "float16": (2 * width, same, half),
        "16 bits": (2 * width + 4, same, partial(integers, bits=16)),
        "12 bits": (1.5 * width + 4, same, partial(integers, bits=12)),
        "8 bits": (width + 4, same, partial(integers, bits=8)),
        "4 bits": (width / 2 + 4, same, partial(integers, bits=4)),
    }

    def project(vectors: Vectors) -> Vectors:
        return (vectors - centre) @ axes[:AXES].T

    found[f"{AXES} axes, float32"] = (4 * AXES, project, project)
    found[f"{AXES} axes, 8 bits"] = (AXES + 4, project, lambda vectors: integers(project(vectors), bits=8))
    return found


def same(vectors: Vectors) -> Vectors:
    """Kept as they are."""
    return vectors


def half(vectors: Vectors) -> Vectors:
    """Kept in half precision."""
    return vectors.astype(np.float16).astype(np.float32)


def integers(vectors: Vectors, bits: int) -> Vectors:
    """Kept as integers of some bits, and for each vector what one is worth."""
    steps = np.abs(vectors).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.rint(vectors / steps) * steps


def cosine(full: Vectors, small: Vectors) -> str:
    """The least cosine between a vector and itself read back; a dash where it has other axes."""
    if full.shape != small.shape:
        return "-"
    products = np.einsum("ij,ij->i", full.astype(np.float64), small.astype(np.float64))
    return f"{(products / np.linalg.norm(full, axis=1) / np.linalg.norm(small, axis=1)).min():.6f}"


def novelty(vectors: Vectors, labels: NDArray[np.str_], known: NDArray[np.int64], cells: NDArray[np.int64]) -> float:
    """Mean area under the ROC curve, over types that are left out of the known cells."""
    areas = []
    for left_out in np.unique(labels[known]).tolist():
        if (labels[cells] == left_out).any():
            others = known[labels[known] != left_out]
            measure = Novelty.fit(vectors[others], labels=labels[others])
            areas.append(roc_auc_score(labels[cells] == left_out, measure.score(vectors[cells])))
    return float(np.mean(areas))


def taught(
    material: StudyData, vectors: Vectors, known: NDArray[np.int64], cells: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean macro-F1 on the cells of a laboratory that nobody labelled, once 25 are.

    First on the cells of the other laboratories, as a project's labels teach; then from the 25 alone, as in a label set
    that a project invents.
    """
    labels, found = material.labels(), []
    for laboratory in np.unique(material.sources[cells]).tolist():
        others = known[material.sources[known] != laboratory]
        own = cells[material.sources[cells] == laboratory]
        points, truth = vectors[own], labels[own]
        support = Embeddings(tuple(map(str, others.tolist())), vectors[others], material.embeddings.space)
        reader = classifiers.fit(vectors[others], labels[others])
        reference = Reference.of(SupportSet(support, {CELL_TYPE: tuple(labels[others].tolist())}), CELL_TYPE, reader)
        classes = tuple(sorted({*reader.classes, *truth.tolist()}))
        codes = np.array([classes.index(label) for label in truth.tolist()])
        for draw in range(DRAWS):
            pick = np.random.default_rng(draw).permutation(len(own))[:LABELS]
            rest = np.setdiff1d(np.arange(len(own)), pick)
            learner = IncrementalLDA(classes, points.__getitem__, points.shape[1], reference)
            learner.update(pick, codes[pick])
            for classifier in (learner.classifier(), classifiers.fit(points[pick], truth[pick])):
                assert classifier is not None
                read = np.array(classifier.classes)[classifier.probabilities(points[rest]).argmax(axis=1)]
                found.append(scores(truth[rest], read, bootstraps=0).macro_f1.value)
    return float(np.mean(found[::2])), float(np.mean(found[1::2]))


if __name__ == "__main__":
    typer.run(main)
