"""The pixel scale: right over sizes, stains and focus, the same every time, and silent where it cannot be told."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter

from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.pixel_scale import REFERENCE_PX, PixelScale, measure, measure_each, spread, typical
from hemosight.images.preprocess import centre_crop, resize
from hemosight.images.synthetic import Scanner, Stain, draw_cell

DRAWN_WIDER = 1.06
"""Drawn red cells are made 77 pixels wide at their outline's steepest point, real ones of the Barcelona set 72."""


@lru_cache
def smear(width: float, side: int = 360, number: int = 12, seed: int = 5, **scanner: Any) -> tuple[Pixels, ...]:
    """Drawn crops whose red cells are ``width`` pixels wide; drawn once, so read only."""
    camera = Scanner(pixels_per_um=width / 7.5, **scanner)
    labels = ("neutrophil", "lymphocyte", "monocyte", "blast")
    return tuple(
        draw_cell(
            labels[row % 4],
            np.random.default_rng([seed, row]),
            stain=Stain.random(np.random.default_rng([seed, 1, row])),
            scanner=camera,
            size=side,
        ).pixels
        for row in range(number)
    )


@pytest.fixture(scope="module")
def reference() -> tuple[Pixels, ...]:
    return smear(77)


def found(scale: PixelScale) -> float:
    assert scale.red_cell_px is not None, scale.reason
    assert scale.low is not None
    assert scale.high is not None
    assert scale.low <= scale.red_cell_px <= scale.high
    return scale.red_cell_px / DRAWN_WIDER


@pytest.mark.parametrize(
    ("width", "side"),
    [
        pytest.param(45, 300, marks=pytest.mark.slow),
        pytest.param(60, 300, marks=pytest.mark.slow),
        (105, 400),
        pytest.param(125, 400, marks=pytest.mark.slow),
        (50, 190),
    ],
)
def test_drawn_red_cells_have_the_width_they_were_drawn_with(width: int, side: int) -> None:
    scale = measure(smear(width, side))
    assert found(scale) == pytest.approx(width, rel=0.08)
    assert scale.crops == 12
    assert scale.cells >= 15
    assert scale.factor == pytest.approx(REFERENCE_PX / (scale.red_cell_px or 1))


@pytest.mark.slow
def test_blur_noise_and_the_lamp_change_little(reference: tuple[Pixels, ...]) -> None:
    plain = found(measure(reference))
    assert plain == pytest.approx(77, rel=0.05)
    other = smear(77, blur=3.0, sharpening=0.0, noise=4.0, contrast=0.8, white=(0.8, 0.75, 0.85))
    assert found(measure(other)) == pytest.approx(plain, rel=0.05)


@pytest.mark.parametrize("factor", [0.5, 1.8])
def test_a_resized_picture_gives_the_resized_width(reference: tuple[Pixels, ...], factor: float) -> None:
    side = round(360 * factor)
    resized = measure([resize(pixels, side, side) for pixels in reference])
    assert found(resized) == pytest.approx(77 * factor, rel=0.06)


def test_the_reference_is_read_with_exactly_one(reference: tuple[Pixels, ...]) -> None:
    assert measure(reference).used == 1.0
    assert measure(smear(105, 400)).used == pytest.approx(0.70, abs=0.05)


def test_a_field_of_view_is_measured_in_parts(reference: tuple[Pixels, ...]) -> None:
    row = np.concatenate(reference[:4], axis=1)
    fields = [np.concatenate([row, np.concatenate(reference[start : start + 4], axis=1)]) for start in range(0, 12, 4)]
    assert fields[0].shape == (720, 1440, 3)
    assert found(measure(fields)) == pytest.approx(77, rel=0.08)


@pytest.mark.slow
def test_it_is_the_same_every_time_and_from_files_bytes_and_arrays(
    reference: tuple[Pixels, ...], tmp_path: Path
) -> None:
    data = []
    for row, pixels in enumerate(reference):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        data.append(buffer.getvalue())
        (tmp_path / f"{row}.png").write_bytes(data[-1])
    once = measure(reference)
    files = sorted(tmp_path.glob("*.png"), key=lambda file: int(file.stem))
    assert once == measure(reference) == measure(data) == measure(files)


# --- where it cannot be told ---


def test_a_few_crops_without_red_cells_say_so(reference: tuple[Pixels, ...], tmp_path: Path) -> None:
    cells_alone = [centre_crop(pixels, 110) for pixels in reference]
    scale = measure(cells_alone)
    assert scale.red_cell_px is None
    assert scale.factor is None
    assert scale.used == 1.0
    assert scale.method is None
    assert "red cells" in (scale.reason or "")
    assert measure([]).reason == "no picture could be read"
    unreadable = [b"no picture", tmp_path / "gone.png", np.zeros((50, 50)), np.zeros((9, 9, 3), np.uint8)]
    assert measure(unreadable).crops == 0
    assert measure([np.full((90, 90, 3), 240, np.uint8)] * 20).reason == "no red cell was seen"


@pytest.mark.parametrize("grain", [*(pytest.param(grain, marks=pytest.mark.slow) for grain in (1, 4)), 9])
def test_noise_has_no_width(grain: int) -> None:
    rng = np.random.default_rng(grain)
    pictures = []
    for _ in range(20):
        noise = Image.fromarray(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8))
        pictures.append(np.asarray(noise.filter(ImageFilter.GaussianBlur(grain))))
    assert measure(pictures).red_cell_px is None


@pytest.mark.slow
def test_two_scanners_in_one_lot_have_no_typical_width(reference: tuple[Pixels, ...]) -> None:
    scale = measure([*reference, *smear(160, 560)])
    assert scale.red_cell_px is None
    assert "many sizes" in (scale.reason or "")


