"""The default classifier, taught in rounds: a round adds its cells' sums and costs one Cholesky factorisation.

It reads exactly as :func:`hemosight.space.discriminant.fit` would on all cells given so far, in the order they were
given. Calibration costs one more factorisation a fold; it is made anew when the labels have grown by half, and
in between the last temperature stands, which changes how sure a reading is and never what it says.

Cells that correct a reference, with a weight and a change of mind, are :mod:`hemosight.space.teaching`'s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.space.discriminant import (
    FOLDS,
    Statistics,
    calibration_folds,
    estimate,
    solve,
    temperature_of,
)
from hemosight.space.embeddings import Vectors
from hemosight.space.readers import Reader

GROWTH = 1.5
"""Factor by which labels grow before the temperature is sought anew; it falls smoothly with their number."""


class Growing:
    """Labelled cells that become more.

    Parameters
    ----------
    vectors
        Every cell that may be labelled, cells x dimensions.
    classes
        Names of all classes that may occur, sorted; one without a label yet is never read.
    growth
        See :data:`GROWTH`; 1 calibrates at every reader.
    """

    def __init__(self, vectors: Vectors, classes: tuple[str, ...], growth: float = GROWTH) -> None:
        self.vectors = vectors
        self.classes = classes
        self.growth = growth
        self.rows = np.empty(0, np.int64)
        self._codes = np.empty(0, np.int64)
        origin = vectors.mean(axis=0, dtype=np.float64)
        nothing = Statistics.of(vectors[:0], self._codes, len(classes), origin)
        self._parts = [nothing] * FOLDS
        self._total = nothing
        self._origin = origin
        self._temperature = 0.0
        self._calibrated_at = 0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: NDArray[np.int64], labels: NDArray[np.str_]) -> None:
        """Label these rows; each may be labelled once."""
        before = len(self.rows)
        self.rows = np.concatenate([self.rows, rows])
        self._codes = np.concatenate([self._codes, np.searchsorted(np.array(self.classes), labels)])
        fold, codes = calibration_folds(self._codes)[before:], self._codes[before:]
        for number in np.unique(fold).tolist():
            mine = fold == number
            added = Statistics.of(self.vectors[rows[mine]], codes[mine], len(self.classes), self._origin)
            self._parts[number] = self._parts[number] + added
            self._total = self._total + added

    def reader(self) -> Reader:
        """The classifier of all labels so far."""
        total, vectors = self._total, self.vectors[self.rows]
        amount = estimate(total, vectors, self._codes, np.ones(len(self.rows)))
        weight, bias = solve(total, amount)
        if len(self.rows) >= self.growth * self._calibrated_at:
            fold = calibration_folds(self._codes)
            self._temperature = temperature_of(self._parts, total, amount, vectors, self._codes, fold)
            self._calibrated_at = len(self.rows)
        return Reader(self.classes, weight, bias, 1.0 / self._temperature)
