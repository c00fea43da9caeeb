"""Red cells around a white cell: where they lie in a picture and how wide they are, in its pixels.

A red cell is found by its outline, not by its colour, because outlines survive stains, cameras and poor focus: edge
pixels vote for a centre at every distance on their darker side (the Hough transform of gradients: Kimme, Ballard and
Sklansky 1975, CACM 18:120). The pale middle is lighter inside, as is the gap between cells: they vote for nothing in
common. From each likely centre rays look for the outline, and a closed curve is fitted to what they met, so that a
cell half hidden, or cut by the border, still counts. Nuclei are masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hemosight.images.decode import Pixels
from hemosight.images.nucleus import densities, nucleus_mask

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Places = NDArray[np.int32]

SIDE = 144
"""Longer side, in pixels, of the picture that is searched; a larger one is brought down to it."""
BANDS = ((6.0, 8.5), (8.5, 12.0), (12.0, 17.0), (17.0, 24.0), (24.0, 34.0), (34.0, 50.0))
"""Radii that are searched together, in pixels of the searched picture."""
_CENTRES = 10
"""Likeliest centres that are looked at, for each band of radii."""
_OUTSIDE = 0.6
"""How far outside of the picture a centre may lie, in radii: a cell cut by the border must not be taken for a
smaller one inside of it."""
_LEAST_VISIBLE = 0.45
"""Share of an outline that has to be seen."""
_LEAST_EVIDENCE = 0.2
_RAYS, _STEPS = 32, 18
_ANGLES = 2 * np.pi * np.arange(_RAYS) / _RAYS
_COS, _SIN = np.cos(_ANGLES).astype(np.float32), np.sin(_ANGLES).astype(np.float32)
_CURVE = np.stack([np.ones(_RAYS), _COS, _SIN, np.cos(2 * _ANGLES), np.sin(2 * _ANGLES)], axis=1)
"""Radius by angle as a short Fourier series: size, shift of the centre (2), ellipse (2)."""
_FEATURES = ("roughness", "contrast", "glass", "covered", "strength", "visible")
_LOW = np.array([0.0, -0.5, 0.0, 0.65, 0.3, 0.35])
_HIGH = np.array([0.07, 1.0, 1.0, 1.0, 1.0, 1.0])
_EVIDENCE = np.array([-81.0, 6.5, 1.0, 13.6, -7.1, 3.4])
_INTERCEPT = -9.5
"""A logistic regression on the features of true and false outlines (``benchmarks/scale.py --fit``)."""


@dataclass(frozen=True)
class RedCells:
    """What was found in one picture; one value a cell, the most certain first.

    Parameters
    ----------
    y, x
        Centre, in the picture's pixels.
    width
        Diameter of the disc as large as the fitted outline, in the picture's pixels.
    visible
        Share of the outline that lies inside the picture, 0 to 1.
    evidence
        How likely it is a red cell's whole outline, 0 to 1.
    """

    y: Floats
    x: Floats
    width: Floats
    visible: Floats
    evidence: Floats

    def __len__(self) -> int:
        return len(self.width)


class Outlines(NamedTuple):
    """Closed curves of a searched picture, in its pixels, with what tells true ones from chance; one value a curve.

    ``roughness`` is the distance of the edges from the curve over its radius, ``contrast`` how much darker it is
    inside, ``glass`` the share of the outline with background beyond it, ``covered`` the share of visible rays that
    met an edge, ``strength`` the mean strength of the edge, ``visible`` the share of rays inside the picture.
    """

    y: Floats
    x: Floats
    radius: Floats
    roughness: Floats
    contrast: Floats
    glass: Floats
    covered: Floats
    strength: Floats
    visible: Floats

    def take(self, rows: NDArray[Any]) -> Outlines:
        """The curves of these rows, or for which the mask holds."""
        return Outlines(*(values[rows] for values in self))

    @property
    def features(self) -> Floats:
        """Curves x features, within the range the weights were fitted on."""
        return np.clip(np.stack([getattr(self, name) for name in _FEATURES], axis=1), _LOW, _HIGH)

    @property
    def evidence(self) -> Floats:
        """How likely each is a red cell's outline, 0 to 1."""
        return 1 / (1 + np.exp(-(self.features @ _EVIDENCE + _INTERCEPT)))


