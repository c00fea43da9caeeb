"""Another laboratory: reading a source that lent no label, few labels of it, and shifts that can be simulated.

No study of two sources proves that a third is read well. Three questions are asked here:

- :func:`recovery`: one source's labels read the other's cells; then 1, 2, 5, 10, 20 labels a class of the new one join;
- :func:`shifted`: the held-out cells, changed as another stain, lens, camera or file format would change them, are
  embedded anew and read with all labels: scores and calibration under shift;
- :func:`shortcut`: cells of the one scanner that supplies a class, but of other classes: how many are read as it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from threading import Lock

import numpy as np
import polars as pl

from hemosight.blood.intervals import wilson
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.network import Network
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.shifts import SHIFTS
from hemosight.images.splits import Rows, few_shot
from hemosight.lab.studies.figures import read_cells
from hemosight.lab.studies.scanner import scanner_control
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.lab.studies.tables import measured
from hemosight.space import classifiers, lda
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier

PER_CLASS = (1, 2, 5, 10, 20)
DRAWS = 5
WEIGHT = 20.0
"""How many cells of the old sources a label of the new one counts for, where the classifier takes weights."""
SHORTCUT = {
    "study": pl.String,
    "classifier": pl.String,
    "trained_on": pl.String,
    "class": pl.String,
    "source": pl.String,
    "other_cells": pl.Int64,
    "read_as_it": pl.Int64,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
"""Columns of :func:`shortcut`, which may have no rows."""
OTHERS, JOINED, ALONE = "others", "others + few", "few alone"
AS_IT_IS = "as it is"


def recovery(
    material: StudyData,
    *,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    per_class: Sequence[int] = PER_CLASS,
    draws: int = DRAWS,
    weight: float = WEIGHT,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Each source in turn is new: read with the others' labels, with few of its own, and with both.

    Every figure of one source and draw is measured on the same cells: those that were in no draw. A source with cells
    of a single class is left out.

    Returns a table of scores (:mod:`hemosight.lab.studies.tables`), before whose columns stand

    ==============  ========  ==========================================================================
    ``study``       text      ``transfer``
    ``classifier``  text      which was fitted
    ``source``      text      the new source, on whose cells it is measured
    ``trained_on``  text      ``others``, ``others + few`` or ``few alone``
    ``weight``      number    of a label of the new source beside one of the others
    ``draw``        integer   which few
    ``per_class``   integer   labels of each class of the new source; 0 for none
    ``labels``      integer   labels of the new source
    ==============  ========  ==========================================================================

    A class that only the new source has cannot be read before it has a label: its F1 is then 0, and counts.
    """
    labels, sources = material.labels(label_set), material.sources
    takes_weights = classifier == classifiers.DEFAULT

    def piece(source: str, draw: int) -> Callable[[], pl.DataFrame]:
        def work() -> pl.DataFrame:
            there = np.flatnonzero((sources == source) & (labels != ""))
            others = np.flatnonzero((sources != source) & (labels != ""))

            def few(size: int) -> Rows:
                return there[few_shot(labels[there].tolist(), size, np.random.default_rng([seed, draw]))]

            # Half of a small class at most is labelled: something must be left to read.
            smallest = int(np.unique(labels[there], return_counts=True)[1].min())
            sizes = [size for size in per_class if 2 * size <= smallest]
            queries = np.setdiff1d(there, few(max(sizes))) if sizes else there
            trials = [(OTHERS, 0)] + [(how, size) for size in sizes for how in (JOINED, ALONE)]
            tables = []
            for how, size in trials:
                own = few(size) if size else there[:0]
                support = np.concatenate([others if how != ALONE else others[:0], own])
                if len(set(labels[support].tolist())) < 2:
                    continue
                if takes_weights and how == JOINED:
                    counts = np.where(sources[support] == source, weight, 1.0)
                    reader = lda.fit(material.vectors[support], labels[support], counts)
                else:
                    reader = classifiers.fit(material.vectors[support], labels[support], classifier)
                facts = {
                    "study": "transfer",
                    "classifier": classifier,
                    "source": source,
                    "trained_on": how,
                    "weight": weight if takes_weights and how == JOINED else 1.0,
                    "draw": draw,
                    "per_class": size,
                    "labels": len(own),
                }
                probabilities = reader.probabilities(material.vectors[queries])
                tables.append(measured(labels[queries], reader.classes, probabilities, facts))
            return pl.concat(tables)

        return work

    several = [
        source for source in np.unique(sources).tolist() if len(set(labels[sources == source].tolist()) - {""}) > 1
    ]
    if len(several) < 2:
        several = []
    pieces = {f"{source} {draw}": piece(source, draw) for source in several for draw in range(draws)}
    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "classifier": classifier,
        "per_class": list(per_class),
        "weight": weight,
        "seed": seed,
    }
    return (steps or Steps()).run("transfer", decided_by, pieces)


