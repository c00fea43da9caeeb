"""Support sets: labelled cells, in one or several label sets (cell type, an attribute, a laboratory's own)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.errors import BadTable, UnknownName
from hemosight.space.embeddings import Embeddings


@dataclass(frozen=True)
class SupportSet:
    """Labelled cells: what turns points of the landscape into classes.

    Parameters
    ----------
    embeddings
        Where the labelled cells lie.
    labels
        For each label set, one label a cell, None where the cell has none in that set.
    sources
        Where each cell comes from, one a cell.
    """

    embeddings: Embeddings
    labels: Mapping[str, tuple[str | None, ...]]
    sources: tuple[str | None, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.sources:
            object.__setattr__(self, "sources", (None,) * len(self.embeddings))
        for name, column in {**self.labels, "sources": self.sources}.items():
            if len(column) != len(self.embeddings):
                raise BadTable(
                    expected=f"one {name} entry for each of {len(self.embeddings)} cells",
                    came=str(len(column)),
                    path="the support set",
                    mend="Give None where a cell has no label.",
                )

    def __len__(self) -> int:
        return len(self.embeddings)

    def __contains__(self, cell: str) -> bool:
        return cell in self._ids

    @property
    def _ids(self) -> frozenset[str]:
        cached = self.__dict__.get("_id_set")
        if cached is None:
            cached = frozenset(self.embeddings.ids)
            object.__setattr__(self, "_id_set", cached)
        return cached

    def classes(self, label_set: str = CELL_TYPE) -> tuple[str, ...]:
        """The classes of one label set, sorted."""
        return tuple(sorted({label for label in self._column(label_set) if label is not None}))

    def labelled(self, label_set: str = CELL_TYPE) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """Vectors (cells x dimensions) and labels of the cells that have one in this set."""
        column = self._column(label_set)
        rows = np.array([row for row, label in enumerate(column) if label is not None], np.int64)
        return self.embeddings.vectors[rows], np.array([column[row] for row in rows], np.str_)

    def counts(self, label_set: str = CELL_TYPE) -> dict[str, int]:
        """How many cells each class has."""
        column = self._column(label_set)
        return {name: column.count(name) for name in self.classes(label_set)}

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> SupportSet:
        """These cells, in this order."""
        rows = [int(row) for row in rows]
        labels = {name: tuple(column[row] for row in rows) for name, column in self.labels.items()}
        return replace(
            self, embeddings=self.embeddings.take(rows), labels=labels, sources=tuple(self.sources[row] for row in rows)
        )

    def _column(self, label_set: str) -> tuple[str | None, ...]:
        if label_set not in self.labels:
            raise UnknownName(kind="label set", choices=", ".join(self.labels), name=label_set)
        return self.labels[label_set]
