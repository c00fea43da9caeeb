"""Nuclei: six shapes of WBCAtt as chains of discs, placed in a cell at a given share of its area."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hemosight.images.synthetic.fields import PIXELS_PER_UM, Field, balls_distance, enlarge, grid, noise

Balls = NDArray[np.float64]
"""Discs that make up a shape: rows of centre x, centre y, radius."""


def nucleus_distance(
    shape: str,
    share: float,
    radius: float,
    membrane: Field,
    eccentricity: float,
    fullness: float,
    roughness: float,
    rng: np.random.Generator,
) -> Field:
    """Signed distance to the nucleus of one cell, on the patch of ``membrane``.

    Parameters
    ----------
    shape
        A value of the attribute ``nucleus_shape``.
    share
        Nuclear area over cell area, 0 to 1.
    radius
        Radius of the cell, µm.
    membrane
        Signed distance to the cell's membrane, which the nucleus never crosses.
    eccentricity
        0 puts the nucleus at the cell's centre, 1 against its membrane.
    fullness
        How much thicker than the plain shape an indented nucleus is, relative to its arc's radius.
    roughness
        How far the outline strays from the ideal shape, µm.
    """
    body, filaments = _SHAPES[shape](rng)
    if shape == "unsegmented-indented":
        body[:, 2] += fullness
    both = body if filaments is None else np.concatenate([body, filaments])
    middle = (both[:, :2].min(axis=0) + both[:, :2].max(axis=0)) / 2
    body[:, :2] -= middle
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    body[:, :2] = body[:, :2] @ turn
    scale = radius * np.sqrt(share * np.pi / _area(body))
    extent = (np.hypot(body[:, 0], body[:, 1]) + body[:, 2]).max() * scale
    direction = rng.uniform(0, 2 * np.pi)
    offset = eccentricity * max(0.0, 0.96 * radius - extent) * np.array([np.cos(direction), np.sin(direction)])

    # Half resolution is enough for so smooth a field and costs a quarter.
    coarse = (membrane.shape[0] // 2, membrane.shape[1] // 2)
    x, y = grid(membrane.shape[0] / 2 / PIXELS_PER_UM, step=2)
    wavelength = 0.9 * radius
    x = x + np.float32(roughness) * noise(coarse, wavelength, rng, step=2)
    y = y + np.float32(roughness) * noise(coarse, wavelength, rng, step=2)
    placed = body * scale + np.array([*offset, 0.0])
    distance = gaussian_filter(balls_distance(x, y, placed), 0.9, truncate=3.0)  # rounds the seams of the chain
    if filaments is not None:
        threads = filaments.copy()
        threads[:, :2] = (threads[:, :2] - middle) @ turn * scale + offset
        distance = np.minimum(distance, balls_distance(x, y, threads))
    distance = enlarge(distance, membrane.shape)
    return np.maximum(distance, membrane + np.float32(0.2))


def _area(balls: Balls) -> float:
    """Area of a union of discs, counted on a lattice."""
    low = (balls[:, :2] - balls[:, 2:]).min(axis=0)
    high = (balls[:, :2] + balls[:, 2:]).max(axis=0)
    x = np.linspace(low[0], high[0], 48, dtype=np.float32)[None, :]
    y = np.linspace(low[1], high[1], 48, dtype=np.float32)[:, None]
    return float((balls_distance(x, y, balls) < 0).mean() * np.prod(high - low))


# --- shapes, in any unit, around any place ---------------------------------------------------------------


def _chain(points: NDArray[np.float64], radii: NDArray[np.float64]) -> Balls:
    return np.column_stack([points, np.broadcast_to(radii, len(points))])


def _arc(span: float, count: int) -> NDArray[np.float64]:
    """Points along an arc of radius 1 that spans an angle."""
    angles = np.linspace(-span / 2, span / 2, count)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def _lobe(centre: NDArray[np.float64], direction: float, radius: float, length: float) -> Balls:
    """A round-ended lobe, ``length`` longer than wide."""
    steps = np.linspace(-0.5, 0.5, 4)[:, None] * length
    return _chain(centre + steps * np.array([np.cos(direction), np.sin(direction)]), np.array(radius))


def _round(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    return _lobe(np.zeros(2), 0.0, 1.0, rng.uniform(0.05, 0.45)), None


def _indented(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    """A kidney, or a horseshoe whose arms are as thick as its notch is deep."""
    span = rng.uniform(1.7, 3.4)
    thickness = np.interp(span, [1.7, 3.4], [0.86, 0.60]) * rng.uniform(0.92, 1.08)
    bulge = 1 + 0.12 * np.cos(np.linspace(-np.pi, np.pi, 12) + rng.normal(0, 0.6))
    return _chain(_arc(span, 12), thickness * bulge), None


def _band(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    """A C, U or S of even thickness, ends a little swollen."""
    count = 22
    span = rng.uniform(3.4, 4.9)
    bend = np.full(count, span / count)
    if rng.random() < 0.3:
        bend[count // 2 :] *= -1  # an S
    heading = np.cumsum(bend)
    points = np.cumsum(np.column_stack([np.cos(heading), np.sin(heading)]), axis=0) * (span / count)
    swelling = 1 + 0.16 * np.cos(np.linspace(0, 2 * np.pi * rng.uniform(0.9, 1.6), count)) + rng.normal(0, 0.02, count)
    return _chain(points, rng.uniform(0.46, 0.58) * swelling), None


def _lobes(count: int, spread: float, lie: float, rng: np.random.Generator) -> tuple[Balls, Balls]:
    """Lobes on an arc, ``lie`` radians off its tangent, neighbours joined by thin filaments."""
    step = spread / max(count - 1, 1)
    angles = np.arange(count) * step + rng.normal(0, 0.10, count)
    distance = 1.0 / np.sin(min(step, np.pi) / 2) * rng.uniform(0.92, 1.10, (count, 1))
    centres = np.column_stack([np.cos(angles), np.sin(angles)]) * distance
    tangents = angles + np.pi / 2
    lobes = [
        _lobe(centre, tangent + lie + rng.normal(0, 0.4), rng.uniform(0.76, 0.94), rng.uniform(0.15, 0.6))
        for centre, tangent in zip(centres, tangents, strict=True)
    ]
    threads = []
    for one, other in pairwise(centres):
        t = np.linspace(0, 1, 15)[:, None]
        across = np.array([one[1] - other[1], other[0] - one[0]])
        bow = rng.normal(0, 0.12) * np.sin(np.pi * t) * across
        threads.append(_chain(one + t * (other - one) + bow, np.array(_FILAMENT)))
    return np.concatenate(lobes), np.concatenate(threads)


def _bilobed(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    return _lobes(2, rng.uniform(1.8, 3.0), np.pi / 2, rng)


def _multilobed(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    count = int(rng.choice([3, 4, 5], p=[0.6, 0.32, 0.08]))
    return _lobes(count, rng.uniform(3.2, 4.4), 0.0, rng)


def _irregular(rng: np.random.Generator) -> tuple[Balls, Balls | None]:
    """Knobs around a common middle."""
    count = int(rng.integers(3, 6))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    centres = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.5, 0.95, (count, 1))
    knobs = _chain(centres, rng.uniform(0.5, 0.8, count))
    return np.concatenate([knobs, [[0.0, 0.0, 0.7]]]), None


_FILAMENT = 0.2
"""Half the thickness of a filament, µm whatever the size of the nucleus."""
_SHAPES: Mapping[str, Callable[[np.random.Generator], tuple[Balls, Balls | None]]] = {
    "unsegmented-round": _round,
    "unsegmented-indented": _indented,
    "unsegmented-band": _band,
    "segmented-bilobed": _bilobed,
    "segmented-multilobed": _multilobed,
    "irregular": _irregular,
}
