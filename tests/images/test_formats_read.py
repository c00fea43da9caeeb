"""What is read, pixel for pixel: one table of formats, from which docs/reference/files.md takes its own."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode

Array = NDArray[Any]
HEIGHT, WIDTH = 48, 64  # multiples of a tile's 16


def cell() -> Array:
    """A smooth picture in colour, uint8, whose samples use the whole range: nucleus, plasma, bright ground."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(y - HEIGHT / 2, x - WIDTH / 2)
    ground = np.array([255, 236, 225.0])
    plasma = np.array([205, 160, 190.0])
    nucleus = np.array([90, 20, 120.0])
    inside = np.clip((18 - far) / 4, 0, 1)[..., None]
    core = np.clip((10 - far) / 4, 0, 1)[..., None]
    return np.rint(ground * (1 - inside) + inside * (plasma * (1 - core) + nucleus * core)).astype(np.uint8)


RGB = cell()
GREY = RGB[:, :, 1]


def deep(array: Array, bits: int) -> Array:
    """The same levels in so many bits."""
    kind = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    return np.rint(array.astype(np.float64) * ((1 << bits) - 1) / 255).astype(kind)


def tiff(array: Array, **how: Any) -> bytes:
    buffer = io.BytesIO()
    how.setdefault("photometric", "rgb" if array.ndim == 3 else "minisblack")
    tifffile.imwrite(buffer, array, **how)
    return buffer.getvalue()


