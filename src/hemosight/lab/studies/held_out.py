"""The held-out test: cells that took no part in anything, read with all labels and with four fifths of them.

Where nothing was held out (the cells inside a bundle) each fold is read with the labels of the others instead; the
column ``on`` says which it was.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.images.splits import Rows
from hemosight.lab.studies import figures
from hemosight.lab.studies.figures import read_cells
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.lab.studies.tables import FOLD, HELD_OUT
from hemosight.space import classifiers

REPEATS = 5
ALL = "all labels"
CONDITION = ("study", "classifier", "on", "repeat")
"""Columns that tell the readings of one fit from those of another."""
_TOGETHER = CONDITION[:-1]


def held_out(
    material: StudyData,
    *,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    repeats: int = REPEATS,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Read the held-out tenth after each of ``repeats`` fits that leave one fold of the labels out, and after all.

    Returns readings, a row for each fit and cell; :mod:`hemosight.lab.studies.figures` makes scores, confusions and
    reliability of them (``by=CONDITION``).

    ==============  ========  ==================================================================
    ``study``       text      ``held-out``
    ``classifier``  text      which was fitted
    ``on``          text      ``held-out``, or ``fold`` where nothing is held out
    ``repeat``      text      ``0`` to ``4``: which fold of the labels was left out; ``all labels``
    ``labels``      integer   labels of the fit
    ``id``          text      the cell
    ``truth``       text      its label
    ``read``        text      what it was read as
    ``confidence``  number    the probability of that
    ==============  ========  ==================================================================
    """
    labels = material.labels(label_set)
    rest, held = (rows[labels[rows] != ""] for rows in (material.split.rest, material.split.held))
    fits: dict[str, tuple[Rows, Rows]] = {
        str(number): (part.rest, held if len(held) else part.held)
        for number, part in enumerate(material.folds(repeats, seed, rest))
    }
    if len(held):
        fits[ALL] = (rest, held)

    def piece(name: str, support: Rows, queries: Rows) -> Callable[[], pl.DataFrame]:
        def fit() -> pl.DataFrame:
            reader = classifiers.fit(material.vectors[support], labels[support], classifier)
            facts = {
                "study": "held-out",
                "classifier": classifier,
                "on": HELD_OUT if len(held) else FOLD,
                "repeat": name,
                "labels": len(support),
            }
            ids = [material.embeddings.ids[row] for row in queries]
            return read_cells(reader, ids, material.vectors[queries], labels[queries], facts)

        return fit

    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "classifier": classifier,
        "repeats": repeats,
        "seed": seed,
    }
    pieces = {name: piece(name, *rows) for name, rows in fits.items()}
    return (steps or Steps()).run("held-out", decided_by, pieces)


def summaries(readings: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What the readings say, table by table.

    ==============  =====================================================================================
    ``scores``      after the fit on all labels, with 95% intervals (:func:`~hemosight.lab.studies.figures.scores`)
    ``confusion``   of the same readings (:func:`~hemosight.lab.studies.figures.confusion`)
    ``reliability`` of the same readings (:func:`~hemosight.lab.studies.figures.reliability`)
    ``repeats``     scores of each fit that leaves a fifth of the labels out
    ==============  =====================================================================================

    Where nothing was held out every cell is read once, by the fit that did not know it: one condition, not five.
    """
    everything = readings.filter(pl.col("repeat") == ALL)
    chosen = everything if len(everything) else readings
    repeats = figures.scores(readings.filter(pl.col("repeat") != ALL), CONDITION, bootstraps=0)
    return {
        "scores": figures.scores(chosen, _TOGETHER),
        "confusion": figures.confusion(chosen, _TOGETHER),
        "reliability": figures.reliability(chosen, _TOGETHER),
        "repeats": repeats.drop("low", "high"),
    }
