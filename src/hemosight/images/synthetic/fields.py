"""Scalar fields over a patch of specimen: grids, band-limited noise, signed distances, soft edges.

Lengths are micrometres. A signed distance is negative inside a shape. Shapes are rasterised by the distance of
each pixel's centre to their edge, so that edges are antialiased without supersampling.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating]
"""One number per pixel of a patch, height x width; float32 throughout, for speed."""

RED_CELL_UM = 7.5
"""Diameter of a normal red cell on a smear."""
PIXELS_PER_UM = 77 / RED_CELL_UM
"""Sampling of the specimen: a red cell of the reference scanner is 77 pixels wide."""
_BLOCK = 16
"""Patches come in multiples of this many pixels; a few sizes serve every cell and their filters are kept."""


def grid(half_width: float, step: int = 1) -> tuple[Field, Field]:
    """Coordinates x (1 x n) and y (n x 1) of pixel centres of a square patch centred on the origin.

    ``step`` 2 gives the patch of the same extent with half as many pixels a side.
    """
    side = int(np.ceil(2 * half_width * PIXELS_PER_UM / _BLOCK)) * _BLOCK
    line = ((np.arange(side // step) + 0.5) * step - side / 2) / PIXELS_PER_UM
    line = line.astype(np.float32)
    return line[None, :], line[:, None]


def noise(shape: tuple[int, int], wavelength: float, rng: np.random.Generator, step: int = 1) -> Field:
    """Gaussian noise whose power lies within about half an octave of one wavelength; mean 0, deviation 1."""
    height, width = shape
    gain = _band(height, width, round(wavelength * PIXELS_PER_UM / step, 3))
    parts = rng.standard_normal((2, *gain.shape), np.float32)
    spectrum = np.empty(gain.shape, np.complex64)
    np.multiply(parts[0], gain, out=spectrum.real)
    np.multiply(parts[1], gain, out=spectrum.imag)
    field = np.asarray(scipy.fft.irfft2(spectrum, s=shape, overwrite_x=True))
    return field / field.std()


@lru_cache(maxsize=256)
def _band(height: int, width: int, wavelength: float) -> Field:
    """Gains of a log-normal band-pass filter around one wavelength in pixels, for a half spectrum."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]) * wavelength
    octaves = np.log2(np.maximum(frequency, 1e-6))
    gain = np.exp(-0.5 * (octaves / 0.45) ** 2).astype(np.float32)
    gain.setflags(write=False)
    return gain


def enlarge(field: Field, shape: tuple[int, int]) -> Field:
    """A field of the same extent on more pixels, by cubic interpolation."""
    return np.asarray(Image.fromarray(field).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def ramp(field: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, smooth in between."""
    t = np.clip((field - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def inside(distance: Field, softness: float = 0.1) -> Field:
    """Share of each pixel that a shape covers, given the signed distance to its edge and half the edge's width."""
    return ramp(-distance, -softness, softness)


def balls_distance(x: Field, y: Field, balls: NDArray[np.floating]) -> Field:
    """Signed distance to a union of discs, rows of ``balls`` being centre x, centre y, radius."""
    cx, cy, r = (column[:, None, None] for column in balls.astype(np.float32).T)
    return (np.hypot(x[None] - cx, y[None] - cy) - r).min(axis=0)


def star_distance(x: Field, y: Field, radius: float, harmonics: NDArray[np.floating]) -> Field:
    """Distance, along the ray from the origin, to an outline given as a Fourier series of the angle.

    ``harmonics`` holds, for orders 2, 3, ..., the cosine and sine coefficients relative to ``radius``; shape (k, 2).
    """
    r = np.maximum(np.hypot(x, y), np.float32(1e-3))
    c, s = x / r, y / r
    cos, sin = c, s
    edge = np.ones_like(r)
    for a, b in harmonics.astype(np.float32):
        cos, sin = cos * c - sin * s, sin * c + cos * s  # from order k to k + 1 by the addition theorem
        edge += a * cos + b * sin
    return r - np.float32(radius) * edge


def random_outline(amplitude: float, orders: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Harmonics for :func:`star_distance` that fall off with their order; ``amplitude`` is that of the first."""
    falloff = np.arange(2, 2 + orders) / 2.0
    return rng.normal(0.0, amplitude, (orders, 2)) / falloff[:, None]
