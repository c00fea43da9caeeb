"""Pictures freed of what else their files say are read as before, and say nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from test_dicom import dicom
from test_formats_read import RGB

from hemosight.errors import UnreadableImage
from hemosight.images.bare import bare
from hemosight.images.decode import decode

PATIENT = "DOE^JANE 1970-04-01"


def _pixels() -> np.ndarray:
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3)
    return (ramp + np.random.default_rng(0).normal(0, 20, ramp.shape)).clip(0, 255).astype(np.uint8)


def _exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E], exif[0x9C9B], exif[0x0112] = PATIENT, PATIENT.encode("utf-16le"), orientation
    return exif


def _saved(kind: str, **words: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(_pixels()).save(out, kind, **words)
    return out.getvalue()


def _told() -> PngImagePlugin.PngInfo:
    said = PngImagePlugin.PngInfo()
    said.add_text("Patient", PATIENT)
    said.add_itxt("Name", PATIENT, zip=True)
    return said


def _tiff() -> bytes:
    out = io.BytesIO()
    tags = [(315, "s", 0, PATIENT, True), (65001, "s", 0, PATIENT, True)]
    tifffile.imwrite(out, _pixels(), photometric="rgb", description=PATIENT, extratags=tags, metadata=None)
    return out.getvalue()


def _grey() -> bytes:
    out = io.BytesIO()
    Image.fromarray(_pixels()[:, :, 0]).save(out, "JPEG", exif=_exif(), comment=PATIENT)
    return out.getvalue()


FILES = {
    "jpeg": lambda: _saved("JPEG", exif=_exif(), comment=PATIENT.encode(), quality=90),
    "progressive jpeg": lambda: _saved("JPEG", exif=_exif(), progressive=True),
    "turned jpeg": lambda: _saved("JPEG", exif=_exif(6)),
    "jpeg with something behind": lambda: _saved("JPEG") + PATIENT.encode() * 3,
    "jpeg with a profile": lambda: _saved(
        "JPEG", exif=_exif(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ),
    "grey jpeg": _grey,
    "png": lambda: _saved("PNG", pnginfo=_told(), exif=_exif()),
    "turned png": lambda: _saved("PNG", exif=_exif(3)),
    "webp": lambda: _saved("WEBP", exif=_exif(), xmp=PATIENT.encode(), lossless=True),
    "bmp with something behind": lambda: _saved("BMP") + PATIENT.encode(),
    "tiff": _tiff,
    "dicom": lambda: dicom(RGB, PatientName=PATIENT, PatientID=PATIENT, AccessionNumber="H26-DOE"),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_picture_stays_and_what_was_said_goes(kind: str) -> None:
    data = FILES[kind]()
    made = bare(data)
    assert np.array_equal(decode(made), decode(data))
    for said in (PATIENT.encode(), PATIENT.encode("utf-16le"), b"DOE", b"Exif", b"Patient"):
        assert said not in made
    assert made == bare(data), "the same bytes every time, so that copies are known"
    assert bare(made) == made


def test_a_jpeg_keeps_its_compressed_data() -> None:
    data = FILES["jpeg"]()
    made = bare(data)
    assert made.startswith(b"\xff\xd8")
    assert data[data.index(b"\xff\xda") :] == made[made.index(b"\xff\xda") :]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(UnreadableImage):
        bare(FILES["png"]()[:200])
