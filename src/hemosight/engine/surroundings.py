"""What lies around new cells: novelty, nearest known cells and place on the map, by one search among the known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.engine.bundle import Bundle
from hemosight.space import novelty
from hemosight.space.embeddings import Vectors
from hemosight.space.landscape import Positions
from hemosight.space.neighbours import Product, nearest, squared_norms
from hemosight.space.one_thread import one_thread

NEIGHBOURS = 20
"""Nearest known cells that are told of each cell, where the bundle has as many."""


@dataclass(frozen=True)
class Surroundings:
    """What lies around some cells.

    Parameters
    ----------
    novelties
        One a cell (:mod:`hemosight.space.novelty`).
    rows, distances
        Rows of the bundle's labelled cells, nearest first, and their distances; cells x :data:`NEIGHBOURS`.
    places
        On the bundle's map, cells x 2; None where it has none.
    """

    novelties: NDArray[np.float64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]
    places: Positions | None


class Surveyor:
    """Looks around new cells: one matrix product serves novelty, neighbours and place, which would take one each.

    Parameters
    ----------
    bundle
        Whose labelled cells are the known ones.
    product
        Multiplies vectors with those of the known cells (:meth:`hemosight.engine.backends.Backend.product`); plain
        numpy where None.
    """

    def __init__(self, bundle: Bundle, product: Product | None = None) -> None:
        self._bundle = bundle
        self._reference = bundle.support.embeddings.vectors
        self._norms = squared_norms(self._reference)
        self._product = product

    def look(self, vectors: Vectors) -> Surroundings:
        """What lies around these cells (cells x dimensions)."""
        landscape = self._bundle.landscape
        k = max(NEIGHBOURS, novelty.NEIGHBOURS, 0 if landscape is None else landscape.looks_at)
        with one_thread():  # others read meanwhile
            found = rows, distances = nearest(vectors, self._reference, k, norms=self._norms, product=self._product)
            places = None if landscape is None else landscape.place(vectors, found)
            novelties = self._bundle.novelty.score(vectors, found)
        return Surroundings(novelties, rows[:, :NEIGHBOURS], distances[:, :NEIGHBOURS], places)
