"""What a file is, by its first bytes: the formats that are read, and the names of those that are not.

A suffix says what somebody called a file; only its bytes say what it is. Whatever is not read is named, so that its
owner knows what to export instead.
"""

from __future__ import annotations

import re
from typing import Literal

from hemosight.errors import TooFewCells

Read = Literal["JPEG", "PNG", "TIFF", "BMP", "WebP", "DICOM"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".dib", ".webp"})
"""Suffixes of the formats that are read, in lower case."""

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
"""Suffixes of files that are read where they are DICOM in truth."""

HEAD = 512
"""Bytes from a file's beginning that tell what it is."""

_READ: tuple[tuple[bytes, Read], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)

NAMED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "GIF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"ZISRAWFILE", "CZI (Zeiss)"),
    (0, b"\x70\0\0\0", "LIF (Leica)"),
    (0, b"\xda\xce\xbe\x0a", "ND2 (Nikon)"),
    (0, b"\x89HDF\r\n", "HDF5"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE2 (ZVI, OIB or an Office document)"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"NRRD", "NRRD"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"8BPS", "Photoshop"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "DDS"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"icns", "ICNS"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"IIU\0", "camera raw"),
    (0, b"IIRO", "camera raw"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!", "RAR"),
    (0, b"PAR1", "Parquet"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska video"),
)
"""Offset, bytes there, and what a file is that has them: formats that are not read."""

BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"crx ": "camera raw",
    b"jxl ": "JPEG XL",
}
"""The same by the brand of an ISO media file."""
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_PORTABLE = re.compile(rb"P[1-7fF][\s#]")
_MARKUP = re.compile(rb"\s*<(!doctype html|html|\?xml|svg)", re.IGNORECASE)

_DOCUMENTS = (
    "text", "bytes", "zip", "gzip", "7z", "RAR", "PDF", "PostScript", "Parquet", "NumPy", "WAV", "OLE2", "RIFF",
)  # fmt: skip

_UNREAD = re.compile(
    r"\.(gif|jp2|j2k|jpf|jpx|jpc|jxl|jxr|wdp|hdp|avif|heic|heif|hif|dcm|dicom|ndpi|svs|svslide|scn|bif|mrxs|vms|vmu|czi|zvi"
    r"|lif|nd2|oib|oif|vsi|lsm|stk|ico|ppm|pgm|pbm|pnm|pam|psd|xcf|exr|hdr|dng|cr2|cr3|nef|arw|orf|rw2|raf|tga|pcx|svg|eps"
    r"|btf|tf8|qptiff)"
)
"""Suffixes of pictures in formats that are not read."""


def known(data: bytes) -> Read | None:
    """The format that a file's beginning announces, among those that are read; None for any other."""
    for magic, name in _READ:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[128:132] == b"DICM":
        return "DICOM"
    # Two letters are too few to tell: behind them stands the size of the second header, which is one of these.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return None


def name(data: bytes) -> str:
    """What a file's beginning looks like, for a person: ``GIF``, ``DICOM``, ``text or another kind of document``."""
    read = known(data)
    if read is not None:
        return read
    for offset, magic, known_as in NAMED:
        if data[offset : offset + len(magic)] == magic:
            return known_as
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12].lower(), "MP4 or QuickTime video")
    if data[:4] == b"RIFF":
        return {b"AVI ": "AVI video", b"WAVE": "WAV sound"}.get(data[8:12], "RIFF")
    if _PORTABLE.match(data):
        return "PNM (PPM, PGM or PBM)"
    if _MARKUP.match(data):
        return "SVG" if b"<svg" in data[:HEAD].lower() else "text or another kind of document (HTML or XML)"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or _is_text(data[:256]):
        return "text or another kind of document"
    return "bytes of no known image format"


def is_picture(suffix: str, data: bytes) -> bool:
    """Whether a file is a picture, of a format that is read or not, by its suffix or its first bytes."""
    if suffix.lower() in SUFFIXES or _UNREAD.fullmatch(suffix.lower()):
        return True
    called = name(data)
    return not called.startswith(_DOCUMENTS)


def _is_text(data: bytes) -> bool:
    return data.isascii() and not any(byte < 9 or 13 < byte < 27 for byte in data)


def no_images(path: object, passed_over: str = "") -> TooFewCells:
    """What is said of a folder without an image; ``passed_over`` tells what it holds instead."""
    return TooFewCells(
        code="no_images",
        expected=f"images ({' '.join(sorted(SUFFIXES))})",
        came=f"none in {path}, {passed_over or 'nothing else'}",
        mend="Point at the folder that holds the crops; sub-folders are searched too.",
    )
