"""Novelty: how far a crop lies from everything known.

The score is the distance from the nearest known class (:mod:`hemosight.space.class_distance`) where enough labelled
cells say how classes spread, and the mean distance to the five nearest labelled cells where they are few; either in
units of the distance that one known cell in a hundred exceeds. Below 1 a crop lies where labelled cells lie; above 1 it
lies farther out than 99% of them do: an unusual cell, another scanner, an artefact, or not a cell at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hemosight.space.class_distance import ClassDistance
from hemosight.space.embeddings import Vectors
from hemosight.space.neighbours import Neighbours, nearest, squared_norms

UNUSUAL = 1.0
"""A cell of a higher score is called unusual: on the contact sheet, the command line, the page."""
NEIGHBOURS = 5
QUANTILE = 0.99
SAMPLE = 2000
"""Known cells that set the unit; more would not move it."""


@dataclass(frozen=True)
class Novelty:
    """Measures distance from what is known.

    Parameters
    ----------
    reference
        Vectors of the known cells, cells x dimensions.
    unit
        The mean distance to the nearest known cells that has score 1.
    classes
        Measures by classes instead; None measures by the nearest cells.
    """

    reference: Vectors
    unit: float
    classes: ClassDistance | None = None

    @classmethod
    def fit(cls, reference: Vectors, unit: float | None = None, labels: NDArray[np.str_] | None = None) -> Novelty:
        """Find the unit from the known cells themselves, unless it is given.

        With ``labels``, one a cell, the distance is that from their classes where there are enough of them.
        """
        classes = None if labels is None else ClassDistance.fit(reference, labels)
        return cls(reference, float(unit) if unit else _unit(reference), classes)

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        return squared_norms(self.reference)

    def score(self, vectors: Vectors, found: Neighbours | None = None) -> NDArray[np.float64]:
        """Scores, one a cell; 1 is as far out as the outermost percent of known cells.

        ``found`` are the rows and distances of each cell's :data:`NEIGHBOURS` or more nearest known cells, for who has
        searched already; they are of use where novelty is measured by the nearest cells.
        """
        if self.classes is not None:
            return self.classes.score(vectors)
        _, distances = found or nearest(vectors, self.reference, NEIGHBOURS, norms=self._norms)
        return distances[:, :NEIGHBOURS].mean(axis=1, dtype=np.float64) / self.unit


def _unit(reference: Vectors) -> float:
    if len(reference) < 2:
        return 1.0  # on the unit sphere, the distance between directions 60 degrees apart
    rows = np.arange(len(reference))
    if len(reference) > SAMPLE:
        rows = np.random.default_rng(0).choice(rows, SAMPLE, replace=False)
    # A known cell is its own nearest neighbour; the next ones tell how far known cells lie apart.
    _, distances = nearest(reference[rows], reference, NEIGHBOURS + 1)
    unit = float(np.quantile(distances[:, 1:].mean(axis=1), QUANTILE))
    return unit if unit > 1e-6 else 1.0
