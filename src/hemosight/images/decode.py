"""From a file's bytes to RGB: the one place where what strangers send becomes pixels.

Everything is bounded before it is decoded (regular files only, bytes, pixels, depth, passes), each kind of file has one
decoder, chosen because it provably reads that kind (``tests/images/test_formats_read.py``), and whatever a decoder
raises becomes an :class:`~hemosight.errors.UnreadableImage` that says why. ``docs/reference/files.md`` lists what is
read.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from hemosight.errors import UnreadableImage
from hemosight.images import dicom, formats, jpeg, tiff
from hemosight.images.contrast import require_contrast
from hemosight.images.limits import FILE_BYTES, MEGAPIXELS, require_size, several, too_large
from hemosight.images.samples import to_uint8, white_of

Pixels = NDArray[np.uint8]
"""An RGB picture, uint8, height x width x 3."""

_KEPT = 1 << 20
"""Bytes of a colour profile of which it is remembered what it does; cameras' and scanners' have some thousands."""
_SAME = 2
"""Levels by which makers' tables of sRGB differ from its formula."""
_SOME = 1 << 16
"""Bytes that are asked for of a file that says it holds fewer, as those that a system makes up when asked do."""
_PNG_WORDS = re.compile(rb"eXIf|Raw profile type|XML:com\.adobe\.xmp")
"""Chunks of a PNG that may say how it lies."""

# --- files --------------------------------------------------------------------------------------------------


def read_bytes(path: str | Path) -> bytes:
    """A regular file's bytes.

    Raises :class:`~hemosight.errors.UnreadableImage` where it cannot be opened or is a pipe, a device or a folder (none
    of which is waited for; ``image_missing``), and where it holds more than a crop can.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _missing(f"{_kind(os.stat(path).st_mode)}, not a file: {path}")
        # What stands there now may not be what was looked at: a pipe must not be waited for.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _missing(f"{_kind(found.st_mode)}, not a file: {path}")
            # What is asked for is set aside at once: not as much as a file may hold, for one that holds little.
            some = min(FILE_BYTES, max(found.st_size, _SOME))
            data = file.read(some + 1) if found.st_size <= FILE_BYTES else None
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            reason = "a name longer than the file system allows"
        raise _missing(f"{reason}: {path}") from error
    if data is None or len(data) > FILE_BYTES:
        raise UnreadableImage(reason=f"more than {FILE_BYTES >> 20} MiB in one file, which is no crop of a cell")
    return data


def _missing(reason: str) -> UnreadableImage:
    return UnreadableImage(
        reason, code="image_missing", expected="a file that can be read", mend="Check the path and its permissions."
    )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return {**kinds, stat.S_IFDIR: "a folder"}.get(stat.S_IFMT(mode), "something else")


# --- the boundary -------------------------------------------------------------------------------------------


def decode(data: bytes, bits: int | None = None) -> Pixels:
    """A file's bytes -> RGB, uint8, height x width x 3, upright, transparency laid on white.

    Parameters
    ----------
    data
        A JPEG, PNG, TIFF, BMP, WebP or DICOM picture.
    bits
        Bits that hold the values of samples deeper than 8 bits, where the file does not say (12 for a camera of 12
        bits whose values were written into 16).

    Raises an :class:`~hemosight.errors.UnreadableImage` that says why, and nothing else.
    """
    kind = _require_known(data)
    try:
        measure(data)
        match kind:
            case "JPEG":
                return _jpeg(data)
            case "TIFF":
                rgb, profile = tiff.decode(data, bits)
                return _to_srgb(rgb, profile)
            case "DICOM":
                return _to_srgb(*dicom.decode(data, bits))
            case "PNG" if data[24:25] == b"\x10":
                return _deep_png(data, bits)
            case _:
                return _with_pillow(data, kind)
    except UnreadableImage:
        raise
    except Exception as error:  # every decoder has its own zoo of exceptions; all mean the same here
        raise UnreadableImage(reason=f"a damaged or truncated {kind} ({_one_line(error)})") from error


def decode_cell(data: bytes, bits: int | None = None) -> Pixels:
    """:func:`decode`, and :func:`~hemosight.images.contrast.require_contrast`: pixels that may show a cell."""
    pixels = decode(data, bits)
    require_contrast(pixels)
    return pixels


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of the picture as :func:`decode` gives it, upright; None where there is no header.

    Raises :class:`~hemosight.errors.UnreadableImage` for a picture so large that its header alone is a threat.
    """
    kind = formats.known(data)
    if kind is None:
        return None
    try:
        if kind == "TIFF":
            return tiff.size(data)
        if kind == "DICOM":
            return dicom.size(data)
        with _opened(data, kind) as image:
            width, height = image.size
            return (height, width) if _is_on_its_side(image, data, kind) else (width, height)
    except UnreadableImage as fault:
        if fault.code == "image_too_large":
            raise
        return None
    except Exception:  # a damaged header raises anything from struct.error to ZeroDivisionError
        return None


def _is_on_its_side(image: Image.Image, data: bytes, kind: formats.Read) -> bool:
    """Whether decoding turns a picture so that its width becomes its height."""
    if kind == "PNG" and (_PNG_WORDS.search(data) is None or image.width * image.height > MEGAPIXELS * 1e6):
        return False  # to look behind its pixels for a word of how it lies, Pillow decodes them
    with contextlib.suppress(Exception):  # decoding it will say what is wrong
        if kind == "JPEG" and jpeg.is_plain(data) and jpeg.is_common(data):
            return False
        return image.getexif().get(0x0112) in tiff.ON_THEIR_SIDE
    return False


