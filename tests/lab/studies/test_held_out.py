"""The held-out test: who is read by whom, and figures that agree with the readings they are made of."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from problems import material
from sklearn.metrics import f1_score

from hemosight.images.splits import Split
from hemosight.lab.studies import figures
from hemosight.lab.studies.held_out import ALL, CONDITION, held_out, summaries
from hemosight.lab.studies.study_data import StudyData

CELLS = material(80, spread=2.5)
READINGS = held_out(CELLS)


def test_every_repeat_reads_every_held_out_cell() -> None:
    ids = [CELLS.embeddings.ids[row] for row in CELLS.split.held]
    for _, part in READINGS.group_by("repeat"):
        assert part["id"].to_list() == ids
    assert READINGS["repeat"].unique(maintain_order=True).to_list() == ["0", "1", "2", "3", "4", ALL]
    assert READINGS.filter(repeat=ALL)["labels"][0] == len(CELLS.split.rest)


def test_without_held_out_cells_every_cell_is_read_once() -> None:
    whole = StudyData(CELLS.catalog, CELLS.embeddings, Split(np.arange(len(CELLS)), np.empty(0, np.int64)))
    readings = held_out(whole)
    assert sorted(readings["id"]) == sorted(CELLS.embeddings.ids)
    assert readings["on"].unique().to_list() == ["fold"]


def test_scores_are_scikit_learns_and_lie_in_their_intervals() -> None:
    scores = figures.scores(READINGS, CONDITION)
    part = READINGS.filter(repeat="2")
    mine = scores.filter(repeat="2")
    assert mine.filter(metric="macro_f1")["value"].item() == pytest.approx(
        f1_score(part["truth"].to_list(), part["read"].to_list(), average="macro")
    )
    with_bounds = scores.filter(pl.col("low").is_not_null())
    assert (with_bounds["low"] <= with_bounds["value"] + 1e-9).all()
    assert (with_bounds["value"] <= with_bounds["high"] + 1e-9).all()
    assert set(scores.filter(pl.col("low").is_null())["metric"]) == {"ece", "confidence"}


def test_confusion_counts_every_cell() -> None:
    confusion = figures.confusion(READINGS, ("repeat",))
    totals = confusion.group_by("repeat").agg(pl.col("cells").sum())
    assert set(totals["cells"]) == {len(CELLS.split.held)}
    shares = confusion.group_by("repeat", "truth").agg(pl.col("share").sum())
    assert shares["share"].to_list() == pytest.approx([1.0] * len(shares))


def test_reliability_against_the_obvious_loop() -> None:
    curve = figures.reliability(READINGS, ("repeat",), bins=5).filter(repeat="1")
    part = READINGS.filter(repeat="1").to_dicts()
    for row in curve.to_dicts():
        mine = [r for r in part if min(int(r["confidence"] * 5), 4) == row["bin"]]
        assert row["cells"] == len(mine)
        assert row["accuracy"] == pytest.approx(np.mean([r["read"] == r["truth"] for r in mine]))
        assert row["from"] <= row["confidence"] <= row["to"]


def test_summaries_are_of_the_fit_on_all_labels() -> None:
    tables = summaries(READINGS)
    everything = READINGS.filter(repeat=ALL)
    right = float((everything["truth"] == everything["read"]).cast(pl.Float64).mean())  # pyright: ignore[reportArgumentType] -- a number
    assert tables["scores"].filter(metric="accuracy")["value"].item() == pytest.approx(right)
    assert tables["confusion"]["cells"].sum() == tables["reliability"]["cells"].sum() == len(CELLS.split.held)
    assert tables["repeats"].filter(metric="macro_f1")["repeat"].to_list() == ["0", "1", "2", "3", "4"]


def test_summaries_without_held_out_cells_count_every_cell_once() -> None:
    whole = StudyData(CELLS.catalog, CELLS.embeddings, Split(np.arange(len(CELLS)), np.empty(0, np.int64)))
    tables = summaries(held_out(whole))
    assert tables["confusion"]["cells"].sum() == len(CELLS)
    assert tables["scores"].filter(metric="macro_f1").height == 1


def test_a_rare_class_read_without_fault_has_no_wide_interval() -> None:
    """One draw in three has no cell of it: that is not a fault of reading."""
    truth = ["blast"] * 40 + ["monocyte"]
    readings = pl.DataFrame({"study": "s", "truth": truth, "read": truth, "confidence": 0.9})
    scores = figures.scores(readings, ["study"])
    assert scores.filter(pl.col("metric").is_in(["macro_f1", "f1", "recall", "precision"]))["low"].min() == 1.0
