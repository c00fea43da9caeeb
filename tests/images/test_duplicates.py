from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw, ImageFilter

from hemosight.images import near_copies, sources
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels
from hemosight.images.duplicates import check
from hemosight.images.near_copies import POSITIONS, miniature, moved, near_pairs, perceptual_hashes

SIDE = 180


def crop(seed: int) -> Pixels:
    """A dark disc with lobes in the middle and pale red cells at random around it: alike, but not the same."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), (240, 225, 215))
    draw = ImageDraw.Draw(image)
    for x, y in rng.uniform(-20, SIDE + 20, (9, 2)):
        draw.ellipse((x - 22, y - 22, x + 22, y + 22), fill=(205, 150, 150))
    draw.ellipse((55, 55, 125, 125), fill=(190, 170, 200))
    for x, y in rng.uniform(70, 110, (3, 2)):
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), fill=(90, 50, 120))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)))


def png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def jpeg(pixels: Pixels, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def half(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC))


def write(folder: Path, files: dict[str, bytes]) -> Catalog:
    """``<label>/<name>`` -> a catalog."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return sources.read(folder, "folder")


def names(pairs: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset((Path(a).name, Path(b).name)) for a, b in pairs.select("path", "copy").rows()}


def test_different_cells_are_no_findings(tmp_path: Path):
    report = check(write(tmp_path, {f"cell/{k}.png": png(crop(k)) for k in range(60)}))
    assert (report.cells, report.distinct_files, report.distinct_cells) == (60, 60, 60)
    assert not report.must_be_mended
    assert not any(t.height for t in (report.identical, report.near, report.conflicts, report.sizes))
    assert sorted(report.groups.tolist()) == list(range(60))


def test_identical_files_are_paired_with_the_first_of_them(tmp_path: Path):
    data = png(crop(0))
    report = check(write(tmp_path, {"a/1.png": data, "a/2.png": data, "a/3.png": data, "a/4.png": png(crop(1))}))
    assert names(report.identical) == {frozenset(("1.png", "2.png")), frozenset(("1.png", "3.png"))}
    assert report.near.height == 0
    assert (report.distinct_files, report.distinct_cells) == (2, 2)
    assert report.groups[0] == report.groups[1] == report.groups[2] != report.groups[3]
    assert not report.must_be_mended


@pytest.mark.parametrize(
    ("name", "change", "position"),
    [
        ("re-encoded", lambda p: p, "as it is"),
        ("halved", half, "as it is"),
        ("brightened", lambda p: np.clip(p.astype(int) + 10, 0, 255).astype(np.uint8), "as it is"),
        ("cut", lambda p: p[2:, 1:], "as it is"),
        ("mirrored", lambda p: p[:, ::-1], "mirrored"),
        ("upside down", lambda p: p[::-1], "upside down"),
        # What must be done to the copy is the inverse of what was done to it.
        ("turned clockwise", lambda p: np.rot90(p, -1), "turned by 90 anticlockwise"),
        ("turned anticlockwise", lambda p: np.rot90(p, 1), "turned by 90 clockwise"),
        ("turned by 180", lambda p: np.rot90(p, 2), "turned by 180"),
        ("transposed", lambda p: p.transpose(1, 0, 2), "transposed"),
        ("transposed otherwise", lambda p: np.rot90(p, 2).transpose(1, 0, 2), "transposed along the other diagonal"),
    ],
)
def test_planted_near_copies_are_found_and_nothing_else(
    tmp_path: Path, name: str, change: Callable[[Pixels], Pixels], position: str
):
    files = {f"cell/{k}.png": png(crop(k)) for k in range(12)}
    files |= {f"cell/copy{k}.jpg": jpeg(np.ascontiguousarray(change(crop(k))), 60) for k in (3, 7)}
    report = check(write(tmp_path, files))
    assert names(report.near) == {frozenset(("3.png", "copy3.jpg")), frozenset(("7.png", "copy7.jpg"))}
    assert report.near["position"].to_list() == [position] * 2
    assert report.distinct_files == 14
    assert report.distinct_cells == 12


def test_copies_with_two_labels_are_conflicts_of_either_kind(tmp_path: Path):
    files = {
        "neutrophil/n.png": png(crop(0)),
        "eosinophil/e.png": png(crop(0)),
        "ig/i.png": png(crop(1)),
        "blast/b.jpg": jpeg(crop(1), 80),
        "blast/b2.png": png(crop(2)),
        "blast/b3.png": png(crop(2)),
        "unlabelled.png": png(crop(2)),
    }
    report = check(write(tmp_path, files))
    kinds = {kind: labels for *labels, kind in report.conflicts.select("label", "copy_label", "kind").rows()}
    assert {kind: set(labels) for kind, labels in kinds.items()} == {
        "identical": {"neutrophil", "eosinophil"},
        "near": {"ig", "blast"},
    }
    assert report.must_be_mended


def test_conflicts_behind_a_cell_without_label_are_found(tmp_path: Path):
    data = png(crop(0))
    write(tmp_path, {"a/2.png": data, "b/3.png": data})
    (tmp_path / "0.png").write_bytes(data)
    report = check(sources.read(tmp_path, "folder"))
    assert set(report.conflicts.select("label", "copy_label").row(0)) == {"a", "b"}


