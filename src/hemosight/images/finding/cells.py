"""White cells in one field: where each lies, how sure that is, and what speaks against counting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hemosight.images.decode import Pixels
from hemosight.images.finding.evidence import FEATURES, features
from hemosight.images.finding.nuclei import Nucleus, nuclei, upper
from hemosight.images.finding.stain import WORKING_PX, Flags, Floats, Prepared, prepare

FOUND = 0.5
"""Score from which something is taken for a white cell."""
BORDER, SMUDGE, TOUCHING, CLUMP = "border", "smudge", "touching", "clump"
MARKS = (BORDER, SMUDGE, TOUCHING, CLUMP)
"""What speaks against counting a cell: the field's border cuts it; its nucleus is large, pale and without an edge, as
that of a cell that burst; it lies against another white cell; several cells that could not be told apart."""
_LOW = np.array([-0.638, -1.929, -2.649, -1.257, 0.353, 0.465, 0.115, -1.677, -6.215, 0.0])
_HIGH = np.array([3.609, 0.0, 1.704, 1.27, 0.989, 1.495, 1.904, 1.164, -1.21, 1.0])
_MEAN = np.array([1.103, -0.767, -1.1, -0.177, 0.844, 0.838, 0.807, 0.335, -3.343, 0.296])
_SPREAD = np.array([0.766, 0.556, 1.043, 0.57, 0.145, 0.128, 0.289, 0.315, 1.188, 0.457])
_LINEAR = np.array([0.691, 1.075, 2.676, 1.898, -0.75, 0.605, 0.015, 2.027, 0.003, -0.96])
_SQUARE = np.array([0.0, 0.0, 0.466, -1.437, -0.101, 0.0, 0.0, 0.0, 0.0, 0.0])
_INTERCEPT = -5.951
"""A logistic regression on what nuclei look like, with squares of size and shape (``benchmarks/find.py --fit``)."""
SAME = 0.45
"""Two boxes that share so much of the smaller one are of one cell."""
_NEAR = 0.05
"""In red cells: boxes of cells that touch overlap or lie nearer than this."""
_MARGIN = 0.23
"""In red cells: cytoplasm between the nucleus and the box, the mean of drawn cells and of those of two laboratories."""
_SMUDGE_AREA, _SMUDGE_CLEAR = 0.6, 0.3
"""A smudge's nucleus is larger than this (logarithm, in red cells) and hardly stands out from what lies around it."""
_OVER_RED = 2.1
"""How many times as much stain as the field's red cells a nucleus has at its peak, at least. Red cells that were taken
for nuclei, in 60 drawn fields without a white cell, have up to 2.05, and in 98 of 100 up to 1.84; nuclei of as many
drawn fields, sharp and blurred, 2.57, and in 98 of 100 more than 3.3; those of two laboratories more."""
TWO_RED_CELLS = 2.25
"""The same where colours tell nothing: two red cells that lie upon one another have twice as much as one, up to 2.19 in
60 drawn fields of one tint (a clump of them was taken for a cell at 2.12)."""
_LEAST_RED = 150
"""Searched pixels of red cells, a third of one, below which nothing is compared with them."""
_WIDEST = 2.9
"""In red cells: no single white cell of blood is wider; a clump is."""