# --- folders ---


def _folder(at: Path, pictures: Sequence[Pixels]) -> list[Path]:
    at.mkdir(parents=True)
    for row, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(at / f"{row:02}.png", compress_level=1)
    return sorted(at.iterdir())


@pytest.mark.slow
def test_folders_of_two_scanners_are_measured_apart(reference: tuple[Pixels, ...], tmp_path: Path) -> None:
    one = _folder(tmp_path / "one", reference)
    two = _folder(tmp_path / "two" / "deep", smear(110, 400))
    blind = _folder(tmp_path / "blind", [np.full((90, 90, 3), 240, np.uint8)] * 3)
    measured = measure_each([*one, *two, *blind])
    assert measured.factors[: len(one)] == [1.0] * len(one)
    assert set(measured.factors[len(one) : len(one) + len(two)]) == {measured.found[1][1].used}
    assert measured.found[1][1].used == pytest.approx(77 / 110 / DRAWN_WIDER, rel=0.08)
    assert measured.factors[-3:] == [1.0] * 3
    assert [folder for folder, _ in measured.found] == [str(tmp_path / name) for name in ("one", "two", "blind")]
    assert all(line.startswith(str(tmp_path)) for line in measured.lines())


def test_folders_of_one_scanner_share_one_scale(reference: tuple[Pixels, ...], tmp_path: Path) -> None:
    paths = [*_folder(tmp_path / "b", reference[:6]), *_folder(tmp_path / "a", reference[6:])]
    measured = measure_each(paths)
    assert [folder for folder, _ in measured.found] == [None]
    assert measured.factors == [1.0] * 12


# --- the parts ---


def test_the_sample_is_even_and_always_the_same() -> None:
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(1001)), 5) == [0, 250, 500, 750, 1000]


def test_the_typical_width_is_the_weighted_median_around_the_mode() -> None:
    rng = np.random.default_rng(2)
    cells = [np.stack([rng.normal(60, 4, 12), rng.uniform(0.3, 1, 12)], axis=1) for _ in range(20)]
    stray = [np.stack([rng.uniform(15, 25, 2), np.full(2, 0.3)], axis=1) for _ in range(20)]
    scale = typical([np.concatenate(pair) for pair in zip(cells, stray, strict=True)])
    width, evidence = np.concatenate(cells).T
    order = np.argsort(width)
    total, half, row = 0.0, evidence.sum() / 2, order[0]
    for row in order:  # the slow, obvious way
        total += evidence[row]
        if total >= half:
            break
    assert scale.red_cell_px == pytest.approx(1.07 * width[row], rel=0.01)
    assert scale.cells == round(evidence.sum())
    assert scale.low is not None
    assert scale.high is not None
    assert 0.01 < (scale.high - scale.low) / 60 < 0.06


def test_an_uncertain_width_is_not_told() -> None:
    rng = np.random.default_rng(4)
    one_size_a_picture = [np.stack([np.full(6, size), np.ones(6)], axis=1) for size in rng.uniform(50, 78, 5)]
    assert "uncertain" in (typical(one_size_a_picture).reason or "")


def test_the_line_says_what_was_measured_and_used() -> None:
    assert str(PixelScale(105.2, 98.1, 110.4, 300, 63)) == "red cells 105 px wide (98 to 110, 63 crops): scale 0.732"
    assert str(PixelScale(79.0, 76.0, 81.0, 300, 63)).endswith("scale 1")
    assert "unknown" in str(PixelScale(None, None, None, 3, 7, None, "too few red cells were seen: 3, not 15"))


# --- real crops ---


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
@pytest.mark.parametrize(
    ("source", "width"),
    [("PBC_dataset_normal_DIB", 77), ("LMU_AML", 105), ("JHU_AML", 77), ("CHULA", 80), ("fields/BCDD", 57)],
)
@pytest.mark.parametrize("factor", [0.6, 1.0, 1.6])
def test_real_scanners_are_measured_from_twenty_crops(source: str, width: int, factor: float) -> None:
    files = [
        path
        for path in sorted((Path(os.environ["HEMOSIGHT_DATA"]) / source).rglob("*"))
        if path.suffix in (".jpg", ".png")
    ]
    for start in range(3):
        pictures = [decode(read_bytes(path)) for path in spread(files[start:], 20)]
        scale = measure([resize(p, round(p.shape[1] * factor), round(p.shape[0] * factor)) for p in pictures])
        assert scale.red_cell_px is None or scale.red_cell_px == pytest.approx(width * factor, rel=0.08)
        if source == "PBC_dataset_normal_DIB" and factor == 1.0:
            assert scale.used == 1.0


# --- catalogs ---


@pytest.mark.slow
def test_a_catalog_is_measured_where_its_scale_is_not_known(reference: tuple[Pixels, ...], tmp_path: Path) -> None:
    _folder(tmp_path / "labelled" / "neutrophil", smear(110, 400))
    catalog, lines = sources.measured(sources.read(tmp_path / "labelled"))
    (factor,) = set(catalog.table["scale"])
    assert factor == pytest.approx(77 / 110 / DRAWN_WIDER, rel=0.08)
    assert lines[0].startswith("red cells 1")
    assert catalog.labels() == ["neutrophil"] * 12

    given, none = sources.measured(sources.read(tmp_path / "labelled", scale=0.9))
    assert set(given.table["scale"]) == {0.9}
    assert none == []
    munich = given.table.with_columns(pl.lit("lmu_aml").alias("source"), pl.lit(1.0).alias("scale"))
    known, nothing = sources.measured(Catalog(munich))
    assert set(known.table["scale"]) == {1.0}, "a public set's scale is known, whatever it is"
    assert nothing == []
