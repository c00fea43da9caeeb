"""From which score something is taken for a white cell: fitted to fields that people looked at as a whole.

Most cells that a search misses have a pale or hidden nucleus that no score shows, and with a few errors in a hundred
cells the best threshold follows chance. So a threshold moves only where that is shown: each field is judged by the
threshold that all others would choose, and what this mends must outnumber what it spoils beyond chance (McNemar's
exact test, one-sided).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from hemosight.images.finding.cells import FOUND, SAME, FoundCell, shared

GRID = np.round(np.arange(0.05, 0.96, 0.05), 2)
"""Thresholds that are compared."""
LEAST_SEEN = 0.02
"""Score from which a candidate is looked at."""
CHANCE = 0.02
"""A threshold moves where so much would be mended by chance less often than this. The thresholds of the fields are not
independent of one another: it then moves without a reason in fewer than one of twenty projects."""


@dataclass(frozen=True)
class Judged:
    """A field that somebody looked at as a whole.

    Parameters
    ----------
    scores
        Of what the search sees there, however little it looks like a white cell, shape (n,).
    truth
        Which of them are white cells, shape (n,).
    unseen
        White cells of which the search sees nothing: no threshold finds them.
    """

    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    unseen: int = 0


@dataclass(frozen=True)
class Errors:
    """What a threshold misses, and what it takes for a white cell that is none."""

    missed: int
    false_cells: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.missed + self.false_cells


@dataclass(frozen=True)
class Fit:
    """What fields say of a threshold.

    Parameters
    ----------
    least
        The threshold to search with from now on.
    before
        Errors of the threshold so far.
    after
        Errors with thresholds that were chosen without the field they are judged on.
    mended, spoilt
        Candidates that those read right where the threshold so far was wrong, and the other way round.
    chance
        How often as much would be mended by chance.
    """

    least: float
    before: Errors
    after: Errors
    mended: int
    spoilt: int
    chance: float


def judged(candidates: Sequence[FoundCell], known: Sequence[FoundCell]) -> Judged:
    """What the search sees in a field, the surest first, beside the white cells that people left standing there."""
    left = list(known)
    truth = []
    for candidate in candidates:
        same = max(left, key=lambda cell: shared(candidate, cell), default=None)
        hit = same is not None and shared(candidate, same) >= SAME
        truth.append(hit)
        if hit and same is not None:
            left.remove(same)
    return Judged(np.array([cell.score for cell in candidates], np.float64), np.array(truth, np.bool_), len(left))


def fit(fields: Sequence[Judged], least: float = FOUND) -> Fit:
    """The threshold that fields ask for; the one so far (``least``) unless another is better beyond chance."""
    grid = np.unique(np.append(GRID, least))
    errors = np.array([[_errors(field, at).total for at in grid] for field in fields]).reshape(len(fields), len(grid))
    every = errors.sum(axis=0)
    after = Errors(0, 0)
    mended = spoilt = 0
    for field, own in zip(fields, errors, strict=True):
        chosen = _best(grid, every - own, least)
        found = _errors(field, chosen)
        after = Errors(after.missed + found.missed, after.false_cells + found.false_cells)
        right, was = ((field.scores >= at) == field.truth for at in (chosen, least))
        mended += int((right & ~was).sum())
        spoilt += int((was & ~right).sum())
    chance = float(binom.sf(mended - 1, mended + spoilt, 0.5)) if mended else 1.0
    so_far = [_errors(field, least) for field in fields]
    before = Errors(sum(one.missed for one in so_far), sum(one.false_cells for one in so_far))
    better = chance < CHANCE and after.total < before.total
    return Fit(_best(grid, every, least) if better else least, before, after, mended, spoilt, chance)


def _errors(field: Judged, least: float) -> Errors:
    taken = field.scores >= least
    return Errors(int((field.truth & ~taken).sum()) + field.unseen, int((taken & ~field.truth).sum()))


def _best(grid: NDArray[np.float64], errors: NDArray[np.int_], least: float) -> float:
    """The threshold of least errors; of several the one nearest to that so far."""
    lowest = grid[errors == errors.min()]
    return float(lowest[np.abs(lowest - least).argmin()])
