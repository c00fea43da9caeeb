"""The discriminant of plain and of standardised vectors: attributes, which encoders are not taught, and cell types.

    hemosight embed --data DIR --out points.safetensors
    python benchmarks/standardised.py --data DIR --embeddings points.safetensors

First the macro-F1 of each attribute on five folds of the authors' training rows alone, by which it was decided what
bundles read attributes with. Then cell types of held-out cells, of each source with intervals over patients where they
are known: with all labels, with 5% of them, and with those of the other sources alone. (The encoder has met other
cells of each source.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hemosight.lab.studies.study_data import OFFICIAL_TEST, StudyData, gather
from hemosight.scoring import by_patient, metrics
from hemosight.space import lda

FEW = 0.05
WAYS = {"plain": lda.fit, "standardised": lda.fit_standardised}


def attributes(material: StudyData, count: int = 5) -> None:
    """Macro-F1 on folds of the training rows: mean over folds, and one deviation about it."""
    official = np.array(material.catalog.table["official_split"].fill_null("").to_list())
    training = (official != "") & (official != OFFICIAL_TEST)
    print("| attribute, folds of the training rows | plain | standardised |\n|---|---|---|")
    means = []
    for name in material.catalog.attributes:
        labels = material.labels(name)
        rows = np.flatnonzero(training & (labels != ""))
        scores: dict[str, list[float]] = {way: [] for way in WAYS}
        for part in material.folds(count, 0, rows):
            for way, fit in WAYS.items():
                read = fit(material.vectors[part.rest], labels[part.rest]).predict(material.vectors[part.held])
                scores[way].append(metrics.scores(labels[part.held], read, bootstraps=0).macro_f1.value)
        means.append([float(np.mean(scores[way])) for way in WAYS])
        print(f"| {name} | {' | '.join(f'{np.mean(of):.3f} (sd {np.std(of):.3f})' for of in scores.values())} |")
    print(f"| mean | {' | '.join(f'{value:.4f}' for value in np.mean(means, axis=0))} |\n")


def types(material: StudyData) -> None:
    """Macro-F1 of held-out cells' types by source."""
    labels, source = material.labels(), material.sources
    patient = np.array(material.catalog.table["patient"].fill_null("").to_list(), np.str_)
    known, held = (rows[labels[rows] != ""] for rows in (material.split.rest, material.split.held))
    few = np.sort(np.random.default_rng(0).choice(known, round(FEW * len(known)), replace=False))
    print("| held-out cells | labels | plain | standardised |\n|---|---|---|---|")
    for name in np.unique(source[held]):
        rows = held[source[held] == name]
        supports = {"all": known, f"{FEW:.0%}": few, "of the other sources": known[source[known] != name]}
        for said, support in supports.items():
            if len(set(labels[rows]) - set(labels[support])):
                continue
            cells = []
            for fit in WAYS.values():
                read = fit(material.vectors[support], labels[support]).predict(material.vectors[rows])
                its = by_patient.scores(labels[rows], read, patient[rows]).macro_f1
                cells.append(f"{its.value:.3f} [{its.low:.3f}, {its.high:.3f}]")
            print(f"| {name}, {len(rows)} | {said} | {' | '.join(cells)} |")


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    embeddings: Annotated[Path, typer.Option(help="What `hemosight embed` wrote.")],
) -> None:
    """Print both tables."""
    material = gather(data, embeddings=embeddings)
    attributes(material)
    types(material)


if __name__ == "__main__":
    typer.run(main)
