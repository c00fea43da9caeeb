from __future__ import annotations

import numpy as np
import pytest

from hemosight.scoring import by_patient, metrics


def test_without_patients_the_figures_are_those_of_cells() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["blast", "ig", "monocyte"], 300)
    read = np.where(rng.random(300) < 0.8, truth, "ig")
    ours = by_patient.scores(truth, read, [""] * 300)
    theirs = metrics.scores(truth, read)
    assert (ours.cells, ours.patients) == (300, 0)
    assert ours.macro_f1.value == pytest.approx(theirs.macro_f1.value)
    assert ours.accuracy.value == pytest.approx(theirs.accuracy.value)
    # Both draw cells, each in its own way.
    assert ours.accuracy.low == pytest.approx(theirs.accuracy.low, abs=0.01)
    assert ours.accuracy.high == pytest.approx(theirs.accuracy.high, abs=0.01)


def test_patients_that_are_read_alike_make_the_interval_wider() -> None:
    # Ten patients of thirty cells: eight are read right throughout, two wrong throughout.
    patient = np.repeat([f"p{k}" for k in range(10)], 30)
    truth = np.tile(["blast", "ig"], 150)
    wrong = np.isin(patient, ["p3", "p7"])
    read = np.where(wrong, np.where(truth == "blast", "ig", "blast"), truth)
    whole, cells = by_patient.scores(truth, read, patient), by_patient.scores(truth, read, [""] * 300)
    assert whole.patients == 10
    assert whole.accuracy.value == cells.accuracy.value == pytest.approx(0.8)
    width = whole.accuracy.high - whole.accuracy.low
    # The standard error of a share of ten, against that of three hundred: sqrt(30) times as wide.
    assert width / (cells.accuracy.high - cells.accuracy.low) == pytest.approx(np.sqrt(30), rel=0.2)


def test_blasts_are_counted_by_cell_and_by_patient() -> None:
    truth = ["blast", "blast", "blast", "ig", "ig", "blast", "ig", "ig"]
    read = ["blast", "ig", "ig", "blast", "ig", "ig", "ig", "ig"]
    patient = ["a", "a", "b", "b", "c", "", "", "c"]
    found = by_patient.blasts(truth, read, patient)
    assert (found.cells, found.others) == (4, 4)
    assert found.found.value == 0.25
    assert found.false.value == 0.25
    # The cell of an unknown patient counts as a cell only.
    assert (found.patients, found.patients_found) == (2, 1)
    facts = found.to_json()
    assert facts["found"]["value"] == 0.25
    assert facts["patients_found_low"] < 0.5 < facts["patients_found_high"]


def test_other_calls_than_the_readings() -> None:
    truth = np.array(["blast", "blast", "ig", "ig"])
    called = np.array([True, True, True, False])
    found = by_patient.blasts(truth, None, ["a", "b", "a", "b"], called=called)
    assert (found.found.value, found.false.value, found.patients_found) == (1.0, 0.5, 2)


def test_no_blast_at_all_says_so() -> None:
    found = by_patient.blasts(["ig", "ig"], ["ig", "blast"], ["a", "b"])
    assert np.isnan(found.found.value)
    assert (found.found.low, found.found.high) == (0.0, 1.0)
    assert found.false.value == 0.5
    assert (found.patients, found.patients_found) == (0, 0)


def test_the_curve_rises_with_false_calls_and_ends_where_all_are_found() -> None:
    rng = np.random.default_rng(1)
    truth = np.array(["blast"] * 200 + ["ig"] * 800)
    suspicion = np.concatenate([rng.normal(2, 1, 200), rng.normal(0, 1, 800)])
    patient = np.array([f"p{k % 20}" for k in range(1000)])
    curve = by_patient.blast_curve(truth, suspicion, patient)
    found, false = ([row[name] for row in curve] for name in ("found", "false"))
    assert found == sorted(found)
    assert false == pytest.approx([0, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5], abs=0.002)
    # Two unit normals two apart: at 6% false calls, P(z > 1.555 - 2) is found.
    assert found[4] == pytest.approx(0.672, abs=0.07)
    assert curve[-1]["patients_found"] == 1.0
    assert by_patient.blast_curve(["blast"], np.array([1.0]), ["a"]) == []
