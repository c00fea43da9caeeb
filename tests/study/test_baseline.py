"""The baseline: the same folds and labels, and the point where the curves cross."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from problems import material

from hemosight.errors import BadTable
from hemosight.study.baseline import baseline, crossing, top_only
from hemosight.study.label_efficiency import label_efficiency

CELLS = material(60, spread=2.5)


def test_it_learns_from_the_same_labels() -> None:
    seen: list[tuple[int, ...]] = []

    def contender(support, labels, queries, _seed):
        assert labels.tolist() == CELLS.labels()[support].tolist()
        assert not set(support.tolist()) & set(queries.tolist())
        seen.append(tuple(support.tolist()))
        return ("blast", "monocyte"), np.tile([0.7, 0.3], (len(queries), 1))

    table = baseline(CELLS, {"blind": contender}, per_class=(2, 5))
    mine = label_efficiency(CELLS, per_class=(2, 5), repeats=1)
    assert table.columns == mine.columns
    assert (
        table.select("fold", "per_class", "labels", "on")
        .unique()
        .sort(pl.all())
        .equals(mine.select("fold", "per_class", "labels", "on").unique().sort(pl.all()))
    )
    assert len(seen) == len(set(seen)) == 15
    assert table.filter(metric="accuracy")["value"].mean() == pytest.approx(0.25, abs=0.02)


def test_a_softmax_on_frozen_features_learns() -> None:
    shuffled = CELLS.embeddings.take(np.random.default_rng(0).permutation(len(CELLS)))
    table = baseline(CELLS, {"top only": top_only(shuffled, CELLS)}, per_class=(5,))
    assert table.filter(metric="macro_f1", on="fold")["value"].to_numpy().mean() > 0.6
    with pytest.raises(BadTable, match="all 240 cells; found of 10"):
        top_only(shuffled.take(range(10)), CELLS)


def _curve(classifier: str, values: dict[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"study": "s", "classifier": classifier, "fold": 0, "draw": 0, "per_class": size, "labels": 9 * size,
             "on": "fold", "metric": "macro_f1", "class": None, "cells": 10, "value": value, "scaled": 0.0}
            for size, value in values.items()
        ],
        schema_overrides={"class": pl.String},
    )  # fmt: skip


def test_the_crossing_lies_between_two_sizes() -> None:
    mine = _curve("discriminant", {2: 0.8, 10: 0.9, 50: 0.94, 250: 0.95})
    (row,) = crossing(mine, _curve("net", {2: 0.5, 10: 0.8, 50: 0.92, 250: 0.97})).to_dicts()
    assert row["labels"] == pytest.approx(9 * 50 * 5**0.5)
    assert row["first"] == pytest.approx(0.3)
    assert row["last"] == pytest.approx(-0.02)


def test_curves_that_do_not_cross() -> None:
    mine = _curve("discriminant", {2: 0.8, 10: 0.9})
    assert crossing(mine, _curve("net", {2: 0.5, 10: 0.8}))["labels"].to_list() == [None]
    assert crossing(mine, _curve("net", {2: 0.9, 10: 0.95}))["labels"].item() == pytest.approx(18)
