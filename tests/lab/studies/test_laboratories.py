"""Leave one laboratory out, on drawn laboratories whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.images.splits import Split
from hemosight.lab.studies import controls, laboratories
from hemosight.lab.studies.steps import Steps
from hemosight.lab.studies.study_data import StudyData
from hemosight.space.embeddings import Embeddings, EmbeddingSpace

TYPES = ("blast", "ig", "monocyte")


def three_laboratories(shift: float, per_type: int = 40) -> StudyData:
    """Three types around the same centres in two laboratories; the third sees all of them turned by ``shift``.

    The third has eight patients; the others' files name none.
    """
    rng = np.random.default_rng(3)
    centres = np.eye(3, 12) * 6
    vectors, table = [], []
    for number, name in enumerate(("a", "b", "c")):
        for code, cell_type in enumerate(TYPES):
            # Far away a type lies where another lies at home.
            centre = (1 - shift) * centres[code] + shift * centres[(code + 1) % 3] if name == "c" else centres[code]
            points = centre + rng.normal(size=(per_type, 12)) + (2.0 * number if name == "c" else 0.0)
            vectors.append(points)
            table += [
                {"label": cell_type, "source": name, "patient": f"p{k % 8}" if name == "c" else None}
                for k in range(per_type)
            ]
    ids = [f"{row:064x}" for row in range(len(table))]
    frame = pl.DataFrame(table, schema_overrides={"patient": pl.String}).with_columns(
        id=pl.Series(ids), path=pl.Series(ids)
    )
    nothing = np.empty(0, np.int64)
    space = EmbeddingSpace("drawn", "none")
    stacked = np.concatenate(vectors).astype(np.float32)
    return StudyData(Catalog(frame), Embeddings(tuple(ids), stacked, space), Split(np.arange(len(ids)), nothing))


@pytest.fixture(scope="module")
def readings() -> pl.DataFrame:
    data = three_laboratories(shift=0.8)
    return laboratories.leave_one_out(data, per_type=(5,), steps=Steps(None, 1))


def test_every_cell_is_read_once_under_every_condition(readings: pl.DataFrame) -> None:
    counted = readings.group_by(laboratories.CONDITION).agg(pl.len(), pl.col("id").n_unique().alias("ids"))
    assert set(counted["len"]) == {120}
    assert (counted["len"] == counted["ids"]).all()
    conditions = set(counted.filter(laboratory="c").select("support", "strategy", "per_type").rows())
    assert conditions == {
        ("untouched", "none", 0),
        ("joined", "random", 5),
        ("joined", "uncertainty", 5),
        ("alone", "random", 5),
        ("alone", "uncertainty", 5),
    }
    assert set(readings["laboratory"]) == {"a", "b", "c"}
    assert dict(readings.select("laboratory", "split").unique().iter_rows()) == {
        "a": "by image",
        "b": "by image",
        "c": "by patient",
    }


def test_a_laboratory_like_another_is_read_well_and_a_foreign_one_is_not_before_it_has_labels(
    readings: pl.DataFrame,
) -> None:
    table = laboratories.summary(readings)
    score = {tuple(row[:3]): row[3] for row in table.select("laboratory", "support", "strategy", "macro_f1").rows()}
    assert score["a", "untouched", "none"] > 0.8
    assert score["c", "untouched", "none"] < 0.3
    assert score["c", "joined", "random"] > 0.6
    assert score["c", "alone", "random"] > 0.8
    by_name = {row["laboratory"]: row for row in table.filter(support="untouched").to_dicts()}
    assert (by_name["a"]["patients"], by_name["c"]["patients"]) == (0, 8)
    assert by_name["c"]["low"] <= by_name["c"]["macro_f1"] <= by_name["c"]["high"]
    # Sure and wrong: what the calibration error is for.
    assert by_name["c"]["ece"] > 0.4 > by_name["a"]["ece"]
    assert readings.filter(laboratory="c")["novelty"].median() > readings.filter(laboratory="a")["novelty"].median()  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]


def test_labels_come_from_other_patients_and_are_as_many_as_a_row_says(readings: pl.DataFrame) -> None:
    assert set(readings.filter(support="untouched")["labels"]) == {0}
    assert set(readings.filter(pl.col("support") != "untouched")["labels"]) == {15}


def test_blasts_are_counted_by_patient(readings: pl.DataFrame) -> None:
    table = laboratories.blasts(readings)
    alone = table.filter(laboratory="c", support="alone", strategy="random").to_dicts()[0]
    assert (alone["cells"], alone["patients"]) == (40, 8)
    assert alone["found"] > 0.7
    assert alone["patients_found"] >= 7
    assert alone["found_low"] <= alone["found"] <= alone["found_high"]
    assert table.filter(laboratory="a")["patients"].to_list() == [0] * 5
    assert laboratories.blasts(readings, wanted="basophil").is_empty()


def test_one_laboratory_alone_cannot_be_left_out() -> None:
    data = three_laboratories(0.0, 10)
    one = StudyData(
        data.catalog.take(np.arange(30)), data.embeddings.take(np.arange(30)), Split(np.arange(30), np.arange(0))
    )
    with pytest.raises(TooFewLabels, match="the laboratories a"):
        laboratories.leave_one_out(one)


# --- controls ---


def test_cutting_out_leaves_the_surroundings_and_no_cell() -> None:
    pixels = np.full((200, 220, 3), (230, 200, 210), np.uint8)
    pixels[80:120, 90:130] = (90, 40, 120)
    pixels[:10] = (200, 120, 130)
    empty = controls.cut_out(pixels)
    assert (empty[80:120, 90:130] == (230, 200, 210)).all()
    assert (empty[:10] == pixels[:10]).all()
    # Half the pixels for each red cell: the disc is half as wide.
    marked = pixels.copy()
    marked[100, 110 + 60] = 0
    assert (controls.cut_out(marked, 2.0)[100, 170] == 0).all()
    assert (controls.cut_out(marked, 1.0)[100, 170] == (230, 200, 210)).all()
    assert controls.cut_out(pixels[:40, :40]).shape == (40, 40, 3)


def test_a_scanner_that_supplies_one_type_gives_it_away() -> None:
    data = three_laboratories(0.0)
    keep = np.flatnonzero((data.sources != "c") | (data.labels() == "blast"))
    only = StudyData(data.catalog.take(keep), data.embeddings.take(keep), Split(keep, np.arange(0)))
    table = {row["laboratory"]: row for row in controls.scanner_only(only, steps=Steps(None, 1)).to_dicts()}
    # Laboratory c lies elsewhere and has nothing but blasts.
    assert table["c"]["recognised"] > 0.95
    assert table["c"]["blasts_found"] > 0.95
    assert table["c"]["commonest_type"] == "blast"
    # a and b cannot be told apart.
    assert table["a"]["recognised"] < 0.8
    assert table["a"]["macro_f1"] < 0.45


@pytest.mark.slow
def test_a_background_that_says_nothing_reads_as_by_chance(tmp_path: Path, tiny_bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(60):
        name, colour = (("blast", (60, 20, 120)), ("platelet", (200, 60, 60)))[k % 2]
        pixels = np.full((160, 160, 3), (235, 215, 225), np.uint8) + rng.integers(0, 6, (160, 160, 3), np.uint8)
        pixels[50:110, 50:110] = colour
        path = tmp_path / f"{k}.png"
        Image.fromarray(pixels).save(path)
        rows.append({"path": str(path), "label": name, "source": "drawn"})
    catalog = Catalog.scan(rows)
    network = Network(tiny_bundle.encoder, tiny_bundle.preprocessing, threads=1)
    held = np.arange(40, 60)
    data = StudyData(catalog, network.embed_crops(catalog.paths), Split(np.arange(40), held))
    table = {row["crops"]: row for row in controls.background_only(data, network, steps=Steps(None, 1)).to_dicts()}
    assert table["as they are"]["macro_f1"] > 0.9
    assert table["background only"]["macro_f1"] < 0.75
    assert table["as they are"]["commonest"] == pytest.approx(1 / 3)
    assert table["as they are"]["cells"] == 20
