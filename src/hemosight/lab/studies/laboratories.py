"""Leave one laboratory out: each in turn untouched, then with a few labels of its own.

Of the laboratory that is left out nothing takes part but the few labels that a row says. Its cells are cut into folds,
by patient where patients are known: labels come from the other folds' patients, and every cell is read once under every
condition, by a reader that saw neither it nor its patient. Labels are drawn at random from each type, or chosen one
batch after the other by the review queue's own strategy, and are learnt as a project learns them (they join the other
laboratories' labels, each counting for several) or as ``hemosight classify --support`` does (alone, with the other
laboratories' cells as an unlabelled background).

The encoder is the one that made the embeddings. Where it was trained on the laboratory that is left out, figures are
too good; a table cannot know, so whoever shows it must say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.errors import BadSplit, TooFewLabels
from hemosight.images.laboratory_splits import BY_IMAGE, BY_PATIENT
from hemosight.images.splits import Rows, Split, few_shot
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.scoring import by_patient, metrics
from hemosight.space import classifiers, incremental_lda
from hemosight.space.labels import SupportSet
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.novelty import Novelty
from hemosight.space.queries import query
from hemosight.space.selftraining import Background

PER_TYPE = (1, 5, 10, 25)
FOLDS = 4
QUEUE = "uncertainty"
"""The review queue's strategy unless its user chooses another."""
BATCH = 10
"""Labels after which the queue's reader learns."""
UNTOUCHED, JOINED, ALONE = "untouched", "joined", "alone"
CONDITION = ("laboratory", "support", "strategy", "per_type")
"""Columns that tell one condition from another."""


