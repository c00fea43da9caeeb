"""Which encoder to ship, judged on folds of the nine tenths alone: the held-out tenth stays out of every choice.

    python benchmarks/folds.py --data DIR --bundle default.hemosight --bundle other.hemosight

Every bundle's encoder embeds the same crops. Five folds: the discriminant with all labels of four of them, and with ten
a class; self-taught with ten a class and with 5% of all, the four folds' other cells lending no labels. Attributes are
read plainly on thirds of WBCAtt's train and val rows. Figures are means over folds, their standard deviation in
brackets.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress
from sklearn.metrics import f1_score

from hemosight.engine.bundle import load
from hemosight.engine.network import Network
from hemosight.images import sources
from hemosight.images.splits import few_shot, support_sample
from hemosight.lab.studies.study_data import OFFICIAL_TEST, StudyData, embed
from hemosight.space import classifiers, lda
from hemosight.space.selftraining import Background

FOLDS, THIRDS, FEW, SHARE = 5, 3, 10, 0.05
HEADER = (
    "| encoder | all labels | wrong | ten a class | ten a class, self-taught | 5%, self-taught | attributes |\n"
    "|---|---|---|---|---|---|---|"
)


def cell_types(material: StudyData) -> tuple[dict[str, list[float]], int]:
    """Macro-F1 of each fold by what was fitted, and how many cells all labels of the other folds read wrong."""
    labels, vectors = material.labels(), material.vectors
    scores: dict[str, list[float]] = {"all": [], "few": [], "few taught": [], "share taught": []}
    wrong = 0
    for number, fold in enumerate(material.folds(FOLDS, 0, material.split.rest)):
        known, truth = labels[fold.rest].tolist(), labels[fold.held]
        few = fold.rest[few_shot(known, FEW, np.random.default_rng([0, number]))]
        share = round(SHARE * len(material.split.rest))
        some = fold.rest[support_sample(known, share, np.random.default_rng([1, number]))]
        for name, support in (("all", fold.rest), ("few", few), ("few taught", few), ("share taught", some)):
            if name.endswith("taught"):
                background = Background(vectors[np.setdiff1d(fold.rest, support)])
                fit = classifiers.fit(vectors[support], labels[support], classifiers.SELF_TAUGHT, background=background)
            else:
                fit = lda.fit(vectors[support], labels[support])
            read = np.asarray(fit.predict(vectors[fold.held]), np.str_)
            scores[name].append(float(f1_score(truth, read, average="macro")))
            wrong += int((read != truth).sum()) if name == "all" else 0
    return scores, wrong


def attributes(material: StudyData) -> float:
    """Mean macro-F1 over attributes, each cell read by a discriminant of the two other thirds."""
    open_rows = np.array([split != OFFICIAL_TEST for split in material.catalog.table["official_split"]])
    found = []
    for attribute in material.catalog.attributes:
        labels = material.labels(attribute)
        rows = material.split.rest
        rows = rows[(labels[rows] != "") & open_rows[rows]]
        third = np.random.default_rng(0).permutation(len(rows)) % THIRDS
        read = np.empty(len(rows), labels.dtype)
        for part in range(THIRDS):
            fit = lda.fit(material.vectors[rows[third != part]], labels[rows[third != part]])
            read[third == part] = fit.predict(material.vectors[rows[third == part]])
        found.append(float(f1_score(labels[rows], read, average="macro")))
    return float(np.mean(found)) if found else float("nan")


def row(name: str, material: StudyData) -> str:
    """A line of the table."""
    scores, wrong = cell_types(material)
    said = {key: f"{np.mean(values):.4f} ({np.std(values):.4f})" for key, values in scores.items()}
    few = f"{said['few']} | {said['few taught']} | {said['share taught']}"
    return f"| {name} | {said['all']} | {wrong} | {few} | {attributes(material):.4f} |"


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    bundle: Annotated[list[Path], typer.Option(help="May be given again.")],
) -> None:
    """Embed, fit, and print a row for each bundle."""
    catalog = sources.read(data)
    print(HEADER)
    for path in bundle:
        packed = load(path)
        with Progress(transient=True) as progress:
            task = progress.add_task("embedding", total=len(catalog))
            step = partial(progress.update, task)
            network = Network(packed.encoder, packed.preprocessing)
            material = embed(catalog, network, progress=lambda done, _, step=step: step(completed=done))
        print(row(f"{packed.manifest.name} {packed.manifest.version}", material), flush=True)


if __name__ == "__main__":
    typer.run(main)
