"""The shortcut leads to where the road does, or takes it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images import shortcut
from hemosight.images.decode import Pixels, decode, decode_cell
from hemosight.images.preprocess import Preprocessing
from hemosight.images.shortcut import Part
from hemosight.images.synthetic import draw_slide

ROAD = Preprocessing(crop=224, size=128, padding="reflect")


@pytest.fixture(scope="module")
def cell() -> Pixels:
    """A drawn cell, 360 x 360."""
    ((_, data),) = draw_slide(1, seed=3)
    return decode(data)


def encoded(pixels: np.ndarray, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)
    return buffer.getvalue()


def square_of(data: bytes, preprocessing: Preprocessing, scale: float) -> Pixels:
    prepared = shortcut.prepare(data, preprocessing, scale)
    return prepared.square() if isinstance(prepared, Part) else prepared


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean levels between two squares, their edges left out."""
    return float(np.abs(one[2:-2, 2:-2].astype(float) - other[2:-2, 2:-2]).mean())


@pytest.mark.parametrize("scale", [0.8, 0.93, 1.0, 1.02, 1.37])
@pytest.mark.parametrize(("height", "width"), [(360, 360), (341, 359), (303, 346)])
@pytest.mark.parametrize("padding", ["reflect", "median"])
def test_the_square_is_the_roads_and_lies_where_it_lies(
    cell: Pixels, height: int, width: int, scale: float, padding: str
) -> None:
    road = Preprocessing(crop=224, size=128, padding="median" if padding == "median" else "reflect")
    data = encoded(cell[:height, :width], "JPEG", quality=92)
    expected = road(decode(data), scale)
    found = square_of(data, road, scale)
    assert apart(found, expected) < 2.5
    for axis in (0, 1):
        for step in (-1, 1):
            moved = np.roll(found, step, axis=axis)
            assert apart(moved, expected) > 1.5 * apart(found, expected), "half a pixel off"


def test_a_picture_without_loss_is_resized_once(cell: Pixels) -> None:
    plain = Preprocessing(crop=224, size=224)
    assert np.array_equal(square_of(encoded(cell), plain, 1.0), plain(cell)), "nothing to resize"
    assert apart(square_of(encoded(cell), ROAD, 1.0), ROAD(cell)) < 1
    assert apart(square_of(encoded(cell), ROAD, 1.3), ROAD(cell, 1.3)) < 1


def test_only_what_has_pixels_to_spare_is_halved(cell: Pixels) -> None:
    data = encoded(cell, "JPEG", quality=92)
    assert isinstance(shortcut.prepare(data, ROAD, 1.0), Part)
    assert not isinstance(shortcut.prepare(data, ROAD, 1.1), Part)
    assert not isinstance(shortcut.prepare(encoded(cell), ROAD, 1.0), Part), "no JPEG"
    half = shortcut.prepare(data, ROAD, 0.8)
    assert isinstance(half, np.ndarray), "more pixels than the square: nothing to enlarge"
    assert not np.array_equal(half, square_of(encoded(decode(data)), ROAD, 0.8)), "but it was halved"


def test_what_the_shortcut_does_not_serve_takes_the_road(cell: Pixels) -> None:
    small = encoded(cell[:200, :300], "JPEG", quality=92)
    assert np.array_equal(square_of(small, ROAD, 1.0), ROAD(decode(small))), "the square reaches beyond"
    centred = Preprocessing(crop=224, size=128, padding="reflect", centre=True)
    data = encoded(cell, "JPEG", quality=92)
    assert np.array_equal(square_of(data, centred, 1.0), centred(decode(data)))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = encoded(cell[:300], "JPEG", quality=92, exif=exif)
    assert apart(square_of(turned, ROAD, 1.0), ROAD(decode(turned))) < 1


def test_the_networks_products_enlarge_a_part_as_pillow_does(cell: Pixels) -> None:
    for scale in (1.0, 0.97):
        part = shortcut.prepare(encoded(cell, "JPEG", quality=92), ROAD, scale)
        assert isinstance(part, Part)
        rows, columns = part.filters
        height, width, _ = part.pixels.shape
        room = np.full((128, 128, 3), 77, np.uint8)
        room[:height, :width] = part.pixels
        planes = rows @ room.transpose(2, 0, 1).astype(np.float32) @ columns.T
        levels = np.clip(planes.transpose(1, 2, 0) * part.gains, 0, 255)
        off = np.abs(levels - part.square())
        assert off.mean() < 0.5
        assert np.quantile(off, 0.999) < 2, "but where Pillow cuts off, between its two passes, what is above white"


def test_it_says_what_is_wrong_in_the_same_words(cell: Pixels) -> None:
    for data in (b"", encoded(cell, "JPEG")[:2000], encoded(np.full((300, 300, 3), 9, np.uint8), "JPEG")):
        with pytest.raises(UnreadableImage) as fault:
            shortcut.prepare(data, ROAD)
        with pytest.raises(UnreadableImage) as same:
            decode_cell(data)
        assert str(same.value) == str(fault.value)
        assert same.value.code == fault.value.code