def test_unreadable_files_are_listed_with_their_reason_and_are_nobodys_copies(tmp_path: Path):
    whole = jpeg(crop(0), 90)
    catalog = write(
        tmp_path,
        {
            "a/good.jpg": whole,
            "a/cut.jpg": whole[: len(whole) // 3],
            "a/text.jpg": b"<html>not found</html>",
            "a/empty1.jpg": b"",
            "b/empty2.jpg": b"",
            "a/dot.png": png(crop(0)[:8, :8]),
        },
    )
    report = check(catalog)
    reasons = {Path(path).name: reason for path, reason in report.unreadable.rows()}
    assert set(reasons) == {"cut.jpg", "text.jpg", "empty1.jpg", "empty2.jpg", "dot.png"}
    assert "truncated JPEG" in reasons["cut.jpg"]
    assert "text" in reasons["text.jpg"]
    assert "empty" in reasons["empty1.jpg"]
    assert "8 x 8" in reasons["dot.png"]
    assert report.must_be_mended
    assert report.identical.height == report.near.height == report.conflicts.height == 0
    assert report.distinct_cells == 6


def test_odd_and_tiny_sizes_are_relative_to_their_source(tmp_path: Path):
    small = np.ascontiguousarray(crop(3)[:60, :60])
    wide = np.ascontiguousarray(crop(4)[:100])
    files = {f"x/{k}.png": png(crop(k)) for k in range(10, 20)} | {"x/small.png": png(small), "x/wide.png": png(wide)}
    one = write(tmp_path / "one", files)
    other = write(tmp_path / "other", {f"x/{k}.png": png(half(crop(k))) for k in range(20, 25)})
    report = check(Catalog.concat([one, other]))
    reasons = {Path(path).name: reason for path, _, _, reason in report.sizes.rows()}
    assert reasons == {"small.png": "shorter side below 64 pixels", "wide.png": "usual size of one is 180 x 180"}


def test_an_empty_catalog_has_no_findings():
    report = check(Catalog.concat([]))
    assert report.cells == report.distinct_cells == 0
    assert not report.must_be_mended


def test_the_report_is_plain_json(tmp_path: Path):
    data = png(crop(0))
    report = check(write(tmp_path, {"a/1.png": data, "b/2.png": data, "b/3.jpg": jpeg(crop(0), 70), "b/4.png": b"x"}))
    again = json.loads(json.dumps(report.to_json()))
    assert again["cells"] == 4
    assert again["distinct_files"] == 3
    assert again["distinct_cells"] == 2
    assert [len(again[name]) for name in ("unreadable", "identical", "near", "conflicts", "sizes")] == [1, 1, 1, 2, 0]
    assert again["near"][0]["position"] == "as it is"


def test_the_hash_of_a_position_is_the_hash_of_the_moved_picture():
    pictures = np.stack([miniature(crop(k)) for k in range(5)])
    hashes = perceptual_hashes(pictures)
    for position in range(len(POSITIONS)):
        direct = perceptual_hashes(np.ascontiguousarray(moved(pictures, position)))[:, 0]
        # Signs of coefficients that are almost zero may fall either way.
        assert np.bitwise_count(direct ^ hashes[:, position]).max() <= 1


def test_pairs_equal_those_of_a_plain_loop_across_block_borders(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_copies, "ROWS", 4)
    monkeypatch.setattr(near_copies, "BLOCK", 3)
    pictures = [crop(k) for k in range(9)]
    pictures += [np.rot90(pictures[1]), half(pictures[8]), pictures[0][::-1], half(pictures[1])]
    miniatures = np.stack([miniature(np.ascontiguousarray(picture)) for picture in pictures])
    expected = {}
    for i in range(len(miniatures)):
        for j in range(i + 1, len(miniatures)):
            signs, levels = [], []
            for position in range(8):
                other = moved(miniatures[None, j], position)
                hashes = perceptual_hashes(np.stack([miniatures[i], other[0]]))[:, 0]
                signs.append(int(hashes[0] ^ hashes[1]).bit_count())
                gap = miniatures[i].astype(float) - other[0]
                levels.append(np.sqrt(((gap - gap.mean((0, 1))) ** 2).mean()))
            best = int(np.argmin(signs))
            contrast = min(miniatures[k].std((0, 1)).mean() for k in (i, j))
            if signs[best] <= near_copies.NEAR_SIGNS and levels[best] <= min(12.0, 0.3 * contrast):
                expected[i, j] = (best, levels[best])
    told: list[tuple[int, int]] = []
    one, other, position, difference = near_pairs(miniatures, lambda done, total: told.append((done, total)))
    assert list(zip(one.tolist(), other.tolist(), strict=True)) == sorted(expected)
    assert {(1, 9), (8, 10), (0, 11), (1, 12), (9, 12)} == set(expected)
    for i, j, p, d in zip(one, other, position, difference, strict=True):
        assert (int(p), pytest.approx(expected[int(i), int(j)][1], rel=1e-4)) == (expected[int(i), int(j)][0], d)
    assert told[-1] == (13, 13)


def test_pale_pictures_are_not_copies_of_each_other():
    rng = np.random.default_rng(0)
    pale = (235 + rng.normal(0, 4, (30, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    assert near_pairs(pale)[0].size == 0


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_the_barcelona_set_holds_its_known_copies():
    home = Path(os.environ["HEMOSIGHT_DATA"])
    catalog = sources.read(home).where(pl.col("source") == "pbc")
    report = check(catalog)
    if len(catalog) == sources.source("pbc").total:
        assert report.distinct_files == sources.source("pbc").distinct
        identical = report.conflicts.filter(pl.col("kind") == "identical")
        assert names(identical) == {frozenset(("BNE_191112.jpg", "EO_225902.jpg"))}
    else:
        # A sample: the copies are those with equal bytes, and each near pair is one cell.
        assert report.identical.height == len(catalog) - len(set(catalog.ids)) <= 17
    assert report.unreadable.height == 0
    assert report.near.height <= len(catalog) // 1000
