"""TIFF, by tifffile alone: any depth, byte order, compression, tiling and order of planes, one picture a file.

Several pages are one picture only where their axes say so (OME-TIFF, ImageJ composites: three channels of one size);
focus planes, time series, fluorescence channels and slides are refused by name.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage
from hemosight.images.limits import require_size, several
from hemosight.images.samples import range_of, to_uint8, white_of, white_of_bits

Samples = NDArray[np.uint8]

_OME_MOST = 1 << 20
"""Characters of a description as OME that are looked at; of one picture it has some thousands."""
_SLIDES = {
    "is_svs": "SVS (Aperio slide)",
    "is_ndpi": "NDPI (Hamamatsu slide)",
    "is_scn": "SCN (Leica slide)",
    "is_bif": "BIF (Ventana slide)",
    "is_philips": "a Philips slide",
    "is_qpi": "QPTIFF (PerkinElmer slide)",
    "is_lsm": "LSM (Zeiss confocal stack)",
    "is_stk": "STK (MetaMorph stack)",
    "is_fluoview": "a FluoView stack",
    "is_nih": "an NIH Image stack",
    "is_eer": "EER (electron microscope movie)",
    "is_mdgel": "a gel scan (MD GEL)",
}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_JPEG = (6, 7, 33007, 34892, 50001)
"""Compressions whose decoder turns YCbCr into RGB by itself (JPEG and WebP)."""
_STRUCTURE = frozenset(
    [*range(254, 260), 262, 266, 273, 274, *range(277, 280), 284, 317, *range(320, 326), 332, *range(338, 342), 347]
)
"""Tags without which the samples mean something else; all others may be damaged."""
ON_THEIR_SIDE = (5, 6, 7, 8)
"""Orientations in which a picture's width is stored as its height."""
_AXES = {"Z": "focus planes", "T": "points in time", "C": "channels", "S": "samples", "Q": "pages", "I": "pages"}
_PRIMARIES: dict[tuple[int, ...], int] = {(255, 0, 0): 0, (0, 255, 0): 1, (0, 0, 255): 2}
_NAMES = {"red": 0, "r": 0, "green": 1, "g": 1, "blue": 2, "b": 2}


def size(data: bytes) -> tuple[int, int]:
    """Width and height of the first page as it is meant to be looked at, by its tags alone."""
    with _sound(), tifffile.TiffFile(io.BytesIO(data)) as file:
        width, height = _size(file.pages.first)
        lies = file.pages.first.tags.valueof(274) in ON_THEIR_SIDE
        return (height, width) if lies else (width, height)


def decode(data: bytes, bits: int | None = None) -> tuple[Samples, bytes | None]:
    """A TIFF -> uint8, height x width x 3, upright, transparency laid on white; and its ICC profile.

    Parameters
    ----------
    bits
        Bits that hold the values, where the file does not say.

    Raises an :class:`~hemosight.errors.UnreadableImage` or whatever the library raises for damaged bytes.
    """
    with _sound(), tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        for flag, called in _SLIDES.items():
            if getattr(file, flag, False):
                raise UnreadableImage(reason=called)
        _require_one_depth(page)
        width, height = _size(page)
        require_size(width, height, page.samplesperpixel * max(8, page.bitspersample))
        joined = _joined(file)
        if joined is not None:
            array, samples = joined, 3
        elif page.samplesperpixel == 1 or page.planarconfig == 1:
            array, samples = page.asarray(), page.samplesperpixel
        else:
            array, samples = np.moveaxis(page.asarray(), 0, -1), page.samplesperpixel
        if array.shape not in ((height, width), (height, width, samples)):
            raise UnreadableImage(reason=f"a TIFF of shape {array.shape}, which is no picture of {width} x {height}")
        rgb = _colours(file, page, array.reshape(height, width, samples), bits, joined is not None)
        profile = page.tags.valueof(34675)
        return upright(rgb, page.tags.valueof(274)), profile if isinstance(profile, bytes) else None


@contextmanager
def _sound() -> Iterator[None]:
    """Refuse a picture of whose structure the library complains.

    It reads on where it can: without the tag that says how deep samples are, or with black where strips are missing.
    """
    outer, _heard.complaints = getattr(_heard, "complaints", None), (found := list[str]())
    try:
        yield
    finally:
        _heard.complaints = outer
    for complaint in found:
        tag = re.search(r"TiffTag (\d+)", complaint)
        if tag is None or int(tag[1]) in _STRUCTURE:
            raise UnreadableImage(reason=f"a damaged or truncated TIFF ({complaint[:160]})")


