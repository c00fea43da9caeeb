"""A picture's pixels without what else its file says: EXIF, comments, tags of DICOM and TIFF, what lies behind it.

A JPEG keeps its compressed data bit by bit and loses its other segments. Any other file becomes a PNG of the pixels
that HemoSight reads from it (RGB, 8 bits, upright, sRGB). The same file gives the same bytes every time.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode

_SEGMENTS = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDD}) | {
    0xC0 + number for number in range(16) if number not in (4, 8, 12)
}
"""What a JPEG is decoded with: frames, tables, restart intervals, scans."""
_ADOBE = b"Adobe"
"""An APP14 segment that says how colours are stored: without it some JPEGs are read in false colours."""


def bare(data: bytes, bits: int | None = None) -> bytes:
    """The picture alone, as a JPEG or a PNG that is read as ``data`` is.

    Raises :class:`~hemosight.errors.UnreadableImage` where it cannot be read: what cannot be read cannot be freed of
    what it says.
    """
    pixels = decode(data, bits)
    if data.startswith(b"\xff\xd8"):
        stripped = _jpeg(data)
        if stripped is not None and _reads_as(stripped, pixels):
            return stripped
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _reads_as(data: bytes, pixels: np.ndarray) -> bool:
    """Whether nothing that was left out (a turn, a colour profile) changes the picture."""
    try:
        return np.array_equal(decode(data), pixels)
    except UnreadableImage:
        return False


def _jpeg(data: bytes) -> bytes | None:
    """The segments that pixels are made of, up to the end of the picture; None where they do not follow one another."""
    kept, place = bytearray(b"\xff\xd8"), 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == 0xD9:
            return bytes(kept + b"\xff\xd9")
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        adobe = marker == 0xEE and data[place + 4 : place + 9] == _ADOBE and end - place == 16
        if marker == 0xDA:
            end = _end_of_scan(data, end)
        if marker in _SEGMENTS or adobe:
            kept += data[place:end]
        place = end
    return bytes(kept + b"\xff\xd9") if data[place : place + 2] == b"\xff\xd9" else None


def _end_of_scan(data: bytes, place: int) -> int:
    """Where compressed data end: at a marker that is neither a stuffed byte nor a restart."""
    while True:
        place = data.find(b"\xff", place)
        if place < 0 or place + 1 >= len(data):
            return len(data)
        if data[place + 1] == 0 or 0xD0 <= data[place + 1] <= 0xD7:
            place += 2
        elif data[place + 1] == 0xFF:
            place += 1
        else:
            return place
