"""A field's nuclear stain at the working scale: lamp and vignette taken away, thin rims wiped out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hemosight.errors import UnreadableImage
from hemosight.images.decode import Pixels
from hemosight.images.nucleus import DENSITY

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int32]

WORKING_PX = 24.0
"""Width of a red cell in the picture that is searched: enough for lobes and gaps between nuclei, and quick."""
NARROWEST_PX = 8.0
"""Width of a red cell below which a field is not searched: enlarged threefold it would show no nucleus."""
LARGEST = 64e6
"""Pixels that the searched picture may have: a gigabyte of working arrays."""
_RIM = 2.5
"""Radius of the disc of the opening, in searched pixels: rims of red cells and the coloured fringes of a simple lens
are narrower than this disc, lobes of nuclei are wider."""
_BLUE = 0.5
"""How much of blue is taken from red: haemoglobin holds back blue, nuclear stain lets it through."""
_SLOPES = ((6.0, 1), (10.0, 2))
"""Up to how many red cells on the shorter side, the degree of the lamp's polynomial; beyond that 4. A small field has
room for a slope, and a white cell in it would be taken for a curve."""


@dataclass(frozen=True)
class Prepared:
    """A field as it is searched; all arrays height x width of the searched picture.

    Parameters
    ----------
    stain
        Optical density of nuclear stain above the field's typical level, lamp taken away.
    solid
        The same without structures narrower than a lobe (grey opening).
    density
        Optical density in red, green and blue above the typical level.
    level, noise
        Median of ``solid``, and its deviation (by the median, so that nuclei do not count).
    factor
        Searched pixels for each pixel of the field.
    """

    stain: Floats
    solid: Floats
    density: Floats
    level: float
    noise: float
    factor: float


def prepare(pixels: Pixels, red_cell_px: float) -> Prepared:
    """Bring a field (uint8, height x width x 3) to the working scale and measure its nuclear stain.

    Raises :class:`~hemosight.errors.UnreadableImage` where red cells are too narrow to find cells among, or the field
    would be larger than :data:`LARGEST` at that scale.
    """
    if red_cell_px < NARROWEST_PX:
        raise UnreadableImage(
            f"red cells {red_cell_px:.1f} pixels wide, where {NARROWEST_PX:.0f} are the least", code="image_too_small"
        )
    factor = WORKING_PX / red_cell_px
    height, width, _ = pixels.shape
    if height * width * factor**2 > LARGEST:
        raise UnreadableImage(
            f"{width} x {height} pixels with red cells {red_cell_px:.0f} wide: too large for one field",
            code="image_too_large",
            mend="Cut it into fields, or search it as a slide by hemosight find.",
        )
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    density = correct_illumination(ndimage.gaussian_filter(DENSITY[small], (0.7, 0.7, 0)))
    stain = density[..., 0] - _BLUE * np.maximum(density[..., 2], 0)
    around = 6
    solid = ndimage.grey_opening(np.pad(stain, around, mode="reflect"), footprint=disc(_RIM))
    solid = solid[around:-around, around:-around]
    level = float(np.median(solid))
    noise = 1.4826 * float(np.median(np.abs(solid - level))) + 0.004
    return Prepared(stain, solid, density, level, noise, factor)


def correct_illumination(density: Floats) -> Floats:
    """Optical density (height x width x 3) less a smooth surface through what most of the field shows.

    A polynomial of the place is fitted by least squares, channel by channel, to what is neither nucleus nor hole:
    what deviates is left out and the surface fitted again. It takes away lamp, vignette and a camera's colour cast;
    gains of channels are constants in optical density.
    """
    height, width, _ = density.shape
    side = min(height, width) / WORKING_PX
    degree = next((degree for most, degree in _SLOPES if side < most), 4)
    powers = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]
    across, down = (np.linspace(-1, 1, length)[:, None] ** np.arange(degree + 1) for length in (width, height))
    step = max(1, int(np.sqrt(height * width / 8000)))
    terms = np.stack([np.outer(down[::step, b], across[::step, a]).ravel() for a, b in powers], axis=1)
    values = density[::step, ::step].reshape(-1, 3).astype(np.float64)
    kept = np.ones(len(values), bool)
    weights = np.zeros((len(powers), 3))
    for _ in range(4):
        own = terms[kept]
        weights = np.linalg.lstsq(own.T @ own, own.T @ values[kept], rcond=None)[0]
        rest = values[:, 0] - terms @ weights[:, 0]
        middle = np.median(rest)
        spread = 1.4826 * np.median(np.abs(rest - middle)) + 1e-3
        kept = (rest < middle + 1.5 * spread) & (rest > middle - 3 * spread)
    lamp = np.empty_like(density)
    for channel in range(3):
        by_power = np.zeros((degree + 1, degree + 1))
        for (a, b), weight in zip(powers, weights[:, channel], strict=True):
            by_power[b, a] = weight
        lamp[..., channel] = down @ by_power @ across.T
    return density - lamp


def disc(radius: float) -> Flags:
    """A filled circle as a footprint."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return x * x + y * y <= radius * radius + 0.01
