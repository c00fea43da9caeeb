"""The supervised baseline beside self-supervised embeddings: same folds, same labels, and where the two cross.

A contender is anything that learns from rows of a material and reads others: a network trained end to end on
their pictures, or the cheap :func:`top_only`, a softmax layer on a frozen network's features, which is what the paper's
baseline is up to 450 images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hemosight.errors import BadTable
from hemosight.images.splits import Rows
from hemosight.space import classifiers
from hemosight.space.embeddings import Embeddings
from hemosight.space.labels import CELL_TYPE
from hemosight.study.label_efficiency import FOLDS, PER_CLASS, Draw, draws
from hemosight.study.material import Material
from hemosight.study.steps import Steps
from hemosight.study.tables import FOLD, HELD_OUT, measured, summary

Answers = tuple[tuple[str, ...], NDArray[np.float64]]
"""Classes and probabilities: one row a cell, one column a class."""
Contender = Callable[[Rows, NDArray[np.str_], Rows, int], Answers]
"""(rows to learn from, their labels, rows to read, seed) -> answers; rows are the material's."""


def top_only(features: Embeddings, material: Material) -> Contender:
    """A softmax layer on frozen features, cell by cell those of ``material``.

    Give the features of the network that the baseline starts from (ImageNet's), not those of the encoder it is
    compared with.
    """
    where = features.rows(material.catalog.ids)
    if (where < 0).any():
        raise BadTable(
            expected=f"features of all {len(material)} cells",
            came=f"of {int((where >= 0).sum())}",
            path="the frozen features",
            mend="Embed the same data with the network the baseline starts from.",
        )
    vectors = features.vectors[where]

    def contender(support: Rows, labels: NDArray[np.str_], queries: Rows, _seed: int) -> Answers:
        reader = classifiers.fit(vectors[support], labels, "logistic")
        return reader.classes, reader.probabilities(vectors[queries])

    return contender


def baseline(
    material: Material,
    contenders: Mapping[str, Contender],
    *,
    label_set: str = CELL_TYPE,
    per_class: Sequence[int] = PER_CLASS,
    folds: int = FOLDS,
    repeats: int = 1,
    seed: int = 0,
    steps: Steps | None = None,
) -> pl.DataFrame:
    """Teach every contender on the draws that :func:`~hemosight.study.label_efficiency.label_efficiency` makes.

    Returns its table, ``study`` being ``baseline`` and ``classifier`` the contender's name: the two can be stacked.
    """
    labels = material.labels(label_set)
    held_out = material.split.held[labels[material.split.held] != ""]

    def piece(name: str, draw: Draw) -> Callable[[], pl.DataFrame]:
        def work() -> pl.DataFrame:
            queries = np.concatenate([draw.held, held_out])
            classes, probabilities = contenders[name](draw.support, labels[draw.support], queries, seed + draw.fold)
            facts = {"study": "baseline", "classifier": name, **draw.facts()}
            cut = len(draw.held)
            return pl.concat(
                measured(labels[queries[part]], classes, probabilities[part], {**facts, "on": on})
                for on, part in ((FOLD, slice(0, cut)), (HELD_OUT, slice(cut, None)))
                if len(queries[part])
            )

        return work

    protocol = list(draws(material, label_set=label_set, per_class=per_class, folds=folds, repeats=repeats, seed=seed))
    pieces = {f"{name} {draw.name}": piece(name, draw) for name in contenders for draw in protocol}
    decided_by = {"material": material.hash, "label_set": label_set, "folds": folds, "seed": seed}
    return (steps or Steps()).run("baseline", decided_by, pieces)


def crossing(mine: pl.DataFrame, theirs: pl.DataFrame, *, metric: str = "macro_f1") -> pl.DataFrame:
    """Where a baseline catches up with self-supervised embeddings.

    ``mine`` and ``theirs`` are tables of :func:`label_efficiency` and :func:`baseline`. One row for each pair of
    classifiers and ``on``: ``labels`` at which the baseline's mean reaches the other's and stays there, between two
    sizes on a logarithmic axis; null where it never does; ``first`` and ``last``: the difference (self-supervised
    less baseline) at the smallest and at the largest size both have.
    """
    rows = []
    means = [summary(table).filter(pl.col("metric") == metric) for table in (mine, theirs)]
    for key, one in means[0].group_by("classifier", "on", maintain_order=True):
        for (name,), other in means[1].filter(on=key[1]).group_by(["classifier"], maintain_order=True):
            both = one.join(other, on="per_class", suffix="_theirs", nulls_equal=True).sort("labels")
            if not len(both):
                continue
            ahead = (both["mean"] - both["mean_theirs"]).to_numpy()
            size = np.log(both["labels"].to_numpy())
            behind = np.flatnonzero(ahead > 0)
            labels: float | None
            if not len(behind):
                labels = float(np.exp(size[0]))
            elif behind[-1] == len(ahead) - 1:
                labels = None
            else:
                at = int(behind[-1])
                step = ahead[at] / (ahead[at] - ahead[at + 1])
                labels = float(np.exp(size[at] + step * (size[at + 1] - size[at])))
            rows.append(
                {
                    "self_supervised": key[0],
                    "baseline": name,
                    "on": key[1],
                    "labels": labels,
                    "first": float(ahead[0]),
                    "last": float(ahead[-1]),
                }
            )
    return pl.DataFrame(rows, schema_overrides={"labels": pl.Float64})
