"""Which classifier reads the landscape best, from one label a class to all of them.

The data are the labelled cells inside a bundle, so that anybody who has HemoSight can repeat it::

    python benchmarks/classifiers.py --out classifiers-output

Every classifier is fitted on the same draws of the same folds and read on the same held-out cells, so that two rows
differ by the classifier alone. Written are ``classifiers.parquet`` and ``classifiers.csv``, one row a fit, and
``classifiers.md``, the table of docs/decisions/0004-classifiers.md.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import load
from hemosight.images.catalog import Catalog
from hemosight.images.splits import few_shot, folds
from hemosight.lab.benchmark import machine
from hemosight.scoring import metrics
from hemosight.space import classifiers, selftraining
from hemosight.space.embeddings import Vectors
from hemosight.space.labels import SupportSet
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.selftraining import Background

SIZES: tuple[int | None, ...] = (1, 2, 5, 10, 50, 200, None)
"""Labels of each class; None for all there are."""
FOLDS = 5
DRAWS = 3
SLOW_FOLDS = 2
"""Folds for a classifier whose fit takes many seconds."""
NEIGHBOURS = 20
RIDGE_PENALTY = 1e2

Labels = NDArray[np.str_]
Answers = tuple[Labels, NDArray[np.float64] | None]
"""What each held-out cell was read as, and how sure (None from who gives no probabilities)."""


Fit = Callable[[Vectors, Labels, Vectors], Callable[[Vectors], Answers]]


@dataclass(frozen=True)
class Contender:
    """A classifier in the comparison.

    Parameters
    ----------
    fit
        Vectors, labels and the vectors of unlabelled cells -> a function from vectors to :data:`Answers`.
    least
        Labels of a class it needs.
    most
        Labels of a class above which a fit takes many seconds: only :data:`SLOW_FOLDS` folds are fitted then, and
        only where slow fits are wanted.
    """

    fit: Fit
    least: int = 1
    most: float = np.inf


@dataclass(frozen=True)
class Task:
    """One draw of support cells from one fold, what stays unlabelled, what is read, and who is fitted."""

    size: int | None
    fold: int
    draw: int
    support: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    held: NDArray[np.int64]
    contenders: tuple[str, ...]


def _ours(name: str) -> Fit:
    def fit(vectors: Vectors, labels: Labels, _: Vectors) -> Callable[[Vectors], Answers]:
        return _reading(classifiers.fit(vectors, labels, name))

    return fit


def _self_taught(vectors: Vectors, labels: Labels, unlabelled: Vectors) -> Callable[[Vectors], Answers]:
    return _reading(selftraining.fit(vectors, labels, Background(unlabelled)))


def _reading(reader: LinearClassifier) -> Callable[[Vectors], Answers]:
    return lambda held: (reader.predict(held), reader.probabilities(held).max(axis=1))


def _ridge(vectors: Vectors, labels: Labels, _: Vectors) -> Callable[[Vectors], Answers]:
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=RIDGE_PENALTY)).fit(vectors, labels)
    return lambda held: (model.predict(held), None)


def _lda(vectors: Vectors, labels: Labels, _: Vectors) -> Callable[[Vectors], Answers]:
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    model = make_pipeline(StandardScaler(), lda).fit(vectors.astype(np.float64), labels)
    return lambda held: _most_probable(model.classes_, model.predict_proba(held.astype(np.float64)))


def _neighbours(vectors: Vectors, labels: Labels, _: Vectors) -> Callable[[Vectors], Answers]:
    # Weighted by nearness: with one label a class, twenty neighbours are all the labels there are.
    model = KNeighborsClassifier(min(NEIGHBOURS, len(vectors)), weights="distance").fit(vectors, labels)
    return lambda held: _most_probable(model.classes_, model.predict_proba(held))


def _most_probable(names: Labels, probabilities: NDArray[np.float64]) -> Answers:
    return names[probabilities.argmax(axis=1)], probabilities.max(axis=1)


CONTENDERS: Mapping[str, Contender] = {
    "discriminant": Contender(_ours("discriminant")),
    "discriminant, self-taught": Contender(_self_taught),
    "standardised": Contender(_ours("standardised")),
    "svm": Contender(_ours("svm"), most=50),
    "logistic": Contender(_ours("logistic")),
    "ridge": Contender(_ridge),
    "scikit-learn LDA": Contender(_lda, least=2),
    f"{NEIGHBOURS}-NN": Contender(_neighbours),
}
"""The classifiers of the package, and below them those it is measured against."""


def tasks(
    support: SupportSet, sizes: Sequence[int | None] = SIZES, k: int = FOLDS, *, slow: bool = False, seed: int = 0
) -> Iterator[Task]:
    """Every draw of every fold. Draws are nested: the cells of a smaller size are among those of a larger one."""
    labels = np.array(support.labels[CELL_TYPE], np.str_)
    table = pl.DataFrame({"id": support.embeddings.ids, "path": support.embeddings.ids, "label": labels.tolist()})
    for fold, split in enumerate(folds(Catalog(table), k, seed)):
        for size in sizes:
            for draw in range(1 if size is None else DRAWS):
                rows = split.rest
                if size is not None:
                    rng = np.random.default_rng([seed, fold, draw])
                    rows = rows[few_shot(labels[rows].tolist(), size, rng)]
                able = tuple(name for name in CONTENDERS if _takes_part(name, size, fold, draw, slow))
                yield Task(size, fold, draw, rows, np.setdiff1d(split.rest, rows), split.held, able)


def _takes_part(name: str, size: int | None, fold: int, draw: int, slow: bool) -> bool:
    contender, labels = CONTENDERS[name], np.inf if size is None else size
    if labels > contender.most:
        return slow and fold < SLOW_FOLDS and draw == 0
    return labels >= contender.least


def measure(support: SupportSet, task: Task) -> Iterator[dict[str, object]]:
    """One row for each classifier of a task: the columns of ``classifiers.parquet``."""
    vectors, labels = support.embeddings.vectors, np.array(support.labels[CELL_TYPE], np.str_)
    for name in task.contenders:
        began = time.perf_counter()
        read = CONTENDERS[name].fit(vectors[task.support], labels[task.support], vectors[task.unlabelled])
        seconds = time.perf_counter() - began
        answers, sure = read(vectors[task.held])
        scores = metrics.scores(labels[task.held], answers, bootstraps=0)
        right = answers == labels[task.held]
        yield {
            "classifier": name,
            "per_class": task.size,
            "cells": len(task.support),
            "fold": task.fold,
            "draw": task.draw,
            "held": len(task.held),
            "macro_f1": scores.macro_f1.value,
            "accuracy": scores.accuracy.value,
            "calibration_error": None if sure is None else metrics.calibration_error(sure, right),
            "fit_seconds": seconds,
        }


def summarise(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean and sd over fits of each classifier and size, and the difference from the default on the same draws."""
    same = ["per_class", "fold", "draw"]
    default = rows.filter(pl.col("classifier") == classifiers.DEFAULT).select(*same, default=pl.col("macro_f1"))
    paired = rows.join(default, on=same, nulls_equal=True)
    return paired.group_by("classifier", "per_class", maintain_order=True).agg(
        fits=pl.len(),
        macro_f1=pl.col("macro_f1").mean(),
        sd=pl.col("macro_f1").std(),
        behind=(pl.col("macro_f1") - pl.col("default")).mean(),
        behind_sd=(pl.col("macro_f1") - pl.col("default")).std(),
        ahead=(pl.col("default") > pl.col("macro_f1")).sum(),
        calibration_error=pl.col("calibration_error").mean(),
        fit_seconds=pl.col("fit_seconds").median(),
    )


