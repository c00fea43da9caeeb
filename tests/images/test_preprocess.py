"""The one road for pixels: any format in, the same square out; bad files say why."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images.decode import Pixels, decode, image_size
from hemosight.images.preprocess import (
    Preprocessing,
    apply_gains,
    centre_crop,
    crop_around,
    grey_world,
    grey_world_gains,
    resize,
)
from hemosight.images.synthetic import draw_cell

RED = (200, 60, 40)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _picture(side: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[:, : side // 2] = RED
    pixels[:, side // 2 :] = (40, 60, 200)
    return Image.fromarray(pixels)


def _close(pixels: Pixels, colour: tuple[int, int, int], slack: int = 12) -> bool:
    return bool(np.abs(pixels.reshape(-1, 3).mean(axis=0) - colour).max() < slack)


# --- decoding ---


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_every_format_shows_the_same_picture(kind: str, options: dict[str, object]) -> None:
    pixels = decode(_encoded(_picture(), kind, **options))
    assert pixels.shape == (40, 40, 3)
    assert pixels.dtype == np.uint8
    assert _close(pixels[:, :18], RED)
    assert _close(pixels[:, 22:], (40, 60, 200))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (32, 32), (90, 90, 90)).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    pixels = decode(_encoded(image, kind))
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    if mode != "1":
        assert _close(pixels, (90, 90, 90))


def test_transparency_is_laid_on_white() -> None:
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    picture.paste((9, 9, 9, 255), (0, 0, 20, 5))
    pixels = decode(_encoded(picture, "PNG"))
    assert (pixels[:5] == 9).all()
    assert (pixels[5:] == 255).all()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_tiff_keeps_its_high_bits(channels: int, compression: str | None) -> None:
    samples = np.full((24, 24, channels), 0x8040, np.uint16).squeeze()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, compression=compression, photometric="rgb" if channels == 3 else "minisblack")
    pixels = decode(buffer.getvalue())
    assert pixels.shape == (24, 24, 3)
    assert (pixels == 0x80).all()


def test_sixteen_bit_grey_png_keeps_its_high_bits() -> None:
    image = Image.fromarray(np.full((24, 24), 0x8040, np.uint16))
    assert (decode(_encoded(image, "PNG")) == 0x80).all()


def test_exif_orientation_turns_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: what was left is now right
    pixels = decode(_encoded(_picture(), "JPEG", quality=95, exif=exif))
    assert _close(pixels[:, 22:], RED)


def test_the_quick_jpeg_road_equals_the_careful_one() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (97, 83, 3), dtype=np.uint8)
    data = _encoded(Image.fromarray(noise), "JPEG", quality=90)
    careful = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode(data), careful)


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "image_empty", "empty"),
        (b"this is a letter, not a picture", "unreadable_image", "text"),
        (_encoded(_picture(400), "JPEG")[:1500], "unreadable_image", "truncated"),
        (_encoded(_picture(400), "PNG")[:300], "unreadable_image", "truncated"),
        (_encoded(_picture(400), "TIFF")[:300], "unreadable_image", "TIFF"),
        (_encoded(Image.new("RGB", (1, 1)), "PNG"), "image_too_small", "1 x 1"),
        (bytes(range(256)) * 4, "unreadable_image", "no known"),
    ],
    ids=["empty", "text", "cut-jpeg", "cut-png", "cut-tiff", "1x1", "noise"],
)
def test_bad_bytes_say_why(data: bytes, code: str, word: str) -> None:
    with pytest.raises(UnreadableImage, match=word, check=lambda fault: fault.code == code):
        decode(data)


def test_a_slide_is_refused_before_it_is_decoded(slide: bytes) -> None:
    with pytest.raises(UnreadableImage, match="400 megapixels", check=lambda fault: fault.code == "image_too_large"):
        decode(slide)


def test_size_comes_from_the_header_alone() -> None:
    data = _encoded(Image.new("RGB", (123, 45)), "PNG")
    assert image_size(data[:64]) == (123, 45)
    assert image_size(b"not a picture") is None


# --- grey world ---

pictures = arrays(np.uint8, st.tuples(st.integers(2, 12), st.integers(2, 12), st.just(3)))


@given(pictures)
@settings(deadline=None)
def test_channel_means_agree_unless_clipped(pixels: Pixels) -> None:
    balanced = grey_world(pixels)
    means = pixels.reshape(-1, 3).mean(axis=0)
    if (means == 0).any():
        return  # a channel without light has nothing to scale
    gains = means.mean() / means
    if (pixels * gains).max() > 255:
        return  # clipped
    # Rounding to whole levels moves a mean by half a level at most.
    assert np.ptp(balanced.reshape(-1, 3).mean(axis=0)) <= 1.0


@given(pictures, arrays(np.float64, 3, elements=st.floats(0.5, 1.0)))
@settings(deadline=None)
def test_gains_undo_channel_gains(pixels: Pixels, channel: np.ndarray) -> None:
    """Grey world sees the same picture whatever the white balance: its gains cancel the channels' own."""
    means = pixels.reshape(-1, 3).mean(axis=0)
    if (means < 20).any():
        return  # rounding to whole levels dominates
    tinted = np.rint(pixels * channel).astype(np.uint8)
    ratio = grey_world_gains(tinted) * channel / grey_world_gains(pixels)
    # The product of gain and channel may differ between channels by rounding alone.
    assert np.ptp(ratio) / ratio.mean() < 0.1


