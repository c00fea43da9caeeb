"""The held-out test: cells that took no part in anything, read with all labels and with four fifths of them.

Where nothing was held out (the cells inside a bundle) each fold is read with the labels of the others instead; the
column ``on`` says which it was.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from hemosight.images.splits import Rows
from hemosight.space import classifiers
from hemosight.space.labels import CELL_TYPE
from hemosight.study.figures import read_cells
from hemosight.study.material import Material
from hemosight.study.steps import Steps
from hemosight.study.tables import FOLD, HELD_OUT

REPEATS = 5
ALL = "all labels"
CONDITION = ("study", "classifier", "on", "repeat")
"""Columns that tell the readings of one fit from those of another."""


def held_out(
    material: Material,
    *,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    repeats: int = REPEATS,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Read the held-out tenth after each of ``repeats`` fits that leave one fold of the labels out, and after all.

    Returns readings, a row for each fit and cell; :mod:`hemosight.study.figures` makes scores, confusions and
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
