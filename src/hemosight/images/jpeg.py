"""JPEG: what kind a file is, by its header, and its pixels by one decoder, which refuses what is damaged.

The decoder reads on behind damage and says so. Whatever it complains of is refused, also in a file that carries a
profile or an orientation; but zeros before the end, with which cameras fill up their blocks, are no damage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage
from hemosight.images.limits import SCAN_PIXELS

_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
"""What libjpeg says of bytes between the picture and its end."""
_RGB = [b"R", b"G", b"B"]
"""What the channels are called where they are these colours."""


def decode(data: bytes, colours: str = "RGB", **least: Any) -> NDArray[np.uint8]:
    """The pixels as they are stored, neither turned nor moved by a profile: uint8, height x width x 3.

    Parameters
    ----------
    colours
        ``CMYK`` for those of print, which have four samples a pixel.
    least
        ``min_width``, ``min_height`` and ``min_factor`` of a picture that may be decoded smaller; ``fastdct``.

    Raises ValueError with the library's words for what is damaged.
    """
    try:
        return simplejpeg.decode_jpeg(data, colorspace=colours, **least)
    except ValueError as error:
        stray = _STRAY.search(str(error))
        filled = None if stray is None else _without_filling(data, int(stray[1]))
        if filled is None:
            raise
        return simplejpeg.decode_jpeg(filled, colorspace=colours, **least)  # what else is wrong with it counts


def is_plain(data: bytes) -> bool:
    """Whether a file has neither a profile nor EXIF, which may say how it lies: its pixels are the picture."""
    return data.find(b"Exif\0\0", 0, 65536) < 0 and data.find(b"ICC_PROFILE\0", 0, 65536) < 0


def shape(data: bytes) -> tuple[int, int]:
    """Height and width in pixels as they are stored, not turned. Raises ValueError for a damaged header."""
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    return int(height), int(width)


def is_common(data: bytes) -> bool:
    """Whether the colours are those of screens: :func:`decode` gives RGB. Raises ValueError for a damaged header."""
    return simplejpeg.decode_jpeg_header(data)[2] in ("YCbCr", "Gray", "RGB")


def require_few_passes(data: bytes, pixels: int) -> None:
    """31 bytes make a pass over the whole picture: a file of a megabyte could keep a core busy for hours."""
    passes = data.count(b"\xff\xda")
    if passes > 1 and passes * pixels > SCAN_PIXELS:
        raise UnreadableImage(reason=f"a JPEG in {passes} passes, made to keep a program busy")


def rare_kind(data: bytes) -> str | None:
    """What kind of JPEG is not read: more than 8 bits, lossless; None for all others."""
    for marker, place in _segments(data):
        if marker == 0xF7:
            return "JPEG-LS, which is not read"
        if marker in (0xC3, 0xC7, 0xCB, 0xCF):
            return "a lossless JPEG, which is not read"
        if _is_frame(marker):
            depth = data[place + 4]
            return None if depth == 8 else f"a JPEG of {depth} bits, which is not read"
    return None


def says_colours(data: bytes) -> bool:
    """Whether a file says how its colours are stored: in a header of JFIF or Adobe, by its channels' names or sizes.

    Colours of half the size are YCbCr's: nobody stores red at half the size of green.
    """
    for marker, place in _segments(data):
        if (marker, data[place + 4 : place + 9]) in ((0xE0, b"JFIF\0"), (0xEE, b"Adobe")):
            return True
        if _is_frame(marker):
            channels = [data[at : at + 2] for at in range(place + 10, place + 10 + 3 * data[place + 9], 3)]
            return len({channel[1:] for channel in channels}) > 1 or [channel[:1] for channel in channels] == _RGB
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment, up to the first pass."""
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8:  # padding, and markers without a length
            place += 1 if marker == 0xFF else 2
            continue
        yield marker, place
        if marker == 0xDA:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def _without_filling(data: bytes, count: int) -> bytes | None:
    """The file without so many zeros before its end; None where other bytes stand there."""
    scan = next((place for marker, place in _segments(data) if marker == 0xDA), None)
    end = -1 if scan is None else data.find(b"\xff\xd9", scan)
    if end < count or data[end - count : end] != bytes(count):
        return None
    return data[: end - count] + data[end:]