@dataclass(frozen=True)
class FoundCell:
    """A white cell in a field.

    Parameters
    ----------
    x, y, width, height
        Its box in the field's pixels: left, top, and size; the whole cell, not only the nucleus.
    score
        How likely it is a white cell, 0 to 1.
    marks
        What speaks against counting it, of :data:`MARKS`.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    marks: tuple[str, ...] = ()

    @property
    def middle(self) -> tuple[float, float]:
        """Centre of the box, x and y."""
        return self.x + self.width / 2, self.y + self.height / 2

    def moved(self, x: float, y: float) -> FoundCell:
        """The same cell in a picture whose corner lies this much further up and left."""
        return replace(self, x=self.x + x, y=self.y + y)


def find(pixels: Pixels, red_cell_px: float, least: float = FOUND, over_red: float = _OVER_RED) -> list[FoundCell]:
    """The white cells of a field (uint8, height x width x 3) whose red cells are so many pixels wide.

    The surest first. Stain density of nuclei at a scale where a red cell is 24 pixels wide, lamp and vignette taken
    away; each piece cut at half of its own peak; touching nuclei cut apart by their distance transform, lobes of one
    joined; a logistic regression on what each looks like says which of them are white cells, if they stand out from the
    field's red cells. ``least`` is the score from which a cell is kept, ``over_red`` how many times as much stain as
    red cells its nucleus has at least.
    """
    field = prepare(pixels, red_cell_px)
    candidates = nuclei(field)
    if not candidates:
        return []
    values = features(field, candidates)
    scores = scored(values)
    scores[over_red_cells(field, candidates, scores >= FOUND) < over_red] = 0.0
    height, width, _ = pixels.shape
    rows = np.flatnonzero(scores >= least)
    found = [_cell(candidates[row], values[row], float(scores[row]), field, (width, height)) for row in rows]
    return _touching(without_doubles(found), red_cell_px)


def scored(values: Floats) -> Floats:
    """How likely each row of :func:`~hemosight.images.finding.evidence.features` is of a white cell, 0 to 1."""
    unit = (np.clip(values, _LOW, _HIGH) - _MEAN) / _SPREAD
    return 1 / (1 + np.exp(-(unit @ _LINEAR + unit**2 @ _SQUARE + _INTERCEPT)))


def over_red_cells(field: Prepared, found: Sequence[Nucleus], white: Flags) -> Floats:
    """How many times as much nuclear stain as the field's red cells the peak of each has; infinite without red cells.

    Everything else is relative to the field's darkest, which in a field without white cells is a red cell. ``white``
    says which of them are left out of the red cells.
    """
    green = field.density[..., 1]
    counts, edges = np.histogram(green, 200)
    middle = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum() / counts.sum()
    sums = (counts * middle).cumsum() / counts.sum()
    apart = (sums[-1] * below - sums) ** 2 / np.maximum(below * (1 - below), 1e-6)
    glass = float(np.percentile(green, 5))
    # As for cover: half of Otsu's threshold above glass.
    covered = green > (glass + float(middle[apart.argmax()])) / 2
    ground = float(np.median(field.solid[~covered])) if not covered.all() else 0.0
    around = 3
    for nucleus, is_white in zip(found, white, strict=True):
        if is_white:
            y0, x0, y1, x1 = nucleus.box
            covered[max(0, y0 - around) : y1 + around, max(0, x0 - around) : x1 + around] = False
    if covered.sum() < _LEAST_RED:
        return np.full(len(found), np.inf)
    red = max(float(np.median(field.solid[covered])) - ground, 1e-3)
    peaks = [upper(field.solid[_window(nucleus)][nucleus.mask], 0.95) for nucleus in found]
    return (np.array(peaks) - ground) / red


def _window(nucleus: Nucleus) -> tuple[slice, slice]:
    y0, x0, y1, x1 = nucleus.box
    return np.s_[y0:y1, x0:x1]


def _cell(nucleus: Nucleus, values: Floats, score: float, field: Prepared, size: tuple[int, int]) -> FoundCell:
    y0, x0, y1, x1 = nucleus.box
    margin = _MARGIN * WORKING_PX
    height, width = field.solid.shape
    x0, y0, x1, y1 = max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, width), min(y1 + margin, height)
    known = dict(zip(FEATURES, values.tolist(), strict=True))
    marks = []
    if known["border"]:
        marks.append(BORDER)
    if max(x1 - x0, y1 - y0) > _WIDEST * WORKING_PX:
        marks.append(CLUMP)
    elif known["area"] > _SMUDGE_AREA and known["clear"] < _SMUDGE_CLEAR:
        marks.append(SMUDGE)
    across, down = size[0] / width, size[1] / height
    return FoundCell(x0 * across, y0 * down, (x1 - x0) * across, (y1 - y0) * down, score, tuple(marks))


def shared(one: FoundCell, other: FoundCell) -> float:
    """What two boxes have in common, as a share of the smaller one, 0 to 1."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / min(one.width * one.height, other.width * other.height)


def without_doubles(found: Sequence[FoundCell]) -> list[FoundCell]:
    """The cells without boxes that another, surer one covers for the most part; the surest first."""
    ordered = sorted(found, key=lambda cell: -cell.score)
    # Only cells whose boxes begin near one another can be one: a slide has many.
    widest = max((cell.width for cell in ordered), default=0.0)
    columns: dict[int, list[FoundCell]] = {}
    kept = []
    for cell in ordered:
        column = int(cell.x // max(widest, 1.0))
        near = [other for at in (column - 1, column, column + 1) for other in columns.get(at, ())]
        if all(shared(cell, other) < SAME for other in near):
            kept.append(cell)
            columns.setdefault(column, []).append(cell)
    return kept


def _touching(found: Sequence[FoundCell], red_cell_px: float) -> list[FoundCell]:
    reach = _NEAR * red_cell_px
    marked = []
    for cell in found:
        beside = any(
            other is not cell
            and cell.x - reach < other.x + other.width
            and other.x - reach < cell.x + cell.width
            and cell.y - reach < other.y + other.height
            and other.y - reach < cell.y + cell.height
            for other in found
        )
        marked.append(replace(cell, marks=(*cell.marks, TOUCHING)) if beside else cell)
    return marked
