"""A fitted classifier of the landscape: one affine map and a temperature, whatever it was fitted by.

Being nothing but arrays, a reader is stored without pickles and read without the library that fitted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hemosight.space.embeddings import Vectors


@dataclass(frozen=True)
class LinearClassifier:
    """Turns vectors into calibrated probabilities: softmax of ``slope * (vectors @ weight + bias)``.

    Parameters
    ----------
    classes
        Names, in the order of the columns.
    weight
        dimensions x classes.
    bias
        One value a class.
    slope
        Inverse temperature of the calibration; it changes how sure the reader is, never what it says.
    """

    classes: tuple[str, ...]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    slope: float

    def over(self, classes: Sequence[str]) -> LinearClassifier:
        """The same reader with its columns in this order; a class it does not know is never read.

        Raises ``ValueError`` where one of its own classes is missing.
        """
        if tuple(classes) == self.classes:
            return self
        column = [list(classes).index(name) for name in self.classes]
        weight, bias = np.zeros((len(self.weight), len(classes))), np.full(len(classes), -np.inf)
        weight[:, column], bias[column] = self.weight, self.bias
        return LinearClassifier(tuple(classes), weight, bias, self.slope)

    def scores(self, vectors: Vectors) -> NDArray[np.float64]:
        """Uncalibrated scores, cells x classes."""
        return vectors.astype(np.float64) @ self.weight + self.bias

    def probabilities(self, vectors: Vectors, temperatures: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Calibrated probabilities, cells x classes; rows sum to one.

        ``temperatures`` are one a cell, by which its scores are divided besides
        (:mod:`hemosight.space.familiarity`); they change how sure a reading is, never what it says.
        """
        scaled = self.slope * self.scores(vectors)
        return softmax(scaled if temperatures is None else scaled / temperatures[:, None], axis=1)

    def predict(self, vectors: Vectors) -> NDArray[np.str_]:
        """The most probable class of each cell."""
        return np.array(self.classes, np.str_)[self.scores(vectors).argmax(axis=1)]
