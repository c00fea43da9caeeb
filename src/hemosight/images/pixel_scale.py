"""The pixel scale of a scanner, measured: the typical width of the red cells in its pictures.

A red cell is 7 to 8 micrometres wide in nearly everybody, and hardly a crop of a white cell is without some around it:
a ruler that lies in every picture. Its typical width over some pictures, against the reference's 77 pixels, is the
factor that brings them to the scale the encoder was taught at.

Nuclei are no second ruler. Measured on equal numbers of each type, a nucleus is 1.41 (Barcelona), 1.43 (Munich), 1.47
(Chulalongkorn) and 1.67 (Johns Hopkins) red cells wide, and 1.2 to 2.4 from type to type: an answer from them would be
wrong by more than it mends, so that where red cells are too few the scale stays unknown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hemosight.errors import UnreadableImage
from hemosight.images.catalog import Progress, over_files
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.limits import LEAST_SIDE
from hemosight.images.red_cells import SIDE, Floats, find

Picture = str | Path | bytes | Pixels
"""A path, a file's bytes, or decoded RGB (uint8, height x width x 3)."""
_Item = TypeVar("_Item")

REFERENCE_PX = 77.0
"""Width of a red cell at the reference scale, which is that of the Barcelona set."""
TOLERANCE = 0.12
"""Logarithm of a factor below which 1 is used: sets of one scanner differ as much by their patients and their day."""
SAMPLE = 200
"""Pictures that are looked at."""
OUTLINES = "red-cell outlines"
"""The method by which a width was found."""
_FROM_STEEPEST = 1.07
"""Width of a red cell over that of its outline where it is steepest, which lies inside of its visible rim."""
_LARGE, _TILE, _TILES = 800, 400, 6
"""Of a picture larger than the first, squares with the second as a side are looked at, so many of them."""
_GRID = np.linspace(np.log(10.0), np.log(450.0), 160)
_KERNEL, _NEAR, _FAR = 0.08, 0.25, 0.30
"""In logarithms of a width: the density's kernel; what counts as typical; what is another size."""
_RESAMPLES = 100
# What is asked for before an answer is given: cells, their share of all that was seen, how high another size may stand
# against them, half the interval's width in logarithms.
_LEAST_CELLS, _LEAST_SHARE, _MOST_RIVAL, _MOST_SPREAD = 15.0, 0.6, 0.5, 0.07
_NARROW, _SHARP = 22.0, 32.0
"""Where the typical cell is narrower than the first in the searched pictures, they are searched again, as large as
brings it to the second."""
_AGREE = 0.15
"""In logarithms of a width: how far the two searches may lie apart."""
_LEAST_A_FOLDER, _MOST_FOLDERS = 20, 16
"""Pictures that are looked at in each folder at least; of more folders no single one is measured."""


@dataclass(frozen=True)
class PixelScale:
    """How wide red cells are in the pixels of some pictures, or why that cannot be told.

    Parameters
    ----------
    red_cell_px
        Typical width in the pictures' pixels; None where it cannot be told.
    low, high
        Its 95% bootstrap interval over pictures.
    cells, crops
        Red cells of that width (sum of their evidence), and pictures that were looked at.
    method
        ``red-cell outlines``; None where it cannot be told.
    reason
        Why it cannot be told.
    """

    red_cell_px: float | None
    low: float | None
    high: float | None
    cells: int
    crops: int
    method: str | None = OUTLINES
    reason: str | None = None

    @property
    def factor(self) -> float | None:
        """What brings the pictures to the reference scale; None where it cannot be told."""
        return None if self.red_cell_px is None else REFERENCE_PX / self.red_cell_px

    @property
    def used(self) -> float:
        """The factor to read with: 1 where it is within :data:`TOLERANCE` of that, or cannot be told."""
        factor = self.factor
        return 1.0 if factor is None or abs(np.log(factor)) < TOLERANCE else factor

    def to_json(self) -> dict[str, Any]:
        """The measurement as plain values, with its ``factor`` and the one that is ``used``."""
        return asdict(self) | {"factor": self.factor, "used": self.used}

    def __str__(self) -> str:
        if self.red_cell_px is None:
            return f"width of red cells unknown ({self.reason}; {self.crops:,} crops): scale 1"
        found = f"red cells {self.red_cell_px:.0f} px wide ({self.low:.0f} to {self.high:.0f}, {self.crops:,} crops)"
        return f"{found}: scale {self.used:.3g}"


