"""The roll: every image of a project as rows of arrays, in order of arrival."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hemosight.space.embeddings import Vectors

WAITING, READ, UNREADABLE = 0, 1, 2
"""Values of :attr:`Roll.status`."""
_LEAST = 64


class Roll:
    """Images and their readings; arrays grow by doubling, rows never move.

    Arrays may be longer than :attr:`count`; rows beyond it mean nothing.

    Parameters
    ----------
    dimensions
        Length of a vector.
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self.row_of: dict[int, int] = {}
        self.ids = np.zeros(_LEAST, np.int64)
        self.case = np.full(_LEAST, -1, np.int64)
        self.status = np.zeros(_LEAST, np.uint8)
        self.novelty = np.full(_LEAST, np.nan, np.float32)
        self.x = np.full(_LEAST, np.nan, np.float32)
        self.y = np.full(_LEAST, np.nan, np.float32)
        self.stamp = np.zeros(_LEAST, np.int64)
        """Event after which the row last changed."""
        self.vectors: Vectors = np.zeros((_LEAST, dimensions), np.float32)

    def add(self, ids: Sequence[int], cases: Sequence[int | None], stamp: int) -> NDArray[np.int64]:
        """New images; gives their rows."""
        rows = np.arange(self.count, self.count + len(ids))
        self._room(self.count + len(ids))
        self.ids[rows] = ids
        self.case[rows] = [-1 if case is None else case for case in cases]
        self.stamp[rows] = stamp
        self.row_of.update(zip(ids, rows.tolist(), strict=True))
        self.count += len(ids)
        return rows

    def read(
        self,
        rows: NDArray[np.int64],
        vectors: Sequence[bytes | None],
        novelty: Sequence[float | None],
        places: Sequence[tuple[float | None, float | None]],
        stamp: int,
    ) -> None:
        """Readings have arrived; a vector is None where the image is unreadable."""
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            if vector is not None:
                self.vectors[row] = np.frombuffer(vector, "<f4")
        self.status[rows] = [UNREADABLE if vector is None else READ for vector in vectors]
        self.novelty[rows] = np.array(novelty, np.float32)  # None becomes nan
        self.x[rows], self.y[rows] = np.array(places, np.float32).reshape(-1, 2).T
        self.stamp[rows] = stamp

    def rows(self, images: Sequence[int]) -> NDArray[np.int64]:
        """Rows of images, -1 where there is none."""
        return np.array([self.row_of.get(image, -1) for image in images], np.int64)

    def order(self) -> NDArray[np.int64]:
        """Rows in the order of ids. Uploads side by side arrive out of order."""
        ids = self.ids[: self.count]
        return np.arange(self.count) if (np.diff(ids) > 0).all() else np.argsort(ids, kind="stable")

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.vectors.nbytes + 64 * len(self.ids)

    def _room(self, count: int) -> None:
        if count > len(self.ids):
            more = max(count, 2 * len(self.ids))
            for name in ("ids", "case", "status", "novelty", "x", "y", "stamp", "vectors"):
                setattr(self, name, grown(getattr(self, name), more, self.count))


def grown(array: NDArray, length: int, count: int, fill: float = 0) -> NDArray:
    """A longer copy of an array, of which ``count`` rows mean something."""
    new = (
        np.full((length, *array.shape[1:]), fill, array.dtype)
        if fill
        else np.zeros((length, *array.shape[1:]), array.dtype)
    )
    new[:count] = array[:count]
    return new