def test_grey_world_equals_the_slow_obvious_way() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    slow = np.empty_like(pixels)
    grey = pixels.astype(float).mean(axis=(0, 1)).mean()
    for channel in range(3):
        gain = grey / pixels[:, :, channel].astype(float).mean()
        slow[:, :, channel] = np.clip(np.rint(pixels[:, :, channel] * gain), 0, 255)
    assert np.array_equal(grey_world(pixels), slow)


@pytest.mark.parametrize("side", [90, 300, 700])
def test_the_quick_road_is_gains_crop_and_filter_one_after_another(side: int) -> None:
    """To the last bit: 700 rows need sums of more than 16 bits, of 90 a part lies beyond the picture."""
    pixels = draw_cell("neutrophil", np.random.default_rng(5), size=side).pixels
    square = crop_around(pixels, 224, (side / 2, side / 2))
    slow = resize(apply_gains(square, grey_world_gains(pixels)), 128, 128)
    assert np.array_equal(Preprocessing(size=128, padding="reflect")(pixels), slow)
    means = pixels.astype(np.float64).mean(axis=(0, 1))
    assert grey_world_gains(pixels) == pytest.approx(means.mean() / means)


def test_a_dark_channel_stays_dark() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:, :, 0] = 90
    assert (grey_world(pixels)[:, :, 1:] == 0).all()


# --- crop, scale, hash ---


def test_the_crop_is_the_middle() -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[4, 4] = 255
    assert (centre_crop(pixels, 3)[1, 1] == 255).all()