def spread(items: Sequence[_Item], most: int = SAMPLE) -> list[_Item]:
    """At most so many of them, evenly from the first to the last; the same ones every time."""
    if len(items) <= most:
        return list(items)
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, most)]


@dataclass(frozen=True)
class MeasuredScales:
    """The scale of each of some pictures.

    Parameters
    ----------
    factors
        What to read each picture with; one a picture.
    found
        Folder and measurement of each scanner that was told apart; one with folder None where there is one scanner.
    """

    factors: list[float]
    found: list[tuple[str | None, PixelScale]]

    def lines(self) -> list[str]:
        """What was measured and is used, a line for each scanner."""
        return [f"{folder}: {scale}" if folder else str(scale) for folder, scale in self.found]


def measure(pictures: Sequence[Picture], progress: Progress | None = None, bits: int | None = None) -> PixelScale:
    """The scale of some pictures of one scanner, from a :func:`spread` of them; unreadable ones are passed over.

    ``bits`` of a sample are for files that declare no range (:func:`hemosight.images.decode.decode`).
    """
    return _measured(spread(pictures), progress, bits)[0]


def measure_each(
    pictures: Sequence[Picture], progress: Progress | None = None, bits: int | None = None
) -> MeasuredScales:
    """The scale of each of some pictures: one for all, unless folders differ for certain.

    Folders are those below the deepest folder that holds all pictures. They differ where their widths do by more than
    :data:`TOLERANCE` and their intervals do not meet; one in which nothing can be told is then left at 1. ``bits``
    as in :func:`measure`.
    """
    folders = _folders(pictures)
    if len(folders) < 2:
        scale = measure(pictures, progress, bits)
        return MeasuredScales([scale.used] * len(pictures), [(None, scale)])
    each = max(_LEAST_A_FOLDER, SAMPLE // len(folders))
    chosen = {name: spread(rows, each) for name, rows in folders.items()}
    everything, looked = _measured([pictures[row] for rows in chosen.values() for row in rows], progress, bits)
    scales: dict[str, PixelScale] = {}
    begin = 0
    for name, rows in chosen.items():
        own = looked[begin : begin + len(rows)]
        scales[name] = typical([found for found in own if found is not None])
        begin += len(rows)
    certain = [name for name in scales if scales[name].red_cell_px is not None]
    if not any(_differ(scales[one], scales[other]) for one in certain for other in certain):
        return MeasuredScales([everything.used] * len(pictures), [(None, everything)])
    factors = [1.0] * len(pictures)
    for name, rows in folders.items():
        for row in rows:
            factors[row] = scales[name].used
    return MeasuredScales(factors, list(scales.items()))


def _differ(one: PixelScale, other: PixelScale) -> bool:
    """Whether two certain measurements are of two scanners."""
    if one.red_cell_px is None or other.red_cell_px is None or one.high is None or other.high is None:
        return False
    small, large = sorted((one, other), key=lambda scale: scale.red_cell_px or 0)
    apart = np.log((large.red_cell_px or 1) / (small.red_cell_px or 1)) > TOLERANCE
    return bool(apart and (large.low or 0) > (small.high or 0))


def _folders(pictures: Sequence[Picture]) -> dict[str, list[int]]:
    """Rows by the folder below the deepest one that holds all; nothing where pictures lie in memory or in too many."""
    paths = [Path(picture).absolute() for picture in pictures if isinstance(picture, str | Path)]
    if len(paths) < len(pictures) or len({path.parent for path in paths}) < 2:
        return {}
    above = Path(os.path.commonpath([path.parent for path in paths]))
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        rows.setdefault(
            str(above.joinpath(*path.relative_to(above).parts[:1]) if path.parent != above else above), []
        ).append(row)
    return rows if len(rows) <= _MOST_FOLDERS else {}


def _measured(
    chosen: Sequence[Picture], progress: Progress | None, bits: int | None
) -> tuple[PixelScale, list[Floats | None]]:
    """The scale of these pictures, and what was seen in each of them."""
    looked = over_files(partial(_widths, bits=bits), chosen, progress)
    first = typical([found for found, _ in looked if found is not None])
    usual = float(np.median([factor for _, factor in looked])) if looked else 1.0
    if usual >= 1 or (first.red_cell_px is not None and first.red_cell_px * usual >= _NARROW):
        return first, [found for found, _ in looked]
    # Perhaps they are too small in the searched pictures; and noise looks small as well. Larger pictures measure what
    # is there more finely, and make what is not there smaller.
    finer = 2 * usual if first.red_cell_px is None else _SHARP / first.red_cell_px
    again = [found for found, _ in over_files(partial(_widths, factor=finer, bits=bits), chosen, progress)]
    second = typical([found for found in again if found is not None])
    if first.red_cell_px and second.red_cell_px and abs(np.log(first.red_cell_px / second.red_cell_px)) > _AGREE:
        second = _unknown(second.cells, second.crops, "what looks like red cells changes with the magnification")
    return second, again


def typical(widths: Sequence[Floats]) -> PixelScale:
    """The typical width, of each picture's outlines: n x 2, width in pixels and evidence."""
    crops = len(widths)
    if not sum(map(len, widths)):
        return _unknown(0, crops, "no red cell was seen" if crops else "no picture could be read")
    width, evidence = np.concatenate(widths).T
    order = np.argsort(width, kind="stable")
    crop = np.repeat(np.arange(crops), [len(found) for found in widths])[order]
    logs, evidence = np.log(width[order]), evidence[order]

    # Chance makes small outlines more easily than large ones: each counts by its width when the mode is looked for.
    kernels = np.exp(-0.5 * ((logs[:, None] - _GRID) / _KERNEL) ** 2)
    worth = evidence * np.exp(logs)
    # The first row is the pictures themselves, the others are drawn from them with replacement.
    draws = np.random.default_rng(0).multinomial(crops, np.full(crops, 1 / crops), size=_RESAMPLES)
    times = np.concatenate([np.ones((1, crops), dtype=draws.dtype), draws])
    times = times[:, crop]
    density = (times * worth) @ kernels
    centres = _medians(logs, times * evidence, _GRID[density.argmax(axis=1)])
    near = np.abs(logs - centres[0]) < _NEAR
    cells = float(evidence[near].sum())
    share = float(worth[near].sum() / worth.sum())
    rival = float(density[0, np.abs(_GRID - centres[0]) > _FAR].max() / density[0].max())
    low, high = np.quantile(centres[1:], [0.025, 0.975])

    if cells < _LEAST_CELLS:
        return _unknown(cells, crops, f"too few red cells were seen: {cells:.0f}, not {_LEAST_CELLS:.0f}")
    if share < _LEAST_SHARE or rival > _MOST_RIVAL:
        return _unknown(cells, crops, "outlines of many sizes were seen, none typical")
    if (high - low) / 2 > _MOST_SPREAD:
        return _unknown(cells, crops, f"the width is uncertain by {100 * (high - low) / 2:.0f}%")
    px, low, high = _FROM_STEEPEST * np.exp([centres[0], low, high])
    return PixelScale(float(px), float(low), float(high), round(cells), crops)


def _unknown(cells: float, crops: int, reason: str) -> PixelScale:
    return PixelScale(None, None, None, round(cells), crops, None, reason)


def _medians(logs: Floats, weights: Floats, modes: Floats) -> Floats:
    """For each row of weights the weighted median of the sorted logarithms around its mode."""
    for _ in range(3):
        near = weights * (np.abs(logs - modes[:, None]) < _NEAR)
        total = near.cumsum(axis=1)
        middle = (total < total[:, -1:] / 2).sum(axis=1)
        modes = logs[np.minimum(middle, len(logs) - 1)]
    return modes


def _widths(picture: Picture, factor: float | None = None, bits: int | None = None) -> tuple[Floats | None, float]:
    """Widths and evidence of the red cells of one picture, and the factor it was searched at; None where unreadable."""
    if isinstance(picture, np.ndarray):
        pixels = picture
        if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,) or min(pixels.shape[:2]) < LEAST_SIDE:
            return None, 1.0
    else:
        try:
            pixels = decode(picture if isinstance(picture, bytes) else read_bytes(picture), bits)
        except UnreadableImage:
            return None, 1.0
    tiles = _tiles(pixels)
    factor = min(1.0, factor or SIDE / max(tiles[0].shape[:2]))
    found = [find(tile, factor) for tile in tiles]
    return np.concatenate([np.stack([cells.width, cells.evidence], axis=1) for cells in found]), factor


def _tiles(pixels: Pixels) -> list[Pixels]:
    """A crop as it is; of a field of view squares as large as a crop, evenly from all over it."""
    height, width, _ = pixels.shape
    if max(height, width) <= _LARGE:
        return [pixels]
    rows, columns = max(1, height // _TILE), max(1, width // _TILE)
    corners: list[tuple[int, int]] = [
        (row * height // rows, column * width // columns) for row in range(rows) for column in range(columns)
    ]
    return [pixels[y : y + _TILE, x : x + _TILE] for y, x in spread(corners, _TILES)]