def find(pixels: Pixels, factor: float | None = None) -> RedCells:
    """The red cells of a decoded picture (uint8, height x width x 3) whose outline is seen for the most part.

    ``factor`` shrinks the picture before it is searched; to a longer side of :data:`SIDE` pixels where None. Cells 15
    to 90 pixels wide in the searched picture are measured well; it is never enlarged.
    """
    factor = min(1.0, factor or SIDE / max(pixels.shape[:2]))
    outlines = distinct(trace(pixels, factor))
    # By the place of the centre, not by how much is seen: that would prefer small cells near the border.
    height, length = (factor * side for side in pixels.shape[:2])
    inside = (outlines.y > 0) & (outlines.x > 0) & (outlines.y < height) & (outlines.x < length)
    sure = (outlines.visible >= _LEAST_VISIBLE) & (outlines.evidence >= _LEAST_EVIDENCE)
    outlines = outlines.take(inside & sure)
    y, x, width = outlines.y / factor, outlines.x / factor, 2 * outlines.radius / factor
    return RedCells(y, x, width, outlines.visible, outlines.evidence)


def distinct(outlines: Outlines) -> Outlines:
    """The likeliest of those that describe the same cell, likeliest first."""
    order = np.argsort(-outlines.evidence, kind="stable")
    y, x, radius = outlines.y[order], outlines.x[order], outlines.radius[order]
    apart = np.hypot(y[:, None] - y, x[:, None] - x)
    same = apart < 0.6 * np.maximum(radius[:, None], radius)
    kept: list[int] = []
    for row in range(len(order)):
        if not same[row, kept].any():
            kept.append(row)
    return outlines.take(order[np.array(kept, dtype=np.intp)])


# --- the searched picture ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Searched:
    """A picture prepared for the search: optical density (green), its gradient, nuclei."""

    density: Floats
    gy: Floats
    gx: Floats
    nuclei: Flags

    @classmethod
    def of(cls, pixels: Pixels, factor: float) -> _Searched:
        if factor < 1:
            size = (max(3, round(pixels.shape[1] * factor)), max(3, round(pixels.shape[0] * factor)))
            image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
            pixels = np.asarray(image)
        density = densities(pixels)
        smooth = ndimage.gaussian_filter(density[..., 1], 1.0)
        gy, gx = (np.asarray(np.gradient(smooth, axis=axis)) for axis in (0, 1))
        # The opening spares the thin coloured fringes that a simple lens puts around every cell.
        nuclei = ndimage.minimum_filter(nucleus_mask(density).view(np.uint8), 5)
        return cls(smooth, gy, gx, ndimage.maximum_filter(nuclei, 9).view(np.bool_))


def _edges(searched: _Searched) -> tuple[Places, Places, Floats, Floats, float]:
    """Ridges of the gradient outside nuclei: y, x, unit vector to the darker side (y, x); and their median strength."""
    gy, gx = searched.gy, searched.gx
    strength = np.hypot(gy, gx)
    free = ~searched.nuclei
    free[[0, -1]] = free[:, [0, -1]] = False
    if not free.any():
        nothing = np.empty(0, np.int32)
        return nothing, nothing, np.empty(0), np.empty(0), 1.0
    least = max(0.3 * float(np.percentile(strength[free][::3], 92)), 0.008)
    y, x = (found.astype(np.int32) for found in np.nonzero(free & (strength > least)))
    here = strength[y, x]
    ny, nx = gy[y, x] / here, gx[y, x] / here
    sy, sx = np.rint(ny).astype(np.int32), np.rint(nx).astype(np.int32)
    ridge = (here >= strength[y + sy, x + sx]) & (here >= strength[y - sy, x - sx])
    unit = float(np.median(here[ridge])) if ridge.any() else 1.0
    return y[ridge], x[ridge], ny[ridge], nx[ridge], unit


