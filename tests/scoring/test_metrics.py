"""The one scorer against scikit-learn, against an obvious bootstrap, and against an obvious loop over bins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from hemosight.scoring import metrics

RNG = np.random.default_rng(7)
CLASSES = np.array(["blast", "ig", "monocyte", "platelet"])
TRUTH = CLASSES[RNG.choice(3, 200, p=[0.6, 0.3, 0.1])]
READ = np.where(RNG.random(200) < 0.7, TRUTH, CLASSES[RNG.choice(4, 200)])
SURE = RNG.uniform(0.3, 1.0, 200)
SCORES = metrics.scores(TRUTH, READ, confidence=SURE)


def test_point_values_are_scikit_learns() -> None:
    assert SCORES.classes == tuple(CLASSES.tolist()), "a class that is only read has a column, too"
    assert np.array_equal(SCORES.confusion, confusion_matrix(TRUTH, READ))
    assert SCORES.accuracy.value == pytest.approx(accuracy_score(TRUTH, READ))
    there = CLASSES[:3].tolist()
    assert SCORES.macro_f1.value == pytest.approx(f1_score(TRUTH, READ, labels=there, average="macro"))
    assert SCORES.f1[3] == SCORES.recall[3] == 0.0


def test_resampled_matrices_are_scored_as_cells_are() -> None:
    stacked = metrics.per_class(SCORES.confusion[None])
    for one, other in zip(stacked, (SCORES.precision, SCORES.recall, SCORES.f1), strict=True):
        assert one[0] == pytest.approx(other, abs=1e-15)
    assert metrics.macros(SCORES.confusion[None])[0] == pytest.approx(SCORES.macro_f1.value, abs=1e-15)


def test_intervals_are_those_of_resampled_cells() -> None:
    rng = np.random.default_rng(1)
    draws = [rng.integers(0, 200, 200) for _ in range(2000)]
    accuracies = [(TRUTH[rows] == READ[rows]).mean() for rows in draws]
    low, high = np.quantile(accuracies, [0.025, 0.975])
    assert SCORES.accuracy.low == pytest.approx(low, abs=0.015)
    assert SCORES.accuracy.high == pytest.approx(high, abs=0.015)
    recalls = [(READ[rows] == TRUTH[rows])[TRUTH[rows] == "monocyte"].mean() for rows in draws]
    low, high = np.quantile(recalls, [0.025, 0.975])
    monocyte = SCORES.of_class("recall")[2]
    assert monocyte.value == SCORES.recall[2]
    assert (monocyte.low, monocyte.high) == pytest.approx((low, high), abs=0.05)


def test_draws_without_a_cell_of_the_class_say_nothing_of_it() -> None:
    truth = ["a"] * 30 + ["b"]
    scored = metrics.scores(truth, truth)
    rare = scored.of_class("recall")[1]
    assert (rare.low, rare.high) == (1.0, 1.0), "a third of the draws have no b; they are not recalls of 0"


def test_without_bootstraps_there_are_no_bounds() -> None:
    plain = metrics.scores(TRUTH, READ, bootstraps=0)
    assert plain.macro_f1.value == SCORES.macro_f1.value
    assert np.isnan([plain.macro_f1.low, plain.macro_f1.high]).all()
    assert np.isnan(plain.of_class("f1")[0].high)
    assert plain.calibration_error is None


def test_calibration_against_the_obvious_loop() -> None:
    bins = metrics.reliability(SURE, TRUTH == READ)
    assert sum(one.cells for one in bins) == 200
    error = 0.0
    for one in bins:
        within = (one.low <= SURE) & (one.high > SURE)
        assert one.cells == within.sum()
        assert one.confidence == pytest.approx(SURE[within].mean())
        assert one.accuracy == pytest.approx((TRUTH == READ)[within].mean())
        error += one.cells / 200 * abs(one.accuracy - one.confidence)
    assert SCORES.calibration_error == pytest.approx(error)
    assert SCORES.confidence == pytest.approx(SURE.mean())
    certain = metrics.reliability(np.ones(2), np.array([True, False]))
    assert [one.bin for one in certain] == [metrics.CALIBRATION_BINS - 1], "a probability of 1 is in the last bin"
