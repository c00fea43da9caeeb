"""The boundary: whatever a file is, it becomes pixels or a reason, at once and within bounds."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import time
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from hemosight.errors import UnreadableImage
from hemosight.images import formats
from hemosight.images.contrast import require_contrast
from hemosight.images.decode import Pixels, decode, decode_cell, image_size, measure, read_bytes
from hemosight.images.limits import require_size
from hemosight.images.synthetic import draw_slide


@pytest.fixture(scope="module")
def cell() -> Pixels:
    """A drawn cell."""
    ((_, data),) = draw_slide(1, seed=3)
    return decode(data)


def encoded(pixels: np.ndarray, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)
    return buffer.getvalue()


# --- files ---


def test_what_a_file_holds_is_read_whatever_it_says_of_its_size(tmp_path: Path) -> None:
    large = os.urandom(300_000)
    (tmp_path / "large").write_bytes(large)
    assert read_bytes(tmp_path / "large") == large
    assert len(read_bytes("/proc/cpuinfo")) > 1, "its size is said to be none"


# --- formats by name ---

NAMES = {
    "GIF": encoded(np.full((20, 20), 9, np.uint8), "GIF"),
    "JPEG 2000": encoded(np.full((20, 20, 3), 9, np.uint8), "JPEG2000"),
    "AVIF": imagecodecs.avif_encode(np.full((20, 20, 3), 9, np.uint8)),
    "JPEG XL": imagecodecs.jpegxl_encode(np.full((20, 20, 3), 9, np.uint8)),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "CZI": b"ZISRAWFILE\0\0\0\0\0\0" + bytes(64),
    "PNM": b"P6\n20 20\n255\n" + bytes(1200),
    "ICO": encoded(np.full((20, 20, 3), 9, np.uint8), "ICO"),
    "AVI video": b"RIFF\x10\0\0\0AVI LIST" + bytes(32),
    "MP4 or QuickTime": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "Photoshop": b"8BPS\0\1" + bytes(64),
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "zip": b"PK\3\4" + bytes(64),
    "OLE2": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_format_that_is_not_read_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnreadableImage, match=name, check=lambda fault: fault.code == "format_not_read"):
        decode(NAMES[name])


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"Patient moved, no slide today.", "text"),
        (b"\xef\xbb\xbfpath,label\n", "no known"),
        ("path;label\n".encode("utf-16"), "text"),
        (b'<?xml version="1.0"?><html></html>', "text"),
        (b"BM, the initials of nobody in particular", "text"),
    ],
)
def test_text_is_called_text(data: bytes, word: str) -> None:
    with pytest.raises(UnreadableImage, match=word):
        decode(data)


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ([(270, "s", 0, "Aperio Image Library v11\r\n64x64", True)], "SVS"),
        ([(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True)], "NDPI"),
    ],
)
def test_a_slides_tile_is_refused_by_its_name(
    flag: list[tuple[int, str | int, int, Any, bool]], name: str, cell: Pixels
) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, cell, photometric="rgb", extratags=flag, metadata=None)
    with pytest.raises(UnreadableImage, match=name):
        decode(buffer.getvalue())


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (imagecodecs.jpegls_encode(np.full((20, 20), 9, np.uint8)), "JPEG-LS"),
        (imagecodecs.ljpeg_encode(np.full((20, 20), 9, np.uint8)), "lossless JPEG"),
        (imagecodecs.jpeg_encode(np.full((20, 20), 900, np.uint16), bitspersample=12), "JPEG of 12 bits"),
    ],
    ids=["ls", "lossless", "twelve"],
)
def test_a_jpeg_of_a_rare_kind_is_refused_by_its_name(data: bytes, word: str) -> None:
    with pytest.raises(UnreadableImage, match=word):
        decode(data)


def test_tiff_of_rare_colours_is_refused_by_their_name(cell: Pixels) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, cell, photometric="cielab")
    with pytest.raises(UnreadableImage, match="CIELAB"):
        decode(buffer.getvalue())
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, cell, photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnreadableImage, match="3 samples a pixel, of which 1 are MINISBLACK"):
        decode(buffer.getvalue())


# --- contrast ---


def test_a_cell_has_contrast(cell: Pixels) -> None:
    require_contrast(cell)
    assert np.array_equal(decode_cell(encoded(cell)), cell)


def _noisy(level: int, spread: float) -> Pixels:
    noise = np.random.default_rng(1).normal(level, spread, (120, 120, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda cell: cell * 0, "one brightness"),
        (lambda cell: cell * 0 + 255, "one brightness"),
        (lambda _: _noisy(230, 2.0), "one brightness"),
        (lambda _: _noisy(3, 2.0), "one brightness"),
        (lambda cell: cell // 6, "black all over"),
        (lambda cell: cell * np.array([1, 0, 0], np.uint8), "nothing in green and blue"),
        (lambda cell: cell * np.array([1, 1, 0], np.uint8), "nothing in blue"),
        (lambda cell: np.where([True, True, False], cell, 255).astype(np.uint8), "nothing in blue"),
        (lambda cell: np.dstack([cell[..., 0]] * 3), "without colour"),
        (lambda cell: (cell[..., :1] * np.array([1.0, 0.8, 0.6])).astype(np.uint8), "without colour"),
    ],
    ids=["black", "white", "field", "dark", "six bits", "red", "red+green", "blue full", "grey", "sepia"],
)
def test_a_picture_that_cannot_show_a_cell_is_refused(change, word: str, cell: Pixels) -> None:
    with pytest.raises(UnreadableImage, match=word, check=lambda fault: fault.code == "image_blank"):
        decode_cell(encoded(change(cell)))


# --- files ---


def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    begun = time.monotonic()
    for name, word in (("pipe.jpg", "a pipe"), ("zero.jpg", "a device"), ("folder.jpg", "a folder")):
        with pytest.raises(UnreadableImage, match=word, check=lambda fault: fault.code == "image_missing"):
            read_bytes(tmp_path / name)
    with pytest.raises(UnreadableImage, match="No such file", check=lambda fault: fault.code == "image_missing"):
        read_bytes(tmp_path / "gone.jpg")
    with pytest.raises(UnreadableImage, match="longer than", check=lambda fault: fault.code == "image_missing"):
        read_bytes(tmp_path / ("x" * 300))
    with pytest.raises(UnreadableImage, match="null", check=lambda fault: fault.code == "image_missing"):
        read_bytes("a\0b.jpg")
    assert time.monotonic() - begun < 1


def test_a_linked_file_is_read_and_a_huge_one_is_not(tmp_path: Path, cell: Pixels) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(cell))
    (tmp_path / "link.png").symlink_to("cell.png")
    assert read_bytes(tmp_path / "link.png") == encoded(cell)
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(300 << 20)  # of which nothing is on the disk
    with pytest.raises(UnreadableImage, match="256 MiB"):
        read_bytes(tmp_path / "huge.tif")


# --- damage ---


def width_without_value() -> bytes:
    """A TIFF whose ImageWidth has no value, which a library gives as an empty tuple."""
    tags = [(256, 3, 0, 200), (257, 3, 1, 200), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 200), (279, 4, 1, 40000)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 40008) + b"\x80" * 40000 + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def test_a_tag_without_a_value_is_damage() -> None:
    with pytest.raises(UnreadableImage, match="width or height has no value"):
        measure(width_without_value())


def test_every_tag_of_a_tiff_may_be_spoilt(cell: Pixels) -> None:
    """Each tag's count and value, set to what attackers and torn disks write: a reason or a picture, never a crash."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, cell[:64, :64], photometric="rgb", compression="deflate", rowsperstrip=16)
    whole = buffer.getvalue()
    start = struct.unpack("<I", whole[4:8])[0]
    number = struct.unpack("<H", whole[start : start + 2])[0]
    for tag in range(number):
        at = start + 2 + 12 * tag
        for place, values in ((2, (0, 7, 13, 255)), (4, (0, 1, 2**31, 2**32 - 1)), (8, (0, 1, 65535, 2**32 - 1))):
            for value in values:
                spoilt = bytearray(whole)
                size = 2 if place == 2 else 4
                spoilt[at + place : at + place + size] = value.to_bytes(size, "little")
                begun = time.monotonic()
                try:
                    pixels = decode(bytes(spoilt))
                except UnreadableImage:
                    pass
                else:
                    assert pixels.ndim == 3
                assert time.monotonic() - begun < 5