def _centres(
    y: Places, x: Places, ny: Floats, nx: Floats, shape: tuple[int, ...]
) -> Iterator[tuple[Floats, float, float]]:
    """For each band of radii the likeliest centres (n x 2, y and x) and the band."""
    for low, high in BANDS:
        if 1.1 * low > max(shape) / 2:
            return
        cell = max(1, int(low / 5))  # pixels that vote as one: a fraction of the radius
        margin = int(_OUTSIDE * high / cell) + 1
        rows, columns = (-(-side // cell) + 2 * margin for side in shape)
        radii = np.arange(low, high, max(1.0, low / 9), dtype=np.float32)[:, None]
        row = ((y + ny * radii) / np.float32(cell) + np.float32(margin)).astype(np.int32)
        column = ((x + nx * radii) / np.float32(cell) + np.float32(margin)).astype(np.int32)
        inside = (row >= 0) & (column >= 0) & (row < rows) & (column < columns)
        votes = np.bincount((row * columns + column)[inside], minlength=rows * columns)
        votes = votes.reshape(rows, columns).astype(np.float32)
        votes = ndimage.gaussian_filter(votes, 0.06 * (low + high) / cell + 0.3, mode="constant", truncate=3)
        peaks = (votes == ndimage.maximum_filter(votes, max(3, int(low / cell) | 1))) & (votes > 0)
        row, column = np.nonzero(peaks)
        best = np.argsort(-votes[row, column], kind="stable")[:_CENTRES]
        centres = np.stack([row[best] - margin + 0.5, column[best] - margin + 0.5], axis=1) * cell
        yield centres.astype(np.float32), low, high


# --- outlines from centres --------------------------------------------------------------------------------


def trace(pixels: Pixels, factor: float) -> Outlines:
    """Every closed outline around a likely centre, the same cell's several times over."""
    searched = _Searched.of(pixels, factor)
    y, x, ny, nx, unit = _edges(searched)
    bands = list(_centres(y, x, ny, nx, searched.density.shape)) if len(y) >= 20 else []
    nothing = np.empty(0)
    if not bands:
        return Outlines(*(nothing for _ in Outlines._fields))
    centres = np.concatenate([found for found, _, _ in bands])
    low = np.concatenate([np.full(len(found), low, np.float32) for found, low, _ in bands])
    high = np.concatenate([np.full(len(found), high, np.float32) for found, _, high in bands])
    radii = 0.8 * low[:, None] * (1.25 * high / (0.8 * low))[:, None] ** np.linspace(0, 1, _STEPS, dtype=np.float32)

    rise, seen = _along_rays(searched, centres, radii, unit)
    visible = seen.sum(axis=1)
    strength = np.clip(rise, -1, 1).sum(axis=1) / np.maximum(visible, 1)
    strength = ndimage.uniform_filter1d(strength, 3, axis=1, mode="nearest")
    strength[visible < 0.35 * _RAYS] = -1
    best = strength.argmax(axis=1)
    keep = (strength.max(axis=1) > 0.3) & (best > 0) & (best < _STEPS - 1)
    if not keep.any():
        return Outlines(*(nothing for _ in Outlines._fields))
    best = best[keep]
    rows = np.arange(len(best))
    strength, radii = strength[keep][rows, best], radii[keep]
    met, where, visible = _met(rise[keep], seen[keep], radii, radii[rows, best])
    return _fitted(searched, centres[keep], radii[rows, best], strength, met, where, visible)


def _along_rays(searched: _Searched, centres: Floats, radii: Floats, unit: float) -> tuple[Floats, Flags]:
    """How steeply it gets lighter outwards, in units of a usual edge, and what is seen: centres x rays x steps."""
    y = centres[:, 0, None, None] + _SIN[None, :, None] * radii[:, None, :]
    x = centres[:, 1, None, None] + _COS[None, :, None] * radii[:, None, :]
    at, seen = _nearest(y, x, searched.density.shape)
    rise = -(searched.gx.ravel()[at] * _COS[None, :, None] + searched.gy.ravel()[at] * _SIN[None, :, None])
    return np.where(seen, rise / np.float32(unit), np.float32(0)), seen


def _met(rise: Floats, seen: Flags, radii: Floats, near: Floats) -> tuple[Flags, Floats, Flags]:
    """Whether each ray met an edge near this radius, at which radius, and whether it could have."""
    step = radii / near[:, None]
    close = (step > 0.72) & (step < 1.35)
    preferred = rise * (1 - 0.8 * np.abs(np.log(step)))[:, None, :]
    preferred = np.where(close[:, None, :] & seen, preferred, np.float32(-1))
    best = np.clip(preferred.argmax(axis=2), 1, _STEPS - 2)
    value = preferred.max(axis=2)
    n, ray = np.arange(len(near))[:, None], np.arange(_RAYS)[None]
    before, at, after = rise[n, ray, best - 1], rise[n, ray, best], rise[n, ray, best + 1]
    bend = np.minimum(before - 2 * at + after, np.float32(-1e-6))
    between = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)  # the top of the parabola through three steps
    where = np.take_along_axis(radii, best, axis=1) * (radii[:, 1] / radii[:, 0])[:, None] ** between
    visible = (close[:, None, :] & seen).sum(axis=2) >= 0.8 * close.sum(axis=1)[:, None]
    return visible & (value > 0.3), where, visible


def _fitted(
    searched: _Searched, centres: Floats, near: Floats, strength: Floats, met: Flags, where: Floats, visible: Flags
) -> Outlines:
    """Curves through what the rays met, less what is no red cell's outline."""
    share = visible.mean(axis=1)
    # An ellipse is a matter of opposite sides: where the border hides one of them, a circle is all that can be said.
    stiff = np.where(share < 0.75, 20.0, 1.0)
    ridge = np.zeros((len(near), 5, 5))
    ridge[:, [0, 1, 2], [0, 1, 2]] = (1e-6, 0.3, 0.3)
    ridge[:, 3, 3] = ridge[:, 4, 4] = stiff
    weight = met.astype(np.float64)
    curve, off = np.empty(0), np.empty(0)
    for _ in range(3):
        normal = np.einsum("nr,ri,rj->nij", weight, _CURVE, _CURVE, optimize=True) + ridge
        target = (weight * (where - near[:, None])) @ _CURVE
        curve = np.linalg.solve(normal, target[:, :, None])[:, :, 0]
        curve[:, 0] += near
        off = np.abs(where - curve @ _CURVE.T) / curve[:, :1]
        weight = met / (1 + (off / 0.06) ** 2)
    radius = curve[:, 0]
    good = met & (off < 0.12)
    covered = good.sum(axis=1) / np.maximum(visible.sum(axis=1), 1)
    roughness = np.sqrt((off**2 * good).sum(axis=1) / np.maximum(good.sum(axis=1), 1))
    y, x = centres[:, 0] + curve[:, 2], centres[:, 1] + curve[:, 1]
    contrast, glass, nucleus = _inside_and_out(searched, y, x, radius)
    found = Outlines(y, x, radius, roughness, contrast, glass, covered, strength, share)
    round_ = np.hypot(curve[:, 3], curve[:, 4]) < 0.18 * radius
    steady = np.hypot(curve[:, 1], curve[:, 2]) < 0.4 * radius
    return found.take((covered >= 0.65) & (roughness < 0.08) & round_ & steady & (nucleus < 0.04))


def _inside_and_out(searched: _Searched, y: Floats, x: Floats, radius: Floats) -> tuple[Floats, Floats, Floats]:
    """How much darker it is inside, how much of the outside is glass, how much of the inside is nucleus."""
    shares = np.array([0.15, 0.4, 0.6, 0.78, 0.87, 0.95, 1.13, 1.25], np.float32)
    reach = (radius[:, None] * shares)[:, None, :].astype(np.float32)
    at, seen = _nearest(
        y[:, None, None].astype(np.float32) + _SIN[None, :, None] * reach,
        x[:, None, None].astype(np.float32) + _COS[None, :, None] * reach,
        searched.density.shape,
    )
    density = searched.density.ravel()[at]
    free = searched.density[~searched.nuclei]
    floor, top = np.percentile(free[::3], [5, 95]) if free.size else (0.0, 1.0)
    span = max(float(top - floor), 1e-3)
    inner, outer = density[:, :, 3:5].mean(axis=2), density[:, :, 6:].mean(axis=2)
    both = seen[:, :, [3, 4, 6, 7]].all(axis=2)
    number = np.maximum(both.sum(axis=1), 1)
    contrast = ((inner - outer) * both).sum(axis=1) / number / span
    glass = ((outer - floor < 0.45 * span) & both).sum(axis=1) / number
    area = shares[:6]
    nucleus = (searched.nuclei.ravel()[at[:, :, :6]] & seen[:, :, :6]) @ area
    return contrast, glass, nucleus.sum(axis=1) / (_RAYS * area.sum())


def _nearest(y: Floats, x: Floats, shape: tuple[int, ...]) -> tuple[Places, Flags]:
    """Flat indices of the nearest pixels, and which of the points lie in the picture."""
    height, width = shape
    row, column = (y + np.float32(0.5)).astype(np.int32), (x + np.float32(0.5)).astype(np.int32)
    seen = (row >= 1) & (column >= 1) & (row < height - 1) & (column < width - 1)
    return (row * width + column) * seen, seen
