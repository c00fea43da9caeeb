"""Labels that are probably wrong: cells that a reader which saw neither them nor their patient calls something else.

Confident learning (Northcutt, Jiang and Chuang 2021, Journal of Artificial Intelligence Research 70:1373-1411): a cell
is suspect where a type other than its label is as probable as that type is, on average, for the cells labelled so. The
threshold of a type thus follows how sure the reader is of it, and a type that is read timidly does not make all its
cells suspects. Probabilities come from folds by patient where patients are known.

A suspect is a question to a person, not a correction. Figures without suspects flatter whoever found them: a hard cell
that is read wrongly and labelled rightly is a suspect too. Show both, with and without.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.space import classifiers

FOLDS = 5


def suspects(
    data: StudyData,
    *,
    classifier: str = classifiers.DEFAULT,
    folds: int = FOLDS,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Every labelled cell, with what a reader thinks that did not learn it; the most doubtful first.

    Columns: ``id``, ``path``, ``source``, ``patient``, ``subtype``, ``label``, ``own`` (the probability of its label),
    ``other`` (the likeliest other type) and ``other_probability``, ``doubt`` (``other_probability`` less ``own``, from
    -1 to 1), ``suspect``.
    """
    labels = data.labels()
    rows = np.flatnonzero(labels != "")

    def work() -> pl.DataFrame:
        names = np.unique(labels[rows])
        code = np.searchsorted(names, labels[rows])
        probabilities = np.zeros((len(labels), len(names)))
        for part in data.folds(folds, seed, rows):
            reader = classifiers.fit(data.vectors[part.rest], labels[part.rest], classifier)
            columns = np.searchsorted(names, np.array(reader.classes))
            probabilities[np.ix_(part.held, columns)] = reader.probabilities(data.vectors[part.held])
        known = probabilities[rows]
        each = np.arange(len(rows))
        own = known[each, code]
        usual = np.array([known[code == k, k].mean() for k in range(len(names))])
        others = known.copy()
        others[each, code] = -1.0
        likeliest = others.argmax(axis=1)
        other = others[each, likeliest]
        catalog = data.catalog.take(rows).table
        table = catalog.select("id", "path", "source", "patient", "subtype", "label").with_columns(
            own=own,
            other=pl.Series(names[likeliest].tolist()),
            other_probability=other,
            doubt=other - own,
            suspect=pl.Series((other >= usual[likeliest]) & (other > own)),
        )
        return table.sort("doubt", "id", descending=[True, False])

    decided_by = {"material": data.hash, "classifier": classifier, "folds": folds, "seed": seed}
    return (steps or Steps()).run("suspects", decided_by, {"all": work})


def by_label(table: pl.DataFrame) -> pl.DataFrame:
    """How many suspects each source has under each label: ``source``, ``label``, ``cells``, ``suspects``, ``share``."""
    return (
        table.group_by("source", "label")
        .agg(cells=pl.len(), suspects=pl.col("suspect").sum(), share=pl.col("suspect").mean())
        .sort("share", "source", "label", descending=[True, False, False])
    )


def without_suspects(readings: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Readings (with a column ``id``) of cells that are no suspects, to show figures with and without them."""
    return readings.join(table.filter(pl.col("suspect")).select("id"), on="id", how="anti")
