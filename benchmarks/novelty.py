"""How far cells stand out: of a type that nobody has labelled, and of another scanner.

    hemosight embed --data DIR --out points.safetensors
    python benchmarks/novelty.py --data DIR --embeddings points.safetensors

First each type in turn is left out of the known cells, the nine tenths. Printed is how well novelty tells the held-out
cells of that type from the other held-out ones: the area under the ROC curve, where 0.5 is chance; last, how well it
tells held-out smudges and artefacts, which no bundle has labels of, from held-out cells.

Then four fifths of Barcelona's nine tenths are known, and a few labels of each of two types come from the last fifth or
from Munich: between what their median novelty lies in 200 draws, and how many draws fall on the wrong side of the
bound from which on they are taken for strangers. Last, what Barcelona's cells are worth to Munich's as a background
that a reader teaches itself on: the share read right without and with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.metrics import roc_auc_score

from hemosight.blood.vocabulary import FINE_TYPE, NOT_COUNTED
from hemosight.engine.engine import STRANGE
from hemosight.images.splits import few_shot
from hemosight.lab.studies.study_data import StudyData, gather
from hemosight.space import classifiers
from hemosight.space.novelty import Novelty
from hemosight.space.selftraining import Background

MUNICH = "lmu_aml"
DRAWS, FITS = 200, 5


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote.")],
) -> None:
    """Print the three tables."""
    material = gather(data, embeddings=embeddings)
    labels, vectors = material.labels(), material.vectors
    rest, held = material.split.rest, material.split.held
    known, cells = rest[labels[rest] != ""], held[labels[held] != ""]
    areas: dict[str, float] = {}
    for left_out in np.unique(labels[known]).tolist():
        others = known[labels[known] != left_out]
        novelty = Novelty.fit(vectors[others], labels=labels[others])
        areas[left_out] = float(roc_auc_score(labels[cells] == left_out, novelty.score(vectors[cells])))
    fine = np.array([name or "" for name in material.catalog.labels(FINE_TYPE)])
    no_cell = np.isin(fine, NOT_COUNTED) & (fine != "unidentified")
    if no_cell[held].any():
        novelty = Novelty.fit(vectors[known], labels=labels[known])
        judged = held[(labels[held] != "") | no_cell[held]]
        areas["no cell"] = float(roc_auc_score(no_cell[judged], novelty.score(vectors[judged])))
    print(f"| {' | '.join(areas)} | mean |\n|{'---|' * (len(areas) + 1)}")
    print(f"| {' | '.join(f'{area:.3f}' for area in areas.values())} | {np.mean(list(areas.values())):.3f} |")
    print("\n| labels of each of two types | same scanner | another | same taken for another | another for the same |")
    print("|---|---|---|---|---|")
    for few in (1, 2, 5):
        same, other = (medians(material, elsewhere, few) for elsewhere in (False, True))
        ranges = (f"{found.min():.2f} to {found.max():.2f}" for found in (same, other))
        print(f"| {few} | {' | '.join(ranges)} | {np.mean(same > STRANGE):.1%} | {np.mean(other <= STRANGE):.1%} |")
    print("\n| labels of each of Munich's types | read right by themselves | with Barcelona's cells as a background |")
    print("|---|---|---|")
    for few in (2, 5, 10, 20):
        print(f"| {few} | {' | '.join(f'{share:.3f}' for share in misled(material, few))} |")


def medians(material: StudyData, elsewhere: bool, few: int) -> np.ndarray:
    """Median novelty of a few labels of two types among four fifths of Barcelona's, one a draw."""
    labels, there = material.labels(), material.sources == MUNICH
    barcelona = material.split.rest[~there[material.split.rest]]
    part = material.folds(5, 0, barcelona)[0]
    novelty = Novelty.fit(material.vectors[part.rest], labels=material.labels()[part.rest])
    pool = material.split.rest[there[material.split.rest]] if elsewhere else part.held
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        types = rng.choice(np.unique(labels[pool]), 2, replace=False)
        rows = pool[np.isin(labels[pool], types)]
        drawn = rows[few_shot(labels[rows].tolist(), few, rng)]
        found.append(np.median(novelty.score(material.vectors[drawn])))
    return np.array(found)


def misled(material: StudyData, few: int) -> np.ndarray:
    """Share of Munich's cells read right from a few labels of theirs: plain, and taught on Barcelona's cells."""
    labels, there = material.labels(), material.sources == MUNICH
    rest = material.split.rest
    munich, background = rest[there[rest]], Background(material.vectors[rest[~there[rest]]])
    found = []
    for seed in range(FITS):
        drawn = munich[few_shot(labels[munich].tolist(), few, np.random.default_rng(seed))]
        left = np.setdiff1d(munich, drawn)
        given = material.vectors[drawn], labels[drawn]
        readers = (classifiers.fit(*given), classifiers.fit(*given, background=background))
        found.append([np.mean(reader.predict(material.vectors[left]) == labels[left]) for reader in readers])
    return np.mean(found, axis=0)


if __name__ == "__main__":
    typer.run(main)
