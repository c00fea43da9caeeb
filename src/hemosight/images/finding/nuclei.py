"""Nuclei in a field's stain: what is one nucleus, what are lobes of one, what are two that touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from hemosight.errors import UnreadableImage
from hemosight.images.finding.stain import WORKING_PX, Flags, Floats, Prepared

_LEAST, _LARGEST = 0.07, 9.0
"""In areas of a red cell: pieces of nucleus smaller than this are granules and rims, larger ones no nucleus."""
_STEP, _STEPS, _LEAST_STAIN = 0.84, 11, 0.05
"""Each level of stain is this share of the one above; how many there are; the least optical density of a nucleus."""
_TOP = 0.8
"""The highest level, as a share of the darkest of the field."""
_PALE_BLUR = 4.0
"""Blur, in searched pixels, in which a nucleus so pale that red cells hide it stands out."""
_MOST = 2_500
"""Pieces of nuclei in a field, at most."""
_GAP, _JOINED = 0.45, 1.75
"""In red cells: the widest gap between lobes of one nucleus, and how wide the lobes of one are together at most."""
_ALIKE = 0.5
"""Lobes of one nucleus are at least so alike in stain."""
_AREA = np.pi / 4 * WORKING_PX**2
_WIDE, _ROUND, _NECK = 1.9, 0.36, 0.75
"""In red cells: from which width a piece may be two nuclei, the least radius of each; and how narrow the neck between
them is against the smaller radius."""


@dataclass(frozen=True)
class Nucleus:
    """A nucleus, or what may be one, on the searched picture.

    Parameters
    ----------
    y0, x0
        Corner of the window that ``mask`` covers.
    mask
        Its pixels.
    pieces
        How many lobes it was joined from.
    touching
        Whether it was cut from another one.
    peak
        Stain that 5% of its pixels exceed, above the field's level.
    """

    y0: int
    x0: int
    mask: Flags
    pieces: int
    touching: bool
    peak: float

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())

    @property
    def points(self) -> Floats:
        """Its pixels, n x 2, y and x."""
        return (np.argwhere(self.mask) + np.array([self.y0, self.x0])).astype(np.float32)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of its pixels, the last two exclusive."""
        height, width = self.mask.shape
        return self.y0, self.x0, self.y0 + height, self.x0 + width


def nuclei(field: Prepared) -> list[Nucleus]:
    """All that may be a nucleus: at every level of stain what is connected there, touching ones cut, lobes joined.

    The same nucleus comes several times, once a level and once for each way to join its lobes; the best of them is
    chosen by what they look like (extremal regions: Arteta et al. 2012, "Learning to detect cells using
    non-overlapping extremal regions", MICCAI).
    """
    found: list[Nucleus] = []
    above = field.solid - field.level
    top = float(np.quantile(above, 0.9995))
    for step in range(_STEPS):
        level = _TOP * top * _STEP**step
        if level < _LEAST_STAIN:
            break
        found += join(pieces(above, level))
    blurred = ndimage.gaussian_filter(field.solid, _PALE_BLUR, mode="nearest")
    blurred -= np.median(blurred)
    top = float(blurred.max())
    for share in (0.7, 0.5, 0.35):
        if share * top >= 0.5 * _LEAST_STAIN:
            found += pieces(blurred, share * top)
    return found


def pieces(stain: Floats, level: float) -> list[Nucleus]:
    """What is connected where the stain exceeds a level, and neither too small nor too large; touching ones cut."""
    names, number = ndimage.label(stain > level)  # type: ignore[misc] -- scipy types it as one array
    if not number:
        return []
    sizes = np.bincount(names.ravel(), minlength=number + 1)
    found: list[Nucleus] = []
    for name, window in enumerate(ndimage.find_objects(names), start=1):
        if not _LEAST * _AREA <= sizes[name] <= _LARGEST * _AREA:
            continue
        mask = names[window] == name
        parts = cut(mask)
        for part in parts:
            rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            tight = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            y, x = window[0].start + int(rows[0]), window[1].start + int(columns[0])
            peak = upper(stain[window][part], 0.95)
            found.append(Nucleus(y, x, part[tight], 1, len(parts) > 1, peak))
    return found


