"""Novelty: how far a crop lies from everything known.

The score is the mean distance to the five nearest labelled cells, in units of the distance that one known cell in
a hundred exceeds. Below 1 a crop lies where labelled cells lie; above 1 it lies farther out than 99% of them do
from one another: an unusual cell, another scanner, an artefact, or not a cell at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import nearest, squared_norms

NEIGHBOURS = 5
QUANTILE = 0.99
_SAMPLE = 2000
"""Known cells that set the unit; more would not move it."""


@dataclass(frozen=True)
class Novelty:
    """Measures distance from what is known.

    Parameters
    ----------
    reference
        Vectors of the known cells, cells x dimensions.
    unit
        The distance that has score 1.
    """

    reference: Vectors
    unit: float

    @classmethod
    def fit(cls, reference: Vectors, unit: float | None = None) -> Novelty:
        """Find the unit from the known cells themselves, unless it is given."""
        return cls(reference, float(unit) if unit else _unit(reference))

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        return squared_norms(self.reference)

    def score(self, vectors: Vectors) -> NDArray[np.float64]:
        """Scores, one a cell; 1 is as far out as the outermost percent of known cells."""
        _, distances = nearest(vectors, self.reference, NEIGHBOURS, norms=self._norms)
        return distances.mean(axis=1, dtype=np.float64) / self.unit


def _unit(reference: Vectors) -> float:
    if len(reference) < 2:
        return 1.0  # on the unit sphere, the distance between directions 60 degrees apart
    rows = np.arange(len(reference))
    if len(reference) > _SAMPLE:
        rows = np.random.default_rng(0).choice(rows, _SAMPLE, replace=False)
    # A known cell is its own nearest neighbour; the next ones tell how far known cells lie apart.
    _, distances = nearest(reference[rows], reference, NEIGHBOURS + 1)
    unit = float(np.quantile(distances[:, 1:].mean(axis=1), QUANTILE))
    return unit if unit > 1e-6 else 1.0
