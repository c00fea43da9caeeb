"""Every image of a project as rows of arrays, in order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.column_table import LEAST, Column, ColumnTable
from hemosight.space.embeddings import Vectors

WAITING, READ, UNREADABLE = 0, 1, 2
"""Values of :attr:`ImageColumns.status`: no embedding yet; embedded; the file cannot be read."""


class ImageColumns(ColumnTable):
    """Images and their embeddings.

    Parameters
    ----------
    dimensions
        Length of a vector.
    """

    COLUMNS: ClassVar = {
        "ids": Column(np.int64),
        "case": Column(np.int64, -1),
        "status": Column(np.uint8),
        "novelty": Column(np.float32, np.nan),
        "x": Column(np.float32, np.nan),
        "y": Column(np.float32, np.nan),
        "outside": Column(np.bool_),  # in a case of which other cells were drawn to be counted
        "stamp": Column(np.int64),  # the event after which the row last changed
        "vectors": Column(np.float32, wide=True),
    }
    ids: NDArray[np.int64]
    case: NDArray[np.int64]
    status: NDArray[np.uint8]
    novelty: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    outside: NDArray[np.bool_]
    stamp: NDArray[np.int64]
    vectors: Vectors

    def __init__(self, dimensions: int) -> None:
        super().__init__(LEAST, dimensions)
        self.count = 0
        self.row_of: dict[int, int] = {}

    def add(self, ids: Sequence[int], cases: Sequence[int | None], stamp: int) -> NDArray[np.int64]:
        """Append images, which wait for their embeddings. Returns their rows."""
        rows = np.arange(self.count, self.count + len(ids))
        if self.count + len(ids) > len(self.ids):
            self.lengthen(max(self.count + len(ids), 2 * len(self.ids)))
        self.ids[rows] = ids
        self.case[rows] = [-1 if case is None else case for case in cases]
        self.stamp[rows] = stamp
        self.row_of.update(zip(ids, rows.tolist(), strict=True))
        self.count += len(ids)
        return rows

    def set_cases(self, cases: Mapping[int, int | None], stamp: int) -> None:
        """Put images into their cases, image -> case; rows whose case stays are left alone."""
        rows = self.rows(list(cases))
        now = np.array([-1 if case is None else case for case in cases.values()], np.int64)
        differs = (rows >= 0) & (self.case[rows] != now)
        self.case[rows[differs]] = now[differs]
        self.stamp[rows[differs]] = stamp

    def set_counted(self, chosen: Mapping[int, Collection[int]], stamp: int) -> None:
        """Say which images count, case -> its images that do; every image of other cases counts."""
        lengths = np.array([len(images) for images in chosen.values()], np.int64)
        cases = np.array(list(chosen), np.int64)
        rows = self.rows([image for images in chosen.values() for image in images])
        # A cell that was moved since it was drawn is none of the case that it was drawn for.
        drawn = rows[(rows >= 0) & (self.case[rows] == np.repeat(cases, lengths))]
        now = np.isin(self.case[: self.count], cases)
        now[drawn] = False
        differs = np.flatnonzero(now != self.outside[: self.count])
        self.outside[differs] = now[differs]
        self.stamp[differs] = stamp

    def embed(
        self,
        rows: NDArray[np.int64],
        vectors: Sequence[bytes | None],
        novelty: Sequence[float | None],
        positions: Sequence[tuple[float | None, float | None]],
        stamp: int,
    ) -> None:
        """Store embeddings that have arrived.

        ``vectors`` are little-endian float32, None where the image is unreadable; ``positions`` are places on the
        landscape, None where the bundle has none.
        """
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            if vector is not None:
                self.vectors[row] = np.frombuffer(vector, "<f4")
        self.status[rows] = [UNREADABLE if vector is None else READ for vector in vectors]
        self.novelty[rows] = np.array(novelty, np.float32)  # None becomes nan
        self.x[rows], self.y[rows] = np.array(positions, np.float32).reshape(-1, 2).T
        self.stamp[rows] = stamp

    def rows(self, images: Sequence[int]) -> NDArray[np.int64]:
        """Rows of images, -1 where there is none."""
        return np.array([self.row_of.get(image, -1) for image in images], np.int64)

    def embedded(self) -> NDArray[np.int64]:
        """Rows that have a vector."""
        return np.flatnonzero(self.status[: self.count] == READ)

    def waiting(self) -> list[int]:
        """Numbers of the images without an embedding."""
        return self.ids[: self.count][self.status[: self.count] == WAITING].tolist()

    def order(self) -> NDArray[np.int64]:
        """Rows in the order of ids. Uploads side by side arrive out of order."""
        ids = self.ids[: self.count]
        return np.arange(self.count) if (np.diff(ids) > 0).all() else np.argsort(ids, kind="stable")
