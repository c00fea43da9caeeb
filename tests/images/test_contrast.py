"""What cannot show a stained cell is refused however it was stored, and no real crop is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images.contrast import require_contrast
from hemosight.images.decode import Pixels, decode, decode_cell, read_bytes
from hemosight.images.sources import layout
from hemosight.images.synthetic import draw_slide


@pytest.fixture(scope="module")
def cell() -> Pixels:
    """A drawn cell."""
    ((_, data),) = draw_slide(1, seed=3)
    return decode(data)


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def only(cell: Pixels, channels: tuple[int, ...], others: int) -> Pixels:
    kept = np.full_like(cell, others)
    kept[..., list(channels)] = cell[..., list(channels)]
    return kept


@pytest.mark.parametrize("quality", [100, 90, 75, 50, 30])
@pytest.mark.parametrize("others", [0, 128, 255])
@pytest.mark.parametrize("channels", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_a_channel_that_jpegs_noise_fills_is_missing(
    cell: Pixels, channels: tuple[int, ...], others: int, quality: int
) -> None:
    with pytest.raises(UnreadableImage, match=r"found (nothing in|a picture)", check=lambda f: f.code == "image_blank"):
        decode_cell(jpeg(only(cell, channels, others), quality))


@pytest.mark.parametrize("quality", [95, 75, 50])
@pytest.mark.parametrize(
    ("gain", "lift"),
    [
        ((1, 1, 1), (0, 0, 0)),
        ((1.1, 0.9, 0.7), (0, 0, 20)),
        ((1, 0.6, 0.8), (0, 20, 0)),
        ((0.6, 0.7, 1), (0, 0, 0)),
        ((0.5, 0.5, 0.5), (120, 90, 60)),
    ],
    ids=["grey", "sepia", "pink", "blue", "lifted"],
)
def test_tinted_grey_is_without_colour(
    cell: Pixels, gain: tuple[float, ...], lift: tuple[int, ...], quality: int
) -> None:
    tinted = cell.mean(axis=2, keepdims=True) * np.array(gain) + np.array(lift)
    with pytest.raises(UnreadableImage, match="without colour", check=lambda fault: fault.code == "image_blank"):
        decode_cell(jpeg(tinted, quality))


@pytest.mark.parametrize("quality", [100, 90, 50])
@pytest.mark.parametrize(("level", "spread"), [(245, 6), (235, 8), (230, 12), (200, 20), (30, 8)])
def test_noise_is_one_brightness(level: int, spread: int, quality: int) -> None:
    noise = np.random.default_rng(2).normal(level, spread, (240, 240, 3))
    with pytest.raises(UnreadableImage, match="one brightness", check=lambda fault: fault.code == "image_blank"):
        decode_cell(jpeg(noise, quality))


@pytest.mark.parametrize("quality", [90, 50, 25])
@pytest.mark.parametrize("side", [40, 90, 360])
def test_a_cell_is_read_at_any_size_and_quality(cell: Pixels, side: int, quality: int) -> None:
    small = Image.fromarray(cell).resize((side, side))
    decode_cell(jpeg(np.asarray(small), quality))
    require_contrast(np.asarray(small)[:, ::-1])


def test_a_dim_and_a_pale_cell_are_read(cell: Pixels) -> None:
    require_contrast(cell // 2)
    require_contrast((130 + 0.4 * cell).astype(np.uint8))


@pytest.mark.parametrize(("share", "blank"), [(0.03, True), (0.005, True), (0.12, False), (0.4, False)])
def test_what_is_black_but_for_a_spot_shows_no_cell(cell: Pixels, share: float, blank: bool) -> None:
    """Cells cut out on black, as a public set has them (C-NMC), are read."""
    side = min(cell.shape[:2])
    down, across = np.indices(cell.shape[:2])
    far = np.hypot(down - cell.shape[0] / 2, across - cell.shape[1] / 2)
    cut = np.where((far < side * np.sqrt(share / np.pi))[..., None], cell, 0).astype(np.uint8)
    if not blank:
        decode_cell(jpeg(cut, 90))
        return
    with pytest.raises(UnreadableImage, match=r"black|one brightness", check=lambda fault: fault.code == "image_blank"):
        decode_cell(jpeg(cut, 90))


def test_strong_noise_is_not_blank() -> None:
    """Its novelty tells: what has contrast in every place is no failed export."""
    require_contrast(np.random.default_rng(0).integers(0, 256, (352, 352, 3), np.uint8))


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_no_real_crop_is_refused() -> None:
    """300 crops, spread over every laboratory that is there."""
    refused: list[str] = []
    for source in sorted(path for path in Path(os.environ["HEMOSIGHT_DATA"]).iterdir() if path.is_dir()):
        crops = layout.crops(layout.files(source))
        for path in crops[:: max(1, len(crops) // 75)]:
            try:
                decode_cell(read_bytes(path))
            except UnreadableImage as fault:
                refused.append(f"{path}: {fault}")
    assert refused == []