def pillow(image: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


@dataclass(frozen=True)
class Kind:
    """One way to store the cell: its bytes, and what must be read from them within so many levels."""

    name: str
    data: bytes
    expected: Array
    within: int = 0


# --- TIFF: depth x planes x byte order x compression x tiling -----------------------------------------------------

DEPTHS = (8, 16, 32)
PLANES = ("grey", "rgb", "rgb planar")
ORDERS = {"<": "little-endian", ">": "big-endian"}
COMPRESSIONS = {
    None: "none",
    "lzw": "LZW",
    "deflate": "Deflate",
    "packbits": "PackBits",
    "lzma": "LZMA",
    "zstd": "Zstandard",
}
TILES = {None: "strips", (16, 16): "tiles"}


def tiffs() -> Iterator[Kind]:
    """Every combination, with a predictor where the compression has one."""
    for depth, planes, order, compression, tile in itertools.product(DEPTHS, PLANES, ORDERS, COMPRESSIONS, TILES):
        array = deep(GREY if planes == "grey" else RGB, depth)
        planar = planes == "rgb planar"
        how: dict[str, Any] = {"byteorder": order, "compression": compression, "tile": tile}
        if planar:
            array, how["planarconfig"] = np.ascontiguousarray(np.moveaxis(array, 2, 0)), "separate"
            how["photometric"] = "rgb"
        if compression in ("lzw", "deflate", "zstd", "lzma"):
            how["predictor"] = True
        name = f"{depth} bits, {planes}, {ORDERS[order]}, {COMPRESSIONS[compression]}, {TILES[tile]}"
        shown = np.dstack([GREY] * 3) if planes == "grey" else RGB
        yield Kind(name, tiff(array, **how), shown)


@pytest.mark.parametrize("kind", list(tiffs()), ids=lambda kind: kind.name)
def test_every_tiff_shows_the_same_pixels(kind: Kind) -> None:
    assert np.array_equal(decode(kind.data), kind.expected)
    # And as the field's own reader has them, sample for sample.
    stored = tifffile.imread(io.BytesIO(kind.data))
    samples = np.moveaxis(stored, 0, 2) if stored.shape[0] == 3 else stored
    white = np.iinfo(samples.dtype).max
    read = np.rint(samples / white * 255).astype(np.uint8)
    assert np.array_equal(decode(kind.data), np.dstack([read] * 3) if read.ndim == 2 else read)


# --- photometric interpretations, opacity, and lossy compressions ------------------------------------------------


def cmyk(array: Array) -> Array:
    ink = 255 - array.astype(int)
    black = ink.min(axis=2, keepdims=True)
    return np.concatenate([np.rint((ink - black) * 255 / np.maximum(255 - black, 1)), black], axis=2).astype(np.uint8)


def on_paper(array: Array, opacity: Array) -> Array:
    share = opacity[..., None] / 255
    return np.rint(array * share + 255 * (1 - share)).astype(np.uint8)


HALF = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
GREY3 = np.dstack([GREY] * 3)


def photometrics() -> Iterator[Kind]:
    palette = np.zeros((3, 256), np.uint16)
    palette[:, :] = np.arange(256) * 257
    palette[1] = 65535 - palette[1]
    painted = np.dstack([GREY, 255 - GREY, GREY])
    yield Kind("1 bit", tiff(GREY > 127), np.where(GREY3 > 127, 255, 0).astype(np.uint8))
    yield Kind("1 bit, WhiteIsZero", tiff(GREY > 127, photometric="miniswhite"), np.where(GREY3 > 127, 0, 255))
    for bits in (10, 12, 14):
        yield Kind(f"{bits} bits, packed", tiff(deep(RGB, bits), bitspersample=bits), RGB)
    for bits in (8, 16):
        full = (1 << bits) - 1
        inverted = (full - deep(GREY, bits)).astype(deep(GREY, bits).dtype)
        yield Kind(f"{bits} bits, WhiteIsZero", tiff(inverted, photometric="miniswhite"), GREY3)
        for order in "<>":
            ends = ORDERS[order]
            both = np.dstack([deep(RGB, bits), deep(HALF, bits)])
            yield Kind(
                f"{bits} bits, RGB and opacity, {ends}",
                tiff(both, extrasamples=["unassalpha"], byteorder=order),
                on_paper(RGB, HALF),
                1,
            )
            multiplied = np.rint(deep(RGB, bits) * (HALF[..., None] / 255)).astype(both.dtype)
            yield Kind(
                f"{bits} bits, RGB multiplied by opacity, {ends}",
                tiff(np.dstack([multiplied, deep(HALF, bits)]), extrasamples=["assocalpha"], byteorder=order),
                on_paper(RGB, HALF),
                1,
            )
        grey = np.dstack([deep(GREY, bits), deep(HALF, bits)])
        yield Kind(
            f"{bits} bits, grey and opacity",
            tiff(grey, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"),
            on_paper(GREY3, HALF),
            1,
        )
        planar = np.moveaxis(np.dstack([deep(RGB, bits), deep(HALF, bits)]), 2, 0).copy()
        yield Kind(
            f"{bits} bits, RGB and opacity, planar",
            tiff(planar, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"]),
            on_paper(RGB, HALF),
            1,
        )
        spare = np.dstack([deep(RGB, bits), deep(HALF, bits)])
        yield Kind(f"{bits} bits, RGB and a sample of no meaning", tiff(spare, extrasamples=["unspecified"]), RGB)
        yield Kind(f"{bits} bits, CMYK", tiff(deep(cmyk(RGB), bits), photometric="separated"), RGB, 1)
    yield Kind("palette", tiff(GREY, photometric="palette", colormap=palette), painted)
    yield Kind("palette of 8 bits", tiff(GREY, photometric="palette", colormap=palette >> 8), painted)
    yield Kind("BigTIFF", tiff(deep(RGB, 16), bigtiff=True), RGB)
    for code, called in {"float16": "16", "float32": "32", "float64": "64"}.items():
        yield Kind(f"floating point of {called} bits, 0 to 1", tiff((RGB / 255).astype(code)), RGB)
    for name in ("jpeg2000", "jpegxl", "png", "lerc"):
        yield Kind(f"{name} in TIFF", tiff(RGB, compression=name, compressionargs=_lossless(name)), RGB)
    for name in ("jpeg", "webp"):
        yield Kind(f"{name} in TIFF", tiff(RGB, compression=name), RGB, 12)
    libtiffs = pillow(Image.fromarray(RGB), "TIFF", compression="jpeg", quality=97)
    yield Kind("jpeg in TIFF, YCbCr", libtiffs, RGB, 24)  # colours of half the size


def _lossless(name: str) -> dict[str, Any]:
    return {"jpeg2000": {"reversible": True, "level": 0}, "jpegxl": {"lossless": True}}.get(name, {})


@pytest.mark.parametrize("kind", list(photometrics()), ids=lambda kind: kind.name)
def test_every_meaning_of_samples(kind: Kind) -> None:
    assert np.abs(decode(kind.data).astype(int) - kind.expected).max() <= kind.within


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_tiff_as_to_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = tiff(RGB, extratags=[(274, "H", 1, orientation, True)])
    as_png = pillow(Image.fromarray(RGB), "PNG", exif=exif)
    assert np.array_equal(decode(data), decode(as_png))
    assert np.array_equal(decode(data), RGB) == (orientation == 1)


# --- the other formats ---------------------------------------------------------------------------------------------


def others() -> Iterator[Kind]:
    picture = Image.fromarray(RGB)
    grey = Image.fromarray(GREY)
    both = Image.fromarray(np.dstack([RGB, HALF]))
    black = np.where(GREY3 > 127, 255, 0)
    yield Kind("PNG, RGB of 8 bits", pillow(picture, "PNG"), RGB)
    yield Kind("PNG, RGB and opacity of 8 bits", pillow(both, "PNG"), on_paper(RGB, HALF), 1)
    yield Kind("PNG, grey of 8 bits", pillow(grey, "PNG"), GREY3)
    yield Kind("PNG, 1 bit", pillow(Image.fromarray(GREY > 127), "PNG"), black)
    painted = picture.quantize(64)
    yield Kind("PNG, palette", pillow(painted, "PNG"), np.asarray(painted.convert("RGB")))
    for channels, called in ((1, "grey"), (3, "RGB"), (4, "RGB and opacity")):
        stored = {1: GREY, 3: RGB, 4: np.dstack([RGB, HALF])}[channels]
        shown = {1: GREY3, 3: RGB, 4: on_paper(RGB, HALF)}[channels]
        yield Kind(
            f"PNG, {called} of 16 bits", bytes(imagecodecs.png_encode(deep(stored, 16))), shown, int(channels == 4)
        )
    yield Kind("BMP, 24 bits", pillow(picture, "BMP"), RGB)
    yield Kind("BMP, palette", pillow(painted, "BMP"), np.asarray(painted.convert("RGB")))
    yield Kind("BMP, 1 bit", pillow(Image.fromarray(GREY > 127), "BMP"), black)
    yield Kind("WebP, lossless", pillow(picture, "WEBP", lossless=True), RGB)
    yield Kind("WebP, lossless, with opacity", pillow(both, "WEBP", lossless=True, exact=True), on_paper(RGB, HALF), 1)
    yield Kind("WebP, lossy", pillow(picture, "WEBP", quality=95), RGB, 24)
    yield Kind("JPEG, YCbCr", pillow(picture, "JPEG", quality=97, subsampling=0), RGB, 8)
    yield Kind("JPEG, progressive", pillow(picture, "JPEG", quality=97, subsampling=0, progressive=True), RGB, 8)
    yield Kind("JPEG, grey", pillow(grey, "JPEG", quality=97), GREY3, 6)
    yield Kind("JPEG, CMYK", pillow(picture.convert("CMYK"), "JPEG", quality=97, subsampling=0), RGB, 12)


@pytest.mark.parametrize("kind", list(others()), ids=lambda kind: kind.name)
def test_every_other_format(kind: Kind) -> None:
    assert np.abs(decode(kind.data).astype(int) - kind.expected).max() <= kind.within


def test_pictures_of_eight_bits_are_those_of_pillow_bit_for_bit() -> None:
    """What bundles were made from must not move."""
    noise = np.random.default_rng(0).integers(0, 256, (97, 83, 3), dtype=np.uint8)
    for kind, how in (
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 75, "progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
    ):
        data = pillow(Image.fromarray(noise), kind, **how)
        assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def bitmap(array: Array) -> bytes:
    """A BMP of version 5 and 32 bits, whose masks leave room for an opacity."""
    height, width, _ = array.shape
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, 4 * width * height, 2835, 2835, 0, 0)
    head += masks + b"BGRs" + bytes(36) + bytes(12) + struct.pack("<4I", 4, 0, 0, 0)
    body = array[::-1, :, [2, 1, 0, 3]].tobytes()
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def test_an_opacity_of_nothing_at_all_is_one_that_nobody_wrote() -> None:
    """Programs keep room for it: 32 bits a pixel, or a fourth sample, which are 0."""
    unused = np.dstack([RGB, np.zeros_like(GREY)])
    both = Image.fromarray(unused)
    for data in (
        bitmap(unused),
        tiff(unused, extrasamples=["unassalpha"]),
        tiff(unused, extrasamples=["assocalpha"]),
        tiff(deep(unused, 16), extrasamples=["unassalpha"]),
        pillow(both, "PNG"),
        bytes(imagecodecs.png_encode(deep(unused, 16))),
        pillow(both, "WEBP", lossless=True, exact=True),
    ):
        assert np.array_equal(decode(data), RGB)
    partly = np.dstack([RGB, np.where(np.arange(WIDTH) < 9, 255, np.zeros_like(GREY)).astype(np.uint8)])
    for data in (bitmap(partly), tiff(partly, extrasamples=["unassalpha"]), pillow(Image.fromarray(partly), "PNG")):
        assert np.array_equal(decode(data)[:, 9:], np.full_like(RGB[:, 9:], 255)), "where some is opaque, 0 is clear"


# --- planes and pages --------------------------------------------------------------------------------------------


def _planes(bits: int = 8) -> Array:
    return np.ascontiguousarray(np.moveaxis(deep(RGB, bits), 2, 0))


@pytest.mark.parametrize(
    ("how", "bits"),
    [
        *itertools.product(["ome", "imagej", "axes alone", "ome, shuffled", "ome, interleaved"], [8, 16]),
        ("imagej, rgb", 8),  # which has no RGB of 16 bits
    ],
)
def test_three_channels_are_one_picture(how: str, bits: int) -> None:
    planes = _planes(bits)
    colours = {"Name": ["Blue", "Red", "Green"]}
    match how:
        case "ome":
            data = tiff(planes, photometric="minisblack", ome=True, metadata={"axes": "CYX"})
        case "ome, shuffled":
            metadata = {"axes": "CYX", "Channel": colours}
            data = tiff(planes[[2, 0, 1]], photometric="minisblack", ome=True, metadata=metadata)
        case "ome, interleaved":
            data = tiff(deep(RGB, bits), ome=True, metadata={"axes": "YXS"})
        case "imagej":
            metadata = {"axes": "CYX", "mode": "composite"}
            data = tiff(planes, photometric="minisblack", imagej=True, metadata=metadata)
        case "imagej, rgb":
            data = tiff(deep(RGB, bits), imagej=True)
        case _:
            data = tiff(planes, photometric="minisblack", metadata={"axes": "CYX"})
    assert np.array_equal(decode(data), RGB)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (tiff(_planes(), photometric="minisblack"), "3 pages"),
        (tiff(np.stack([GREY] * 5), photometric="minisblack"), "5 pages"),
        (tiff(_planes(), photometric="minisblack", ome=True, metadata={"axes": "ZYX"}), "3 focus planes"),
        (tiff(_planes(), photometric="minisblack", imagej=True, metadata={"axes": "TYX"}), "3 points in time"),
        (tiff(_planes()[:2], photometric="minisblack", ome=True, metadata={"axes": "CYX"}), "2 channels"),
        (
            tiff(
                _planes(),
                photometric="minisblack",
                ome=True,
                metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "FITC", "Cy5"]}},
            ),
            "not red, green and blue",
        ),
        (
            pillow(
                Image.fromarray(RGB), "WEBP", save_all=True, append_images=[Image.fromarray(RGB[::-1])], lossless=True
            ),
            "moving WebP of 2",
        ),
        (pillow(Image.fromarray(RGB), "PNG", save_all=True, append_images=[Image.fromarray(RGB[::-1])]), "moving PNG"),
    ],
    ids=["pages", "crops", "focus", "time", "two", "fluorescence", "webp", "png"],
)
def test_several_pictures_in_a_file_are_refused_by_name(data: bytes, word: str) -> None:
    with pytest.raises(UnreadableImage, match=word, check=lambda fault: fault.code == "several_pictures"):
        decode(data)


