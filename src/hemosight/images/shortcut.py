"""The shortcut on the one road for pixels: the same square with less work, for reading at speed.

:class:`~hemosight.images.preprocess.Preprocessing` resizes the whole picture to the reference scale, cuts the square
out and resizes that to what the encoder sees. Here the part of the picture that becomes the square is resized once, and
a JPEG with pixels to spare is decoded at half its size: it is stored as frequencies of blocks of 8 x 8 pixels, and
leaving out the higher half of them is the better part of an antialiasing filter, in half the time. What is then smaller
than the square may be left to the network to enlarge, which is two products of matrices (:class:`Part`).

The square is the road's but for rounding and the filter. Of 120 crops of each of four laboratories, at scales from
0.73 to 1.6, the embedding keeps a cosine of 0.993 and more to that of the road where the picture is decoded whole, and
of 0.990 where it is halved (``benchmarks/shortcut.py``). Studies, training and packing take the road.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemosight.images import formats, jpeg
from hemosight.images.contrast import require_contrast
from hemosight.images.decode import Pixels, decode_cell
from hemosight.images.limits import require_size
from hemosight.images.preprocess import Preprocessing, grey_world_gains

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge of a part of a picture, in its pixels."""
LEAST_HALF = 0.85
"""Side of the square in a picture of half the size, as a share of what the encoder sees, from which half will do."""
_WHOLE = Image.Resampling.BICUBIC
"""The road's filter."""
_ENLARGE = Image.Resampling.LANCZOS
"""Where the half has fewer pixels than the encoder sees, the sharper filter is nearer to the whole."""


@dataclass(frozen=True)
class Part:
    """A part of a picture that is no larger than the square it becomes.

    Parameters
    ----------
    pixels
        uint8, height x width x 3, neither longer than ``size``.
    box
        What becomes the square, in these pixels.
    gains
        Of the grey world, one a channel, float32; ones where there is none.
    size
        Side of the square.
    """

    pixels: Pixels
    box: Box
    gains: NDArray[np.float32]
    size: int

    @property
    def filters(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights of rows and of columns, each size x size: ``rows @ channel @ columns.T`` is the square.

        The channel is padded to size x size with anything: what lies beyond the pixels has weight zero.
        """
        left, upper, right, lower = self.box
        height, width, _ = self.pixels.shape
        return weights(height, upper, lower, self.size), weights(width, left, right, self.size)

    def square(self) -> Pixels:
        """What the encoder sees: uint8, size x size x 3."""
        picture = Image.fromarray(np.ascontiguousarray(self.pixels))
        return _balanced(np.asarray(picture.resize((self.size, self.size), _ENLARGE, box=self.box)), self.gains)


@lru_cache(maxsize=256)
def weights(length: int, first: float, last: float, size: int) -> NDArray[np.float32]:
    """What each of ``length`` pixels gives to each of ``size``, which lie between two edges: size x size, zero beyond.

    They are Pillow's: an identity is resized.
    """
    identity = Image.fromarray(np.eye(length, dtype=np.float32))
    found = np.zeros((size, size), np.float32)
    found[:, :length] = np.asarray(identity.resize((length, size), _ENLARGE, box=(0, first, length, last)))
    found.flags.writeable = False
    return found


def prepare(data: bytes, preprocessing: Preprocessing, scale: float = 1.0, bits: int | None = None) -> Pixels | Part:
    """A file's bytes -> nearly what decoding and ``preprocessing`` make of them, or what is left to be enlarged to it.

    Parameters are those of :func:`~hemosight.images.decode.decode` and of a preprocessing. What the shortcut does not
    serve (a square that reaches beyond the picture, or that is cut around the nucleus) takes the road.

    Raises :class:`~hemosight.errors.UnreadableImage` where :func:`~hemosight.images.decode.decode_cell` would.
    """
    found = halved(data, preprocessing, scale)
    return at_once(decode_cell(data, bits), preprocessing, scale) if found is None else found


def at_once(pixels: Pixels, preprocessing: Preprocessing, scale: float = 1.0) -> Pixels:
    """The square of a whole picture, by one resizing where the road takes two."""
    height, width, _ = pixels.shape
    box = window(preprocessing, height, width, scale)
    if box is None:
        return preprocessing(pixels, scale)
    return _resized(Image.fromarray(pixels), box, preprocessing, _gains(pixels, preprocessing))


def halved(data: bytes, preprocessing: Preprocessing, scale: float) -> Pixels | Part | None:
    """The square from a picture that is decoded at half its size; None where that would not do."""
    if preprocessing.crop < 2 * scale * LEAST_HALF * preprocessing.size or formats.known(data) != "JPEG":
        return None
    with contextlib.suppress(Exception):  # what is wrong with it, decoding it as a whole will say
        height, width = jpeg.shape(data)
        require_size(width, height)
        jpeg.require_few_passes(data, width * height)
        box = window(preprocessing, height, width, scale)
        if box is None or jpeg.rare_kind(data) is not None or not (jpeg.is_plain(data) and jpeg.is_common(data)):
            return None
        left, upper, right, lower = (edge / 2 for edge in box)
        pixels = jpeg.decode(data, min_width=-(-width // 2), min_height=-(-height // 2), min_factor=1)
        picture = Image.fromarray(pixels)
        require_contrast(picture)
        gains, size = _gains(pixels, preprocessing), preprocessing.size
        column, row = math.floor(left), math.floor(upper)
        if math.ceil(right) - column > size or math.ceil(lower) - row > size:
            return _resized(picture, (left, upper, right, lower), preprocessing, gains)
        part = pixels[row : math.ceil(lower), column : math.ceil(right)]
        return Part(part, (left - column, upper - row, right - column, lower - row), gains, size)
    return None


def window(preprocessing: Preprocessing, height: int, width: int, scale: float) -> Box | None:
    """The part of a picture of this size that the road makes the square of; None where only the road can tell."""
    if preprocessing.centre:
        return None
    edges = []
    for length in (width, height):
        resized = max(1, round(length * scale))
        if preprocessing.padding == "median":  # as centre_crop
            start = (resized - preprocessing.crop) // 2
        else:  # as crop_around
            start = round(length / 2 * scale - preprocessing.crop / 2)
        if start < 0 or start + preprocessing.crop > resized:
            return None
        edges.append((start * length / resized, (start + preprocessing.crop) * length / resized))
    (left, right), (upper, lower) = edges
    return left, upper, right, lower


def _gains(pixels: Pixels, preprocessing: Preprocessing) -> NDArray[np.float32]:
    return (grey_world_gains(pixels) if preprocessing.grey_world else np.ones(3)).astype(np.float32)


def _resized(picture: Image.Image, box: Box, preprocessing: Preprocessing, gains: NDArray[np.float32]) -> Pixels:
    """A part of a picture, resized to what the encoder sees."""
    side = preprocessing.size
    return _balanced(np.asarray(picture.resize((side, side), _WHOLE, box=box)), gains)


def _balanced(square: Pixels, gains: NDArray[np.float32]) -> Pixels:
    """Channels times their gains, as :func:`~hemosight.images.preprocess.apply_gains`, all at once."""
    side = len(square)
    levels = square.reshape(side, side * 3) * np.tile(gains, side)
    np.minimum(np.rint(levels, out=levels), 255, out=levels)
    return levels.astype(np.uint8).reshape(square.shape)
