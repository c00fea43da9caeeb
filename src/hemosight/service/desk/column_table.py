"""Arrays of equal length that grow together: what a project in memory is kept in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

LEAST = 64
"""Rows allocated at first."""


class Column(NamedTuple):
    """One column: its type, the value of a row that nothing is known of, whether a row is itself a vector."""

    dtype: DTypeLike
    fill: float = 0
    wide: bool = False


class ColumnTable:
    """Arrays under the names of :attr:`COLUMNS`, which a subclass lists; they grow by doubling, rows never move.

    Arrays are longer than the rows in use; rows beyond those hold the fill value.

    Parameters
    ----------
    length
        Rows allocated.
    width
        Length of a row of the wide columns.
    """

    COLUMNS: ClassVar[Mapping[str, Column]]

    def __init__(self, length: int, width: int) -> None:
        self._width = width
        for name, column in self.COLUMNS.items():
            setattr(self, name, self._empty(column, length))

    def lengthen(self, length: int) -> None:
        """Allocate at least so many rows."""
        for name, column in self.COLUMNS.items():
            old = getattr(self, name)
            if len(old) < length:
                new = self._empty(column, length)
                new[: len(old)] = old
                setattr(self, name, new)

    def taken(self, rows: NDArray[np.int64], *names: str) -> dict[str, Any]:
        """Copies of some columns, in the order of ``rows``."""
        return {name: getattr(self, name)[rows] for name in names}

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.COLUMNS)

    def _empty(self, column: Column, length: int) -> NDArray:
        shape = (length, self._width) if column.wide else (length,)
        # Zeros cost nothing until they are written to, and vectors are most of what is held.
        return np.full(shape, column.fill, column.dtype) if column.fill else np.zeros(shape, column.dtype)
