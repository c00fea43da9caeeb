"""What a review is measured by, kept up label by label: each cell's first judgement, and what was labelled in bulk.

The queue asks for it after every label. It says what :func:`hemosight.service.storage.judgements.judgements` says of
the same records, but a record is read once, and cells without a new one are not gone through again.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.palette import UNSURE
from hemosight.scoring.agreement import Judgement
from hemosight.service.storage import judgements
from hemosight.service.storage.database import Database

_SIZE = 400
"""Bytes that a record takes in memory."""


class _Record(NamedTuple):
    """Of a label record what judgements are worked out from."""

    id: int
    image_id: int
    user_id: int
    kind: str
    label: str | None
    predicted: str | None
    undoes: int | None
    bundle_id: int
    alone: bool
    """Whether it was labelled by itself (:func:`~hemosight.service.storage.judgements.alone`)."""


def _once(name: str | None) -> str | None:
    """The same name, kept once in memory for all records that say it."""
    return None if name is None else sys.intern(name)


class FirstJudgements:
    """The first judgement of each cell in one label set; safe to use from several threads.

    Parameters
    ----------
    project, label_set
        Their numbers.
    """

    def __init__(self, project: int, label_set: int) -> None:
        self._project = project
        self._label_set = label_set
        self._lock = threading.Lock()
        self._until = 0
        self._count = 0
        self._records: dict[int, list[_Record]] = {}
        self._first: dict[int, _Record] = {}
        """Image -> the record that is its first judgement."""
        self._bulk: set[int] = set()

    def take_in(self, database: Database) -> None:
        """Read the records that have come since. Call it without a connection: who waits for others needs none."""
        with self._lock:
            with database.session() as session:
                found = judgements.records(session, self._project, self._label_set, after=self._until)
            sizes = Counter(row.request for row in found)  # a request writes all its records in one transaction
            # A row of a result keeps the whole result's description: for each label, many times what it says itself.
            news = [
                _Record(
                    row.id,
                    row.image_id,
                    row.user_id,
                    sys.intern(row.kind),
                    _once(row.label),
                    _once(row.predicted),
                    row.undoes,
                    row.bundle_id,
                    judgements.alone(row, sizes),
                )
                for row in found
            ]
            for row in news:
                self._until = row.id
                self._records.setdefault(row.image_id, []).append(row)
            self._count += len(news)
            for image in {row.image_id for row in news}:
                self._judge(image)

    def _judge(self, image: int) -> None:
        records = self._records[image]
        counted = judgements.standing(records)
        said = [row for row in records if row.id in counted and row.label != UNSURE]
        self._first.pop(image, None)
        self._bulk.discard(image)
        if said:
            self._first[image] = said[0]
        if not all(row.alone for row in said):
            self._bulk.add(image)

    def of(self, images: NDArray[np.int64], bundle: int) -> tuple[list[Judgement], set[int]]:
        """The first judgements of these images in order, and which of them have any that was given in bulk.

        ``bundle`` is the number of the project's: what another had read is left out, as
        :func:`~hemosight.service.storage.judgements.judgements` does.
        """
        with self._lock:
            firsts = sorted(self._first.values(), key=lambda row: row.id)
            bulk = set(self._bulk)
        here = np.isin(np.array([row.image_id for row in firsts], np.int64), images).tolist()
        found = [judgements.judgement(row, row.alone, bundle) for row, there in zip(firsts, here, strict=True) if there]
        return found, bulk.intersection(images[np.isin(images, list(bulk))].tolist())

    @property
    def size(self) -> int:
        """Bytes held."""
        return _SIZE * self._count
