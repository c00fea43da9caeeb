"""Which encoder makes few labels enough: several bundles on the same cells, labels and shifts.

    python benchmarks/encoders.py --data DIR --bundle imagenet.hemosight --bundle trained.hemosight --out table.csv

Every bundle's encoder embeds the same crops. The tenth that ``hemosight pretrain`` and ``hemosight pack`` hold out is
judged; labels come from the rest. Draws of few labels are repeated with other seeds; the self-taught discriminant has
the rest's other cells, without their labels, as well. ``--svm`` adds the paper's classifier, which takes minutes with
all labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.progress import Progress

from hemosight.engine.bundle import load
from hemosight.engine.network import Network
from hemosight.images import sources
from hemosight.images.decode import decode
from hemosight.images.shifts import SHIFTS
from hemosight.images.splits import few_shot, support_sample
from hemosight.lab.studies.study_data import OFFICIAL_TEST, StudyData, embed
from hemosight.scoring import metrics
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.neighbours import nearest
from hemosight.space.selftraining import Background

DRAWS = 5
NEIGHBOURS = 20
SELF_TAUGHT = "discriminant, self-taught"
FEW = 5
"""Labels of each class of the new scanner in the few-label rows."""


@dataclass(frozen=True)
class Row:
    """One measured figure: mean and standard deviation over draws, or one value with its bootstrap interval."""

    encoder: str
    figure: str
    classifier: str
    labels: str
    value: float
    spread: str


def main() -> None:
    """Measure and write a tidy table; print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--bundle", type=Path, action="append", required=True, help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("encoders.csv"), help="tidy table to write")
    parser.add_argument("--svm", action="store_true", help="the paper's SVM as well")
    chosen = parser.parse_args()
    catalog = sources.read(chosen.data)
    names = ["discriminant", SELF_TAUGHT, *(["svm"] if chosen.svm else [])]
    rows: list[Row] = []
    with Progress(transient=True) as bar:
        for path in chosen.bundle:
            bundle = load(path)
            network = Network(bundle.encoder, bundle.preprocessing)
            task = bar.add_task(f"embedding, {bundle.manifest.name}", total=None)
            cells = embed(
                catalog, network, progress=lambda done, total, t=task: bar.update(t, completed=done, total=total)
            )
            task = bar.add_task(f"measuring, {bundle.manifest.name}", total=None)
            for measured in figures(cells, network, names):
                rows.append(Row(bundle.manifest.name, *measured))
                bar.update(task, description=f"{bundle.manifest.name}: {measured[0]}")
    table = pl.DataFrame([vars(row) for row in rows])
    table.write_csv(chosen.out)
    print(markdown(table))


Measured = tuple[str, str, str, float, str]


def figures(cells: StudyData, network: Network, names: list[str]) -> Iterator[Measured]:
    """Every figure of one encoder: what, classifier, labels, value, spread."""
    labels = np.array(cells.catalog.labels(), np.str_)
    vectors = cells.embeddings.vectors
    rest, held = cells.split.rest, cells.split.held

    def macro_f1(train: NDArray[np.int64], name: str, queries: NDArray[np.float32] | None = None) -> float:
        reader = _fit(vectors[train], labels[train], name, vectors[np.setdiff1d(rest, train)])
        read = reader.predict(vectors[held] if queries is None else queries)
        return metrics.scores(labels[held], read, bootstraps=0).macro_f1.value

    for name in names:
        if name != SELF_TAUGHT:  # with all labels nothing is left without
            reader = classifiers.fit(vectors[rest], labels[rest], name)
            scores = metrics.scores(labels[held], reader.predict(vectors[held]))
            interval = f"{scores.macro_f1.low:.3f} to {scores.macro_f1.high:.3f}"
            yield "macro-F1, held-out tenth", name, f"all {len(rest):,}", scores.macro_f1.value, interval
        for what, draw in DRAWN.items():
            values = [macro_f1(rest[draw(labels[rest], seed)], name) for seed in range(DRAWS)]
            yield "macro-F1, held-out tenth", name, what, *_over(values)
    near, _ = nearest(vectors[held], vectors[rest], NEIGHBOURS)
    votes = labels[rest][near]
    read = np.array([max(sorted(set(row)), key=list(row).count) for row in votes.tolist()])
    scores = metrics.scores(labels[held], read)
    interval = f"{scores.macro_f1.low:.3f} to {scores.macro_f1.high:.3f}"
    yield "macro-F1, held-out tenth", f"{NEIGHBOURS}-NN", f"all {len(rest):,}", scores.macro_f1.value, interval

    yield from _attributes(cells)
    yield from _scanner(cells, labels)
    for what, change in SHIFTS.items():
        shifted = network.embed_crops(change(decode(path.read_bytes())) for path in cells.catalog.take(held).paths)
        values = [macro_f1(rest, "discriminant", shifted.vectors)]
        yield f"macro-F1, held-out tenth {what}", "discriminant", f"all {len(rest):,}", *_over(values)