@pytest.mark.parametrize("axes", ["CYX", "YXS"])
def test_an_ome_tiff_of_two_images_is_refused_by_name(axes: str) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, ome=True) as writer:
        for _ in range(2):
            if axes == "CYX":
                writer.write(_planes(), photometric="minisblack", metadata={"axes": axes})
            else:
                writer.write(RGB, photometric="rgb", metadata={"axes": axes})
    with pytest.raises(
        UnreadableImage, match=r"2 (images|pages)", check=lambda fault: fault.code == "several_pictures"
    ):
        decode(buffer.getvalue())


def test_a_smaller_copy_behind_the_picture_is_passed_over() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    assert np.array_equal(decode(buffer.getvalue()), RGB)


# --- the range of samples -----------------------------------------------------------------------------------------

DOUBTFUL: dict[str, Array] = {
    "12 bits in 16": RGB.astype(np.uint16) * 16,
    "10 bits in 16": RGB.astype(np.uint16) * 4,
    "15 bits in 16": RGB.astype(np.uint16) * 128,
    "8 bits in 16": RGB.astype(np.uint16),
    "16 bits in 32": RGB.astype(np.uint32) * 257,
    "signed 16": RGB.astype(np.int16) * 128,
    "signed 8": (RGB.astype(np.int16) - 128).astype(np.int8),
    "floating point to 255": RGB.astype(np.float32),
    "floating point to 65535": RGB.astype(np.float64) * 257,
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_range_that_nobody_states_is_refused(name: str) -> None:
    with pytest.raises(
        UnreadableImage, match="which value is white", check=lambda fault: fault.code == "sample_range_unknown"
    ):
        decode(tiff(DOUBTFUL[name]))


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("12 bits in 16", 12),
        ("10 bits in 16", 10),
        ("8 bits in 16", 8),
        ("16 bits in 32", 16),
        ("signed 16", 15),
        ("floating point to 255", 8),
        ("floating point to 65535", 16),
    ],
)
def test_a_range_that_the_owner_states_decides(name: str, bits: int) -> None:
    # 16 x 255 is a little less than 4,095.
    assert np.abs(decode(tiff(DOUBTFUL[name]), bits).astype(int) - RGB).max() <= 2


