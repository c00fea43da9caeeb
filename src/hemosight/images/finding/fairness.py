"""Whether a field is fair to count in: red cells side by side, in focus.

In the thick part of a film red cells lie in piles, nuclei are hidden and white cells shrink out of shape; at the
feathered edge few red cells lie, and large white cells are driven there. A field out of focus is found, and then read
badly. CLSI H20-A2 has the count made where red cells lie side by side and hardly overlap.

Limits were set on drawn fields, alone and laid upon one another, and on those of two laboratories, as they are and
blurred: ``tests/images/test_fairness.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from hemosight.images.decode import Pixels
from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.stain import Flags, Floats
from hemosight.images.nucleus import DENSITY

THICK, THIN, BLURRED = "thick", "thin", "blurred"
REASONS = (THICK, THIN, BLURRED)
"""What speaks against counting in a field: red cells leave hardly any glass between them; there are few of them; it is
out of focus."""
_PX = 32.0
"""Width of a red cell in the measured picture: fine enough for its rim."""
_MOST_COVERED, _LEAST_COVERED = 0.8, 0.2
"""Share of the field that red cells cover: drawn monolayers have 0.53 to 0.67, most fields of two laboratories 0.34 to
0.77, three drawn layers upon one another 0.82. Two layers of well spread cells are not told from a dense single one."""
_LEAST_FINE = -1.4
"""Sharp fields of two laboratories lie above this, and drawn ones at -0.6 to -0.8; a blur of a tenth of a red cell
brings all of them below."""
_SQUARE = 96
"""Pixels of a square whose spectrum is taken: three red cells."""
_MIDDLE, _FINE = (1.0, 2.5), (4.0, 9.0)
"""Cycles in the width of a red cell: cells and the gaps between them; rims, granules and chromatin."""


@dataclass(frozen=True)
class Fairness:
    """What was measured of a field.

    Parameters
    ----------
    covered
        Share of the field, white cells left out, that red cells cover, 0 to 1.
    fine
        Logarithm (base 10) of the power of fine structure over that of coarse structure, median over squares of three
        red cells; None where no square has structure.
    reasons
        What speaks against counting there, of :data:`REASONS`.
    """

    covered: float
    fine: float | None
    reasons: tuple[str, ...]

    @property
    def fair(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def fairness(pixels: Pixels, red_cell_px: float, cells: Sequence[FoundCell]) -> Fairness:
    """Measure a field (uint8, height x width x 3) whose red cells are so many pixels wide, white cells left out."""
    factor = _PX / red_cell_px
    height, width, _ = pixels.shape
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))
    green = DENSITY[small][..., 1].astype(np.float32)
    covered, fine = _covered(green, _white(green.shape, cells, factor)), _fine(green)
    reasons = []
    if covered > _MOST_COVERED:
        reasons.append(THICK)
    elif covered < _LEAST_COVERED:
        reasons.append(THIN)
    # Without red cells there is nothing that could be sharp.
    if fine is not None and covered >= _LEAST_COVERED / 2 and fine < _LEAST_FINE:
        reasons.append(BLURRED)
    return Fairness(covered, fine, tuple(reasons))


def words(covered: float, reasons: Sequence[str]) -> str:
    """Why a field is fair to count in, or is not, as a sentence."""
    share = f"red cells cover {100 * covered:.0f}% of it"
    if not reasons:
        return f"Fair to count in: {share} and it is in focus."
    said = {
        THICK: f"too thick: {share} and lie upon one another",
        THIN: f"too thin: {share}",
        BLURRED: "out of focus",
    }
    return f"Not fair to count in: {', '.join(said[reason] for reason in reasons if reason in said)}."


def _white(shape: tuple[int, ...], cells: Sequence[FoundCell], factor: float) -> Flags:
    """Where white cells lie in the measured picture."""
    white = np.zeros(shape, bool)
    for cell in cells:
        x, y = max(0, int(cell.x * factor) - 2), max(0, int(cell.y * factor) - 2)
        white[y : int((cell.y + cell.height) * factor) + 2, x : int((cell.x + cell.width) * factor) + 2] = True
    return white


def _covered(green: Floats, white: Flags) -> float:
    """Share of what is no white cell that is darker than glass, by half of Otsu's threshold above the glass nearby."""
    height, width = green.shape
    smooth = ndimage.gaussian_filter(green, 0.8)
    glass = np.asarray(Image.fromarray(_glass(smooth)).resize((width, height), Image.Resampling.BILINEAR))
    above = (smooth - glass)[~white]
    if len(above) < _SQUARE:
        return 0.0
    hist, edges = np.histogram(np.clip(above, -0.05, 1.0), bins=200)
    middle = (edges[1:] + edges[:-1]) / 2
    below = hist.cumsum() / hist.sum()
    sums = (hist * middle).cumsum() / hist.sum()
    apart = (sums[-1] * below - sums) ** 2 / np.maximum(below * (1 - below), 1e-6)
    threshold = float(middle[apart.argmax()])
    # Glass alone has no two levels: what is no darker than its noise is not covered.
    return float((above > max(threshold / 2, 0.02)).mean())


def _glass(smooth: Floats) -> Floats:
    """Density of glass around each place, at a quarter of the size: the 4th of a hundred in five red cells' width.

    It is taken at every third place of the quarter: what is smoothed so far has no finer structure.
    """
    quarter = smooth[::4, ::4]
    side, apart = int(5 * _PX / 4), 3
    around = np.pad(quarter, side // 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(around, (side, side))[::apart, ::apart]
    rank = int(0.04 * side * side)
    coarse = np.empty(windows.shape[:2], np.float32)
    for row, line in enumerate(windows):  # a row at a time: all windows of a large field would be a gigabyte
        coarse[row] = np.partition(line.reshape(len(line), -1), rank, axis=1)[:, rank]
    coarse = ndimage.gaussian_filter(coarse, 8 / apart)
    rows, columns = (np.arange(length) / apart for length in quarter.shape)
    between = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(ndimage.map_coordinates(coarse, between, order=1, mode="nearest"), np.float32)


def _fine(green: Floats) -> float | None:
    """How much of the structure is fine, as :class:`Fairness` says."""
    side = min(_SQUARE, *green.shape)
    window = np.hanning(side)[:, None] * np.hanning(side)
    cycles = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * _PX
    fine, coarse = ((cycles > low) & (cycles <= high) for low, high in (_FINE, _MIDDLE))
    height, width = green.shape
    found = []
    for top in range(0, height - side + 1, max(1, side // 2)):
        for left in range(0, width - side + 1, max(1, side // 2)):
            square = green[top : top + side, left : left + side]
            power = np.abs(np.fft.rfft2((square - square.mean()) * window)) ** 2
            if power[coarse].sum() > 1:
                found.append(np.log10(max(float(power[fine].sum()), 1e-9) / float(power[coarse].sum())))
    return float(np.median(found)) if found else None
