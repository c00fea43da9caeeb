"""What tells a white cell's nucleus from everything else that takes the stain, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from hemosight.images.finding.nuclei import Nucleus, corners, upper, width
from hemosight.images.finding.stain import WORKING_PX, Floats, Prepared

RED_CELL_AREA = np.pi / 4 * WORKING_PX**2
"""Searched pixels of a red cell."""
FEATURES = (
    "contrast",
    "share",
    "area",
    "width",
    "solid",
    "full",
    "edge",
    "clear",
    "rare",
    "border",
)


def features(field: Prepared, found: Sequence[Nucleus]) -> Floats:
    """A row for each nucleus, a column for each of :data:`FEATURES`; none of them is a colour or an absolute density.

    ``contrast`` is the logarithm of the peak in deviations of the field's noise, ``share`` that of the peak over the
    field's darkest; ``area`` and ``width`` are logarithms in red cells; ``solid`` is the share of the convex hull that
    is nucleus, ``full`` the mean stain over the peak, ``edge`` how far it falls within a fifth of a red cell outside,
    ``clear`` how far it stands above the darkest tenth of what lies around it; ``rare`` is the logarithm of the share
    of the field that is as dark; ``border`` is 1 where the picture's border cuts the nucleus.
    """
    if not found:
        return np.zeros((0, len(FEATURES)))
    darkest = max(0.02, *(nucleus.peak for nucleus in found))
    ordered = np.sort(field.solid, axis=None) - field.level
    return np.array([_row(field, nucleus, darkest, ordered) for nucleus in found])


def _row(field: Prepared, nucleus: Nucleus, darkest: float, ordered: Floats) -> list[float]:
    margin = 10
    height, length = field.solid.shape
    y0, x0, y1, x1 = nucleus.box
    top, left = max(0, y0 - margin), max(0, x0 - margin)
    window = np.s_[top : min(height, y1 + margin), left : min(length, x1 + margin)]
    mask = np.zeros(field.solid[window].shape, bool)
    mask[y0 - top : y1 - top, x0 - left : x1 - left] = nucleus.mask
    away = ndimage.distance_transform_edt(~mask)
    ring, around = (away > 2) & (away <= 5), (away > 2) & (away <= 10)  # type: ignore[operator] -- scipy types it as several returns
    stain = field.solid[window] - field.level
    inside = float(stain[mask].mean())
    outside = float(stain[ring].mean()) if ring.any() else 0.0
    beside = upper(stain[around], 0.9) if around.any() else 0.0
    as_dark = len(ordered) - int(np.searchsorted(ordered, inside)) - 0.5 * nucleus.area
    ends = corners(nucleus.points)
    return [
        np.log(max(nucleus.peak, 1e-3) / field.noise),
        np.log(max(nucleus.peak, 1e-3) / darkest),
        np.log(nucleus.area / RED_CELL_AREA),
        np.log(width(ends) / WORKING_PX),
        nucleus.area / max(_polygon(ends), nucleus.area),
        inside / max(nucleus.peak, 1e-3),
        np.clip((inside - outside) / max(nucleus.peak, 1e-3), -1, 2),
        np.clip((inside - beside) / max(nucleus.peak, 1e-3), -2, 2),
        np.log(max(as_dark, 0.0) / len(ordered) + 0.002),
        float(y0 <= 1 or x0 <= 1 or y1 >= height - 1 or x1 >= length - 1),
    ]


def _polygon(ends: Floats) -> float:
    """Area of a convex polygon of pixels, half a pixel around them included."""
    y, x = ends.T
    y1, x1 = np.concatenate([ends[1:], ends[:1]]).T
    area = 0.5 * abs(float(np.dot(x, y1) - np.dot(y, x1)))
    return area + float(np.hypot(y1 - y, x1 - x).sum()) / 2 + 1
