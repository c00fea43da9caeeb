"""Morphological attributes on the same embedding (paper, Fig. 2): no attribute took part in training the encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from hemosight.errors import TooFewLabels
from hemosight.images.splits import Rows
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import OFFICIAL_TEST, StudyData
from hemosight.lab.studies.tables import measured
from hemosight.space import classifiers
from hemosight.space.selftraining import Background

FOLDS = 5
FOLDED, OFFICIAL = "folds", "official"
MEAN = "mean of attributes"


def attributes(
    material: StudyData,
    *,
    names: Sequence[str] | None = None,
    classifier: str = classifiers.DEFAULT,
    folds: int = FOLDS,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Fit each attribute in five folds of the annotated cells, and on the authors' split where there is one.

    Returns a table of scores (:mod:`hemosight.lab.studies.tables`), before whose columns stand

    ==============  ========  ===============================================================
    ``study``       text      ``attributes``
    ``classifier``  text      which was fitted
    ``attribute``   text      its name; ``mean of attributes`` for the mean of their macro-F1
    ``split``       text      ``folds``, or ``official``: train and val against test
    ``fold``        integer   0 to 4; null for the official split
    ``labels``      integer   labels of the fit; null for the mean
    ==============  ========  ===============================================================

    ``self-taught`` as ``classifier`` learns from all other cells, without labels, too, but for the held-out tenth.

    Raises :class:`~hemosight.errors.TooFewLabels` where no cell has any.
    """
    chosen = [
        name for name in (names or material.catalog.attributes) if len(set(material.labels(name).tolist()) - {""}) > 1
    ]
    if not chosen:
        raise TooFewLabels(
            code="no_attributes",
            expected="cells with morphological attributes, of two values or more",
            came=f"none among {len(material)} cells",
            mend="Put WBCAtt's tables beside the Barcelona set (hemosight data get wbcatt), or give a table with "
            "attributes.",
        )
    official = np.array(material.catalog.table["official_split"].fill_null("").to_list())

    def piece(name: str, split: str, fold: int | None, support: Rows, queries: Rows) -> Callable[[], pl.DataFrame]:
        def fit() -> pl.DataFrame:
            labels = material.labels(name)
            background = None
            if classifier == classifiers.SELF_TAUGHT:
                seen = np.concatenate([support, queries, material.split.held])
                background = Background(material.vectors[np.setdiff1d(np.arange(len(material)), seen)])
            reader = classifiers.fit(material.vectors[support], labels[support], classifier, background=background)
            facts = {
                "study": "attributes",
                "classifier": classifier,
                "attribute": name,
                "split": split,
                "fold": fold,
                "labels": len(support),
            }
            return measured(labels[queries], reader.classes, reader.probabilities(material.vectors[queries]), facts)

        return fit

    pieces: dict[str, Callable[[], pl.DataFrame]] = {}
    for name in chosen:
        known = np.flatnonzero(material.labels(name) != "")
        for fold, part in enumerate(material.folds(folds, seed, known)):
            pieces[f"{name} {fold}"] = piece(name, FOLDED, fold, part.rest, part.held)
        test = known[official[known] == OFFICIAL_TEST]
        train = known[(official[known] != "") & (official[known] != OFFICIAL_TEST)]
        if len(test) and len(train):
            pieces[f"{name} official"] = piece(name, OFFICIAL, None, train, test)
    decided_by = {"material": material.hash, "classifier": classifier, "folds": folds, "seed": seed}
    table = (steps or Steps()).run("attributes", decided_by, pieces)
    return pl.concat([table, _mean(table)])


def _mean(table: pl.DataFrame) -> pl.DataFrame:
    """The mean over attributes of their macro-F1, for each fold and for the official split."""
    macro = table.filter(pl.col("metric") == "macro_f1")
    by = ["study", "classifier", "split", "fold", "metric"]
    mean = macro.group_by(by, maintain_order=True).agg(pl.col("value").mean(), pl.col("cells").max())
    filled = mean.with_columns(
        attribute=pl.lit(MEAN),
        labels=pl.lit(None, pl.Int64),
        scaled=pl.lit(None, pl.Float64),
        **{"class": pl.lit(None, pl.String)},
    )
    return filled.select(table.columns)
