"""Which value is white: a statement that says nothing decides nothing, and neither do a few stray samples."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest
from test_dicom import dicom
from test_formats_read import RGB, deep, tiff

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode
from hemosight.images.samples import white_of_highest

SHALLOW = {bits: RGB.astype(np.uint16) << (bits - 8) for bits in (10, 12, 14)}


def off(data: bytes, bits: int | None = None) -> int:
    """The largest difference in levels from the cell as it is."""
    return int(np.abs(decode(data, bits).astype(int) - RGB).max())


def in_doubt(data: bytes) -> None:
    with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown"):
        decode(data)


def ome(samples: np.ndarray, significant: int) -> bytes:
    metadata = {"axes": "CYX", "SignificantBits": significant}
    return tiff(np.moveaxis(samples, 2, 0).copy(), photometric="minisblack", ome=True, metadata=metadata)


def stated(samples: np.ndarray, highest: float, kind: str = "H") -> bytes:
    return tiff(samples, extratags=[(341, kind, 3, (highest,) * 3, True)])


@pytest.mark.parametrize("bits", SHALLOW)
@pytest.mark.parametrize(
    "store",
    [
        lambda samples: ome(samples, 16),
        lambda samples: stated(samples, 65535),
        lambda samples: stated(samples, 65536, "I"),
        lambda samples: dicom(samples, stored=16),
    ],
    ids=["SignificantBits=16", "SMaxSampleValue=65535", "SMaxSampleValue=65536", "BitsStored=16"],
)
def test_a_statement_of_the_containers_full_range_states_nothing(store: Any, bits: int) -> None:
    in_doubt(store(SHALLOW[bits]))
    assert off(store(SHALLOW[bits]), bits) <= 2
    assert off(store(deep(RGB, 16))) == 0


def test_what_states_less_than_the_container_decides() -> None:
    assert off(ome(SHALLOW[14], 14)) <= 1
    assert off(dicom(SHALLOW[12], stored=12)) <= 1
    assert off(dicom(SHALLOW[12], stored=12), bits=16) <= 1  # what the file states goes first
    assert off(tiff(RGB.astype(np.float32) * 16, extratags=[(341, "f", 3, (4095.0,) * 3, True)])) <= 1


@pytest.mark.parametrize(
    ("highest", "kind", "samples"),
    [
        (4096, "H", SHALLOW[12]),
        (4095, "H", SHALLOW[12]),
        (4080, "H", SHALLOW[12]),
        (1024, "H", SHALLOW[10]),
        (16384, "H", SHALLOW[14]),
        (256.0, "f", RGB.astype(np.float32)),
        (65536.0, "f", RGB.astype(np.float64) * 257),
    ],
)
def test_a_number_of_levels_is_their_range(highest: float, kind: str, samples: np.ndarray) -> None:
    assert off(stated(samples, highest, kind)) <= 2


def test_stated_highest_values() -> None:
    expected = {1.0: 1, 255: 255, 256: 255, 257: 511, 128: 255, 4095: 4095, 4096: 4095, 4097: 8191, 16384: 16383}
    assert {highest: white_of_highest(highest) for highest in expected} == expected
    assert [white_of_highest(highest) for highest in (0, -1, float("nan"), float("inf"))] == [None] * 4


# --- stray samples ---


def speckled(samples: np.ndarray, number: int, value: float) -> np.ndarray:
    """With so many pixels of one value, a hot column first."""
    torn = samples.copy()
    flat = torn.reshape(-1, 3)
    flat[np.random.default_rng(3).choice(len(flat), number, replace=False)] = value
    return torn


@pytest.mark.parametrize("number", [1, 3, 40])
@pytest.mark.parametrize("bits", SHALLOW)
def test_hot_pixels_settle_no_range(bits: int, number: int) -> None:
    hot = speckled(SHALLOW[bits], number, 65535)
    in_doubt(tiff(hot))
    in_doubt(bytes(imagecodecs.png_encode(hot)))
    in_doubt(tiff(speckled(RGB.astype(np.float32) / 255 / 16, number, 1.0)))
    in_doubt(tiff(speckled(SHALLOW[bits].astype(np.uint32), number, 2**32 - 1)))


def test_a_burnt_in_bar_and_frame_settle_no_range() -> None:
    barred = SHALLOW[12].copy()
    barred[-3:-1, 4:30] = 65535
    in_doubt(tiff(barred))


def test_hot_pixels_above_the_stated_range_are_white_and_cost_nothing_else() -> None:
    hot = speckled(SHALLOW[12], 3, 65535)
    read = decode(tiff(hot), bits=12)
    at = (hot == 65535).all(axis=2)
    assert (read[at] == 255).all()
    assert np.abs(read[~at].astype(int) - RGB[~at]).max() <= 1
    with pytest.raises(UnreadableImage, match="outside of their range"):
        decode(tiff(speckled(SHALLOW[12], 40, 65535)), bits=12)


def test_a_full_range_is_read_with_dead_pixels_too() -> None:
    full = speckled(deep(RGB, 16), 3, 0)
    assert (decode(tiff(full)) != RGB).sum() <= 9
