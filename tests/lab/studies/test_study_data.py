"""StudyData: the cells of a folder, placed once; copies and disputes; the cells inside a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hemosight.engine.bundle import Bundle
from hemosight.engine.network import Network
from hemosight.errors import BadTable
from hemosight.images.catalog import Catalog
from hemosight.lab.studies.study_data import bundled, gather, undisputed


def test_conflicting_and_equal_copies(drawn_catalog: Catalog) -> None:
    table = drawn_catalog.take([0, 1, 2, 30]).table
    copies = table.head(2).with_columns(
        path=pl.col("path") + ".copy", label=pl.Series(["blast", table["label"][1]], dtype=pl.String)
    )
    kept = undisputed(Catalog(pl.concat([table, copies])))
    assert kept.ids == [table["id"][row] for row in (1, 2, 3)], "row 0 is disputed, row 1 stands once"


def test_cells_are_embedded_once(
    drawn_smear: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = drawn_smear / "labels.csv"
    first = gather(drawn, bundle=tiny_bundle, cache=tmp_path)
    assert len(first.split.held) + len(first.split.rest) == len(first) == 72
    monkeypatch.setattr(Network, "points_of", lambda *_: pytest.fail("embedded again"))
    second = gather(drawn, bundle=tiny_bundle, cache=tmp_path)
    assert np.array_equal(first.vectors, second.vectors)
    assert first.hash == second.hash
    (file,) = tmp_path.iterdir()
    said: list[str] = []
    from_file = gather(drawn, embeddings=file, say=said.append)
    assert from_file.hash == first.hash
    assert not said
    some = tmp_path / "some.safetensors"
    first.embeddings.take(np.arange(70)).save(some)
    assert len(gather(drawn, embeddings=some, say=said.append)) == 70
    assert said == [f"2 labelled cells have no point in {some}: they take no part"]


def test_only_new_cells_are_embedded(drawn_smear: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    whole = Catalog.read(drawn_smear / "labels.csv")
    half = tmp_path / "half.parquet"
    whole.take(np.arange(0, 72, 2)).write(half)
    assert len(gather(half, bundle=tiny_bundle, cache=tmp_path / "kept", fraction=0.25)) == 36
    told: list[tuple[int, int]] = []
    both = gather(
        drawn_smear / "labels.csv",
        bundle=tiny_bundle,
        cache=tmp_path / "kept",
        embedding=lambda done, total: told.append((done, total)),
    )
    assert len(both) == 72
    assert told[-1] == (36, 36)
    rows = tiny_bundle.support.embeddings.rows(both.catalog.ids)
    assert np.abs(tiny_bundle.support.embeddings.vectors[rows] - both.vectors).max() < 0.01, "each at its own cell"


def test_rows_that_are_left_out_are_told(drawn_catalog: Catalog, tiny_bundle: Bundle, tmp_path: Path) -> None:
    rows = ["path,label,sha256"]
    for number, (path, label) in enumerate(zip(drawn_catalog.paths[:40], drawn_catalog.table["label"], strict=False)):
        (tmp_path / f"{number}.png").write_bytes(path.read_bytes())
        rows.append(f"{number}.png,{label},{'0' * 64 if number == 7 else ''}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    said: list[str] = []
    assert len(gather(tmp_path / "labels.csv", bundle=tiny_bundle, fraction=0.25, say=said.append)) == 39
    assert [line for line in said if "line 9" in line]


def test_the_hash_follows_what_decides_a_study(tiny_bundle: Bundle) -> None:
    cells = bundled(tiny_bundle)
    other = Catalog(cells.catalog.table.with_columns(label=pl.lit("blast")))
    assert type(cells)(other, cells.embeddings, cells.split).hash != cells.hash


def test_the_cells_inside_a_bundle(tiny_bundle: Bundle) -> None:
    cells = bundled(tiny_bundle)
    assert len(cells.split.held) == 0
    assert cells.labels().tolist() == list(tiny_bundle.support.labels["cell_type"])
    assert cells.catalog.attributes == ("nucleus_shape",)


def test_neither_a_bundle_nor_points(drawn_smear: Path) -> None:
    with pytest.raises(BadTable, match="a bundle or embeddings"):
        gather(drawn_smear / "labels.csv")
