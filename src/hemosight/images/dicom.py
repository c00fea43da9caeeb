"""DICOM of visible light: photographs through a microscope and slides small enough to be a picture, by pydicom.

One picture a file: a single frame, or the tiles of one total pixel matrix (supplement 145). Radiographs and other grey
pictures, and several frames that no matrix joins, are refused by name. ``BitsStored`` says which value is white,
unless it only repeats ``BitsAllocated``, as files around the values of any camera do.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images import jpeg
from hemosight.images.limits import MEGAPIXELS, require_size, several
from hemosight.images.samples import to_uint8, white_of, white_of_bits

Samples = NDArray[np.uint8]

_DEFLATED = (b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.8.1")
"""Transfer syntaxes that pack the whole file: nothing about it is known before all of it is unpacked."""
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_MOST_FRAMES = 20_000
"""Tiles of one picture: 50 megapixels of 50 x 50."""
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # what is wrong with a file is said in its own row


def size(data: bytes) -> tuple[int, int]:
    """Width and height of the picture by the header alone: of the total matrix where there are tiles."""
    return _size(_read(data, stop_before_pixels=True))


def decode(data: bytes, bits: int | None = None) -> tuple[Samples, bytes | None]:
    """A DICOM file -> uint8, height x width x 3, and its ICC profile.

    Parameters
    ----------
    bits
        Bits that hold the values, where ``BitsStored`` only repeats ``BitsAllocated`` and the values leave doubt.

    Raises an :class:`~hemosight.errors.UnreadableImage` or whatever the library raises for damaged bytes.
    """
    header = _read(data, stop_before_pixels=True)
    width, height = _size(header)
    depth, stored = _depth(header)
    require_size(width, height, 3 * depth)
    photometric = str(header.get("PhotometricInterpretation", ""))
    if photometric.startswith("MONOCHROME"):
        raise UnreadableImage(reason=f"a DICOM in grey ({_kind(header)}), which cannot show a stained cell")
    if photometric not in (*_COLOURS, "PALETTE COLOR"):
        raise UnreadableImage(reason=f"a DICOM of {photometric or 'unnamed'} samples, which is not read")
    if depth > 8 and photometric != "RGB":
        raise UnreadableImage(reason=f"a DICOM of {depth} bits in {photometric}, which is not read")
    syntax = header.file_meta.TransferSyntaxUID
    _require_decoder(syntax)
    whole = _read(data)
    if not whole.get("PixelData"):
        raise UnreadableImage(reason=f"a DICOM without a picture ({_kind(header)})")
    if not syntax.is_encapsulated:
        # The library would cut off what lies above: a sample beyond the range is to be seen.
        whole.BitsStored, whole.HighBit = depth, depth - 1
    array = _joined(whole, width, height) if _frames(header) > 1 else _frame(whole, 0)
    if array.shape != (height, width, 3):
        raise UnreadableImage(reason=f"a DICOM whose pixels are {array.shape}, not {height} x {width} x 3")
    painted = photometric == "PALETTE COLOR"  # its table gives eight bits
    white = 255.0 if painted else white_of(array, depth=depth, declared=white_of_bits(stored), bits=bits)
    return to_uint8(array, white), _profile(header)


def _read(data: bytes, *, stop_before_pixels: bool = False) -> Any:
    import pydicom

    if any(syntax in data[128:2048] for syntax in _DEFLATED):
        raise UnreadableImage(reason="a DICOM packed as a whole (deflated), which is not read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values elsewhere in a header are no fault of the picture
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=stop_before_pixels)


def _frames(header: Any) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _size(header: Any) -> tuple[int, int]:
    if "Rows" not in header or "Columns" not in header:
        raise UnreadableImage(reason=f"a DICOM without a picture ({_kind(header)})")
    if _frames(header) > 1 and header.get("TotalPixelMatrixColumns") and header.get("TotalPixelMatrixRows"):
        return int(header.TotalPixelMatrixColumns), int(header.TotalPixelMatrixRows)
    return int(header.Columns), int(header.Rows)


def _depth(header: Any) -> tuple[int, int]:
    """Bits of a sample as it lies in the file, and how many of them hold its value."""
    allocated, stored = int(header.get("BitsAllocated") or 0), int(header.get("BitsStored") or 0)
    if allocated not in (8, 16) or not 0 < stored <= allocated or int(header.get("HighBit", stored - 1)) != stored - 1:
        raise UnreadableImage(reason=f"a DICOM whose samples are {stored} bits of {allocated}")
    if int(header.get("PixelRepresentation") or 0):
        raise UnreadableImage(reason="a DICOM in colour with signed samples")
    return allocated, stored


def _kind(header: Any) -> str:
    """What a file holds, as the standard calls it."""
    uid = header.get("SOPClassUID")
    return str(getattr(uid, "name", None) or header.get("Modality") or "unnamed").removesuffix(" Storage")


def _require_decoder(syntax: Any) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    if not syntax.is_compressed:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:  # how pydicom says that it knows none for this syntax
        decoder = None
    if decoder is None or not decoder.is_available:
        raise UnreadableImage(reason=f"a DICOM packed as {syntax.name}, which is not read; JPEG, JPEG 2000 and RLE are")


def _frame(whole: Any, index: int) -> NDArray[Any]:
    """One frame in RGB."""
    from pydicom.encaps import get_frame
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    if whole.file_meta.TransferSyntaxUID.is_encapsulated and not str(whole.file_meta.TransferSyntaxUID.name).startswith(
        "RLE"
    ):
        # A frame has a header of its own, which may promise anything.
        packed = get_frame(whole.PixelData, index, number_of_frames=_frames(whole))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(packed), formats=("JPEG", "JPEG2000")) as image:
                if image.size != (whole.Columns, whole.Rows):
                    raise UnreadableImage(
                        reason=f"a DICOM of {whole.Columns} x {whole.Rows} pixels"
                        f" that holds {image.width} x {image.height}"
                    )
        # What a JPEG says of its colours goes before what the DICOM says around it, which programs copy from elsewhere.
        stated = str(whole.PhotometricInterpretation)
        of_jpeg = packed[:3] == b"\xff\xd8\xff" and whole.BitsAllocated == 8 and whole.SamplesPerPixel == 3
        if of_jpeg and jpeg.rare_kind(packed) is None and (stated != "RGB" or jpeg.says_colours(packed)):
            return jpeg.decode(packed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = pixel_array(whole, index=index)
    if str(whole.PhotometricInterpretation) == "PALETTE COLOR":
        table = apply_color_lut(array, whole)
        return (table >> 8).astype(np.uint8) if table.dtype == np.uint16 else table
    return array


# --- tiles ----------------------------------------------------------------------------------------------------


def _joined(whole: Any, width: int, height: int) -> NDArray[Any]:
    """The tiles of one picture in their places."""
    number = _frames(whole)
    if not whole.get("TotalPixelMatrixColumns"):
        raise several(f"a DICOM of {number} frames")
    if int(whole.get("TotalPixelMatrixFocalPlanes") or 1) > 1 or int(whole.get("NumberOfOpticalPaths") or 1) > 1:
        raise several("a DICOM slide of several focus planes or optical paths")
    tall, wide = int(whole.Rows), int(whole.Columns)
    places = _places(whole, number, width, tall, wide)
    if number > _MOST_FRAMES:
        raise UnreadableImage(
            reason=f"a DICOM slide of {number} tiles, which is more than {MEGAPIXELS} megapixels hold"
        )
    needed = {(top, left) for top in range(0, height, tall) for left in range(0, width, wide)}
    if needed - set(places) or len(places) != len(needed):
        raise UnreadableImage(reason=f"a DICOM slide of {number} tiles, of which {len(needed)} make a picture")
    first = _frame(whole, 0)
    array = np.empty((height, width, 3), first.dtype)
    for index, (top, left) in enumerate(places):
        tile = first if index == 0 else _frame(whole, index)
        array[top : top + tall, left : left + wide] = tile[: height - top, : width - left]
    return array


def _places(whole: Any, number: int, width: int, tall: int, wide: int) -> list[tuple[int, int]]:
    """Top and left of every frame, from 0: stated for each (sparse), or row by row."""
    if str(whole.get("DimensionOrganizationType", "")) == "TILED_FULL":
        across = -(-width // wide)
        return [(index // across * tall, index % across * wide) for index in range(number)]
    places: list[tuple[int, int]] = []
    for group in whole.get("PerFrameFunctionalGroupsSequence") or []:
        (stated,) = group.get("PlanePositionSlideSequence") or [None]
        if stated is None:
            break
        left, top = (int(stated[f"{axis}PositionInTotalImagePixelMatrix"].value) for axis in ("Column", "Row"))
        places.append((top - 1, left - 1))
    if len(places) != number:
        raise several(f"a DICOM of {number} frames, without a place for each")
    return places


def _profile(header: Any) -> bytes | None:
    paths = header.get("OpticalPathSequence") or []
    profile = (paths[0] if len(paths) else header).get("ICCProfile") or header.get("ICCProfile")
    return bytes(profile) if profile else None
