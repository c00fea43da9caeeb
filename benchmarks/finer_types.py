"""An added type with ten and twenty-five labels: how much of it is read, and what becomes of the others.

Cells of Johns Hopkins whose patients the bundle never saw are a project; some cells of a type are labelled as the
laboratory's own, some of the type above it as what they are, and the rest of the table is read as the desk reads it::

    HEMOSIGHT_DATA=... python benchmarks/finer_types.py

*within*: of cells whose upper type is read, how many of the added type are found, and how many others are taken for it.
*whole table*: recall and precision over all cells that are left. *flat* is the same with the added type as a class
beside the nine, which is what a finer type would be without its type above it. *upper types*: macro-F1 of the nine,
before the labels and after.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from hemosight.blood.vocabulary import CELL_TYPE, at_level, parent_of
from hemosight.engine import engine as engines
from hemosight.images import sources
from hemosight.space.finer_types import FinerTypes
from hemosight.space.incremental_lda import IncrementalLDA, Reference

TYPES = ("band_neutrophil", "promyelocyte", "variant_lymphocyte", "smudge")


class Table:
    """Cells of a project that nobody has labelled yet, and the bundle that reads them."""

    def __init__(self, data: Path) -> None:
        engine = engines.load()
        bundle = engine.bundle
        catalog = sources.read(data / "JHU_AML")
        embedded, _ = engine.network.embed(catalog)
        path = {row["id"]: Path(str(row["path"])) for row in catalog.table.iter_rows(named=True)}
        known = set(bundle.support.embeddings.ids)
        new = np.array([cell not in known for cell in embedded.ids])
        self.vectors = embedded.vectors[new]
        self.fine = np.array([path[cell].parent.name for cell in embedded.ids])[new]
        self.upper = np.array([at_level(str(name)) or "" for name in self.fine])
        self.nine = bundle.classifiers[CELL_TYPE].classes
        self.reference = Reference.of(bundle.support, CELL_TYPE, bundle.classifiers[CELL_TYPE])
        self.before = np.array(self.nine)[bundle.classifiers[CELL_TYPE].scores(self.vectors).argmax(axis=1)]

    def read(self, labels: dict[int, str], added: str, *, flat: bool) -> NDArray[np.str_]:
        """What every cell is read as after these labels."""
        names = (*self.nine, added)
        codes = {cell: names.index(name) for cell, name in labels.items()}
        above = parent_of(added)
        parents = {} if flat or above is None else {len(names) - 1: names.index(above)}

        def vectors_of(cells: NDArray[np.int64]) -> NDArray[np.float32]:
            return self.vectors[cells]

        learner = IncrementalLDA(names, vectors_of, self.vectors.shape[1], self.reference)
        finer = FinerTypes(names, parents, vectors_of, self.vectors.shape[1])
        finer.update(list(codes), list(codes.values()))
        learner.update(list(codes), finer.upper[list(codes.values())])
        classifier = learner.classifier()
        if classifier is None:
            raise RuntimeError("a reference always gives a classifier")
        probabilities = classifier.probabilities(self.vectors)
        open_ = np.setdiff1d(np.arange(len(self.vectors)), list(codes))

        def stand_ins(parent: int, count: int) -> NDArray[np.int64]:
            alike = open_[probabilities[open_].argmax(axis=1) == parent]
            return alike[np.linspace(0, len(alike) - 1, min(count, len(alike))).astype(np.int64)]

        for split in finer.splits(stand_ins):
            split.share(probabilities, self.vectors)
        return np.array(names)[probabilities.argmax(axis=1)]


def main(draws: Annotated[int, typer.Option(min=1, help="Draws of the labels that are averaged.")] = 5) -> None:
    """Measure, and print one row a type and number of labels."""
    table = Table(Path(os.environ["HEMOSIGHT_DATA"]))
    typer.echo(
        "| type | labels | others | within: found | taken | whole table: recall | precision | flat: recall | precision "
        "| upper types before | after |"
    )
    typer.echo("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in TYPES:
        for labels, others in ((10, 0), (10, 10), (25, 0), (25, 25)):
            found = [_draw(table, name, labels, others, seed) for seed in range(draws)]
            typer.echo(
                f"| {name} | {labels} | {others} | " + " | ".join(f"{x:.2f}" for x in np.nanmean(found, axis=0)) + " |"
            )


def _draw(table: Table, name: str, labels: int, others: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.flatnonzero(table.fine == name))[:labels]
    above = parent_of(name)
    beside = (
        np.flatnonzero((table.upper == above) & (table.fine != name)) if above else np.flatnonzero(table.upper != "")
    )
    given = {int(cell): name for cell in own}
    given |= {int(cell): str(table.upper[cell]) for cell in rng.permutation(beside)[:others]}
    rest = np.setdiff1d(np.arange(len(table.fine)), list(given))
    truth, family = table.fine[rest] == name, table.upper[rest] == above
    after = table.read(given, name, flat=False)
    nine = table.upper[rest] != ""

    def rates(read: NDArray[np.str_]) -> list[float]:
        said = read[rest] == name
        return [float(said[truth].mean()), float(truth[said].mean()) if said.any() else float("nan")]

    def upper(read: NDArray[np.str_]) -> float:
        folded = np.where(read == name, above or name, read)[rest][nine]
        return float(f1_score(table.upper[rest][nine], folded, average="macro", labels=list(table.nine)))

    said = after[rest] == name
    of_type = np.isin(after[rest], [name, above or ""])  # those that the upper types got right
    within = [
        float(said[truth & of_type].mean()) if (truth & of_type).any() else float("nan"),
        float(said[family & ~truth & of_type].mean()) if (family & ~truth & of_type).any() else float("nan"),
    ]
    return [*within, *rates(after), *rates(table.read(given, name, flat=True)), upper(table.before), upper(after)]


if __name__ == "__main__":
    typer.run(main)
