"""Active learning (paper, Fig. 3 and 4): which cells to label, so that the fewest labels do.

Each run begins with ten labels of each class (``stratified``), or with as many cells that are typical of the pool and
chosen without a label (``cold``), and asks for 90 more a round until none is left. Every fold is a run of its own; all
strategies of a fold begin with the same cells and are measured on the same ones. After every round the readings of the
fold left out, and of the held-out tenth, are scored.

Readers see all dimensions; only the geometry of the pool that some strategies ask for (who is near whom) is taken in
the leading principal axes of the pool, which needs no label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import eigh

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.errors import TooFewLabels, UnknownName
from hemosight.images.splits import Rows, Split, few_shot
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.lab.studies.tables import FOLD, HELD_OUT, measured
from hemosight.space import classifiers
from hemosight.space.embeddings import Vectors
from hemosight.space.incremental_lda import GROWTH, IncrementalLDA
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.queries import STRATEGIES, query
from hemosight.space.selftraining import Background

BATCH = 90
FIRST = 10
"""Labels of each class to begin with: 90 with nine classes."""
FOLDS = 5
AXES = 64
"""Principal axes of the pool in which distances are measured."""
COLD = {"cold margin": ("typical", "margin")}
"""Strategies that choose their first cells too: with what they begin, and with what they go on."""
NAMES = (*STRATEGIES, *COLD)
ALL = "all labels"
"""Not a strategy: the whole pool labelled at once, what runs that end early are measured against."""


def active(
    material: StudyData,
    *,
    strategies: Sequence[str] = NAMES,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    batch: int = BATCH,
    first: int = FIRST,
    folds: int = FOLDS,
    most: int | None = None,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Run every strategy on every fold, to exhaustion or to ``most`` labels.

    ``classifier`` is one of :data:`hemosight.space.classifiers.FITTERS`, or ``self-taught``, which learns from what has
    not been asked yet, without its labels, as well. With ``most`` there is a row of :data:`ALL` for each fold besides.

    Returns a table of scores (:mod:`hemosight.lab.studies.tables`), before whose columns stand

    ==============  ========  ==========================================================================
    ``study``       text      ``active``
    ``classifier``  text      which was fitted
    ``strategy``    text      a name of :data:`~hemosight.space.queries.STRATEGIES`, ``cold margin``, or ``all labels``
    ``fold``        integer   0 to 4
    ``round``       integer   0 after the first labels
    ``labels``      integer   labels so far
    ``pool``        integer   cells that could be labelled
    ``on``          text      ``fold``, ``held-out``, or ``labels`` for what was asked
    ==============  ========  ==========================================================================

    Besides scores, rows with ``on`` = ``labels`` and ``metric`` = ``share`` give each class's share of the labels so
    far. :mod:`hemosight.lab.studies.active_results` goes on from this table.
    """
    labels = material.labels(label_set)
    rest, held_out = (rows[labels[rows] != ""] for rows in (material.split.rest, material.split.held))

    for name in strategies:
        if name not in NAMES:
            raise UnknownName(kind="strategy", choices=", ".join(NAMES), name=name)
    parts = material.folds(folds, seed, rest)

    @cache
    def shared(fold: int) -> Pool:
        vectors = material.vectors[parts[fold].rest]
        return Pool(vectors, labels[parts[fold].rest], principal(vectors, AXES), classifier)

    def piece(name: str, fold: int, part: Split) -> Callable[[], pl.DataFrame]:
        facts = {"study": "active", "classifier": classifier, "strategy": name, "fold": fold}
        measure = {FOLD: part.held, HELD_OUT: held_out}

        def work() -> pl.DataFrame:
            pool = shared(fold)
            rounds = (
                [pool.whole()]
                if name == ALL
                else pool.run(name, batch=batch, first=first, most=most, seed=(seed, fold))
            )
            tables = []
            for number, (asked, reader) in enumerate(rounds):
                so_far = {**facts, "round": number, "labels": len(asked), "pool": len(part.rest)}
                tables += [
                    measured(
                        labels[rows], reader.classes, reader.probabilities(material.vectors[rows]), {**so_far, "on": on}
                    )
                    for on, rows in measure.items()
                    if len(rows)
                ]
                tables.append(_shares(pool.labels[asked], so_far, tables[-1]))
            return pl.concat(tables)

        return work

    names = strategies if most is None else (*strategies, ALL)
    pieces = {f"{name} {fold}": piece(name, fold, part) for fold, part in enumerate(parts) for name in names}
    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "classifier": classifier,
        "batch": batch,
        "first": first,
        "folds": folds,
        "most": most,
        "seed": seed,
    }
    return (steps or Steps()).run("active", decided_by, pieces)


