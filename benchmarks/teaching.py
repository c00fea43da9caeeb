"""What corrections teach, and how long a whole turn takes: the figures of docs/decisions/0006-corrections-teach.md.

    python benchmarks/teaching.py --out teaching-output

The data are the labelled cells inside a bundle. For every source of cells in turn, the other sources are the
reference and this one is the project, so that a project is another laboratory's slides, with types that the
reference may lack; ``random halves`` are a project like its reference. Project cells are labelled at random or as the
reviewer would (the least sure first), and every way to learn gets the same labels: the model alone, the paper's SVM
on reference and labels together (one random draw: it takes a minute), and teaching at several weights. Read are the
project's cells nobody labelled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from rich.console import Console

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import load
from hemosight.lab.benchmark import machine
from hemosight.scoring.metrics import calibration_error, scores
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.incremental_lda import WEIGHT, IncrementalLDA, Reference
from hemosight.space.labels import SupportSet

SIZES = (10, 50, 200)
WEIGHTS = (1.0, 5.0, WEIGHT, 50.0)
DRAWS = 3
IMAGES, REFERENCE = 10_000, 8_000
TURNS = 30


def projects(support: SupportSet) -> Iterator[tuple[str, SupportSet, SupportSet]]:
    """Name, reference and project: each source against the others, then two halves of all."""
    sources = np.array([str(source) for source in support.sources])
    for source in sorted(set(sources)):
        reference = support.take(np.flatnonzero(sources != source))
        if len(reference.classes()) >= 2:
            yield f"{source}, unseen", reference, support.take(np.flatnonzero(sources == source))
    order = np.random.default_rng(0).permutation(len(support))
    yield "random halves", support.take(np.sort(order[::2])), support.take(np.sort(order[1::2]))


def compare(name: str, reference: SupportSet, project: SupportSet, svm: bool) -> Iterator[dict[str, object]]:
    """One row for each way to learn, size, choice and draw."""
    classifier = classifiers.fit(*reference.labelled())
    start = Reference.of(reference, CELL_TYPE, classifier)
    vectors, truth = project.labelled()
    classes = tuple(sorted({*classifier.classes, *truth.tolist()}))  # a laboratory may have types the reference lacks
    code = {label: at for at, label in enumerate(classes)}
    codes = np.array([code[label] for label in truth])
    unsure = np.argsort(classifier.probabilities(vectors).max(axis=1), kind="stable")
    for size in SIZES:
        for choice, draw in [*(("random", draw) for draw in range(DRAWS)), ("least sure first", 0)]:
            pick = np.random.default_rng(draw).permutation(len(vectors))[:size] if choice == "random" else unsure[:size]
            rest = np.setdiff1d(np.arange(len(vectors)), pick)
            ways = {"model alone": classifier}
            learner = IncrementalLDA(classes, lambda cells: vectors[cells], vectors.shape[1], start)
            learner.update(pick, codes[pick])
            for weight in WEIGHTS:
                taught = learner.classifier(weight)
                assert taught is not None
                ways[f"taught, weight {weight:g}"] = taught
            if svm and choice == "random" and draw == 0:
                known, labels = reference.labelled()
                ways["svm on the same labels"] = classifiers.fit(
                    np.concatenate([known, vectors[pick]]), np.concatenate([labels, truth[pick]]), "svm"
                )
            for way, fitted in ways.items():
                probabilities = fitted.probabilities(vectors[rest])
                read = np.array(fitted.classes)[probabilities.argmax(axis=1)]
                yield {
                    "project": name,
                    "cells": len(rest),
                    "labels": size,
                    "chosen": choice,
                    "draw": draw,
                    "way": way,
                    "accuracy": float((read == truth[rest]).mean()),
                    "macro_f1": scores(truth[rest], read, bootstraps=0).macro_f1.value,
                    "calibration_error": calibration_error(probabilities.max(axis=1), read == truth[rest]),
                }


def turn(support: SupportSet) -> dict[str, float]:
    """Seconds of one whole turn: a label learnt, the classifier refitted, 10,000 cells read again."""
    rng = np.random.default_rng(0)
    vectors, labels = support.labelled()
    many: Vectors = vectors[rng.integers(len(vectors), size=IMAGES)]
    many = (many + rng.normal(scale=0.01, size=many.shape)).astype(np.float32)
    grown = support.take(np.resize(np.arange(len(support)), REFERENCE))
    classifier = classifiers.fit(vectors, labels)
    began = time.perf_counter()
    start = Reference.of(grown, CELL_TYPE, classifier)
    first = time.perf_counter() - began
    learner = IncrementalLDA(classifier.classes, lambda cells: many[cells], many.shape[1], start)
    seconds: NDArray[np.float64] = np.empty(TURNS)
    for at in range(TURNS):
        began = time.perf_counter()
        learner.update([at], [at % len(classifier.classes)])
        taught = learner.classifier()
        assert taught is not None
        taught.probabilities(many)
        seconds[at] = time.perf_counter() - began
    return {"p50": float(np.median(seconds)), "p95": float(np.quantile(seconds, 0.95)), "once per bundle": first}


def main(
    out: Annotated[Path, typer.Option(help="Folder for the tables.")],
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the one that comes with HemoSight.")] = None,
    svm: Annotated[bool, typer.Option(help="Fit the paper's SVM too, which takes most of the time.")] = True,
) -> None:
    """Compare, time, and write teaching.parquet, teaching.csv and teaching.md."""
    console, support = Console(), load(bundle).support
    out.mkdir(parents=True, exist_ok=True)
    timing = turn(support)
    console.print({name: f"{1000 * value:.0f} ms" for name, value in timing.items()})
    rows = []
    for name, reference, project in projects(support):
        console.print(f"{name}: {len(reference)} reference cells, {len(project)} project cells")
        rows.extend(compare(name, reference, project, svm))
    table = pl.DataFrame(rows)
    table.write_parquet(out / "teaching.parquet")
    means = (
        table.group_by("project", "chosen", "labels", "way", maintain_order=True)
        .agg(pl.col("accuracy", "macro_f1", "calibration_error").mean().round(4), pl.len().alias("draws"))
        .sort("project", "chosen", "labels", maintain_order=True)
    )
    means.write_csv(out / "teaching.csv")
    (out / "teaching.md").write_text(markdown(means, timing), encoding="utf-8")
    console.print(f"written to {out}")


def markdown(means: pl.DataFrame, timing: dict[str, float]) -> str:
    """The tables as they stand in the docs."""
    spent = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in timing.items())
    lines = [f"Whole turn at {IMAGES:,} images and {REFERENCE:,} reference cells: {spent} ({machine()}).", ""]
    lines += ["| " + " | ".join(means.columns) + " |", "|" + "---|" * len(means.columns)]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in means.iter_rows()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
