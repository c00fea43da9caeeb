"""The one road for pixels: bytes -> decode -> scale -> grey world -> centre crop -> what the encoder sees.

Training, studies, the command line and the service all take this road and no other; its parameters travel with
every bundle and every set of embeddings as a hash, so that cells prepared in two ways are never compared.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hemosight.errors import ImageEmpty, ImageMissing, ImageTooLarge, ImageTooSmall, UnreadableImage

Pixels = NDArray[np.uint8]
"""An RGB picture, uint8, height x width x 3."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
MEGAPIXELS = 50
"""More than this is a field of view or a slide, not a crop."""
LEAST_SIDE = 16
"""Fewer pixels than this on a side cannot show a cell."""
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Preprocessing:
    """How a decoded crop becomes the encoder's input.

    Parameters
    ----------
    grey_world
        Scale each channel to the picture's mean grey (the paper's colour constancy).
    crop
        Side of the centre crop, in pixels at the reference scale (the paper: 224).
    size
        Side of the square the encoder sees; the crop is resized to it when they differ.
    """

    grey_world: bool = True
    crop: int = 224
    size: int = 224

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change with any parameter."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The parameters as plain values, for a manifest."""
        return asdict(self)

    def __call__(self, pixels: Pixels, scale: float = 1.0) -> Pixels:
        """One decoded picture of any size -> uint8, ``size`` x ``size`` x 3.

        ``scale`` resizes the source's pixels to the reference scale first (0.73 where a red cell is 105 px wide
        and the reference's is 77).
        """
        if scale != 1.0:
            pixels = resize(pixels, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        if self.grey_world:
            # Gains come from the whole picture, as in the paper; only the pixels that stay are multiplied.
            gains = grey_world_gains(pixels)
            pixels = apply_gains(centre_crop(pixels, self.crop), gains)
        else:
            pixels = centre_crop(pixels, self.crop)
        if self.size != self.crop:
            pixels = resize(pixels, self.size, self.size)
        return np.ascontiguousarray(pixels)


# --- decoding ---------------------------------------------------------------------------------------------


def read_bytes(path: str | Path) -> bytes:
    """A file's bytes; :class:`~hemosight.errors.ImageMissing` where it cannot be opened."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageMissing(reason=f"{error.strerror or error}: {path}") from error


def decode(data: bytes) -> Pixels:
    """Bytes of a JPEG, PNG, TIFF (8 or 16 bit), BMP or WebP -> RGB, uint8, height x width x 3.

    Grey, palette, CMYK and 16-bit pictures become RGB; transparency is laid on white; EXIF orientation is
    applied. Raises an :class:`~hemosight.errors.UnreadableImage` that says why.
    """
    measure(data)
    try:
        if data[:3] == b"\xff\xd8\xff" and not _needs_pillow(data):
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        return _decode_with_pillow(data)
    except Exception as error:  # every decoder has its own zoo of exceptions; all mean the same here
        raise UnreadableImage(reason=_reason(data, error)) from error


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the header alone, or None where there is no such header.

    Raises :class:`~hemosight.errors.ImageTooLarge` for a picture so large that its header alone is a threat.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            with Image.open(io.BytesIO(data)) as image:
                return image.size
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        raise ImageTooLarge(megapixels=int(pixels[1]) / 1e6 if pixels else np.inf, limit=MEGAPIXELS) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        pass
    if data[:4] in _TIFF_MAGIC:
        try:
            with tifffile.TiffFile(io.BytesIO(data)) as tiff:
                page = tiff.pages[0].aspage()
                return page.imagewidth, page.imagelength
        except Exception:  # a damaged TIFF raises anything from struct.error to ZeroDivisionError
            return None
    return None


def measure(data: bytes) -> tuple[int, int]:
    """Width and height of a picture that could be a crop, by its header alone.

    Raises an :class:`~hemosight.errors.UnreadableImage` that says why it cannot be one.
    """
    if not data:
        raise ImageEmpty()
    size = image_size(data)
    if size is None:
        raise UnreadableImage(reason=_reason(data, None))
    width, height = size
    if width * height > MEGAPIXELS * 1e6:
        raise ImageTooLarge(megapixels=width * height / 1e6, limit=MEGAPIXELS)
    if min(width, height) < LEAST_SIDE:
        raise ImageTooSmall(width=width, height=height, least=LEAST_SIDE)
    return width, height


def _needs_pillow(data: bytes) -> bool:
    """Whether a JPEG turns by EXIF or is CMYK, which the quick decoder passes over."""
    return b"Exif\0\0" in data[:65536] or simplejpeg.decode_jpeg_header(data)[2] not in ("YCbCr", "Gray", "RGB")


def _decode_with_pillow(data: bytes) -> Pixels:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError):
        # Pillow has no mode for 16 bits in three channels, nor every TIFF compression.
        if data[:4] not in _TIFF_MAGIC:
            raise
        return _array_to_rgb(tifffile.imread(io.BytesIO(data), key=0))


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        return _array_to_rgb(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return np.asarray(image.convert("RGB"))


def _array_to_rgb(array: NDArray[Any]) -> Pixels:
    """Grey or colour samples of any depth -> RGB, uint8."""
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (3, 4):
        array = np.moveaxis(array, 0, 2)  # planar TIFF
    if array.dtype != np.uint8:
        # Integers keep their high bits whatever the picture's own maximum, so that two crops of one scanner
        # stay comparable; a 32-bit container holds 16-bit samples in every format read here.
        bits = 16 if array.dtype.kind in "iu" else 0
        array = array.astype(np.float64) / (2.0 ** (bits - 8) if bits else 1.0 / 255.0)
        array = np.clip(array, 0, 255).astype(np.uint8)
    if array.ndim == 2:
        array = array[:, :, None]
    return np.ascontiguousarray(np.broadcast_to(array[:, :, :3], (*array.shape[:2], 3)))


def _reason(data: bytes, error: Exception | None) -> str:
    """What the bytes look like, in a reader's words."""
    if data[:64].lstrip().startswith((b"<", b"{", b"%PDF")) or data[:256].isascii():
        return "text or another kind of document"
    known = {b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"II*": "TIFF", b"MM\0": "TIFF", b"BM": "BMP", b"RIF": "WebP"}
    for magic, name in known.items():
        if data.startswith(magic):
            return f"a damaged or truncated {name} ({error})" if error else f"a damaged or truncated {name}"
    return "bytes of no known image format"


# --- from any picture to the encoder's square -------------------------------------------------------------


def grey_world_gains(pixels: Pixels) -> NDArray[np.float64]:
    """Per-channel gains that bring each channel's mean to the mean of all three; shape (3,).

    A channel without any light keeps gain 1.
    """
    height, width, _ = pixels.shape
    # Summing long rows first keeps the inner loop contiguous: four times faster than mean(axis=(0, 1)).
    sums = pixels.reshape(height, width * 3).sum(axis=0, dtype=np.uint64).reshape(width, 3).sum(axis=0)
    means = sums / (height * width)
    return np.divide(means.mean(), means, out=np.ones(3), where=means > 0)


def apply_gains(pixels: Pixels, gains: NDArray[np.float64]) -> Pixels:
    """Multiply channels by gains, round, clip to 0-255."""
    table = np.clip(np.rint(np.arange(256)[:, None] * gains), 0, 255).astype(np.uint8)
    out = np.empty_like(pixels)
    for channel in range(3):
        out[:, :, channel] = table[pixels[:, :, channel], channel]
    return out


def grey_world(pixels: Pixels) -> Pixels:
    """Grey-world colour constancy: scale each channel to the picture's mean, clip to 0-255 (the paper's step)."""
    return apply_gains(pixels, grey_world_gains(pixels))


def centre_crop(pixels: Pixels, side: int) -> Pixels:
    """The centre square; a smaller picture is padded with the median colour of its border."""
    height, width, _ = pixels.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    pixels = pixels[top : top + side, left : left + side]
    height, width, _ = pixels.shape
    if (height, width) == (side, side):
        return pixels
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    square = np.empty((side, side, 3), np.uint8)
    square[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resample with an antialiasing bicubic filter."""
    size = (max(1, width), max(1, height))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))
