"""Suspect labels on drawn cells of which some were labelled wrongly on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from problems import material

from hemosight.images.catalog import Catalog
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.lab.studies.suspects import by_label, suspects, without_suspects


@pytest.fixture(scope="module")
def mislabelled() -> tuple[StudyData, set[str]]:
    """Every fifth eosinophil was filed as a neutrophil, all of one source; ten patients."""
    data = material(60)
    table = data.catalog.table
    eosinophils = np.flatnonzero(data.labels() == "eosinophil")[::5]
    wrong = {data.catalog.ids[row] for row in eosinophils}
    renamed = pl.when(pl.col("id").is_in(sorted(wrong))).then(pl.lit("neutrophil")).otherwise(pl.col("label"))
    patients = pl.Series([f"p{row % 10}" for row in range(table.height)])
    catalog = Catalog(table.with_columns(label=renamed, source=pl.lit("lab"), patient=patients))
    return replace(data, catalog=catalog), wrong


def test_wrong_labels_are_found_and_few_right_ones_doubted(mislabelled: tuple[StudyData, set[str]]) -> None:
    data, wrong = mislabelled
    table = suspects(data, steps=Steps(None, 1))
    assert len(table) == len(data)
    found = set(table.filter(pl.col("suspect"))["id"])
    assert len(found & wrong) >= 0.9 * len(wrong)
    assert len(found - wrong) <= 0.03 * len(data)
    # They come first, and say what they may be.
    first = table.head(len(wrong))
    assert len(set(first["id"]) & wrong) >= 0.9 * len(wrong)
    assert set(table.filter(pl.col("id").is_in(sorted(wrong)) & pl.col("suspect"))["other"]) == {"eosinophil"}
    assert table["doubt"].is_sorted(descending=True)
    assert ((table["own"] + table["other_probability"]) <= 1 + 1e-9).all()


def test_shares_by_label(mislabelled: tuple[StudyData, set[str]]) -> None:
    data, wrong = mislabelled
    table = by_label(suspects(data, steps=Steps(None, 1)))
    assert table["source"].to_list() == ["lab"] * 4
    row = table.filter(label="neutrophil").to_dicts()[0]
    assert row["cells"] == 60 + len(wrong)
    assert row["suspects"] >= 0.9 * len(wrong)
    assert row == table.to_dicts()[0], "the noisiest label comes first"


def test_readings_without_suspects() -> None:
    readings = pl.DataFrame({"id": ["a", "b", "c"], "read": ["x", "y", "z"]})
    table = pl.DataFrame({"id": ["a", "b"], "suspect": [True, False]})
    assert without_suspects(readings, table)["id"].to_list() == ["b", "c"]
