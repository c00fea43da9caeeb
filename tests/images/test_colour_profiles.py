"""Colours are those of the profile that a picture carries, by its curves and never by its name."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms
from test_decode import linear_profile
from test_formats_read import RGB, pillow, tiff

from hemosight.images.decode import decode
from hemosight.images.thumbnails import thumbnail


def called(name: str) -> bytes:
    """A profile of sRGB's primaries and no gamma, whatever it is called."""
    plain = linear_profile()
    number = struct.unpack(">I", plain[128:132])[0]
    entries = [struct.unpack(">4sII", plain[132 + 12 * k : 144 + 12 * k]) for k in range(number)]
    table, body, at = b"", b"", 128 + 4 + 12 * number
    for tag, start, length in entries:
        value = plain[start : start + length]
        if tag == b"desc":
            value = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode() + b"\0" + bytes(79)
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">II", at + len(body), len(value))
        body += value
    whole = plain[:128] + struct.pack(">I", number) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


SHARE = RGB / 255
LINEAR = np.rint(255 * np.where(SHARE <= 0.04045, SHARE / 12.92, ((SHARE + 0.055) / 1.055) ** 2.4)).astype(np.uint8)
NAMES = ["GIMP built-in Linear sRGB", "sRGB-elle-V2-g10", "linear sRGB", "sRGB IEC61966-2.1", "scanner"]


@pytest.mark.parametrize("name", NAMES)
def test_a_linear_profile_is_followed_whatever_it_is_called(name: str) -> None:
    for data in (
        tiff(LINEAR, iccprofile=called(name)),
        pillow(Image.fromarray(LINEAR), "PNG", icc_profile=called(name)),
        tiff(np.rint(LINEAR.astype(np.float64) * 257).astype(np.uint16), iccprofile=called(name)),
    ):
        read = decode(data).astype(int)
        assert np.abs(read - RGB).mean() < 1.5
        assert np.abs(LINEAR.astype(int) - RGB).mean() > 20


@pytest.mark.parametrize("name", ["sRGB built-in", "camera"])
def test_srgb_itself_moves_nothing(name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = profile.replace(b"sRGB"[:4], name.encode()[:4]) if name == "camera" else profile
    assert np.array_equal(decode(pillow(Image.fromarray(RGB), "PNG", icc_profile=renamed)), RGB)


def test_a_grey_or_damaged_profile_moves_nothing() -> None:
    for profile in (b"no profile", called("x")[:200]):
        assert np.array_equal(decode(pillow(Image.fromarray(RGB), "PNG", icc_profile=profile)), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
def test_a_png_of_16_bits_stands_upright_as_one_of_8(orientation: int, place: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    deep = bytes(imagecodecs.png_encode(RGB.astype(np.uint16) * 257))
    at = deep.rindex(place) - 4
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    shallow = io.BytesIO()
    Image.fromarray(RGB).save(shallow, "PNG", exif=exif)
    read = decode(deep[:at] + chunk + deep[at:])
    assert np.array_equal(read, decode(shallow.getvalue()))
    assert np.array_equal(read, RGB) == (orientation == 1)


def test_a_thumbnail_has_the_colours_that_are_read() -> None:
    """Without EXIF too, where a JPEG is decoded no larger than needed."""
    data = pillow(Image.fromarray(LINEAR), "JPEG", quality=100, subsampling=0, icc_profile=called("scanner"))
    small = thumbnail(data)
    assert small is not None
    square = decode(data)[:, 8:-8]
    shown = np.asarray(Image.open(io.BytesIO(small)).resize((square.shape[1], square.shape[0])))
    assert np.abs(shown.astype(int) - square).mean() < 3
