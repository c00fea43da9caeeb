"""What pictures of a scanner look like in three numbers: colour, brightness, and the width of their red cells.

Stain, camera and lamp are in the first two, the pixel scale in the third. They are of whole pictures: the ground and
the red cells make most of them, so that a patient's leukocytes hardly move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemosight.errors import UnreadableImage
from hemosight.images import pixel_scale
from hemosight.images.decode import decode, read_bytes
from hemosight.images.pixel_scale import Picture
from hemosight.images.preprocess import grey_world_gains


@dataclass(frozen=True)
class PictureLooks:
    """What some pictures of one scanner look like; None where it cannot be told.

    Parameters
    ----------
    colour
        Median of the logarithm of red over blue.
    light
        Median of the logarithm of the mean brightness (of 256).
    width
        Typical width of red cells in pixels.
    """

    colour: float | None
    light: float | None
    width: float | None


def looks(pictures: Sequence[Picture], bits: int | None = None) -> PictureLooks:
    """Look at every picture that is given; those that cannot be read are passed over.

    ``bits`` of a sample are for files that declare no range (:func:`hemosight.images.decode.decode`).
    """
    colour, light = [], []
    for picture in pictures:
        try:
            pixels = _pixels(picture, bits)
        except UnreadableImage:
            continue
        gains = grey_world_gains(pixels)
        colour.append(float(np.log(gains[2] / gains[0])))
        light.append(float(np.log(pixels.mean() + 1)))
    width = pixel_scale.measure(pictures, bits=bits).red_cell_px
    if not colour:
        return PictureLooks(None, None, width)
    return PictureLooks(float(np.median(colour)), float(np.median(light)), width)


def _pixels(picture: Picture, bits: int | None) -> np.ndarray:
    if isinstance(picture, np.ndarray):
        return picture
    return decode(picture if isinstance(picture, bytes) else read_bytes(picture), bits)
