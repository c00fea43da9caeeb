"""DICOM of visible light, pixel for pixel: how samples are stored, how tiles lie, and what is refused by its name.

docs/reference/files.md takes its table from here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from test_formats_read import HEIGHT, RGB, WIDTH, Kind, deep

from hemosight.errors import UnreadableImage
from hemosight.images import formats
from hemosight.images.decode import decode, decode_cell, image_size

Array = NDArray[Any]
MICROSCOPIC = UID("1.2.840.10008.5.1.4.1.1.77.1.2")
SLIDE = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
CT = UID("1.2.840.10008.5.1.4.1.1.2")


def dicom(
    pixels: Array | list[bytes],
    photometric: str = "RGB",
    syntax: UID = ExplicitVRLittleEndian,
    *,
    stored: int | None = None,
    planar: int = 0,
    **more: Any,
) -> bytes:
    """A file of the standard around samples (height x width x 3, or as they lie) or packed frames."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = MICROSCOPIC
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    file.Modality, file.PatientName, file.PatientID = "GM", "Nobody^Known", "0"
    file.Rows, file.Columns, file.SamplesPerPixel = HEIGHT, WIDTH, 3
    file.PhotometricInterpretation, file.PlanarConfiguration, file.PixelRepresentation = photometric, planar, 0
    wide = isinstance(pixels, np.ndarray) and pixels.dtype.itemsize == 2
    file.BitsAllocated = 16 if wide else 8
    file.BitsStored = stored or file.BitsAllocated
    file.HighBit = file.BitsStored - 1
    for name, value in more.items():
        setattr(file, name, value)
    if isinstance(pixels, list):
        file.PixelData = encapsulate(pixels)
    else:
        swapped = pixels.astype(pixels.dtype.newbyteorder(">")) if syntax == ExplicitVRBigEndian else pixels
        file.PixelData = swapped.tobytes()
    file["PixelData"].VR = "OW" if wide else "OB"
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def jpeg(array: Array, **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=97, subsampling=0, **how)
    return buffer.getvalue()


def jpeg2000(array: Array) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k", mct=True))


def ybr(array: Array) -> Array:
    return np.asarray(Image.fromarray(array).convert("YCbCr"))


def runs(array: Array) -> bytes:
    encoder = get_encoder(RLELossless)
    return encoder.encode(
        array.tobytes(), rows=array.shape[0], columns=array.shape[1], samples_per_pixel=3, number_of_frames=1,
        bits_allocated=8, bits_stored=8, pixel_representation=0, photometric_interpretation="RGB",
        planar_configuration=0,
    )  # fmt: skip


