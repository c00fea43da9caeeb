from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile

from hemosight.images.catalog import Catalog
from hemosight.images.decode import decode, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.training import pixel_cache
from hemosight.training.pixel_cache import build

WIDE = Preprocessing(crop=336, size=48)


@pytest.fixture
def few(drawn_catalog: Catalog) -> Catalog:
    return drawn_catalog.take(range(10))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every decoded picture."""
    seen: list[int] = []

    def count(data: bytes, bits: int | None = None) -> np.ndarray:
        seen.append(len(data))
        return decode(data, bits)

    monkeypatch.setattr(pixel_cache, "decode", count)
    return seen


def test_rows_are_what_the_one_road_gives(few: Catalog, tmp_path: Path) -> None:
    cache = build(few, WIDE, tmp_path)
    expected = np.stack([WIDE(decode(read_bytes(path))) for path in few.paths])
    assert np.array_equal(cache[range(10)], expected)
    assert np.array_equal(cache[[7, 2]], expected[[7, 2]])
    with pytest.raises(ValueError, match="read-only"):
        cache.pixels[0, 0, 0, 0] = 1


@pytest.mark.slow
def test_the_middle_of_a_wide_crop_is_the_narrow_crop(drawn_catalog: Catalog, tmp_path: Path) -> None:
    """What views are cut from and what the encoder sees in use are the same pixels, but for the filter's reach."""
    wide = build(drawn_catalog, Preprocessing(crop=322, size=184), tmp_path)[range(len(drawn_catalog))]
    narrow = build(drawn_catalog, Preprocessing(crop=224, size=128), tmp_path)[range(len(drawn_catalog))]
    middle = wide[:, 28:-28, 28:-28].astype(int)
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert np.abs(middle - narrow)[inside].max() <= 1
    assert np.abs(middle - narrow).mean() < 0.2


def test_no_picture_is_decoded_twice(drawn_catalog: Catalog, few: Catalog, tmp_path: Path, decoded: list[int]) -> None:
    build(few, WIDE, tmp_path)
    assert len(decoded) == 10
    grown = build(drawn_catalog.take(range(5, 20)), WIDE, tmp_path)
    assert len(decoded) == 20
    again = build(few, WIDE, tmp_path)
    assert len(decoded) == 20
    assert np.array_equal(grown[range(5)], again[range(5, 10)])
    build(few, Preprocessing(crop=224, size=48), tmp_path)
    assert len(decoded) == 30


def test_cells_are_known_by_content_and_scale_and_not_by_path(few: Catalog, tmp_path: Path, decoded: list[int]) -> None:
    build(few, WIDE, tmp_path / "pixels")
    moved = tmp_path / "moved.png"
    shutil.copyfile(few.paths[3], moved)
    elsewhere = Catalog(few.table[[3]].with_columns(path=pl.lit(str(moved))))
    assert build(elsewhere, WIDE, tmp_path / "pixels").rows.tolist() == [3]
    assert len(decoded) == 10
    smaller = Catalog(few.table.with_columns(scale=pl.lit(0.7)))
    scaled = build(smaller, WIDE, tmp_path / "pixels")
    assert len(decoded) == 20
    assert np.array_equal(scaled[[0]][0], WIDE(decode(read_bytes(few.paths[0])), 0.7))


@pytest.mark.parametrize("damage", ["half a picture", "half a line", "a line without its picture"])
def test_what_a_killed_process_left_is_mended(
    damage: str, drawn_catalog: Catalog, few: Catalog, tmp_path: Path, decoded: list[int]
) -> None:
    build(few, WIDE, tmp_path)
    store = tmp_path / WIDE.hash
    if damage == "half a picture":
        with open(store / "pixels.u8", "ab") as file:
            file.write(b"\1" * 1000)
    elif damage == "half a line":
        with open(store / "cells.txt", "ab") as file:
            file.write(drawn_catalog.ids[10][:30].encode())
    else:
        with open(store / "pixels.u8", "r+b") as file:
            file.truncate(9 * 3 * 48**2)
    decoded.clear()
    first = drawn_catalog.take(range(12))
    cache = build(first, WIDE, tmp_path)
    assert len(decoded) == (3 if damage == "a line without its picture" else 2)
    assert np.array_equal(cache[range(12)], build(first, WIDE, tmp_path / "fresh")[range(12)])


def test_unreadable_files_are_named_and_cost_only_themselves(few: Catalog, tmp_path: Path) -> None:
    picture = few.paths[0].read_bytes()
    (tmp_path / "cut.png").write_bytes(picture[: len(picture) // 2])
    cut = Catalog.scan([{"path": str(tmp_path / "cut.png")}])
    cache = build(Catalog.concat([cut, few]), WIDE, tmp_path / "pixels")
    assert cache.rows.tolist() == [-1, *range(10)]
    assert list(cache.unreadable) == cut.ids
    assert "damaged" in cache.unreadable[cut.ids[0]]
    assert len(build(cut.take([]), WIDE, tmp_path / "none")) == 0


def test_two_builders_at_once_share_the_work(drawn_catalog: Catalog, tmp_path: Path, decoded: list[int]) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: build(drawn_catalog, WIDE, tmp_path), range(2))
    assert len(decoded) == len(drawn_catalog)
    assert np.array_equal(one.pixels, two.pixels)


def test_progress_counts_what_is_missing(drawn_catalog: Catalog, few: Catalog, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    build(few, WIDE, tmp_path)
    build(drawn_catalog, WIDE, tmp_path, on_progress=lambda done, total: said.append((done, total)))
    assert said[-1] == (62, 62)
    said.clear()
    build(drawn_catalog, WIDE, tmp_path, on_progress=lambda done, total: said.append((done, total)))
    assert said == []


def test_a_picture_read_with_other_bits_is_another_picture(few: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "deep.tif"
    levels = np.rint(decode(few.paths[0].read_bytes()) / 255 * 1023).astype(np.uint16)
    tifffile.imwrite(file, levels, photometric="rgb")
    deep = Catalog.scan([{"path": str(file)}])
    assert list(build(deep, WIDE, tmp_path).rows) == [-1], "nothing says which value is white"
    stated = Catalog(deep.table.with_columns(pl.lit(10).alias("bits")))
    assert np.array_equal(build(stated, WIDE, tmp_path)[[0]][0], WIDE(decode(few.paths[0].read_bytes())))
    assert list(build(deep, WIDE, tmp_path).rows) == [-1]