class Pool:
    """Cells that may be asked for, by any number of runs, in threads too.

    Parameters
    ----------
    vectors, labels
        The pool: cells x dimensions, and what the answer would be.
    geometry
        Where each cell lies for who asks which are near (:func:`principal`).
    classifier
        What reads in between; the default is taught in rounds, others are fitted anew.
    """

    def __init__(
        self, vectors: Vectors, labels: NDArray[np.str_], geometry: Vectors, classifier: str = classifiers.DEFAULT
    ) -> None:
        self.vectors = vectors
        self.labels = labels
        self.geometry = geometry
        self.classifier = classifier
        self._known: dict[bytes, LinearClassifier] = {}

    def run(
        self, name: str, *, batch: int, first: int, most: int | None, seed: Sequence[int]
    ) -> list[tuple[Rows, LinearClassifier]]:
        """What had been asked and the reader that came of it, after each round."""
        classes = tuple(np.unique(self.labels).tolist())
        begin, go_on = COLD.get(name, (None, name))
        rng = np.random.default_rng(seed)
        if begin is None:
            asked = few_shot(self.labels.tolist(), first, rng)
        else:
            asked = query(begin, None, self.geometry, np.empty(0, np.int64), first * len(classes), rng)
        codes = np.searchsorted(np.array(classes), self.labels)
        origin = self.vectors.mean(axis=0, dtype=np.float64)
        lda = IncrementalLDA(
            classes, lambda cells: self.vectors[cells], self.vectors.shape[1], origin=origin, growth=GROWTH
        )
        new, done = asked, []
        limit = len(self.labels) if most is None else min(most, len(self.labels))
        while True:
            if self.classifier == classifiers.DEFAULT:
                lda.update(new, codes[new])
                reader = lda.classifier()
                if reader is None:
                    raise TooFewLabels(came=f"{len(asked)} cells of one class")
            elif len(asked) == len(self.labels):
                # In the pool's order, not in that of asking, which some fits deal their folds by.
                _, reader = self.whole()
            elif not done:
                reader = self.fit_shared(asked)
            else:
                reader = self.fit(asked)
            done.append((asked, reader))
            if len(asked) >= limit:
                return done
            new = query(
                go_on, reader.probabilities(self.vectors), self.geometry, asked, min(batch, limit - len(asked)), rng
            )
            asked = np.concatenate([asked, new])

    def whole(self) -> tuple[Rows, LinearClassifier]:
        """All of the pool asked for, and the reader that comes of it."""
        everything = np.arange(len(self.labels))
        return everything, self.fit_shared(everything)

    def fit_shared(self, asked: Rows) -> LinearClassifier:
        """What runs share is fitted once: their first cells, and all of them. Threads at once may each fit it."""
        key = asked.tobytes()
        if key not in self._known:
            self._known[key] = self.fit(asked)
        return self._known[key]

    def fit(self, asked: Rows) -> LinearClassifier:
        """Fitted on what was asked for; self-taught, on the rest without labels as well."""
        background = None
        if self.classifier == classifiers.SELF_TAUGHT:
            background = Background(np.delete(self.vectors, asked, axis=0))
        return classifiers.fit(self.vectors[asked], self.labels[asked], self.classifier, background=background)


def principal(vectors: Vectors, axes: int) -> Vectors:
    """Vectors in their own leading principal axes; as they are where they have no more dimensions."""
    if vectors.shape[1] <= axes:
        return vectors
    middle, directions = leading(vectors, axes)
    return np.asarray((vectors - middle) @ directions, np.float32)


def leading(vectors: Vectors, axes: int) -> tuple[Vectors, Vectors]:
    """The mean of vectors, and their leading principal axes in columns, the first of them last."""
    middle = vectors.mean(axis=0, dtype=np.float32)
    centred = vectors - middle
    dim = vectors.shape[1]
    _, directions = eigh((centred.T @ centred).astype(np.float64), subset_by_index=(dim - axes, dim - 1))
    return middle, directions.astype(np.float32)


def _shares(asked: NDArray[np.str_], facts: dict[str, Any], like: pl.DataFrame) -> pl.DataFrame:
    names, counts = np.unique(asked, return_counts=True)
    return pl.DataFrame(
        {
            **{name: [value] * len(names) for name, value in facts.items()},
            "on": "labels",
            "metric": "share",
            "class": names.tolist(),
            "cells": counts.tolist(),
            "value": (counts / len(asked)).tolist(),
            "scaled": pl.Series([None] * len(names), dtype=pl.Float64),
        },
        schema_overrides={"cells": pl.Int64},
    ).select(like.columns)
