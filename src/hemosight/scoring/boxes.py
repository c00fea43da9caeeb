"""How well found boxes meet known ones: matches, F1, centres, and counts by field."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from hemosight.blood.intervals import wilson
from hemosight.errors import BadTable, PathMissing

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
LEAST_IOU = 0.3
"""Intersection over union from which a found box is the known one's."""
WHITE = "wbc"
_COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Judged:
    """Found boxes against known ones.

    Parameters
    ----------
    fields
        Fields of view.
    known, found, met
        Known boxes, found boxes, and pairs of them that meet with an IoU of at least :data:`LEAST_IOU`.
    centred
        Pairs whose centres lie apart by no more than a quarter of the known box's longer side.
    iou
        Mean IoU of the pairs.
    bias, low, high
        Found less known cells of a field: mean, and limits of agreement (Bland and Altman 1986, Lancet 327:307).
    """

    fields: int
    known: int
    found: int
    met: int
    centred: int
    iou: float
    bias: float
    low: float
    high: float

    @property
    def recall(self) -> float:
        """Share of the known boxes that were found."""
        return self.met / self.known if self.known else 0.0

    @property
    def precision(self) -> float:
        """Share of the found boxes that are known."""
        return self.met / self.found if self.found else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.met / (self.known + self.found) if self.known + self.found else 1.0

    def text(self, partly: bool = False) -> str:
        """The figures, a line each; ``partly`` where cells may lack a box, so that precision says little."""
        low, high = wilson(self.met, self.known)
        lines = [
            f"fields       {self.fields:,}",
            f"known        {self.known:,}",
            f"found        {self.found:,}",
            f"recall       {self.recall:.3f}  (95% interval {low:.3f} to {high:.3f})",
        ]
        if partly:
            lines.append(f"beside them  {self.found - self.met:,}  (without a known box, right or wrong)")
        else:
            low, high = wilson(self.met, self.found)
            lines += [
                f"precision    {self.precision:.3f}  (95% interval {low:.3f} to {high:.3f})",
                f"F1           {self.f1:.3f}",
                f"counts       {self.bias:+.2f} a field  (limits of agreement {self.low:+.2f} to {self.high:+.2f})",
            ]
        lines += [f"centred      {self.centred:,} of {self.met:,}", f"mean IoU     {self.iou:.3f}"]
        return "\n".join(lines)


def judge(fields: Iterable[tuple[Sequence[Box], Sequence[Box]]], least: float = LEAST_IOU) -> Judged:
    """Judge found boxes by known ones, a pair of lists for each field; each box meets at most one."""
    number = known = found = centred = 0
    ious: list[float] = []
    counts: list[int] = []
    for given, own in fields:
        number += 1
        known, found = known + len(own), found + len(given)
        counts.append(len(given) - len(own))
        for one, other, value in matched(given, own, least):
            ious.append(value)
            centred += _centred(given[one], own[other])
    bias = float(np.mean(counts)) if counts else 0.0
    spread = 1.96 * float(np.std(counts, ddof=1)) if len(counts) > 1 else 0.0
    mean = float(np.mean(ious)) if ious else 0.0
    return Judged(number, known, found, len(ious), centred, mean, bias, bias - spread, bias + spread)


def matched(found: Sequence[Box], known: Sequence[Box], least: float = LEAST_IOU) -> list[tuple[int, int, float]]:
    """Pairs (row of found, row of known, IoU) that meet: as many as there can be, with the most in common."""
    if not found or not known:
        return []
    values = ious(found, known)
    # A pair that meets is worth more than any number of closer ones, so that no match is given up for a better fit.
    worth = np.where(values >= least, 1 + values / (10 * len(known)), 0.0)
    rows, columns = linear_sum_assignment(-worth)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, float(values[row, column])) for row, column in pairs if values[row, column] >= least]


def ious(found: Sequence[Box], known: Sequence[Box]) -> np.ndarray:
    """Intersection over union of all pairs; found x known."""
    one, other = np.asarray(found, float)[:, None], np.asarray(known, float)[None]
    across = np.minimum(one[..., 2], other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    down = np.minimum(one[..., 3], other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    common = np.clip(across, 0, None) * np.clip(down, 0, None)
    areas = [(box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (one, other)]
    return common / np.maximum(areas[0] + areas[1] - common, 1e-9)


def _centred(found: Box, known: Box) -> bool:
    off = [(found[at] + found[at + 2] - known[at] - known[at + 2]) / 2 for at in (0, 1)]
    return sqrt(off[0] ** 2 + off[1] ** 2) <= 0.25 * max(known[2] - known[0], known[3] - known[1])


def read(path: Path) -> dict[str, list[Box]]:
    """White cells' boxes of each image from a table image, kind (``wbc`` or another; optional), xmin, ymin, xmax, ymax.

    An image with boxes of other kinds only has none. Raises :class:`~hemosight.errors.BadTable`, and
    :class:`~hemosight.errors.PathMissing` where there is no such file.
    """
    if not path.is_file():
        raise PathMissing(path=path, cwd=Path.cwd(), what="a table of boxes (CSV)")
    boxes: defaultdict[str, list[Box]] = defaultdict(list)
    mend = "Write one row a box: image,kind,xmin,ymin,xmax,ymax."
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (table.fieldnames or ())]:
            raise BadTable(expected="columns " + ", ".join(_COLUMNS), came=f"no {missing[0]!r}", path=path, mend=mend)
        for number, row in enumerate(table, start=2):
            own = boxes[row["image"]]
            try:
                left, top, right, bottom = (float(row[name]) for name in _COLUMNS[1:])
            except (TypeError, ValueError):
                raise BadTable(expected="numbers", came=f"none in line {number}", path=path, mend=mend) from None
            if row.get("kind") in (None, WHITE):
                own.append((left, top, right, bottom))
    return dict(boxes)
