"""An opinion: what people said of a project's cells in one label set, and what its reader makes of every cell."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.roll import READ, Roll, grown
from hemosight.sheet.palette import UNSURE
from hemosight.space.readers import Reader
from hemosight.space.teaching import Lessons
from hemosight.study.metrics import Scores

NOTHING, UNDECIDED = -1, -2
"""Values of :attr:`Opinion.label` besides columns: nobody said anything (any more); somebody is unsure."""
TOLERANCE = 0.005
"""A cell whose probability moved less is not sent again; its type and its label always are."""


@dataclass(frozen=True)
class Question:
    """A label set: what is asked of every cell."""

    id: int
    name: str
    title: str
    kind: str
    classes: tuple[dict[str, Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns."""
        return tuple(facts["name"] for facts in self.classes)


@dataclass(frozen=True)
class Word:
    """What stands for an image: a label, ``?``, or None where it was withdrawn; the fact and who said it."""

    label: str | None
    version: int
    by: int


class Opinion:
    """Labels and predictions of one label set, row by row with the roll. Guarded by its desk's lock.

    Parameters
    ----------
    question
        The label set.
    roll
        The project's images.
    alone
        The bundle's reader; None for a label set of the project's own.
    seen
        The event up to which everything is known.
    """

    def __init__(self, question: Question, roll: Roll, alone: Reader | None, seen: int) -> None:
        self.question = question
        self.names = question.names
        self._codes = {name: code for code, name in enumerate(self.names)} | {UNSURE: UNDECIDED}
        self._roll = roll
        length = len(roll.ids)
        self.label = np.full(length, NOTHING, np.int16)
        self.version = np.zeros(length, np.int64)
        self.by = np.full(length, -1, np.int64)
        self.predicted = np.full(length, NOTHING, np.int16)
        self.alone = np.full(length, NOTHING, np.int16)
        """What the bundle alone reads."""
        self.probabilities = np.zeros((length, len(self.names)), np.float32)
        self.stamp = np.zeros(length, np.int64)
        self._told = np.zeros(length, np.float32)
        """The probability last stamped: small steps in one direction add up."""
        self.floor = seen
        """Changes are known from this event on."""
        self._bundle_reader = alone
        self.reader = alone
        self.lessons: Lessons | None = None
        self.learning = threading.Lock()
        """Held by who works with the lessons, which takes longer than the desk may be locked."""
        self.pending: dict[int, int] = {}
        """Lessons not learnt yet: row -> column, -1 for a lesson to take back."""
        self.stale = False
        """Whether the reader must be fitted again although there is no lesson pending."""
        self.owed_from: int | None = None
        """The event up to which labels *and* predictions are complete; None where nothing is owed."""
        self.heard = 0
        """The last fact that the reader was fitted after."""
        self.taught = 0
        """The last fact that the reader has learnt; 0 for the bundle alone."""
        self.fits = 0
        """How often the reader was fitted."""
        self.score: tuple[int, Scores | None] | None = None
        """How well labelled cells are read when left out, and after which fit that was worked out."""
        self.due = False
        """Whether whoever looks should wait for the refit that is owed."""
        self.mine, self.told = 0, 0
        """The newest fact that this process wrote, and the newest of which browsers know what it moved."""
        self.untold: dict[int, tuple[int, int, float]] = {}
        """What moved since browsers were told: image -> from, to, probability."""
        self.settled = threading.Event()
        self.settled.set()

    # --- what people say ---

    def hear(self, row: int, word: Word, stamp: int) -> None:
        """What stands for a row now. Raises ``KeyError`` for a label that is not one of the classes."""
        self.make_room()
        code = NOTHING if word.label is None else self._codes[word.label]
        self.label[row], self.version[row], self.by[row], self.stamp[row] = code, word.version, word.by, stamp
        if self._roll.status[row] == READ:
            self.pending[row] = max(code, NOTHING)

    def owe(self, since: int) -> None:
        """Predictions have to follow; ``since`` is the event up to which they were complete."""
        if self.owed_from is None:
            self.owed_from = since
        self.settled.clear()

    # --- what the reader makes of it ---

    def arrive(self, rows: NDArray[np.int64], stamp: int) -> None:
        """Rows that were read: they get a prediction of the reader as it is, and teach if they were labelled before."""
        self.make_room()
        rows = rows[self._roll.status[rows] == READ]
        if not len(rows):
            return
        vectors = self._roll.vectors[rows]
        if self._bundle_reader is not None:
            self.alone[rows] = self._bundle_reader.scores(vectors).argmax(axis=1)
        if self.reader is not None:
            self.put(rows, self.reader.probabilities(vectors).astype(np.float32), stamp)
        self.stamp[rows] = stamp
        for row in rows[self.label[rows] >= 0].tolist():
            self.pending[row] = int(self.label[row])

    def put(self, rows: NDArray[np.int64], probabilities: NDArray[np.float32], stamp: int) -> NDArray[np.int16]:
        """New predictions; gives the old ones. Stamps what differs enough to be told."""
        before = self.predicted[rows].copy()
        after = probabilities.argmax(axis=1).astype(np.int16)
        best = probabilities.max(axis=1)
        moved = (before != after) | (np.abs(best - self._told[rows]) > TOLERANCE)
        self.probabilities[rows], self.predicted[rows] = probabilities, after
        self.stamp[rows[moved]] = stamp
        self._told[rows[moved]] = best[moved]
        return before

    def forget(self, stamp: int) -> None:
        """No reader any more: fewer than two classes have a cell left."""
        rows = np.flatnonzero(self.predicted[: self._roll.count] >= 0)
        self.predicted[rows], self.probabilities[rows], self.stamp[rows] = NOTHING, 0, stamp
        self._told[rows] = 0

    def make_room(self) -> None:
        """Make the columns as long as the roll."""
        length, count = len(self._roll.ids), len(self.label)
        if length > count:
            for name, fill in (("label", NOTHING), ("by", -1), ("predicted", NOTHING), ("alone", NOTHING)):
                setattr(self, name, grown(getattr(self, name), length, count, fill))
            for name in ("version", "probabilities", "stamp", "_told"):
                setattr(self, name, grown(getattr(self, name), length, count))

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.probabilities.nbytes + 40 * len(self.label) + (self._lessons_size if self.lessons else 0)

    @property
    def _lessons_size(self) -> int:
        return 8 * self._roll.vectors.shape[1] ** 2
