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
from hemosight.images.samples import full_scale

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


def test_a_highest_value_of_so_many_bits_within_a_level() -> None:
    # 4097 meant 8191 until it was found that this halves the brightness of a picture whose range it is.
    meant = {1.0: 1, 254: 255, 255: 255, 256: 255, 4079: 4095, 4080: 4095, 4095: 4095, 4096: 4095, 16384: 16383}
    assert {highest: full_scale(highest) for highest in meant} == meant
    none = (0, -1, float("nan"), float("inf"), 0.97, 128, 257, 4078, 4097, 10000, 40000)
    assert [full_scale(highest) for highest in none] == [None] * len(none)


def ranged(low: float, high: float, kind: str = "H", dtype: Any = np.uint16, state_low: bool = True) -> bytes:
    """The cell between two values, of which the file states both or the highest."""
    samples = low + RGB.astype(np.float64) * ((high - low) / 255)
    samples = (samples if np.dtype(dtype).kind == "f" else np.rint(samples)).astype(dtype)
    tags = [(341, kind, 3, (high,) * 3, True), *([(340, kind, 3, (low,) * 3, True)] if state_low else [])]
    return tiff(samples, extratags=tags)


@pytest.mark.parametrize(
    ("low", "high", "kind", "dtype"),
    [
        (100, 4195, "H", np.uint16),
        (0, 10000, "H", np.uint16),
        (0, 40000, "H", np.uint16),
        (0, 10000, "I", np.uint32),
        (0, 10000, "h", np.int16),
        (0, 100, "f", np.float32),
        (0, 0.5, "f", np.float32),
        (0, 0.9, "f", np.float32),
        (-1, 1, "f", np.float32),
        (0.25, 1.25, "d", np.float64),
    ],
)
def test_a_stated_range_is_used_as_stated(low: float, high: float, kind: str, dtype: Any) -> None:
    assert off(ranged(low, high, kind, dtype)) == 0
    if low == 0:
        assert off(ranged(low, high, kind, dtype, state_low=False)) == 0


def dim(low: float = 0) -> np.ndarray:
    """Twelve bits, from a lowest value that occurs to 3442; the cell at less light."""
    return np.rint(low + RGB.astype(np.float64) * (3442 - low) / 255).astype(np.uint16)


def with_tags(samples: np.ndarray, low: int | None, high: int | None) -> bytes:
    stated = [(tag, "H", 3, (value,) * 3, True) for tag, value in ((340, low), (341, high)) if value is not None]
    return tiff(samples, extratags=stated)


@pytest.mark.parametrize("lowest", [None, 20])
def test_what_may_only_happen_to_occur_is_in_doubt_and_bits_settle_it(lowest: int | None) -> None:
    samples = dim()
    assert samples.max() == 3442
    data = with_tags(samples, lowest, 3442)
    in_doubt(data)
    assert np.abs(decode(data, 12).astype(float) - samples / 4095 * 255).max() <= 0.5


@pytest.mark.parametrize(("low", "high"), [(3, 250), (10, 230), (10, None), (10, 255), (None, 200), (40, 90)])
@pytest.mark.parametrize("kind", ["H", "B"])
def test_of_eight_bits_what_is_stated_changes_nothing(low: int | None, high: int | None, kind: str) -> None:
    samples = np.clip(RGB, 20, 229).astype(np.uint8)
    stated = [(tag, kind, 3, (value,) * 3, True) for tag, value in ((340, low), (341, high)) if value is not None]
    assert np.array_equal(decode(tiff(samples, extratags=stated)), samples)


def test_eight_bits_that_hold_fewer_are_read_over_those() -> None:
    assert off(with_tags((RGB >> 1).astype(np.uint8), None, 127)) <= 1
    assert np.array_equal(decode(with_tags(RGB, None, 127)), RGB)


def test_bits_go_before_a_highest_value_that_the_samples_do_not_reach() -> None:
    samples = dim()
    for high in (3442, 3600):  # of two crops of one field, the one that has its brightest sample and the other
        assert np.abs(decode(with_tags(samples, None, high), 12).astype(float) - samples / 4095 * 255).max() <= 0.5


def test_a_lowest_value_that_occurs_is_in_doubt_where_it_matters() -> None:
    samples = dim(200)
    lowest = int(samples.min())
    in_doubt(with_tags(samples, lowest, 4095))
    in_doubt(with_tags(deep(RGB, 16), 3000, 65535))
    in_doubt(with_tags(deep(RGB, 16), 3000, None))
    in_doubt(with_tags(samples, 5000, 400))
    # A lowest value that the samples do not reach is black.
    read = decode(with_tags(samples, 150, 4095)).astype(float)
    assert np.abs(read - (samples.astype(float) - 150) / (4095 - 150) * 255).max() <= 0.5
    # One of a few levels is what happens to occur, whether this picture reaches it or another of its field did.
    for stated in (dim(100), dim(150)):
        assert np.abs(decode(with_tags(stated, 100, 4095)).astype(float) - stated / 4095 * 255).max() <= 0.5
    for low, high in ((100, 65535), (300, 65535), (300, None)):
        assert off(with_tags(deep(RGB, 16), low, high)) == 0
    with pytest.raises(UnreadableImage, match=r"outside of their range: .* where black is 1000"):
        decode(with_tags(samples, 1000, 4095))