def measure(data: bytes) -> tuple[int, int]:
    """Width and height, upright, of a picture that could be a crop, by its header; decoding it is bounded work.

    Raises an :class:`~hemosight.errors.UnreadableImage` that says why it cannot be one.
    """
    kind = _require_known(data)
    size = image_size(data)
    if size is None:
        raise UnreadableImage(reason=_why_no_size(data, kind))
    require_size(*size)
    if kind == "JPEG":
        jpeg.require_few_passes(data, size[0] * size[1])
    return size


def _require_known(data: bytes) -> formats.Read:
    if not data:
        raise UnreadableImage("an empty file", code="image_empty")
    kind = formats.known(data)
    if kind is None:
        called = formats.name(data[: formats.HEAD])
        if called.startswith(("text", "bytes")):
            raise UnreadableImage(reason=called)
        raise UnreadableImage(
            f"{called}, which is not read",
            code="format_not_read",
            mend="Export the crop in one of these formats (PNG and TIFF lose nothing).",
        )
    return kind


def _why_no_size(data: bytes, kind: formats.Read) -> str:
    """Why a picture of a known kind has no size: what it is, or damage."""
    if kind == "JPEG" and (rare := jpeg.rare_kind(data)) is not None:
        return rare
    try:
        if kind == "TIFF":
            tiff.size(data)
        elif kind == "DICOM":
            dicom.size(data)
        else:
            _opened(data, kind).close()
    except UnreadableImage as fault:
        return fault.came
    except Exception as error:
        return f"a damaged or truncated {kind} ({_one_line(error)})"
    return f"a damaged or truncated {kind}"


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


# --- decoders -------------------------------------------------------------------------------------------------


def _opened(data: bytes, kind: formats.Read) -> Image.Image:
    """The picture by the one plugin for its kind: Pillow knows dozens of formats, and would try them all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limits are lower; torn metadata is no fault of the picture
            return Image.open(io.BytesIO(data), formats=(kind.upper(),))
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        raise too_large(int(pixels[1]) / 1e6 if pixels else np.inf) from error


def _jpeg(data: bytes) -> Pixels:
    rare = jpeg.rare_kind(data)
    if rare is not None:
        raise UnreadableImage(reason=rare)
    if not jpeg.is_common(data):  # colours of print, of which Pillow reads on behind damage
        jpeg.decode(data, "CMYK")
        return _with_pillow(data, "JPEG")
    rgb = jpeg.decode(data)
    if jpeg.is_plain(data):
        return rgb
    with _opened(data, "JPEG") as image:
        profile, orientation = image.info.get("icc_profile"), image.getexif().get(0x0112)
    return _to_srgb(tiff.upright(rgb, orientation), profile)


def _deep_png(data: bytes, bits: int | None) -> Pixels:
    """A PNG of 16 bits; Pillow would drop the lower eight."""
    with _opened(data, "PNG") as image:
        _require_still(image, "PNG")
        width, height = image.size
        profile = image.info.get("icc_profile")
        orientation = image.getexif().get(0x0112)
        require_size(width, height, {0: 16, 2: 48, 4: 32, 6: 64}.get(data[25], 64))
    array = imagecodecs.png_decode(data)
    array = array.reshape(height, width, -1)
    colours = 3 if array.shape[2] >= 3 else 1
    body, alpha = array[:, :, :colours], array[:, :, colours:]
    white = white_of(body, depth=16, bits=bits)
    levels = np.broadcast_to(to_uint8(body, white), (height, width, 3))
    if alpha.shape[2]:
        levels = tiff.on_white(levels, tiff.opacity(alpha[:, :, 0], white, 16))
    return _to_srgb(tiff.upright(np.ascontiguousarray(levels), orientation), profile)


def _with_pillow(data: bytes, kind: formats.Read) -> Pixels:
    with _opened(data, kind) as image:
        _require_still(image, kind)
        image.load()
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            if upright.getchannel("A").getextrema()[1] == 0:  # kept for an opacity that nobody wrote
                upright.putalpha(255)
            paper = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(paper, upright)
        return _to_srgb(np.asarray(upright.convert("RGB")), profile)


def _require_still(image: Any, kind: str) -> None:
    # A JPEG may carry other pictures behind it (a telephone's depth map): the first is the picture.
    frames = 1 if kind == "JPEG" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise several(f"a moving {kind} of {frames} pictures")


def _to_srgb(rgb: Pixels, profile: bytes | None) -> Pixels:
    """Colours by the ICC profile that a file carries; one that moves nothing, grey or damaged changes nothing.

    What a profile is called decides nothing: "linear sRGB" has sRGB's primaries, and another curve.
    """
    if not profile:
        return rgb
    is_srgb = _is_srgb if len(profile) <= _KEPT else _is_srgb.__wrapped__
    if is_srgb(profile):
        return rgb
    moved = _moved(rgb, profile, ImageCms.Intent.PERCEPTUAL)
    return rgb if moved is None else moved


@functools.lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile leaves every colour within :data:`_SAME` levels of where it was."""
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    for intent in (ImageCms.Intent.PERCEPTUAL, ImageCms.Intent.RELATIVE_COLORIMETRIC):
        moved = _moved(cube, profile, intent)
        if moved is not None and np.abs(moved.astype(np.int16) - cube).max() <= _SAME:
            return True
    return False


def _moved(rgb: Pixels, profile: bytes, intent: ImageCms.Intent) -> Pixels | None:
    """Colours from a profile to sRGB; None where it is none of RGB colours."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        recorded: Any = source.profile
        if recorded.xcolor_space.strip() != "RGB":
            return None
        target = ImageCms.createProfile("sRGB")
        moved = ImageCms.profileToProfile(Image.fromarray(rgb), source, target, intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if moved is None else np.asarray(moved)
