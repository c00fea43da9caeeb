"""Agreement of several readers beyond chance: Fleiss' kappa and Gwet's AC1, with intervals over cells.

Both generalise to cells that some readers left out (Gwet 2014, *Handbook of Inter-Rater Reliability*, ch. 2 and 3).
Kappa falls where one type is much more common than the others although readers agree well; AC1 was made not to (Gwet
2008, Br J Math Stat Psychol 61:29-48). Show both. Cohen's kappa of two readers: :mod:`hemosight.scoring.agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """A coefficient of agreement.

    Parameters
    ----------
    value, low, high
        The coefficient and its 95 % interval (t distribution over cells); None where chance alone explains everything
        or no cell was read twice.
    share
        Observed agreement: how often two readers of a cell say the same; None where no cell was read twice.
    cells
        Cells that at least one reader read.
    """

    value: float | None
    low: float | None
    high: float | None
    share: float | None
    cells: int


def counted(labels: Sequence[Sequence[str | None]], classes: Sequence[str]) -> Counts:
    """How many readers put each cell into each class: cells x classes. ``labels`` are cells x readers."""
    place = {name: column for column, name in enumerate(classes)}
    counts = np.zeros((len(labels), len(classes)))
    for row, said in enumerate(labels):
        for label in said:
            if label is not None:
                counts[row, place[label]] += 1
    return counts


def fleiss(counts: ArrayLike) -> Chance:
    """Fleiss' kappa (1971, Psychological Bulletin 76:378-382) of cells x classes, each the number of readers.

    Chance agreement is that of the classes' overall shares. The variance does not assume kappa to be 0 (Gwet 2014).
    """
    r = _read(counts)
    shares = (r / r.sum(axis=1, keepdims=True)).mean(axis=0)
    chance = float((shares**2).sum())
    of_cell = (r * shares).sum(axis=1) / r.sum(axis=1)
    return _coefficient(r, chance, of_cell)


def gwet(counts: ArrayLike) -> Chance:
    """Gwet's first-order coefficient AC1 of cells x classes, each the number of readers.

    Chance agreement is that of readers who guess only where they do not know: at most 1 / classes. Classes that nobody
    used belong in ``counts`` as columns of zeros, since they are answers that chance could have given.
    """
    r = _read(counts)
    classes = r.shape[1]
    if classes < 2:
        return Chance(None, None, None, None, len(r))
    shares = (r / r.sum(axis=1, keepdims=True)).mean(axis=0)
    chance = float((shares * (1 - shares)).sum()) / (classes - 1)
    of_cell = (r * (1 - shares)).sum(axis=1) / r.sum(axis=1) / (classes - 1)
    return _coefficient(r, chance, of_cell)


def _read(counts: ArrayLike) -> Counts:
    r = np.asarray(counts, np.float64)
    if r.ndim != 2:
        raise ValueError(f"expected cells x classes; came {r.shape}")
    return r[r.sum(axis=1) > 0]


def _coefficient(r: Counts, chance: float, chance_of_cell: Counts) -> Chance:
    """The coefficient and its linearised variance over cells (Gwet 2008, formula 24; 2014, appendix)."""
    n, readers = len(r), r.sum(axis=1)
    twice = readers >= 2
    if not twice.any():
        return Chance(None, None, None, None, n)
    pairs = np.zeros(n)
    pairs[twice] = (r[twice] * (r[twice] - 1)).sum(axis=1) / (readers[twice] * (readers[twice] - 1))
    share = float(pairs[twice].mean())
    if chance > 1 - 1e-12:
        return Chance(None, None, None, share, n)
    value = (share - chance) / (1 - chance)
    if n < 2:
        return Chance(value, -1.0, 1.0, share, n)
    of_cell = np.where(twice, n / twice.sum() * (pairs - chance * twice) / (1 - chance), 0.0)
    linear = of_cell - 2 * (1 - value) * (chance_of_cell - chance) / (1 - chance)
    deviation = sqrt(float(((linear - value) ** 2).sum()) / (n * (n - 1)))
    half = float(stats.t.ppf(0.975, n - 1)) * deviation
    return Chance(value, max(value - half, -1.0), min(value + half, 1.0), share, n)