def shifted(
    material: StudyData,
    network: Network,
    *,
    classifier: str = classifiers.DEFAULT,
    shifts: Mapping[str, Callable[[Pixels], Pixels]] = SHIFTS,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Read the held-out cells as they are and after each shift, with all other labels.

    Returns readings (:mod:`hemosight.lab.studies.figures` makes scores and reliability of them, ``by=("study",
    "classifier", "shift")``): ``study`` (``shift``), ``classifier``, ``shift``, ``labels``, ``id``, ``truth``,
    ``read``, ``confidence``. Their pictures must be where the catalog says.
    """
    labels = material.labels()
    rest, held = material.split.rest, material.split.held
    ids = [material.embeddings.ids[row] for row in held]
    lock = Lock()

    @cache
    def taught() -> LinearClassifier:
        return classifiers.fit(material.vectors[rest], labels[rest], classifier)

    def piece(name: str, change: Callable[[Pixels], Pixels] | None) -> Callable[[], pl.DataFrame]:
        def work() -> pl.DataFrame:
            with lock:  # one piece fits it, the others wait
                reader = taught()
            vectors = material.vectors[held] if change is None else _embedded(material, held, network, change)
            facts = {"study": "shift", "classifier": classifier, "shift": name, "labels": len(rest)}
            return read_cells(reader, ids, vectors, labels[held], facts)

        return work

    pieces = {AS_IT_IS: piece(AS_IT_IS, None), **{name: piece(name, change) for name, change in shifts.items()}}
    decided_by = {"material": material.hash, "classifier": classifier, "encoder": str(network.space)}
    return (steps or Steps()).run("shift", decided_by, pieces) if len(held) else pl.DataFrame()


def shortcut(
    material: StudyData, *, classifier: str = classifiers.DEFAULT, seed: int = 0, steps: Steps | None = None
) -> pl.DataFrame:
    """For each class that one scanner alone supplies: how many of that scanner's other cells are read as it.

    Two rows a class: ``all labels``, where each cell is read by a fit on the other folds, and ``without the control``,
    where no cell of that scanner but those of the class has a label, so that the scanner alone would tell the class.

    Columns: ``study`` (``shortcut``), ``classifier``, ``trained_on``, ``class``, ``source``, ``other_cells``,
    ``read_as_it``, ``share``, and ``low`` and ``high``, Wilson's 95% interval.
    """
    labels, sources = material.labels(), material.sources
    everyone = np.flatnonzero(labels != "")

    def work() -> pl.DataFrame:
        read = np.full(len(labels), "", labels.dtype)
        for part in material.folds(5, seed, everyone):
            reader = classifiers.fit(material.vectors[part.rest], labels[part.rest], classifier)
            read[part.held] = reader.predict(material.vectors[part.held])
        control = scanner_control(labels[everyone].tolist(), read[everyone].tolist(), sources[everyone].tolist())
        rows = []
        for name, facts in control.items():
            others = np.flatnonzero((sources == facts["source"]) & (labels != name) & (labels != ""))
            left = np.setdiff1d(everyone, others)
            alone = classifiers.fit(material.vectors[left], labels[left], classifier).predict(material.vectors[others])
            for how, count in (
                ("all labels", facts["read_as_it"]),
                ("without the control", int((alone == name).sum())),
            ):
                low, high = wilson(count, len(others))
                rows.append(
                    {
                        "study": "shortcut",
                        "classifier": classifier,
                        "trained_on": how,
                        "class": name,
                        "source": facts["source"],
                        "other_cells": len(others),
                        "read_as_it": count,
                        "share": count / len(others),
                        "low": low,
                        "high": high,
                    }
                )
        return pl.DataFrame(rows, schema=SHORTCUT)

    return (steps or Steps()).run(
        "shortcut", {"material": material.hash, "classifier": classifier, "seed": seed}, {"all": work}
    )


def _embedded(material: StudyData, rows: Rows, network: Network, change: Callable[[Pixels], Pixels]) -> Vectors:
    catalog = material.catalog.take(rows)
    paths, scales = catalog.paths, catalog.table["scale"].to_numpy()
    vectors = np.empty((len(rows), network.dim), np.float32)
    for scale in np.unique(scales):
        own = np.flatnonzero(scales == scale)

        def changed(own: Rows = own) -> Iterator[Pixels]:
            for row in own:
                yield change(decode(read_bytes(paths[row])))

        vectors[own] = network.embed_crops(changed(), float(scale)).vectors
    return vectors