def _attributes(cells: StudyData) -> Iterator[Measured]:
    official = cells.catalog.table["official_split"]
    test, train = (official == OFFICIAL_TEST).fill_null(False).to_numpy(), (official == "train").fill_null(False)
    train = (train | (official == "val").fill_null(False)).to_numpy()
    rest = np.isin(np.arange(len(cells)), cells.split.rest)
    values: dict[str, list[float]] = {}
    for attribute in cells.catalog.attributes:
        column = np.array(cells.catalog.labels(attribute), dtype=object)
        known = np.array([label is not None for label in column])
        support, queries = train & known, test & known
        for name in ("discriminant", SELF_TAUGHT):
            others = cells.vectors[rest & ~support & ~test]
            fitted = _fit(cells.vectors[support], column[support].astype(np.str_), name, others)
            scores = metrics.scores(column[queries].astype(np.str_), fitted.predict(cells.vectors[queries]))
            interval = f"{scores.macro_f1.low:.3f} to {scores.macro_f1.high:.3f}"
            values.setdefault(name, []).append(scores.macro_f1.value)
            yield f"attribute {attribute}", name, f"{int(support.sum()):,}", scores.macro_f1.value, interval
    for name, those in values.items():
        yield "attributes, mean macro-F1", name, "official train and val", float(np.mean(those)), ""


def _scanner(cells: StudyData, labels: NDArray[np.str_]) -> Iterator[Measured]:
    """Munich's neutrophils: how they are read when only Barcelona's were shown, and after five labels a class."""
    source = np.array(cells.catalog.table["source"].to_list(), np.str_)
    vectors = cells.embeddings.vectors
    rest, held = (np.isin(np.arange(len(labels)), part) for part in (cells.split.rest, cells.split.held))
    munich, neutrophil, blast = source == "lmu_aml", labels == "neutrophil", labels == "blast"
    if not (munich & neutrophil).any():
        return
    everything = classifiers.fit(vectors[rest], labels[rest])
    read = everything.predict(vectors[held & munich & neutrophil])
    yield "Munich neutrophils read as blast", "discriminant", "all", float(np.mean(read == "blast")), f"n={len(read)}"
    recall = everything.predict(vectors[held & blast]) == "blast"
    yield "blast recall", "discriminant", "all", float(recall.mean()), f"n={len(recall)}"
    without = rest & ~(munich & neutrophil)
    read = classifiers.fit(vectors[without], labels[without]).predict(vectors[munich & neutrophil])
    what = "without Munich neutrophils"
    yield "Munich neutrophils read as blast", "discriminant", what, float(np.mean(read == "blast")), f"n={len(read)}"
    barcelona = rest & ~munich
    read = classifiers.fit(vectors[barcelona], labels[barcelona]).predict(vectors[munich & neutrophil])
    yield (
        "Munich neutrophils recognised",
        "discriminant",
        "Barcelona only",
        float(np.mean(read == "neutrophil")),
        (f"n={len(read)}"),
    )
    values = []
    for seed in range(DRAWS):
        there = np.flatnonzero(rest & munich)
        few = there[few_shot(labels[there].tolist(), FEW, np.random.default_rng(seed))]
        train = np.concatenate([np.flatnonzero(barcelona), few])
        queries = np.setdiff1d(np.flatnonzero(munich), few)
        weights = np.where(source[train] == "lmu_aml", 20.0, 1.0)
        reader = classifiers.lda.fit(vectors[train], labels[train], weights)
        values.append(float(np.mean(reader.predict(vectors[queries]) == labels[queries])))
    yield "Munich cells recognised", "discriminant", f"Barcelona + {FEW} a class, weight 20", *_over(values)


def _fit(vectors: Vectors, labels: NDArray[np.str_], name: str, unlabelled: Vectors) -> LinearClassifier:
    if name == SELF_TAUGHT:
        return classifiers.fit(vectors, labels, background=Background(unlabelled))
    return classifiers.fit(vectors, labels, name)


def _share(share: float) -> Callable[[NDArray[np.str_], int], NDArray[np.int64]]:
    return lambda labels, seed: support_sample(labels.tolist(), round(share * len(labels)), np.random.default_rng(seed))


def _ten_a_class(labels: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    return few_shot(labels.tolist(), 10, np.random.default_rng(seed))


DRAWN = {"1%": _share(0.01), "5%": _share(0.05), "10 a class": _ten_a_class}
"""How few labels are drawn: labels and a seed -> rows."""


def _over(values: list[float]) -> tuple[float, str]:
    return float(np.mean(values)), f"sd {np.std(values):.3f}" if len(values) > 1 else ""


def markdown(table: pl.DataFrame) -> str:
    """Figures down, encoders across."""
    encoders = table["encoder"].unique(maintain_order=True).to_list()
    lines = [f"| figure | classifier | labels | {' | '.join(encoders)} |", "|---|---|---|" + "---|" * len(encoders)]
    for key, group in table.group_by(["figure", "classifier", "labels"], maintain_order=True):
        by_encoder = {row["encoder"]: row for row in group.to_dicts()}
        cells = [
            f"{row['value']:.3f}" + (f" ({row['spread']})" if row["spread"] else "") if row else ""
            for row in (by_encoder.get(name) for name in encoders)
        ]
        lines.append(f"| {' | '.join(map(str, key))} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