@given(st.integers(16, 60), st.integers(16, 60))
@settings(deadline=None, max_examples=25)
def test_a_small_picture_is_padded_with_its_border(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 210, np.uint8)
    pixels[height // 2, width // 2] = 0
    square = centre_crop(pixels, 64)
    assert square.shape == (64, 64, 3)
    assert (square[0, 0] == 210).all()
    assert (square == 0).all(axis=2).sum() == 1


def test_scale_brings_a_cell_to_its_size() -> None:
    disc = np.full((300, 300, 3), 220, np.uint8)
    y, x = np.ogrid[:300, :300]
    disc[(y - 150) ** 2 + (x - 150) ** 2 < 75**2] = 90
    road = Preprocessing(grey_world=False)
    widths = [int((road(disc, scale)[112, :, 0] < 155).sum()) for scale in (1.0, 0.5)]
    assert widths[0] == pytest.approx(150, abs=2)
    assert widths[1] == pytest.approx(75, abs=2)


def test_the_hash_changes_with_every_parameter() -> None:
    roads = [Preprocessing(), Preprocessing(grey_world=False), Preprocessing(crop=200), Preprocessing(size=128)]
    assert len({road.hash for road in roads}) == 4
    assert Preprocessing(**Preprocessing(size=128).to_json()).hash == roads[3].hash


def test_resize_keeps_the_colour() -> None:
    pixels = np.full((50, 70, 3), RED, np.uint8)
    small = resize(pixels, 20, 10)
    assert small.shape == (10, 20, 3)
    assert _close(small, RED, 2)


# --- centring and padding: parameters that came later ---


def test_parameters_at_their_old_meaning_keep_the_hash_of_the_first_bundles() -> None:
    old = {"crop": 224, "grey_world": True, "size": 224}
    assert Preprocessing().to_json() == old
    assert Preprocessing().hash == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()[:16]
    roads = [Preprocessing(centre=c, padding=p) for c in (False, True) for p in ("median", "reflect")]
    assert len({road.hash for road in roads}) == 4
    assert [Preprocessing(**road.to_json()) for road in roads] == roads


def test_around_the_middle_is_the_centre_crop_where_the_picture_is_large_enough() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (61, 80, 3), dtype=np.uint8)
    assert np.array_equal(crop_around(pixels, 40, (30.0, 40.0)), centre_crop(pixels, 40))


def test_what_lies_beyond_is_mirrored_and_fades_to_the_border_colour() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    square = crop_around(pixels, 60, (4.0, 12.0))
    plain = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    for row in range(60):  # the slow, obvious way
        for column in range(60):
            y, x = row - 26, column - 18
            beyond = max(-y, y - 19, -x, x - 23, 0)
            share = min(max((beyond - 1) / 5, 0), 1)
            share = share * share * (3 - 2 * share)
            while not 0 <= y < 20:
                y = -y - 1 if y < 0 else 39 - y
            while not 0 <= x < 24:
                x = -x - 1 if x < 0 else 47 - x
            expected = pixels[y, x] * (1 - share) + plain * share
            assert np.abs(square[row, column] - expected).max() <= 0.5


def test_mirrored_padding_leaves_no_edge_where_the_picture_ends() -> None:
    y, x = np.mgrid[:80, :80]
    pixels = np.repeat((120 + 60 * np.sin(y / 9) + 40 * np.cos(x / 7)).astype(np.uint8)[:, :, None], 3, axis=2)

    def step(square: Pixels) -> float:
        rows = square[:, 72:152].astype(float).mean(axis=2)
        return float(np.abs(np.diff(rows, axis=0))[[71, 151]].max())

    assert step(centre_crop(pixels, 224)) > 20
    assert step(crop_around(pixels, 224, (40.0, 40.0))) < 8


def test_a_cell_off_centre_is_read_like_one_in_the_middle() -> None:
    picture = draw_cell("lymphocyte", np.random.default_rng(3), size=420).pixels
    found = Preprocessing(centre=True).middle(picture)
    road = Preprocessing(grey_world=False, centre=True, padding="reflect")
    whole, cut = road(picture), road(np.ascontiguousarray(picture[60:, 40:]))
    assert np.abs(whole.astype(int) - cut.astype(int)).mean() < 6, "the same to a pixel or two"
    off = Preprocessing(grey_world=False)(np.ascontiguousarray(picture[60:, 40:]))
    assert np.abs(whole.astype(int) - off.astype(int)).mean() > 10
    assert np.hypot(found[0] - 210, found[1] - 210) < 45


def test_without_a_nucleus_the_middle_of_the_picture_is_the_middle() -> None:
    assert Preprocessing(centre=True).middle(np.full((40, 60, 3), 200, np.uint8)) == (20, 30)
    assert Preprocessing().middle(np.asarray(_picture())) == (20, 20)