def palette() -> dict[str, Any]:
    """256 colours whose green runs the other way."""
    up = np.arange(256, dtype=np.uint16) * 257
    tables = {"Red": up, "Green": up[::-1], "Blue": up}
    rows: dict[str, Any] = {}
    for name, table in tables.items():
        rows[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        rows[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    return {"SamplesPerPixel": 1, **rows}


# --- tiles ---

TILE = 16


def tiled(places: list[tuple[int, int]], *, sparse: bool, width: int = WIDTH - 6, height: int = HEIGHT - 5) -> bytes:
    """The picture cut into tiles, which reach beyond its right and lower edges."""
    padded = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
    padded[:height, :width] = RGB[:height, :width]
    frames = [jpeg2000(padded[top : top + TILE, left : left + TILE]) for top, left in places]
    more: dict[str, Any] = {
        "SOPClassUID": SLIDE, "Rows": TILE, "Columns": TILE, "NumberOfFrames": len(frames),
        "TotalPixelMatrixColumns": width, "TotalPixelMatrixRows": height,
        "DimensionOrganizationType": "TILED_SPARSE" if sparse else "TILED_FULL",
    }  # fmt: skip
    if sparse:
        groups = []
        for top, left in places:
            place = Dataset()
            place.ColumnPositionInTotalImagePixelMatrix = left + 1
            place.RowPositionInTotalImagePixelMatrix = top + 1
            group = Dataset()
            group.PlanePositionSlideSequence = [place]
            groups.append(group)
        more["PerFrameFunctionalGroupsSequence"] = groups
    return dicom(frames, "YBR_RCT", JPEG2000Lossless, **more)


ROW_BY_ROW = [(top, left) for top in range(0, HEIGHT, TILE) for left in range(0, WIDTH, TILE)]


def dicoms() -> Iterator[Kind]:
    """Every way to store the cell that is read."""
    planes = np.ascontiguousarray(np.moveaxis(RGB, 2, 0))
    for name, syntax in {
        "implicit, little-endian": ImplicitVRLittleEndian,
        "explicit, little-endian": ExplicitVRLittleEndian,
        "explicit, big-endian": ExplicitVRBigEndian,
    }.items():
        yield Kind(f"RGB of 8 bits, {name}", dicom(RGB, syntax=syntax), RGB)
        yield Kind(f"RGB of 8 bits by planes, {name}", dicom(planes, syntax=syntax, planar=1), RGB)
        yield Kind(f"RGB of 16 bits, {name}", dicom(deep(RGB, 16), syntax=syntax), RGB)
        yield Kind(f"RGB of 12 bits in 16, {name}", dicom(deep(RGB, 12), syntax=syntax, stored=12), RGB)
    yield Kind("YBR_FULL of 8 bits", dicom(ybr(RGB), "YBR_FULL"), RGB, 3)
    yield Kind("palette of 16 bits", dicom(RGB[:, :, 1].copy(), "PALETTE COLOR", **palette()), _painted())
    yield Kind("RLE, RGB", dicom([runs(RGB)], syntax=RLELossless), RGB)
    yield Kind("JPEG, YBR_FULL_422", dicom([jpeg(RGB)], "YBR_FULL_422", JPEGBaseline8Bit), RGB, 8)
    yield Kind("JPEG, RGB", dicom([jpeg(RGB, keep_rgb=True)], "RGB", JPEGBaseline8Bit), RGB, 8)
    yield Kind("JPEG 2000, YBR_RCT", dicom([jpeg2000(RGB)], "YBR_RCT", JPEG2000Lossless), RGB)
    small = RGB[: HEIGHT - 5, : WIDTH - 6]
    yield Kind("tiles of one picture, row by row (TILED_FULL)", tiled(ROW_BY_ROW, sparse=False), small)
    yield Kind("tiles of one picture, in any order (TILED_SPARSE)", tiled(ROW_BY_ROW[::-1], sparse=True), small)


def _painted() -> Array:
    green = RGB[:, :, 1]
    return np.dstack([green, 255 - green, green])


@pytest.mark.parametrize("kind", list(dicoms()), ids=lambda kind: kind.name)
def test_every_dicom_shows_the_cell(kind: Kind) -> None:
    read = decode(kind.data)
    assert read.shape == kind.expected.shape
    assert np.abs(read.astype(int) - kind.expected).max() <= kind.within
    assert image_size(kind.data) == (kind.expected.shape[1], kind.expected.shape[0])
    assert formats.known(kind.data) == "DICOM"


def without_jfif(data: bytes) -> bytes:
    """A JPEG that does not say how its colours are stored."""
    return data[:2] + data[20:] if data[6:10] == b"JFIF" else data


def coarse(array: Array) -> bytes:
    """A JPEG whose colours are stored at half the size, which only YCbCr's are."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=97, subsampling=2)
    return buffer.getvalue()


ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01"
"""A JPEG's segment that says that its colours are stored as YCbCr."""


@pytest.mark.parametrize("stated", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize(
    ("frame", "within"),
    [
        (jpeg(RGB), 8),
        (coarse(RGB), 24),
        (without_jfif(coarse(RGB)), 24),
        (b"\xff\xd8" + ADOBE + without_jfif(jpeg(RGB))[2:], 8),
        (jpeg(RGB, keep_rgb=True), 8),
    ],
    ids=["jfif", "half the size", "half the size alone", "adobe", "rgb"],
)
def test_a_jpeg_has_the_colours_that_it_says_whatever_is_stated(frame: bytes, within: int, stated: str) -> None:
    read = decode(dicom([frame], stated, JPEGBaseline8Bit))
    assert np.abs(read.astype(int) - RGB).max() <= within


def test_a_jpeg_that_says_nothing_of_its_colours_has_those_that_are_stated() -> None:
    data = jpeg(RGB, keep_rgb=True)
    adobe = data.index(b"\xff\xee")
    data = data[:adobe] + data[adobe + 16 :]
    silent = data.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0").replace(b"R\0G\0B\0", b"\1\0\2\0\3\0")
    assert silent.count(b"\1\0\2\0\3\0") == 1
    read = decode(dicom([silent], "RGB", JPEGBaseline8Bit))
    assert np.abs(read.astype(int) - RGB).max() <= 8


def test_the_profile_of_the_optical_path_counts() -> None:
    from test_decode import linear_profile

    path = Dataset()
    path.ICCProfile = linear_profile()
    plain, coloured = decode(dicom(RGB)), decode(dicom(RGB, OpticalPathSequence=[path]))
    assert np.abs(plain.astype(int) - coloured).mean() > 5


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (dicom(RGB[:, :, 0].copy(), "MONOCHROME2", SamplesPerPixel=1, SOPClassUID=CT), "unreadable_image", "grey.*CT"),
        (dicom(RGB[:, :, 0].copy(), "MONOCHROME1", SamplesPerPixel=1), "unreadable_image", "grey.*VL Microscopic"),
        (dicom(np.stack([RGB] * 3), NumberOfFrames=3), "several_pictures", "3 frames"),
        (tiled(ROW_BY_ROW[:-1], sparse=True), "unreadable_image", "11 tiles, of which 12"),
        (dicom([b"\xff\xd8\xff\xf7" + bytes(60)], syntax=JPEGLSLossless), "unreadable_image", "JPEG-LS"),
        (dicom([b"\xff\xd8\xff\xc3" + bytes(60)], syntax=JPEGLosslessSV1), "unreadable_image", "JPEG Lossless"),
        (dicom(RGB, syntax=DeflatedExplicitVRLittleEndian), "unreadable_image", "deflated"),
        (dicom(RGB, PixelRepresentation=1), "unreadable_image", "signed"),
        (dicom(deep(RGB, 12), "YBR_FULL", stored=12), "unreadable_image", "16 bits in YBR_FULL"),
        (dicom(deep(RGB, 16), stored=12), "unreadable_image", "outside of their range"),
        (dicom(RGB)[:-4000], "unreadable_image", "DICOM"),
        (dicom([jpeg(np.zeros((HEIGHT * 4, WIDTH * 4, 3), np.uint8))], "YBR_FULL_422", JPEGBaseline8Bit),
         "unreadable_image", "64 x 48 pixels that holds 256 x 192"),
        (dicom(RGB, Rows=60_000, Columns=60_000), "image_too_large", "megapixels"),
        (b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0", "unreadable_image", "DICOM"),
    ],
)  # fmt: skip
def test_what_is_no_picture_of_a_cell_says_why(data: bytes, code: str, word: str) -> None:
    with pytest.raises(UnreadableImage, match=word, check=lambda fault: fault.code == code):
        decode(data)


def test_a_blank_photograph_is_no_cell() -> None:
    with pytest.raises(UnreadableImage, check=lambda fault: fault.code == "image_blank"):
        decode_cell(dicom(np.full((HEIGHT, WIDTH, 3), 255, np.uint8)))


def test_damaged_headers_cost_a_row_each_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    whole = dicom(RGB)
    for _ in range(200):
        torn = bytearray(whole)
        for at in rng.integers(128, 1200, 6):
            torn[at] = rng.integers(256)
        try:
            assert decode(bytes(torn)).dtype == np.uint8
        except UnreadableImage:
            continue
