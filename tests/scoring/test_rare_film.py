"""benchmarks/rare.py --film: the search of the desk over a film, on vectors in place of pictures."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "rare.py"
NAMES = ["blast", "lymphocyte", "neutrophil"]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What the script defines."""
    return runpy.run_path(str(SCRIPT))


def _vectors(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Blasts near one another, the others anywhere; unit length."""
    found = rng.normal(size=(len(truth), 32))
    found[truth] = np.eye(32)[0] * 6 + rng.normal(size=(int(truth.sum()), 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_a_film_has_its_blasts_and_the_same_each_time(script: dict[str, Any]) -> None:
    labels = script["film_of"](2000, 0.01)
    assert (len(labels), labels.count("blast")) == (2000, 20)
    assert labels == script["film_of"](2000, 0.01)
    assert 0.4 < labels.count("neutrophil") / 2000 < 0.52


@pytest.mark.slow
def test_likeness_to_what_was_found_brings_those_that_the_model_misreads(script: dict[str, Any]) -> None:
    """The model is sure of 3 of 16 blasts and calls the others lymphocytes, as it does 100 cells that are none."""
    rng = np.random.default_rng(3)
    truth = np.arange(2000) < 16
    scores = rng.normal(size=(2000, 3))
    scores[:3, 0] += 6
    scores[3:16, 1] += 4
    scores[100:200, 0] += 1
    snapshot = script["snapshot_of"](_vectors(truth, rng), softmax(scores, axis=1), NAMES)
    own, still = script["found_by"](snapshot, truth, 120)
    assert sum(still) == 16
    assert sum(still[:60]) >= 14
    assert own[:100] == still[:100], "before ranking ends both go the same way"
    alone = np.argsort(-softmax(scores, axis=1)[:, 0])[:120]
    assert truth[alone].sum() < 8, "by probability alone most would stay unseen"


@pytest.mark.slow
def test_what_nothing_tells_is_found_as_often_as_by_chance(script: dict[str, Any]) -> None:
    """Controls: without likeness and without a model that knows them, 100 looks of 1,000 find a tenth."""
    rng = np.random.default_rng(4)
    truth = np.zeros(1000, np.bool_)
    truth[rng.choice(1000, 50, replace=False)] = True
    vectors = _vectors(np.zeros(1000, np.bool_), rng)
    snapshot = script["snapshot_of"](vectors, softmax(rng.normal(size=(1000, 3)), axis=1), NAMES)
    _, still = script["found_by"](snapshot, truth, 100)
    assert sum(still) <= 14