def leave_one_out(
    data: StudyData,
    *,
    per_type: Sequence[int] = PER_TYPE,
    folds: int = FOLDS,
    strategy: str = QUEUE,
    weight: float = incremental_lda.WEIGHT,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Read every laboratory's cells without its labels, and with few of them.

    A laboratory is a source with cells of two types or more. Returns readings:

    ==============  ========  ====================================================================================
    ``laboratory``  text      the one left out
    ``support``     text      ``untouched``; ``joined`` (its labels beside the others'); ``alone`` (its labels, the
                              others' cells as background)
    ``strategy``    text      ``none``, ``random``, or the queue's
    ``per_type``    integer   labels of each type it has; the queue chooses as many in all
    ``labels``      integer   labels of its own that the reader of this cell has learnt
    ``split``       text      ``by patient`` or ``by image``
    ``id``          text      the cell
    ``patient``     text      empty where none is known
    ``truth``       text      its label
    ``read``        text      what it was read as
    ``confidence``  number    the probability of that
    ``novelty``     number    how far it lies from the other laboratories' cells
    ==============  ========  ====================================================================================

    Raises :class:`~hemosight.errors.TooFewLabels` with fewer than two laboratories.
    """
    sources, labels = data.sources, data.labels()
    several = [name for name in np.unique(sources).tolist() if len(set(labels[sources == name]) - {""}) > 1]
    if len(np.unique(sources)) < 2 or not several:
        raise TooFewLabels(came=f"the laboratories {', '.join(np.unique(sources).tolist()) or 'none'}")
    left_out = {name: _LeftOut(data, name, folds, strategy, weight, seed) for name in several}
    pieces: dict[str, Callable[[], pl.DataFrame]] = {}
    for name, laboratory in left_out.items():
        pieces[f"{name} {UNTOUCHED}"] = laboratory.untouched
        for size in per_type:
            pieces[f"{name} {size}"] = laboratory.with_labels(size)
    decided_by = {
        "material": data.hash,
        "folds": folds,
        "strategy": strategy,
        "weight": weight,
        "seed": seed,
    }
    return (steps or Steps()).run("laboratories", decided_by, pieces)


def summary(readings: pl.DataFrame) -> pl.DataFrame:
    """A row for each condition, with 95% intervals drawn over patients (over cells where none is known).

    Columns: those of :data:`CONDITION`, ``split``, ``labels`` (mean over folds), ``cells``, ``patients``, ``macro_f1``
    over the types the laboratory has with ``low`` and ``high``, ``accuracy``, ``ece``, ``confidence``.
    """
    rows: list[dict[str, Any]] = []
    for key, part in readings.group_by(CONDITION, maintain_order=True):
        truth, read, patient = (part[name].to_numpy().astype(np.str_) for name in ("truth", "read", "patient"))
        scores, sure = by_patient.scores(truth, read, patient), part["confidence"].to_numpy()
        rows.append(
            {
                **dict(zip(CONDITION, key, strict=True)),
                "split": part["split"][0],
                "labels": round(float(part["labels"].cast(pl.Float64).to_numpy().mean()), 1),
                "cells": scores.cells,
                "patients": scores.patients,
                "macro_f1": scores.macro_f1.value,
                "low": scores.macro_f1.low,
                "high": scores.macro_f1.high,
                "accuracy": scores.accuracy.value,
                "ece": metrics.calibration_error(sure, truth == read),
                "confidence": float(sure.mean()),
            }
        )
    return pl.DataFrame(rows)


def blasts(readings: pl.DataFrame, wanted: str = "blast") -> pl.DataFrame:
    """A row for each condition of a laboratory that has blasts: found, false calls, and in how many patients.

    Columns: those of :data:`CONDITION`, ``cells``, ``found`` with ``found_low`` and ``found_high``, ``false`` with
    ``false_low`` and ``false_high``, ``patients`` with a blast, ``patients_found`` with at least one found.
    """
    rows: list[dict[str, Any]] = []
    for key, part in readings.group_by(CONDITION, maintain_order=True):
        truth, read, patient = (part[name].to_numpy().astype(np.str_) for name in ("truth", "read", "patient"))
        if not (truth == wanted).any():
            continue
        its = by_patient.blasts(truth, read, patient, wanted=wanted)
        rows.append(
            {
                **dict(zip(CONDITION, key, strict=True)),
                "cells": its.cells,
                "found": its.found.value,
                "found_low": its.found.low,
                "found_high": its.found.high,
                "false": its.false.value,
                "false_low": its.false.low,
                "false_high": its.false.high,
                "patients": its.patients,
                "patients_found": its.patients_found,
            }
        )
    return pl.DataFrame(rows)


class _LeftOut:
    """One laboratory's cells, folds of them, and what the others teach."""

    def __init__(self, data: StudyData, name: str, folds: int, strategy: str, weight: float, seed: int) -> None:
        self.data, self.name, self.strategy, self.weight, self.seed = data, name, strategy, weight, seed
        labels = data.labels()
        self.labels = labels
        self.there = np.flatnonzero((data.sources == name) & (labels != ""))
        self.others = np.flatnonzero((data.sources != name) & (labels != ""))
        self.folds = _folds(data, folds, seed, self.there)
        self.split = BY_PATIENT if (data.patients[self.there] != "").all() else BY_IMAGE
        # Types that only this laboratory has are classes too once they have a label, and wrong before.
        self.classes = tuple(np.unique(labels[np.concatenate([self.there, self.others])]).tolist())

    def untouched(self) -> pl.DataFrame:
        """Every cell read with the others' labels alone."""
        reader = classifiers.fit(self.data.vectors[self.others], self.labels[self.others])
        return self._read(reader, self.there, UNTOUCHED, "none", 0, 0)

    def with_labels(self, size: int) -> Callable[[], pl.DataFrame]:
        """Every cell read with so many labels of each type, from other patients."""

        def work() -> pl.DataFrame:
            reference = self._reference()
            background = Background(self.data.vectors[self.others])
            tables = []
            for number, part in enumerate(self.folds):
                rng = np.random.default_rng([self.seed, number])
                own = part.rest[few_shot(self.labels[part.rest].tolist(), size, rng)]
                queued = self._queued(reference, part.rest, len(own), rng)
                for strategy, chosen in (("random", own), (self.strategy, queued)):
                    facts = (strategy, size, len(chosen))
                    tables.append(self._read(self._taught(reference, chosen), part.held, JOINED, *facts))
                    if len(set(self.labels[chosen].tolist())) > 1:
                        vectors, names = self.data.vectors[chosen], self.labels[chosen]
                        alone = classifiers.fit(vectors, names, background=background)
                        tables.append(self._read(alone, part.held, ALONE, *facts))
            return pl.concat(tables)

        return work

    def _reference(self) -> incremental_lda.Reference:
        vectors, names = self.data.vectors[self.others], self.labels[self.others]
        cells = SupportSet(self.data.embeddings.take(self.others), {CELL_TYPE: tuple(names.tolist())})
        return incremental_lda.Reference.of(cells, CELL_TYPE, classifiers.fit(vectors, names))

    def _learner(self, reference: incremental_lda.Reference) -> incremental_lda.IncrementalLDA:
        vectors = self.data.vectors
        return incremental_lda.IncrementalLDA(self.classes, lambda rows: vectors[rows], vectors.shape[1], reference)

    def _taught(self, reference: incremental_lda.Reference, rows: Rows) -> LinearClassifier:
        learner = self._learner(reference)
        learner.update(rows, self._codes(rows))
        reader = learner.classifier(self.weight)
        assert reader is not None  # noqa: S101 -- a reference always reads
        return reader

    def _codes(self, rows: Rows) -> NDArray[np.int64]:
        return np.searchsorted(np.array(self.classes), self.labels[rows]).astype(np.int64)

    def _queued(self, reference: incremental_lda.Reference, pool: Rows, n: int, rng: np.random.Generator) -> Rows:
        """Rows of the pool in the order in which the queue asks for them."""
        learner, chosen = self._learner(reference), np.zeros(0, np.int64)
        vectors = self.data.vectors[pool]
        while len(chosen) < min(n, len(pool)):
            reader = learner.classifier(self.weight)
            probabilities = None if reader is None else reader.probabilities(vectors)
            asked = query(self.strategy, probabilities, vectors, chosen, min(BATCH, n - len(chosen)), rng)
            chosen = np.concatenate([chosen, asked])
            learner.update(pool[asked], self._codes(pool[asked]))
        return pool[chosen]

    def _read(
        self, reader: LinearClassifier, rows: Rows, support: str, strategy: str, size: int, labels: int
    ) -> pl.DataFrame:
        vectors = self.data.vectors[rows]
        probabilities = reader.probabilities(vectors)
        known = Novelty.fit(self.data.vectors[self.others], labels=self.labels[self.others])
        facts = {
            "laboratory": self.name,
            "support": support,
            "strategy": strategy,
            "per_type": size,
            "labels": labels,
            "split": self.split,
        }
        return pl.DataFrame(
            {
                **{name: [value] * len(rows) for name, value in facts.items()},
                "id": [self.data.embeddings.ids[row] for row in rows],
                "patient": self.data.patients[rows].tolist(),
                "truth": self.labels[rows].tolist(),
                "read": np.array(reader.classes, np.str_)[probabilities.argmax(axis=1)].tolist(),
                "confidence": probabilities.max(axis=1),
                "novelty": known.score(vectors),
            }
        )


def _folds(data: StudyData, folds: int, seed: int, rows: Rows) -> list[Split]:
    """As many folds as the laboratory has groups for, two at least."""
    fault: BadSplit | None = None
    for k in range(folds, 1, -1):
        try:
            return data.folds(k, seed, rows)
        except BadSplit as reason:
            fault = reason
    raise fault or BadSplit(expected="two folds or more", came=f"{folds}", mend="Ask for two.")
