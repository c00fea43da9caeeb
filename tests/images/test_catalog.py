from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from hemosight.errors import BadTable, PathMissing, UnknownName
from hemosight.images.catalog import COLUMNS, Catalog, content_id, over_files


@pytest.fixture
def crops(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for k, path in enumerate(paths):
        Image.new("RGB", (40 + k, 50), (k, 0, 0)).save(path)
    return paths


def test_identity_is_the_sha256_of_the_bytes(crops: list[Path]):
    catalog = Catalog.scan({"path": str(path)} for path in crops)
    assert catalog.ids == [hashlib.sha256(path.read_bytes()).hexdigest() for path in crops]
    assert catalog.table["width"].to_list() == [40, 41, 42]
    assert catalog.table["height"].to_list() == [50, 50, 50]
    assert catalog.table["scale"].to_list() == [1.0] * 3


def test_an_unreadable_file_costs_only_its_own_row(crops: list[Path]):
    crops[1].write_bytes(b"no picture")
    catalog = Catalog.scan({"path": str(path)} for path in [*crops, crops[0].with_name("gone.png")])
    assert catalog.table["width"].to_list() == [40, None, 42, None]
    assert catalog.ids[3] == content_id(b"")
    assert catalog.readable().paths == [crops[0], crops[2]]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_written_catalog_reads_the_same_from_anywhere(
    crops: list[Path], tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    catalog = Catalog.scan(
        {"path": path.name, "label": "ig", "official_split": "val", "scale": 0.73, "attribute.cell_size": "big"}
        for path in crops
    )
    file = tmp_path / "elsewhere" / f"catalog{suffix}"
    catalog.write(file)
    monkeypatch.chdir("/")
    again = Catalog.read(file)
    assert again.paths == crops
    assert again.table.drop("path").equals(catalog.table.drop("path"))
    assert again.table["official_split"].to_list() == ["val"] * 3
    assert again.labels("cell_size") == ["big"] * 3


def test_every_catalog_has_the_same_columns_in_the_same_order():
    catalog = Catalog(
        pl.DataFrame({"attribute.z": ["1"], "other": [1], "path": ["p"], "id": ["i"], "attribute.a": [2]})
    )
    assert catalog.table.columns == [*COLUMNS, "attribute.a", "attribute.z"]
    assert catalog.attributes == ("a", "z")
    assert Catalog.scan([]).table.schema == pl.Schema(dict(COLUMNS))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"path": ["a"]}, "'id'"),
        ({"id": ["1"], "path": [None]}, "'path'"),
        ({"id": ["1", "2"], "path": ["a", "a"]}, "a twice"),
    ],
)
def test_a_table_without_identity_is_refused(table: dict[str, list[str | None]], says: str):
    with pytest.raises(BadTable, match=says):
        Catalog(pl.DataFrame(table))


def test_rows_are_taken_in_the_order_asked_for():
    catalog = Catalog(pl.DataFrame({"id": ["a", "b", "c"], "path": ["1", "2", "3"]}))
    assert catalog.take(np.array([2, 0])).ids == ["c", "a"]
    assert len(catalog.take([])) == 0


def test_stacked_catalogs_keep_what_only_one_of_them_has():
    one = Catalog(pl.DataFrame({"id": ["a"], "path": ["1"], "attribute.x": ["yes"]}))
    other = Catalog(pl.DataFrame({"id": ["b"], "path": ["2"], "label": ["ig"]}))
    both = Catalog.concat([one, other])
    assert both.labels("x") == ["yes", None]
    assert both.labels() == [None, "ig"]
    assert len(Catalog.concat([])) == 0


def test_a_label_set_that_is_not_there_is_named_with_those_that_are():
    catalog = Catalog(pl.DataFrame({"id": ["a"], "path": ["1"], "attribute.x": ["yes"]}))
    with pytest.raises(UnknownName, match="cell_type, subtype, fine_type, x"):
        catalog.labels("y")


def test_a_missing_catalog_is_named(tmp_path: Path):
    with pytest.raises(PathMissing, match=r"none\.parquet"):
        Catalog.read(tmp_path / "none.parquet")


def test_work_over_files_keeps_order_and_tells_progress_from_the_calling_thread():
    told: list[tuple[int, int, str]] = []
    result = over_files(
        lambda x: x * x, range(50), lambda done, total: told.append((done, total, threading.current_thread().name))
    )
    assert result == [x * x for x in range(50)]
    assert told == [(k + 1, 50, threading.current_thread().name) for k in range(50)]


def test_work_that_fails_drops_what_has_not_begun():
    begun: list[int] = []
    gate = threading.Event()

    def work(x: int) -> None:
        begun.append(x)
        if x == 0:
            raise RuntimeError("first")
        gate.wait(0.05)

    with pytest.raises(RuntimeError, match="first"):
        over_files(work, range(2000))
    assert len(begun) < 1000