def markdown(summary: pl.DataFrame) -> str:
    """Four tables, classifiers by labels a class: macro-F1, distance from the default, calibration, seconds."""
    most = int(summary["fits"].to_numpy().max())

    def spread(mean: float, sd: float | None, form: str) -> str:
        return f"{mean:{form}}" + ("" if sd is None else f" ± {sd:.3f}")

    def shown(row: dict[str, float]) -> str:
        usual = row["fits"] == most or (row["per_class"] is None and row["fits"] * DRAWS == most)
        return spread(row["macro_f1"], row["sd"], ".3f") + ("" if usual else f" ({row['fits']})")

    def behind(row: dict[str, float]) -> str:
        return spread(row["behind"], row["behind_sd"], "+.3f") + f" ({row['ahead']})"

    def sure(row: dict[str, float]) -> str:
        return "" if row["calibration_error"] is None else f"{row['calibration_error']:.3f}"

    def seconds(row: dict[str, float]) -> str:
        return f"{row['fit_seconds']:.2g}"

    parts = [
        _grid(
            f"Macro-F1, mean ± sd over {most} fits; over {most // DRAWS} with all labels; over others in brackets",
            summary,
            shown,
        ),
        _grid(
            "Difference from the default on the same draws, mean ± sd; in brackets, in how many the default is ahead",
            summary.filter(pl.col("classifier") != classifiers.DEFAULT),
            behind,
        ),
        _grid("Expected calibration error", summary.filter(pl.col("calibration_error").is_not_null()), sure),
        _grid("Seconds for one fit, median", summary, seconds),
    ]
    return "\n".join(parts)


def _grid(title: str, summary: pl.DataFrame, cell: Callable[[dict[str, float]], str]) -> str:
    sizes = sorted(summary["per_class"].unique().to_list(), key=lambda size: np.inf if size is None else size)
    shown = {(row["classifier"], row["per_class"]): cell(row) for row in summary.to_dicts()}
    lines = [
        f"**{title}**\n",
        "| labels a class | " + " | ".join("all" if size is None else str(size) for size in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    names = [name for name in CONTENDERS if name in summary["classifier"]]
    lines += [f"| {name} | " + " | ".join(shown.get((name, size), "") for size in sizes) + " |" for name in names]
    return "\n".join(lines) + "\n"


def main(
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and the rows.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle whose labels are read; the built-in.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Fit the svm on more than 50 labels a class as well.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of folds and draws.")] = 0,
) -> None:
    """Compare classifiers on a bundle's labelled cells."""
    loaded = load(bundle)
    support = loaded.support
    known = np.array([label is not None for label in support.labels[CELL_TYPE]])
    support = support.take(np.flatnonzero(known))
    plan = list(tasks(support, slow=slow, seed=seed))
    # One thread of linear algebra: on a shared machine threads that wait for one another cost twenty times the work.
    with threadpool_limits(1):
        rows = [row for task in track(plan, "fitting", console=Console(stderr=True)) for row in measure(support, task)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    facts = (
        f"Command: `{shlex.join(['python', 'benchmarks/classifiers.py', *sys.argv[1:]])}`\n\n"
        f"Data: the {len(support):,} labelled cells ({len(support.classes())} classes) of the bundle "
        f"{loaded.manifest.name} {loaded.manifest.version} ({loaded.manifest.backbone}, "
        f"{support.embeddings.dim} dimensions); {FOLDS} folds, {DRAWS} draws of each, seed {seed}\n\n"
        f"Machine: {machine()}; one thread\n"
    )
    out.mkdir(parents=True, exist_ok=True)
    table.write_parquet(out / "classifiers.parquet")
    table.write_csv(out / "classifiers.csv")
    text = f"{facts}\n{markdown(summarise(table))}"
    (out / "classifiers.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    typer.run(main)
