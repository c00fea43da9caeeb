"""Familiarity fitted on drawn laboratories: a foreign one is read less surely, home stays as it is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import softmax

from hemosight.errors import TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.images.splits import Split
from hemosight.lab import left_out
from hemosight.lab.studies.study_data import StudyData
from hemosight.scoring.metrics import calibration_error
from hemosight.space.embeddings import Embeddings, EmbeddingSpace
from hemosight.space.familiarity import Familiarity, LeftOutLaboratory

SPACE = EmbeddingSpace("drawn", "none")


def drawn(laboratories: dict[str, float], per_type: int = 80) -> StudyData:
    """Three types in laboratories that lie so far off and see so much of the next type instead of their own."""
    rng = np.random.default_rng(4)
    centres = np.eye(3, 10) * 5
    vectors, rows = [], []
    for name, far in laboratories.items():
        for code, cell_type in enumerate(("blast", "ig", "monocyte")):
            other = rng.random(per_type) < 0.5 * far
            centre = np.where(other[:, None], centres[(code + 1) % 3], centres[code])
            vectors.append(centre + rng.normal(size=(per_type, 10)) + 1.5 * far)
            rows += [{"label": cell_type, "source": name}] * per_type
    ids = [f"{row:064x}" for row in range(len(rows))]
    catalog = Catalog(pl.DataFrame(rows).with_columns(id=pl.Series(ids), path=pl.Series(ids)))
    everything = np.arange(len(ids))
    embeddings = Embeddings(tuple(ids), np.concatenate(vectors).astype(np.float32), SPACE)
    return StudyData(catalog, embeddings, Split(everything, everything[:0]))


def error(its: LeftOutLaboratory, familiarity: Familiarity) -> float:
    sure = softmax(its.logits / familiarity.temperatures(its.scores)[:, None], axis=1)
    return calibration_error(sure.max(axis=1), sure.argmax(axis=1) == its.truth)


@pytest.mark.slow
def test_a_laboratory_that_took_no_part_is_believed_less_and_home_as_much() -> None:
    data = drawn({"a": 0.0, "b": 0.0, "far": 1.0, "new": 1.0})
    known = np.flatnonzero(data.sources != "new")
    fitted, facts = left_out.fit(data, known)
    assert facts["fitted_on"] == ["a", "b", "far"]
    labels, new = data.labels(), np.flatnonzero(data.sources == "new")
    home = np.flatnonzero((data.sources == "a") | (data.sources == "b"))
    untouched = left_out.read(data.vectors[home], labels[home], data.vectors[new], labels[new])
    assert error(untouched, Familiarity()) > 0.3
    assert error(untouched, fitted) < 0.6 * error(untouched, Familiarity())
    at_home = left_out.home(data, known)
    assert fitted.limit <= 1
    assert fitted.unfamiliar(at_home.scores).mean() == pytest.approx(0.015, abs=0.01)
    assert error(at_home, fitted) < 0.1


@pytest.mark.slow
def test_readings_by_other_encoders_take_their_laboratorys_place() -> None:
    data = drawn({"a": 0.0, "b": 0.0, "c": 0.0})
    rows = np.arange(len(data))
    plain, _ = left_out.fit(data, rows)
    rng = np.random.default_rng(0)
    # Sure of everything, right of a third, and as far out as can be.
    sharp = LeftOutLaboratory(8.0 * rng.normal(size=(300, 3)), rng.integers(0, 3, 300), np.full(300, 1.6))
    fitted, facts = left_out.fit(data, rows, also={"c": sharp})
    assert facts["by_encoders_that_left_them_out"] == facts["fitted_on"] == ["c"]
    far = np.array([1.6])
    assert fitted.temperatures(far)[0] > 3 * plain.temperatures(far)[0]


def test_one_laboratory_alone_has_nobody_to_leave_out() -> None:
    data = drawn({"a": 0.0})
    with pytest.raises(TooFewLabels):
        left_out.fit(data, np.arange(len(data)))


def test_a_stranger_is_read_by_the_labels_of_all_others_and_of_no_other() -> None:
    data = drawn({"a": 0.0, "b": 0.0, "far": 1.0})
    labels = data.labels()
    others, own = (np.flatnonzero(side) for side in (data.sources != "far", data.sources == "far"))
    its = left_out.UnseenLaboratory.read(data, "far")
    expected = left_out.read(data.vectors[others], labels[others], data.vectors[own], labels[own])
    assert np.array_equal(its.readings.logits, expected.logits)
    assert np.array_equal(its.readings.scores, expected.scores)
    said = np.array(its.classes)[its.readings.logits.argmax(axis=1)]
    facts = its.figures()
    assert facts["accuracy"]["value"] == pytest.approx((said == labels[own]).mean(), abs=1e-4)
    assert facts["blasts"]["found"]["value"] == pytest.approx(
        (said == "blast")[labels[own] == "blast"].mean(), abs=1e-4
    )
    assert facts["common_types"] == facts["macro_f1"], "there are no others"
    fewer = its.without(set(its.ids[:10]))
    assert fewer.ids == its.ids[10:]
    assert np.array_equal(fewer.readings.scores, its.readings.scores[10:])
    with pytest.raises(TooFewLabels, match="nowhere"):
        left_out.UnseenLaboratory.read(data, "nowhere")


@pytest.mark.slow
def test_calibration_away_is_told_as_fitted_without_the_laboratory() -> None:
    data = drawn({"a": 0.0, "b": 0.0, "far": 1.0, "farther": 1.2})
    _, facts = left_out.fit(data, np.arange(len(data)))
    far = facts["calibration_error"]["far"]
    assert 0 < far["tempered"] < far["plain"] < 1