def cut(mask: Flags) -> list[Flags]:
    """Cut a piece where its distance transform says that two round nuclei touch; the piece itself where it does not.

    Peaks of the distance to the border are middles of nuclei where they are as large as a nucleus and the neck
    between them is narrower. Pixels go to the nearest middle, in units of its radius.
    """
    rows, columns = np.nonzero(mask)
    reach = max(np.ptp(rows), np.ptp(columns)) + 1
    if reach < _WIDE * WORKING_PX or mask.sum() < 2 * np.pi * (_ROUND * WORKING_PX) ** 2:
        return [mask]
    filled: Any = ndimage.binary_fill_holes(mask)
    within: Any = ndimage.distance_transform_edt(np.pad(filled, 1))
    depth = within[1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(depth, 1.0)
    peaks = (smooth == ndimage.maximum_filter(smooth, 7)) & (depth >= _ROUND * WORKING_PX)
    middles = np.argwhere(peaks)
    middles = middles[np.argsort(-depth[tuple(middles.T)], kind="stable")]
    kept: list[np.ndarray] = []
    for middle in middles:
        if all(_neck(depth, middle, other) < _NECK * depth[tuple(middle)] for other in kept):
            kept.append(middle)
    if len(kept) < 2:
        return [mask]
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    away = np.stack([np.hypot(y - at[0], x - at[1]) / depth[tuple(at)] for at in kept])
    nearest = away.argmin(axis=0)
    return [mask & (nearest == name) for name in range(len(kept))]


def _neck(depth: Floats, one: np.ndarray, other: np.ndarray) -> float:
    """Least distance to the border on the straight way between two points: half the width of the neck."""
    steps = int(np.abs(one - other).max()) + 1
    way = np.rint(np.linspace(one, other, steps)).astype(int)
    return float(depth[tuple(way.T)].min())


def join(found: list[Nucleus]) -> list[Nucleus]:
    """These pieces, and lobes of one nucleus joined: the nearest first, as long as they are no wider than a nucleus."""
    if len(found) < 2:
        return found
    if len(found) > _MOST:  # every pair is looked at
        raise UnreadableImage(f"{len(found):,} dark pieces, more than {_MOST:,}: no field of blood", code="image_blank")
    widest = _GAP * WORKING_PX
    boxes = np.array([nucleus.box for nucleus in found])
    apart = np.maximum(boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:]).max(axis=2)
    peaks = np.array([nucleus.peak for nucleus in found])
    cut_off = np.array([nucleus.touching for nucleus in found])
    near = (apart < widest) & (np.minimum(peaks[:, None], peaks) > _ALIKE * np.maximum(peaks[:, None], peaks))
    near &= ~(cut_off[:, None] & cut_off)
    ones, others = np.nonzero(np.triu(near, 1))
    if not len(ones):
        return found
    rims = {row: _rim(found[row]) for row in np.unique(np.concatenate([ones, others])).tolist()}
    ends = {row: corners(rim) for row, rim in rims.items()}
    gaps: list[tuple[float, int, int]] = []
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        gap = float(np.sqrt(((rims[one][:, None] - rims[other][None]) ** 2).sum(axis=2).min()))
        if gap <= widest:
            gaps.append((gap, one, other))
    group = list(range(len(found)))
    groups = [[row] for row in group]
    joined: list[Nucleus] = []
    for _, one, other in sorted(gaps):
        a, b = group[one], group[other]
        if a == b:
            continue
        # The farthest two points of several outlines are corners of theirs.
        if width(np.concatenate([ends[row] for row in groups[a] + groups[b]])) > _JOINED * WORKING_PX:
            continue
        groups[a] += groups[b]
        for row in groups[b]:
            group[row] = a
        groups[b] = []
        joined.append(_joined([found[row] for row in groups[a]]))
    return found + joined


def _rim(nucleus: Nucleus) -> Floats:
    around = np.pad(nucleus.mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return (np.argwhere(nucleus.mask & ~inner) + np.array([nucleus.y0, nucleus.x0])).astype(np.float32)


def _joined(lobes: list[Nucleus]) -> Nucleus:
    every = np.concatenate([lobe.points for lobe in lobes])
    y0, x0 = every.min(axis=0)
    y1, x1 = every.max(axis=0)
    mask = np.zeros((int(y1 - y0) + 1, int(x1 - x0) + 1), bool)
    mask[tuple((every - np.array([y0, x0])).astype(int).T)] = True
    touching = any(lobe.touching for lobe in lobes)
    return Nucleus(int(y0), int(x0), mask, len(lobes), touching, max(lobe.peak for lobe in lobes))


def width(ends: Floats) -> float:
    """Widest distance between two pixels, their own width included, by the :func:`corners` (n x 2) of all outlines."""
    return float(np.sqrt(((ends[:, None] - ends[None]) ** 2).sum(axis=2).max())) + 1


def corners(points: Floats) -> Floats:
    """Corners of the convex hull of some pixels (n x 2, y and x, whole numbers), in order around it.

    Andrew's monotone chain over the first and last pixel of every row: a nucleus has a few dozen rows, for which a call
    of Qhull costs several times as much.
    """
    order = np.lexsort((points[:, 1], points[:, 0]))
    y, x = points[order, 0], points[order, 1]
    turn = np.flatnonzero(np.diff(y)) + 1
    ends = np.unique(np.concatenate([[0], turn, turn - 1, [len(y) - 1]]))
    ordered = list(zip(y[ends].tolist(), x[ends].tolist(), strict=True))
    if len(ordered) < 3:
        return np.array(ordered, np.float64)
    chain = _half(ordered)[:-1] + _half(ordered[::-1])[:-1]
    return np.array(chain, np.float64)


def _half(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the hull, from the first point to the last."""
    chain: list[tuple[float, float]] = []
    for y, x in ordered:
        while len(chain) > 1:
            (y0, x0), (y1, x1) = chain[-2], chain[-1]
            if (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0) > 0:
                break
            chain.pop()
        chain.append((y, x))
    return chain


def upper(values: Floats, share: float) -> float:
    """The quantile of this share, interpolated, as :func:`numpy.quantile` gives it at ten times the cost."""
    place = (len(values) - 1) * share
    low = int(place)
    ordered = np.partition(values, (low, min(low + 1, len(values) - 1)))
    one, other = float(ordered[low]), float(ordered[min(low + 1, len(values) - 1)])
    return one + (other - one) * (place - low)
