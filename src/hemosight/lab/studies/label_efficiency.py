"""How many labels are enough (paper, Fig. 1): support sets from two labels a class to all of them.

Sizes count the labels of one class, and every class gives as many: with nine classes they are the paper's 18, 45, 90,
180, 450, 900, 1,800, 4,500 and 9,000 labels. A size that some class cannot fill is left out; the last takes all there
are, in the proportions in which they are. Draws are nested: a smaller support set lies inside a larger one of the same
fold and draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.errors import TooFewLabels
from hemosight.images.splits import Rows, few_shot
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.lab.studies.tables import FOLD, HELD_OUT, measured
from hemosight.space import classifiers
from hemosight.space.selftraining import Background

PER_CLASS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Labels of each class; times nine classes the paper's sizes."""
FOLDS = 5
DRAWS = 3
"""Support sets drawn from each fold at each size but the last."""


@dataclass(frozen=True)
class Draw:
    """One support set of one fold, and the cells it is measured on.

    Parameters
    ----------
    per_class
        Labels of each class; None with all labels.
    support, held
        Rows of the material: what is labelled, and the fold left out.
    unlabelled
        Rows that are in neither.
    """

    fold: int
    draw: int
    per_class: int | None
    support: Rows
    held: Rows
    unlabelled: Rows

    @property
    def name(self) -> str:
        """Tells draws of one study apart."""
        return f"{self.fold} {self.draw} {self.per_class}"

    def facts(self) -> dict[str, int | None]:
        """The columns that say what was labelled."""
        return {"fold": self.fold, "draw": self.draw, "per_class": self.per_class, "labels": len(self.support)}


def draws(
    material: StudyData,
    *,
    label_set: str = CELL_TYPE,
    per_class: Sequence[int] = PER_CLASS,
    folds: int = FOLDS,
    repeats: int = DRAWS,
    seed: int = 0,
) -> Iterator[Draw]:
    """Every support set of the protocol; the folds cut what is not held out.

    Raises :class:`~hemosight.errors.TooFewLabels` with fewer than two classes.
    """
    labels = material.labels(label_set)
    rows = material.split.rest[labels[material.split.rest] != ""]
    if len(set(labels[rows].tolist())) < 2:
        raise TooFewLabels(came="fewer than two classes outside of the held-out tenth")
    for fold, part in enumerate(material.folds(folds, seed, rows)):
        smallest = int(np.unique(labels[part.rest], return_counts=True)[1].min())
        for draw in range(repeats):
            for size in per_class:
                if size <= smallest:
                    rng = np.random.default_rng([seed, fold, draw])
                    chosen = part.rest[few_shot(labels[part.rest].tolist(), size, rng)]
                    yield Draw(fold, draw, size, chosen, part.held, np.setdiff1d(part.rest, chosen))
        yield Draw(fold, 0, None, part.rest, part.held, part.rest[:0])


def label_efficiency(
    material: StudyData,
    *,
    label_set: str = CELL_TYPE,
    classifier: str = classifiers.DEFAULT,
    per_class: Sequence[int] = PER_CLASS,
    folds: int = FOLDS,
    repeats: int = DRAWS,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Fit on every support set of the protocol, and read its fold and the held-out tenth.

    ``classifier`` is one of :data:`hemosight.space.classifiers.FITTERS`, or ``self-taught``, which learns from a fold's
    other cells, without their labels, as well.

    Returns a table of scores (:mod:`hemosight.lab.studies.tables`), before whose columns stand

    ==============  ========  ===============================================================
    ``study``       text      ``label-efficiency``
    ``classifier``  text      which was fitted
    ``fold``        integer   0 to 4
    ``draw``        integer   which draw of labels from that fold
    ``per_class``   integer   labels of each class; null with all labels
    ``labels``      integer   labels in all
    ``on``          text      ``fold`` or ``held-out``
    ==============  ========  ===============================================================

    :func:`~hemosight.lab.studies.tables.summary` gives means and standard deviations.
    """
    labels = material.labels(label_set)
    held_out = material.split.held[labels[material.split.held] != ""]

    def piece(draw: Draw) -> Callable[[], pl.DataFrame]:
        def fit() -> pl.DataFrame:
            taught = classifier == classifiers.SELF_TAUGHT
            background = Background(material.vectors[draw.unlabelled]) if taught else None
            support = material.vectors[draw.support], labels[draw.support]
            reader = classifiers.fit(*support, classifier, background=background)
            facts = {"study": "label-efficiency", "classifier": classifier, **draw.facts()}
            return pl.concat(
                measured(
                    labels[rows], reader.classes, reader.probabilities(material.vectors[rows]), {**facts, "on": on}
                )
                for on, rows in ((FOLD, draw.held), (HELD_OUT, held_out))
                if len(rows)
            )

        return fit

    protocol = draws(material, label_set=label_set, per_class=per_class, folds=folds, repeats=repeats, seed=seed)
    decided_by = {
        "material": material.hash,
        "label_set": label_set,
        "classifier": classifier,
        "folds": folds,
        "seed": seed,
    }
    pieces = {draw.name: piece(draw) for draw in protocol}
    return (steps or Steps()).run("label-efficiency", decided_by, pieces)
