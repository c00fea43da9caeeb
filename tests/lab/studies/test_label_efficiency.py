"""Label efficiency: the protocol's sizes, nested draws, and a curve that rises."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from problems import TYPES, material

from hemosight.errors import TooFewLabels
from hemosight.lab.studies.label_efficiency import PER_CLASS, draws, label_efficiency
from hemosight.lab.studies.tables import summary
from hemosight.scoring import metrics
from hemosight.space import classifiers, selftraining

CELLS = material((120, 60, 60, 60), spread=2.5)
TABLE = label_efficiency(CELLS, repeats=2)


def test_sizes_are_the_papers_with_nine_classes() -> None:
    assert [9 * size for size in PER_CLASS] == [18, 45, 90, 180, 450, 900, 1800, 4500, 9000]


def test_draws_are_balanced_nested_and_outside_of_what_they_are_measured_on() -> None:
    labels = CELLS.labels()
    last: dict[tuple[int, int], set[int]] = {}
    sizes = set()
    for draw in draws(CELLS, repeats=2):
        chosen = set(draw.support.tolist())
        assert not chosen & set(draw.held.tolist())
        assert not chosen & set(CELLS.split.held.tolist())
        if draw.per_class is not None:
            counts = np.unique(labels[draw.support], return_counts=True)[1]
            assert counts.tolist() == [draw.per_class] * len(TYPES)
            assert last.setdefault((draw.fold, draw.draw), set()) <= chosen
            last[draw.fold, draw.draw] = chosen
        sizes.add(draw.per_class)
    assert sizes == {2, 5, 10, 20, None}, "a class of 54 cells, a fold of them left out, cannot fill 50"


def test_more_labels_read_better() -> None:
    macro = summary(TABLE).filter(metric="macro_f1", on="fold")
    means = macro["mean"].to_list()
    assert means[-1] > means[0] + 0.05
    assert macro["labels"].to_list()[:-1] == [8.0, 20.0, 40.0, 80.0]
    assert (macro["sd"] > 0).all()


def test_a_figure_is_that_of_the_fit_made_by_hand() -> None:
    draw = next(d for d in draws(CELLS, repeats=2) if d.fold == 3 and d.per_class == 10)
    labels = CELLS.labels()
    read = classifiers.fit(CELLS.vectors[draw.support], labels[draw.support]).predict(CELLS.vectors[draw.held])
    expected = metrics.scores(labels[draw.held], read)
    mine = TABLE.filter(fold=3, draw=0, per_class=10, on="fold")
    assert mine.filter(metric="macro_f1")["value"].item() == pytest.approx(expected.macro_f1.value)
    assert mine.filter(metric="f1").sort("class")["value"].to_list() == pytest.approx(expected.f1.tolist())


def test_self_taught_learns_from_what_is_neither_labelled_nor_read() -> None:
    table = label_efficiency(CELLS, classifier=classifiers.SELF_TAUGHT, per_class=(5,), repeats=1)
    draw = next(d for d in draws(CELLS, repeats=1) if d.fold == 2 and d.per_class == 5)
    three = (draw.support, draw.unlabelled, draw.held)
    assert len(set(np.concatenate(three).tolist())) == sum(map(len, three)) == len(CELLS.split.rest)
    labels = CELLS.labels()
    background = selftraining.Background(CELLS.vectors[draw.unlabelled])
    reader = selftraining.fit(CELLS.vectors[draw.support], labels[draw.support], background)
    expected = metrics.scores(labels[draw.held], reader.predict(CELLS.vectors[draw.held]))
    mine = table.filter(fold=2, per_class=5, on="fold", metric="macro_f1")
    assert mine["value"].item() == pytest.approx(expected.macro_f1.value)
    # With all labels there is nothing without, and it is the default.
    whole = [t.filter(pl.col("per_class").is_null(), metric="macro_f1") for t in (table, TABLE)]
    everything = [t["value"].to_list() for t in whole]
    assert everything[0] == everything[1]


def test_the_scaled_axis() -> None:
    row = TABLE.filter(metric="accuracy").row(0, named=True)
    assert row["scaled"] == pytest.approx(-np.log(1 - row["value"]))


def test_one_class_is_not_enough() -> None:
    with pytest.raises(TooFewLabels):
        label_efficiency(material((60, 0, 0, 0)))


def test_both_measures_are_there() -> None:
    assert set(TABLE["on"]) == {"fold", "held-out"}
    assert TABLE.filter(pl.col("on") == "held-out", metric="macro_f1")["cells"].unique().to_list() == [
        len(CELLS.split.held)
    ]
