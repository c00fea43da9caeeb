"""The one road for pixels: bytes -> decode -> scale -> grey world -> centre crop -> what the encoder sees.

:mod:`hemosight.images.decode` does the first step, this module the others. Training, studies, the command
line and the service all take this road and no other; its parameters travel with every bundle and every set of
embeddings as a hash, so that cells prepared in two ways are never compared.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemosight.images.decode import Pixels
from hemosight.images.nucleus import nucleus_centre

_ROWS = 256
"""Rows of bytes whose sum fits in 16 bits."""
_LATER = {"centre": False, "padding": "median"}
"""Parameters that the first bundles did not have, and what they did without them."""


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
    centre
        Crop around the nucleus instead of the picture's middle, where one is seen.
    padding
        What lies beyond the picture where the crop is larger: the ``median`` colour of its border, or its border
        mirrored and fading into that colour (``reflect``), which leaves no edge for the encoder to see.
    """

    grey_world: bool = True
    crop: int = 224
    size: int = 224
    centre: bool = False
    padding: Literal["median", "reflect"] = "median"

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change with any parameter."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The parameters as plain values, for a manifest.

        Parameters that came after the first bundles are left out at their defaults, so that those keep their hash.
        """
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in _LATER or value != _LATER[name]}

    def middle(self, pixels: Pixels) -> tuple[float, float]:
        """The point (y, x) of a decoded picture, in its own pixels, that becomes the middle of the square."""
        height, width, _ = pixels.shape
        found = nucleus_centre(pixels) if self.centre else None
        return (height / 2, width / 2) if found is None else (found[0] + 0.5, found[1] + 0.5)

    def __call__(self, pixels: Pixels, scale: float = 1.0) -> Pixels:
        """One decoded picture of any size -> uint8, ``size`` x ``size`` x 3.

        ``scale`` resizes the source's pixels to the reference scale first (0.73 where a red cell is 105 px wide
        and the reference's is 77).
        """
        middle = self.middle(pixels)
        if scale != 1.0:
            pixels = resize(pixels, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        # Gains come from the whole picture, as in the paper; only the pixels that stay are multiplied.
        gains = grey_world_gains(pixels) if self.grey_world else None
        if self.centre or self.padding != "median":
            pixels = crop_around(pixels, self.crop, (middle[0] * scale, middle[1] * scale), self.padding)
        else:
            pixels = centre_crop(pixels, self.crop)
        if self.size == self.crop:
            return np.ascontiguousarray(pixels if gains is None else apply_gains(pixels, gains))
        # As apply_gains and resize do, without leaving Pillow in between: a copy each way costs as much as the filter.
        picture = Image.fromarray(pixels)
        if gains is not None:
            picture = picture.point(gains_table(gains).T.ravel().tolist())
        return np.asarray(_resized(picture, self.size, self.size))


# --- from any picture to the encoder's square -------------------------------------------------------------


def grey_world_gains(pixels: Pixels) -> NDArray[np.float64]:
    """Per-channel gains that bring each channel's mean to the mean of all three; shape (3,).

    A channel without any light keeps gain 1.
    """
    height, width, _ = pixels.shape
    # Summing long rows first keeps the inner loop contiguous, and 256 rows of bytes fit in 16 bits, of which a
    # processor adds the most at once: ten times faster than mean(axis=(0, 1)).
    rows = pixels.reshape(height, width * 3)
    columns = np.zeros(width * 3, np.uint64)
    for start in range(0, height, _ROWS):
        columns += np.add.reduce(rows[start : start + _ROWS], axis=0, dtype=np.uint16)
    means = columns.reshape(width, 3).sum(axis=0) / (height * width)
    return np.divide(means.mean(), means, out=np.ones(3), where=means > 0)


def gains_table(gains: NDArray[np.float64]) -> Pixels:
    """What each level becomes in each channel: uint8, 256 x channels, rounded and clipped to 0-255."""
    return np.clip(np.rint(np.arange(256)[:, None] * gains), 0, 255).astype(np.uint8)


def apply_gains(pixels: Pixels, gains: NDArray[np.float64]) -> Pixels:
    """Multiply channels by gains, round, clip to 0-255."""
    table = gains_table(gains)
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


def crop_around(
    pixels: Pixels, side: int, middle: tuple[float, float], padding: Literal["median", "reflect"] = "reflect"
) -> Pixels:
    """The square of this side around a point (y, x); uint8, side x side x 3.

    What lies beyond the picture is filled as :class:`Preprocessing` says. The mirror image fades within a quarter of
    the picture's shorter side: a whole mirrored picture would show the cell several times.
    """
    height, width, _ = pixels.shape
    top, left = (round(point - side / 2) for point in middle)
    if top >= 0 and left >= 0 and top + side <= height and left + side <= width:
        return pixels[top : top + side, left : left + side]
    rows, columns = top + np.arange(side), left + np.arange(side)
    beyond_y, beyond_x = (
        np.maximum(np.maximum(-line, line - (length - 1)), 0) for line, length in ((rows, height), (columns, width))
    )
    mirrored = [
        np.minimum(line % (2 * length), 2 * length - 1 - line % (2 * length))
        for line, length in ((rows, height), (columns, width))
    ]
    square = pixels.take(mirrored[0], axis=0).take(mirrored[1], axis=1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    plain = np.median(border, axis=0)
    if padding == "median":
        square[np.maximum(beyond_y[:, None], beyond_x) > 0] = plain.astype(np.uint8)
        return square
    # What lies in the picture, mostly more than half, stays as it is: four strips around it fade.
    above, below = int((rows < 0).sum()), side - int((rows >= height).sum())
    before, behind = int((columns < 0).sum()), side - int((columns >= width).sum())
    strips = (np.s_[:above, :], np.s_[below:, :], np.s_[above:below, :before], np.s_[above:below, behind:])
    for down, across in strips:
        beyond = np.maximum(beyond_y[down, None], beyond_x[across])
        far = np.clip((beyond - 1) / max(1.0, min(height, width) / 4), 0, 1)
        share = (far * far * (3 - 2 * far))[:, :, None]  # smooth at both ends: no crease where it begins
        square[down, across] = np.rint(square[down, across] * (1 - share) + plain * share)
    return square


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resample with an antialiasing bicubic filter."""
    return np.asarray(_resized(Image.fromarray(pixels), width, height))


def _resized(picture: Image.Image, width: int, height: int) -> Image.Image:
    return picture.resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC, reducing_gap=3.0)