def test_a_highest_value_above_all_samples_is_the_end() -> None:
    samples = dim()
    assert np.abs(decode(with_tags(samples, None, 3600)).astype(float) - samples / 3600 * 255).max() <= 0.5


@pytest.mark.parametrize("bits", [None, 8, 12])
def test_of_floating_point_up_to_1_no_bits_are_advised_nor_make_it_black(bits: int | None) -> None:
    for data in (ranged(0.02, 0.97, "f", np.float32), tiff(RGB.astype(np.float32) / 255 / 4)):
        with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown") as caught:
            decode(data, bits)
        assert "--bits" not in str(caught.value)
        assert "Export 8 bits" in str(caught.value)
        assert ("they are not of" in str(caught.value)) == (bits is not None)
    assert off(tiff(RGB.astype(np.float32) / 255), bits) == 0


def test_floating_point_that_holds_whole_numbers_has_bits() -> None:
    assert off(tiff(SHALLOW[12].astype(np.float32)), 12) <= 1
    with pytest.raises(UnreadableImage, match=r"up to 1\.5 they are not of 8 bits"):
        decode(tiff(RGB.astype(np.float32) / 170), 8)


def test_of_samples_below_0_no_bits_are_advised() -> None:
    for samples, advised in ((SHALLOW[12].astype(np.int16) - 2000, False), (SHALLOW[12].astype(np.int16), True)):
        with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown") as caught:
            decode(tiff(samples))
        assert ("--bits" in str(caught.value)) == advised


@pytest.mark.parametrize("highest", [255, 4095, 4096, 10000, 3442])
def test_a_highest_value_that_the_samples_exceed_is_of_another_picture(highest: int) -> None:
    data = with_tags(deep(RGB, 16), None, highest)
    with pytest.raises(
        UnreadableImage, match=rf"states \({highest}\)", check=lambda fault: fault.code == "sample_range_unknown"
    ):
        decode(data)
    assert off(data, 16) == 0
    # A hot pixel is no such thing.
    assert np.median(np.abs(decode(with_tags(speckled(SHALLOW[12], 3, 65535), None, 4095)).astype(int) - RGB)) <= 1


def test_bits_go_before_a_full_range_that_is_stated_unless_the_samples_exceed_them() -> None:
    assert off(with_tags(SHALLOW[14], None, 16383), 12) <= 1
    assert off(with_tags(SHALLOW[12], None, 4095), 12) <= 1
    read = decode(with_tags(SHALLOW[12], None, 4095), 14).astype(float)
    assert np.abs(read - SHALLOW[12] / 16383 * 255).max() <= 0.5
    assert off(ranged(100, 4195), 12) == 0  # a span of just so many bits


def test_as_many_bits_as_the_container_has_say_less_than_a_stated_range() -> None:
    assert off(with_tags(SHALLOW[14], None, 16383), 16) <= 1
    assert off(with_tags(SHALLOW[12], None, 4095), 16) <= 1
    assert off(tiff(deep(RGB, 16)), 16) == 0


@pytest.mark.parametrize(("samples", "bits"), [((RGB >> 1).astype(np.int8), 8), (SHALLOW[12].astype(np.int16), 16)])
def test_integers_have_no_more_bits_than_their_container_holds(samples: np.ndarray, bits: int) -> None:
    with pytest.raises(UnreadableImage, match=f"not of {bits} bits"):
        decode(tiff(samples), bits)
    assert off(tiff(samples), 7 if bits == 8 else 12) <= 1
    with pytest.raises(UnreadableImage, match="not of 20 bits"):
        decode(tiff(SHALLOW[12]), 20)


def test_a_hot_pixel_decides_not_whether_floating_point_has_bits() -> None:
    samples = RGB.astype(np.float32) / 255 / 4
    samples[0, 0, 0] = 300
    with pytest.raises(UnreadableImage, match="not of 12 bits"):
        decode(tiff(samples), 12)


def test_a_signed_range_that_only_repeats_the_container_states_nothing() -> None:
    samples = SHALLOW[12].astype(np.int16)
    for lowest in (-32768, 0):
        in_doubt(tiff(samples, extratags=[(340, "h", 3, (lowest,) * 3, True), (341, "h", 3, (32767,) * 3, True)]))


def test_the_range_of_opacity_is_none_of_the_colours() -> None:
    both = np.dstack([SHALLOW[12], np.full(RGB.shape[:2], 65535, np.uint16)])
    data = tiff(both, extrasamples=["unassalpha"], extratags=[(341, "H", 4, (4095, 4095, 4095, 65535), True)])
    assert off(data) <= 1


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


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_of_floating_point_that_holds_whole_numbers_the_likely_bits_are_advised(bits: int) -> None:
    """A program that computes in floating point keeps the levels of its camera."""
    whole = tiff(((RGB.astype(np.uint16) << 8) >> (16 - bits)).astype(np.float32))
    with pytest.raises(UnreadableImage, match=f"`--bits {bits}`"):
        decode(whole)
    assert off(whole, bits) <= 1
