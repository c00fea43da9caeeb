"""Telling the finer types of a type apart, from a laboratory's own labels.

The classifier of a bundle tells nine types; a laboratory that adds a finer one (band under neutrophil) has ten labels
of it, not a thousand. Two things follow. A label of a finer type teaches the type above it as well, whose readings
must not suffer from a finer type that few labels describe. And among the cells of one type the finer ones are told by
a discriminant of their own, fitted on the laboratory's labels alone: its covariance is estimated from few cells and so
shrunk towards equal spread in all directions, which tells finer types better than the bundle's covariance does
(docs/decisions/0014-finer-types.md). What is read is the product: the probability of the type, shared among its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors
from hemosight.space.incremental_lda import IncrementalLDA
from hemosight.space.linear_classifier import LinearClassifier

LEAST = 10
"""Cells of a type that are not of its most labelled finer type, at least; as many as that has, where it has more."""

Codes = NDArray[np.int64]
StandIns = Callable[[int, int], Codes]
"""A type's column and how many -> that many cells that are read as the type and have no label."""


@dataclass(frozen=True)
class FinerSplit:
    """How the probability of one type is shared.

    Parameters
    ----------
    parent
        Column of the type.
    columns
        Where its shares go, in the order of the classifier's classes: its own column first.
    classifier
        Tells the type's finer ones, and what is none of them.
    """

    parent: int
    columns: Codes
    classifier: LinearClassifier

    def share(self, probabilities: NDArray[np.float64], vectors: Vectors) -> None:
        """Share the type's probability (cells x classes) in place; rows keep their sum."""
        shares = self.classifier.probabilities(vectors)
        probabilities[:, self.columns] = probabilities[:, [self.parent]] * shares


class FinerTypes:
    """What tells finer types, of labels that come, change and go.

    Parameters
    ----------
    names
        All classes, in the order of the columns.
    parents
        Column of each finer type -> column of the type above it.
    vectors_of
        Cell numbers -> their vectors.
    dimensions
        Length of a vector.
    """

    def __init__(
        self,
        names: Sequence[str],
        parents: Mapping[int, int],
        vectors_of: Callable[[Codes], Vectors],
        dimensions: int,
    ) -> None:
        self._names = tuple(names)
        self._parents = dict(parents)
        self._vectors_of = vectors_of
        self._dimensions = dimensions
        self._code_of: dict[int, int] = {}
        self.upper = np.array([self._parents.get(code, code) for code in range(len(self._names))], np.int64)
        """For each column the one that its labels teach the classifier of the upper types."""

    def update(self, cells: Sequence[int], codes: Sequence[int]) -> None:
        """Label cells with column numbers; -1 withdraws a cell's label."""
        families = set(self._parents.values())
        for cell, code in zip(cells, codes, strict=True):
            if code >= 0 and int(self.upper[code]) in families:
                self._code_of[int(cell)] = int(code)
            else:
                self._code_of.pop(int(cell), None)

    def splits(self, stand_ins: StandIns) -> tuple[FinerSplit, ...]:
        """One for each type of which a finer one is labelled, in the order of the columns.

        Who labels ten band neutrophils has said nothing of the others: some of the laboratory's own cells that are read
        as neutrophils stand in for them (the bundle's cells are of other scanners, and would be told by that).
        """
        labelled = {self._parents[code] for code in self._code_of.values() if code in self._parents}
        found = (self._split(parent, stand_ins) for parent in sorted(labelled))
        return tuple(split for split in found if split is not None)

    def _split(self, parent: int, stand_ins: StandIns) -> FinerSplit | None:
        columns = [parent, *(code for code, upper in sorted(self._parents.items()) if upper == parent)]
        cells = {cell: columns.index(code) for cell, code in sorted(self._code_of.items()) if code in columns}
        counts = np.bincount(list(cells.values()), minlength=len(columns))
        largest = int(counts[1:].max())
        missing = max(LEAST, largest) - (len(cells) - largest)
        if missing > 0:
            cells = dict.fromkeys(stand_ins(parent, missing).tolist(), 0) | cells
        numbers = np.fromiter(cells, np.int64, len(cells))
        origin = self._vectors_of(numbers).mean(axis=0, dtype=np.float64)
        names = [self._names[code] for code in columns]
        learner = IncrementalLDA(names, self._vectors_of, self._dimensions, origin=origin)
        learner.update(numbers, np.fromiter(cells.values(), np.int64, len(cells)))
        classifier = learner.classifier()
        # Where every cell there is is of one finer type nothing is told apart yet.
        return None if classifier is None else FinerSplit(parent, np.array(columns, np.int64), classifier)
