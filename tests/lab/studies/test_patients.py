"""Figures by patient and by laboratory, and the machine-readable card made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hemosight.engine.bundle import Bundle
from hemosight.errors import TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.images.splits import Split
from hemosight.lab.report import model_card
from hemosight.lab.report.figure import ReportInputs, Section
from hemosight.lab.report.patients import patients as section_of
from hemosight.lab.studies.patients import OTHER_LABORATORY, OTHER_PATIENTS, patients
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.space.embeddings import Embeddings

TYPES = ("blast", "lymphocyte", "monocyte")


def two_laboratories(bundle: Bundle, *, apart: float = 0.0) -> StudyData:
    """Points of three types in two laboratories; ``apart`` moves the second one's types towards one another's place."""
    rng = np.random.default_rng(0)
    dim = bundle.support.embeddings.vectors.shape[1]
    centres = rng.normal(size=(3, dim))
    rows, vectors = [], []
    for source, shift in (("pbc", 0.0), ("jhu_aml", apart)):
        for number in range(90):
            kind = number % 3
            centre = (1 - shift) * centres[kind] + shift * centres[(kind + 1) % 3]
            vectors.append(centre + 0.5 * rng.normal(size=dim))
            patient = f"P{number // 10}" if source == "jhu_aml" else None
            identity = f"{source}{number}"
            rows.append({"id": identity, "path": identity, "label": TYPES[kind], "source": source, "patient": patient})
    table = pl.DataFrame(rows, schema_overrides={"patient": pl.String}, infer_schema_length=None)
    points = np.array(vectors, np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    held = np.array([row for row in range(180) if (row % 90) >= 70])
    rest = np.setdiff1d(np.arange(180), held)
    embeddings = Embeddings(tuple(table["id"]), points, bundle.space)
    return StudyData(Catalog(table), embeddings, Split(rest, held), "made up")


def test_each_laboratory_is_read_by_the_labels_of_the_others(tiny_bundle: Bundle) -> None:
    table = patients(two_laboratories(tiny_bundle))
    rows = {
        (condition, source): (cells, known)
        for condition, source, cells, known in table.select("condition", "source", "cells", "patients").rows()
    }
    assert rows == {
        (OTHER_PATIENTS, "pbc"): (20, 0),
        (OTHER_PATIENTS, "jhu_aml"): (20, 2),
        (OTHER_LABORATORY, "pbc"): (90, 0),
        (OTHER_LABORATORY, "jhu_aml"): (90, 9),
    }
    assert (table["macro_f1"] > 0.95).all()
    # A laboratory whose types look like the others' neighbours is read wrong by their labels, and right by its own.
    moved = patients(two_laboratories(tiny_bundle, apart=0.9))
    away = moved.filter(condition=OTHER_LABORATORY, source="jhu_aml").row(0, named=True)
    assert away["macro_f1"] < 0.3
    assert away["blasts_found"] < 0.3
    assert away["calibration_error"] > 0.3
    assert away["patients"] == 9


def test_one_laboratory_with_nothing_held_out_is_no_study(tiny_bundle: Bundle) -> None:
    data = two_laboratories(tiny_bundle)
    alone = np.flatnonzero(data.sources == "pbc")
    nothing = Split(np.arange(len(alone)), np.empty(0, np.int64))
    with pytest.raises(TooFewLabels, match="one laboratory alone"):
        patients(StudyData(data.catalog.take(alone), data.embeddings.take(alone), nothing))


def test_the_card_says_what_was_measured_and_what_it_is_not_for(tiny_bundle: Bundle, tmp_path: Path) -> None:
    work = ReportInputs(two_laboratories(tiny_bundle, apart=0.9), tiny_bundle, "discriminant", Steps())
    section = section_of(work)
    assert section.figures[0].name == "by-patients"
    file = model_card.write(tmp_path, work, [section], "hemosight reproduce")
    assert file is not None
    card = json.loads(file.read_text())
    assert card["model_details"]["name"] == "tiny"
    metrics = card["quantitative_analysis"]["performance_metrics"]
    slices = {one["slice"] for one in metrics}
    assert slices == {f"{kind}: {name}" for kind in (OTHER_PATIENTS, OTHER_LABORATORY) for name in ("pbc", "jhu_aml")}
    (worst,) = [one for one in metrics if one["slice"] == "another laboratory: jhu_aml" and one["type"] == "macro_f1"]
    interval = worst["confidence_interval"]
    assert float(interval["lower_bound"]) <= float(worst["value"]) <= float(interval["upper_bound"])
    said = " ".join(one["description"] for one in card["considerations"]["limitations"])
    assert "jhu_aml" in said
    assert "Research use only" in said
    assert "pbc name no patient" in said
    by_name = {one["name"]: one for one in card["datasets"]}
    assert by_name["jhu_aml"]["patients"] == 9
    assert by_name["pbc"]["types"] == {"blast": 30, "lymphocyte": 30, "monocyte": 30}
    assert model_card.write(tmp_path, work, [Section("other", "Other", ())]) is None