def test_a_tiff_that_lost_a_strip_or_a_tag_is_not_read_on(cell: Pixels) -> None:
    """The library would fill in black, or take sixteen bits for one."""
    buffer = io.BytesIO()
    small = (cell[:64, :64] / 255).astype(np.float32)
    tifffile.imwrite(buffer, small, photometric="rgb", rowsperstrip=16, metadata=None)
    whole = buffer.getvalue()
    for tag in (258, 273, 279, 339):
        at = next(at for at in range(8, len(whole)) if whole[at : at + 2] == struct.pack("<H", tag))
        for value in (0, 2**31):
            spoilt = whole[: at + 8] + struct.pack("<I", value) + whole[at + 12 :]
            try:
                read = decode(spoilt)
            except UnreadableImage:
                continue
            assert np.array_equal(read, cell[:64, :64])


def test_flipped_bytes_give_a_picture_or_a_reason(cell: Pixels) -> None:
    rng = np.random.default_rng(7)
    small = cell[100:180, 100:180]
    deep = io.BytesIO()
    tifffile.imwrite(deep, small.astype(np.uint16) * 257, photometric="rgb", compression="lzw")
    whole = [encoded(small, kind) for kind in ("PNG", "JPEG", "BMP", "WEBP", "TIFF")]
    for data in (*whole, deep.getvalue(), imagecodecs.png_encode(small.astype(np.uint16) * 257)):
        for _ in range(30):
            spoilt = bytearray(data)
            for at in rng.integers(0, min(len(data), 600), 3):
                spoilt[at] = rng.integers(256)
            with contextlib.suppress(UnreadableImage):
                assert decode(bytes(spoilt)).shape[2] == 3