class _Hearing(logging.Filter):
    """Takes what the library logs while a picture is read by this thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        complaints = getattr(_heard, "complaints", None)
        if complaints is None:
            return True
        complaints.append(record.getMessage())
        return False


_heard = threading.local()
logging.getLogger("tifffile").addFilter(_Hearing())


def _size(page: Any) -> tuple[int, int]:
    width, height = page.imagewidth, page.imagelength
    if not (isinstance(width, int) and isinstance(height, int)):
        raise UnreadableImage(reason="a damaged TIFF (its width or height has no value)")
    if page.imagedepth != 1:
        raise UnreadableImage(reason="a TIFF volume, not a picture")
    return width, height


def _require_one_depth(page: Any) -> None:
    if not isinstance(page.bitspersample, int) or page.dtype is None:
        raise UnreadableImage(
            reason=f"a TIFF whose samples are {page.bitspersample} bits of format {page.sampleformat}"
        )


# --- pages ----------------------------------------------------------------------------------------------------


def _joined(file: tifffile.TiffFile) -> NDArray[Any] | None:
    """Three pages that their axes call the channels of one picture; None where the first page is the picture."""
    if len(file.pages) == 1 and not file.is_imagej:
        return None
    series = file.series[0]
    axes = "".join(axis for axis, length in zip(series.axes, series.shape, strict=True) if length > 1 or axis in "YX")
    shape = [length for axis, length in zip(series.axes, series.shape, strict=True) if length > 1 or axis in "YX"]
    if axes in ("YX", "YXS", "SYX"):
        _require_alone(file)
        return None
    if axes not in ("CYX", "YXC") or shape[axes.index("C")] != 3:
        axes_left = [(axis, length) for axis, length in zip(axes, shape, strict=True) if axis not in "YXS"]
        counted = [f"{length} {_AXES.get(axis, axis)}" for axis, length in axes_left]
        raise several(f"a TIFF of {' x '.join(counted) or f'{len(file.pages)} pages'}")
    others = [one for one in file.series[1:] if not one.keyframe.is_reduced]
    if others:
        raise several(f"a TIFF of {1 + len(others)} images, each of several planes")
    order = _order_of_channels(file)
    require_size(file.pages.first.imagewidth, file.pages.first.imagelength, 3 * max(8, file.pages.first.bitspersample))
    planes = series.asarray().reshape(shape)
    return np.stack([np.take(planes, channel, axis=axes.index("C")) for channel in order], axis=-1)


def _require_alone(file: tifffile.TiffFile) -> None:
    """Smaller copies and masks may follow a picture; another picture may not."""
    first = file.pages.first
    if first.is_reduced or first.is_mask:
        raise several("a TIFF that begins with a preview of another picture (camera raw?)")
    for number in range(1, min(len(file.pages), 64)):
        page = file.pages[number].aspage()
        if not (page.is_reduced or page.is_mask):
            raise several(f"a TIFF of {len(file.pages)} pages")


def _ome(file: tifffile.TiffFile) -> str:
    """What a file says as OME, as far as one picture needs."""
    return (file.ome_metadata or "")[:_OME_MOST]


def _order_of_channels(file: tifffile.TiffFile) -> tuple[int, ...]:
    """Which channels are red, green and blue: by their names or colours, else in this order."""
    stated: list[int | None] = []
    if file.is_ome:
        for channel in re.findall(r"<(?:\w+:)?Channel\b[^<>]*>", _ome(file)):
            found = dict(re.findall(r'\b(Name|Color)="([^"]*)"', channel))
            if "Name" in found and not re.fullmatch(r"(?i)(channel|ch|c)?[ :_-]*[0-9:]*", found["Name"]):
                stated.append(_NAMES.get(found["Name"].strip().lower()))
            elif "Color" in found and int(found["Color"]) not in (-1, 0xFFFFFFFF):
                value = int(found["Color"]) & 0xFFFFFFFF
                stated.append(_PRIMARIES.get((value >> 24, value >> 16 & 255, value >> 8 & 255)))
    elif tables := (file.imagej_metadata or {}).get("LUTs"):
        brightest = [tuple(int(v) for v in np.asarray(table)[:, -1]) for table in tables]
        if any(colour != (255, 255, 255) for colour in brightest):
            stated = [_PRIMARIES.get(colour) for colour in brightest]
    if not stated:
        return (0, 1, 2)
    if sorted(stated, key=str) != [0, 1, 2]:
        raise several("a TIFF of three channels that are not red, green and blue")
    return tuple(stated.index(colour) for colour in range(3))


# --- colours --------------------------------------------------------------------------------------------------


def _colours(file: tifffile.TiffFile, page: Any, array: NDArray[Any], bits: int | None, joined: bool) -> Samples:
    photometric, channels = int(page.photometric), array.shape[2]
    if photometric == _PALETTE:
        return _palette(page, array)
    if photometric == _YCBCR and int(page.compression) not in _JPEG:
        raise UnreadableImage(reason="a TIFF of YCbCr samples that are not JPEG")
    kinds = {_MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3, _CMYK: 4, _YCBCR: 3}
    if photometric not in kinds:
        raise UnreadableImage(reason=f"a TIFF of {getattr(page.photometric, 'name', photometric)} samples")
    colours = 3 if joined else kinds[photometric]
    extra = [int(kind) for kind in page.extrasamples] if not joined else []
    if channels < colours or channels - colours > 1 or (colours == 1 and extra == [0]):
        raise UnreadableImage(
            reason=f"a TIFF of {channels} samples a pixel, of which {colours} are {page.photometric.name}"
        )
    body, alpha = array[:, :, :colours], array[:, :, colours:]
    black, white = _range(file, page, body, bits)
    levels = to_uint8(body, white, black=black, white_is_zero=photometric == _MIN_IS_WHITE)
    levels = cmyk_to_rgb(levels) if photometric == _CMYK else np.broadcast_to(levels, (*levels.shape[:2], 3))
    # A further sample that nobody explains is opacity, as everywhere; one that is declared unspecified is not.
    if alpha.shape[2] and extra != [0]:
        return on_white(levels, opacity(alpha[:, :, 0], white, page.bitspersample), associated=extra == [1])
    return np.ascontiguousarray(levels)


def _range(file: tifffile.TiffFile, page: Any, body: NDArray[Any], bits: int | None) -> tuple[float, float]:
    """The values of black and white: by OME's significant bits, or the values that the samples' tags state."""
    depth = page.bitspersample
    if depth < 8:
        return 0.0, white_of_bits(depth)
    if file.is_ome:
        found = re.search(r'<(?:\w+:)?Pixels\b[^<>]*\bSignificantBits="(\d+)"', _ome(file))
        if found and 0 < int(found[1]) <= depth:
            return 0.0, white_of(body, depth=depth, declared=white_of_bits(int(found[1])), bits=bits)
    # MinSampleValue and MaxSampleValue (280, 281) are statistics and, by the standard, change no brightness. The last
    # of more values than colours is opacity's.
    lowest, highest = (_of_colours(page.tags.valueof(tag), body.shape[2]) for tag in (340, 341))
    return range_of(
        body,
        depth=depth,
        lowest=min(lowest, default=None),
        highest=max(highest, default=None),
        bits=bits,
    )


def _of_colours(stated: Any, colours: int) -> list[float]:
    """What a tag states of each colour; of type BYTE it comes as bytes."""
    if stated is None:
        return []
    values = list(stated) if isinstance(stated, bytes | tuple | list) else [stated]
    return [float(value) for value in values[:colours]]


def _palette(page: Any, array: NDArray[Any]) -> Samples:
    table = page.colormap
    if array.shape[2] != 1 or table is None or array.dtype.kind not in "ub" or int(array.max()) >= table.shape[1]:
        raise UnreadableImage(reason="a TIFF of palette colours without a palette that fits")
    # The standard has 16 bits; some programs write 8.
    levels = table if table.max() < 256 else table >> 8
    return np.ascontiguousarray(levels.T.astype(np.uint8)[array[:, :, 0].astype(np.uint16)])


def cmyk_to_rgb(levels: Samples) -> Samples:
    """Cyan, magenta, yellow, black (255 is full ink) -> RGB, without a profile."""
    ink = 255 - levels.astype(np.uint16)
    product = ink[:, :, :3] * ink[:, :, 3:]
    return ((product + 127) // 255).astype(np.uint8)


def opacity(alpha: NDArray[Any], white: float, depth: int) -> Samples:
    """Opacity in any depth -> uint8; the same everywhere, 0 too, it is full, in whatever range it was written."""
    high = float(alpha.max())
    if high == alpha.min():
        return np.full(alpha.shape, 255, np.uint8)
    return to_uint8(alpha, white if high <= white or alpha.dtype.kind == "f" else white_of_bits(depth))


def on_white(rgb: Samples, alpha: Samples, *, associated: bool = False) -> Samples:
    """Lay a picture on white paper by its opacity; ``associated`` colours are multiplied by it already."""
    opacity = alpha[:, :, None].astype(np.uint32)
    ground = 255 * (255 - opacity)
    front = rgb.astype(np.uint32) * (255 if associated else opacity)
    return np.minimum((front + ground + 127) // 255, 255).astype(np.uint8)


def upright(rgb: Samples, orientation: Any) -> Samples:
    """The picture as it is meant to be looked at (tag Orientation, 1 to 8)."""
    if orientation not in (2, 3, 4, 5, 6, 7, 8):
        return rgb
    if orientation in ON_THEIR_SIDE:
        rgb = rgb.transpose(1, 0, 2)
    # After a transposition: 5 as it is, 6 mirrored, 7 turned by 180, 8 upside down.
    rows = orientation in (3, 4, 7, 8)
    columns = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(rgb[:: -1 if rows else 1, :: -1 if columns else 1])
