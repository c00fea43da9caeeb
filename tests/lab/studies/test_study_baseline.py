"""The baseline: the same folds and labels, and the point where the curves cross."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from problems import material

from hemosight.errors import BadSplit, BadTable
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing
from hemosight.lab.studies import baseline as study
from hemosight.lab.studies.baseline import Answers, baseline, crossing, top_only
from hemosight.lab.studies.label_efficiency import label_efficiency
from hemosight.lab.studies.steps import Steps

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


def _blind(_support: Any, _labels: Any, queries: Any, _seed: int) -> Answers:
    return ("blast", "monocyte"), np.tile([0.7, 0.3], (len(queries), 1))


def test_only_the_sizes_asked_for() -> None:
    few = baseline(CELLS, {"blind": _blind}, only={5: 5, 2: 5})
    assert set(few["per_class"]) == {2, 5}
    every = baseline(CELLS, {"blind": _blind}, only={5: 1, None: 2})
    folds = {(5, 0), (None, 0), (None, 1)}
    assert set(every.select("per_class", "fold").unique().iter_rows()) == folds, "in as many folds as asked for"
    with pytest.raises(BadSplit, match="10,000 labels"):
        baseline(CELLS, {"blind": _blind}, only={10_000: 5})


def test_what_is_kept_of_one_network_is_not_taken_for_anothers(tmp_path: Path) -> None:
    def sure(support: Any, labels: Any, queries: Any, seed: int) -> Answers:
        return _blind(support, labels, queries, seed)[0], np.tile([1.0, 0.0], (len(queries), 1))

    steps = Steps(tmp_path, workers=1)
    first, second, again = (
        baseline(CELLS, {"top only": answers}, only={2: 5}, rests_on=network, steps=steps).filter(metric="confidence")
        for answers, network in ((_blind, "a"), (sure, "b"), (sure, "a"))
    )
    assert first["value"].to_numpy() == pytest.approx(0.7)
    assert second["value"].to_numpy() == pytest.approx(1.0)
    assert again.equals(first)


def _unasked(*_: Any) -> Any:
    raise AssertionError("asked for what is there already")


def test_features_need_no_network_once_it_is_kept(
    drawn_catalog: Catalog, tiny_onnx: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "SIZE", 64)
    asked: list[tuple[str, int]] = []

    def exported(backbone: str, size: int) -> bytes:
        asked.append((backbone, size))
        return tiny_onnx

    told: list[int] = []
    first, again = (
        study.starting_features(
            study.BaselineNetwork(exports, _unasked),
            drawn_catalog,
            cache=tmp_path / "kept",
            progress=lambda done, _total: told.append(done),
        )
        for exports in (exported, _unasked)
    )
    assert asked == [(study.BACKBONE, 64)]
    assert first.ids == tuple(drawn_catalog.ids)
    assert np.array_equal(again.vectors, first.vectors)
    assert len(told) == len(drawn_catalog), "read back the second time, not embedded again"


def test_without_features_the_network_is_needed(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="Give features, or the network"):
        study.compared(CELLS)
    CELLS.embeddings.save(tmp_path / "features.safetensors")
    with pytest.raises(BadTable, match="Give features, or the network"):
        study.compared(CELLS, features=tmp_path / "features.safetensors", train={5: 1})


@pytest.mark.train
def test_features_are_of_the_network_that_the_baseline_starts_from() -> None:
    from hemosight.training.baseline_task import BaselineConfig

    settings = BaselineConfig().encoder
    assert (settings.backbone, settings.weights) == (study.BACKBONE, "imagenet")
    assert settings.preprocessing == Preprocessing(size=study.SIZE)


@pytest.mark.slow
def test_the_whole_network_is_trained_at_the_sizes_asked_for(tmp_path: Path) -> None:
    taught: list[int] = []

    def network(rests_on: str) -> study.BaselineNetwork:
        def trained(catalog: Catalog, folder: Path | None) -> tuple[study.Contender, str]:
            assert catalog is CELLS.catalog
            assert folder is not None
            assert folder.parent == tmp_path / "steps"
            return learn, rests_on

        def learn(support: Any, labels: Any, queries: Any, seed: int) -> Answers:
            taught.append(len(support))
            return _blind(support, labels, queries, seed)

        return study.BaselineNetwork(_unasked, trained)

    features = tmp_path / "features.safetensors"
    CELLS.embeddings.save(features)
    steps = Steps(tmp_path / "steps", workers=1)
    both = [
        study.compared(CELLS, features=features, network=network("code"), train={5: 5, None: 2}, steps=steps)
        for _ in range(2)
    ]
    trained = both[0].filter(classifier=study.TRAINED)
    assert set(trained["per_class"]) == {5, None}
    assert set(both[0].filter(classifier=study.TOP_ONLY)["per_class"]) > {5, None}
    assert len(taught) == 7, "five folds of one size and two of another, kept the second time"
    assert both[1].equals(both[0])
    study.compared(CELLS, features=features, network=network("other code"), train={5: 5}, steps=steps)
    assert len(taught) == 12, "other training code makes other networks"


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


def test_curves_are_compared_in_the_folds_that_both_have() -> None:
    mine = pl.concat(
        _curve("discriminant", values).with_columns(fold=pl.lit(fold, pl.Int64))
        for fold, values in enumerate(({2: 0.8, 10: 0.9}, {2: 0.6, 10: 0.96}))
    )
    theirs = _curve("net", {2: 0.7, 10: 0.94})
    assert crossing(mine, theirs)["last"].to_list() == pytest.approx([-0.04])
    both = pl.concat([theirs, theirs.with_columns(fold=pl.lit(1, pl.Int64))])
    assert crossing(mine, both)["last"].to_list() == pytest.approx([-0.01])