def test_deep_samples_count_as_what_they_cost() -> None:
    require_size(5000, 5000)
    with pytest.raises(
        UnreadableImage,
        match=r"at most 6.2 megapixels; found 25 megapixels",
        check=lambda fault: fault.code == "image_too_large",
    ):
        require_size(5000, 5000, 3 * 64)


def test_a_jpeg_in_a_thousand_passes_is_refused() -> None:
    side = 2000
    data = encoded(np.zeros((side, side, 3), np.uint8), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    many = data[:at] + data[at:-2] * 200 + b"\xff\xd9"
    with pytest.raises(UnreadableImage, match="passes"):
        decode(many)
    # Where it is taken in, nothing is decoded that was not measured; nor does another decoder let it through.
    with pytest.raises(UnreadableImage, match="passes"):
        measure(many)
    exif = b"\xff\xe1\x00\x10Exif\0\0MM\0*\0\0\0\x08"
    with pytest.raises(UnreadableImage, match="passes"):
        decode(many[:2] + exif + many[2:])


# --- colours by profile ---


def linear_profile() -> bytes:
    """An ICC profile of sRGB's primaries and no gamma at all."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 7) + b"linear\0" + bytes(79),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": b"curv\0\0\0\0\0\0\0\0",
        b"gTRC": b"curv\0\0\0\0\0\0\0\0",
        b"bTRC": b"curv\0\0\0\0\0\0\0\0",
        b"cprt": b"text\0\0\0\0none\0",
    }
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(
        ">I4sI4s4s4s12s4s4s", 0, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp", bytes(4)
    )
    header += bytes(24) + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    header = header.ljust(128, b"\0")
    whole = header + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_colours_are_those_of_the_profile(kind: str, cell: Pixels) -> None:
    share = cell / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    stored = np.rint(linear * 255).astype(np.uint8)
    how = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    read = decode(encoded(stored, kind, icc_profile=linear_profile(), **how))
    assert np.abs(read.astype(int) - cell).mean() < 1.5
    assert np.abs(stored.astype(int) - cell).mean() > 20
    # A profile that is damaged, or sRGB's own, changes nothing.
    assert np.array_equal(decode(encoded(cell, "PNG", icc_profile=b"no profile")), cell)


# --- how a picture lies ---


def turned(kind: str, orientation: int, pixels: np.ndarray) -> bytes:
    """A file that says how its picture is to be turned, by whatever its kind says that with."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    match kind:
        case "TIFF":
            buffer = io.BytesIO()
            tags = [(274, "H", 1, orientation, True)]
            tifffile.imwrite(buffer, pixels, photometric="rgb", extratags=tags, metadata=None)
            return buffer.getvalue()
        case "JPEG of print":
            buffer = io.BytesIO()
            Image.fromarray(pixels).convert("CMYK").save(buffer, "JPEG", exif=exif)
            return buffer.getvalue()
        case "PNG of 16 bits":
            whole = bytes(imagecodecs.png_encode(pixels.astype(np.uint16) * 257))
            chunk = exif_chunk(encoded(pixels, exif=exif))
            return whole[:33] + chunk + whole[33:]
        case "PNG that says it at its end":
            whole = encoded(pixels, exif=exif)
            chunk = exif_chunk(whole)
            whole = whole.replace(chunk, b"")
            return whole[:-12] + chunk + whole[-12:]
        case "PNG that says it in words":
            words = PngImagePlugin.PngInfo()
            words.add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{orientation}"/>')
            return encoded(pixels, pnginfo=words)
        case _:
            return encoded(pixels, kind, exif=exif)


def exif_chunk(png: bytes) -> bytes:
    at = png.index(b"eXIf") - 4
    return png[at : at + 12 + int.from_bytes(png[at : at + 4], "big")]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(
    "kind",
    [
        *("JPEG", "JPEG of print", "TIFF", "WEBP", "PNG", "PNG of 16 bits"),
        *("PNG that says it at its end", "PNG that says it in words"),
    ],
)
def test_the_size_is_that_of_the_picture_as_it_is_shown(kind: str, orientation: int, cell: Pixels) -> None:
    data = turned(kind, orientation, cell[:120, :200])
    assert decode(data).shape == ((200, 120, 3) if orientation > 4 else (120, 200, 3))
    assert measure(data) == image_size(data) == decode(data).shape[1::-1]


# --- damage of a JPEG, whatever else its file says ---


def with_exif(data: bytes) -> bytes:
    """The same JPEG with a segment of EXIF that says nothing."""
    return data[:2] + b"\xff\xe1\x00\x10Exif\0\0MM\0*\0\0\0\x08" + data[2:]


def of_print(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("change", [bytes, with_exif], ids=["plain", "exif"])
@pytest.mark.parametrize("kind", ["common", "print"])
def test_zeros_before_the_end_of_a_jpeg_are_no_damage_and_all_else_is(change, kind: str, cell: Pixels) -> None:
    data = encoded(cell, "JPEG", quality=90) if kind == "common" else of_print(cell)
    assert data.endswith(b"\xff\xd9")
    for zeros in (1, 60):
        assert np.array_equal(decode(change(data[:-2] + bytes(zeros) + data[-2:])), decode(change(data)))
    scan = data.rindex(b"\xff\xda")
    middle = (scan + len(data)) // 2
    torn = {
        "stray bytes": data[:-2] + b"junk" * 15 + data[-2:],
        "cut off": data[:middle],
        "cut off and ended": data[:middle] + data[-2:],
        "a gap": data[: middle - 200] + data[middle:],
    }
    for what, spoilt in torn.items():
        with pytest.raises(UnreadableImage, match="damaged or truncated JPEG"):
            pytest.fail(f"{what}: {decode(change(spoilt)).shape}")


# --- names of formats ---


def test_a_picture_is_told_from_a_document() -> None:
    assert formats.is_picture(".dcm", b"")
    assert formats.is_picture(".bak", b"\xff\xd8\xff\xe0")
    assert formats.is_picture("", NAMES["GIF"])
    assert not formats.is_picture(".txt", b"some text")
    assert not formats.is_picture(".xlsx", b"PK\3\4")
    assert image_size(NAMES["GIF"]) is None