@pytest.mark.parametrize("highest", [4095, 4080])
def test_a_range_that_the_file_states_decides(highest: int) -> None:
    stated = [(341, "H", 3, (highest,) * 3, True)]
    assert np.abs(decode(tiff(DOUBTFUL["12 bits in 16"], extratags=stated)).astype(int) - RGB).max() <= 1
    # What is no range but a statistic (MaxSampleValue) decides nothing.
    with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown"):
        decode(tiff(DOUBTFUL["12 bits in 16"], extratags=[(281, "H", 3, (highest,) * 3, True)]))


def test_omes_significant_bits_decide() -> None:
    data = tiff(
        DOUBTFUL["12 bits in 16"].transpose(2, 0, 1).copy(),
        photometric="minisblack",
        ome=True,
        metadata={"axes": "CYX", "SignificantBits": 12},
    )
    assert np.abs(decode(data).astype(int) - RGB).max() <= 1


def test_samples_beyond_the_range_are_refused() -> None:
    with pytest.raises(UnreadableImage, match="outside of their range"):
        decode(tiff(DOUBTFUL["12 bits in 16"]), bits=10)
    negative = RGB.astype(np.float32) / 255 - 0.1
    with pytest.raises(UnreadableImage, match="outside of their range"):
        decode(tiff(negative))
    holed = RGB.astype(np.float32) / 255
    holed[3, 3] = np.nan
    with pytest.raises(UnreadableImage, match="NaN"):
        decode(tiff(holed))


def test_opacity_does_not_settle_the_range_of_colours() -> None:
    both = np.dstack([DOUBTFUL["12 bits in 16"], np.full_like(GREY, 255, dtype=np.uint16) * 257])
    with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown"):
        decode(tiff(both, extrasamples=["unassalpha"]))
    assert np.abs(decode(tiff(both, extrasamples=["unassalpha"]), 12).astype(int) - RGB).max() <= 1


def test_a_deep_png_in_doubt_is_refused() -> None:
    data = bytes(imagecodecs.png_encode(DOUBTFUL["12 bits in 16"]))
    with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "sample_range_unknown"):
        decode(data)
    assert np.abs(decode(data, 12).astype(int) - RGB).max() <= 1
