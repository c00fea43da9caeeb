"""What browsers are told when a classifier has followed the labels: which cells are read as another type now.

The process that wrote the labels tells, so that it is said once; others that have learnt as much see that it was said.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, cast, select

from hemosight.service.desk.label_set_state import LabelSetSpec
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import TaughtEvent
from hemosight.service.storage.tables import Event

MOVED_SHOWN = 500
"""Cells named in a ``taught`` event; the page reads the others as a delta of the columns."""

Move = tuple[int, str | None, str | None]
"""A cell that the classifier moved: image, class before and now (None: no reading)."""


@dataclass(frozen=True)
class TaughtNews:
    """A label set has been learnt up to a label record, and these cells moved."""

    label_set: str
    taught_until: int
    moved: list[Move]


@dataclass
class _Announced:
    """What browsers know of one label set."""

    written: int = 0
    """The newest label record that this process wrote."""
    announced: int = 0
    """The newest label record of which browsers know what it moved."""
    moved: dict[int, tuple[int, int]] = field(default_factory=dict)
    """What moved since then: image -> class number before, after."""


class Notifier:
    """Keeps what moved in each label set of a project until this process has to tell. Guarded by the project's lock,
    but for :meth:`send`.

    Parameters
    ----------
    project
        Its number.
    database
        Where events are written.
    """

    def __init__(self, project: int, database: Database) -> None:
        self._project = project
        self._database = database
        self._announced: dict[int, _Announced] = {}

    def begin(self, label_set: int) -> None:
        """A label set is loaded anew: moves noted before mean nothing any more; what is still to be told stays so."""
        self._announced.setdefault(label_set, _Announced()).moved.clear()

    def pending(self) -> list[int]:
        """Label sets of which this process still has to tell what its labels moved."""
        return [label_set for label_set, state in self._announced.items() if state.written > state.announced]

    def wrote(self, label_set: int, version: int) -> None:
        """Note that this process has written labels, up to a record."""
        state = self._announced[label_set]
        state.written = max(state.written, version)

    def moved(
        self, label_set: int, images: NDArray[np.int64], before: NDArray[np.int16], after: NDArray[np.int16]
    ) -> None:
        """Note cells that are read as another class than before; one that moves back is not news.

        All arrays are one value a moved cell: its number, class numbers.
        """
        moves = self._announced[label_set].moved
        for image, old, new in zip(images.tolist(), before.tolist(), after.tolist(), strict=True):
            origin = moves[image][0] if image in moves else old
            moves[image] = (origin, new)
            if origin == new:
                del moves[image]

    def announced_elsewhere(self, label_set: int) -> None:
        """Another process has told what moved, and it moved here alike."""
        state = self._announced[label_set]
        if state.written <= state.announced:
            state.moved.clear()

    def news(self, spec: LabelSetSpec, learnt: int) -> TaughtNews | None:
        """What to send now that labels up to record ``learnt`` are in; None where this process has nothing to tell."""
        state = self._announced[spec.id]
        if not state.announced < state.written <= learnt:
            return None
        names, state.announced = (*spec.names, None), learnt  # -1, no reading, is the last
        moved: list[Move] = [(image, names[before], names[after]) for image, (before, after) in state.moved.items()]
        state.moved.clear()
        return TaughtNews(spec.name, learnt, moved)

    def send(self, news: TaughtNews) -> None:
        """Write the event, unless another process has learnt as much and said so. Call it without the lock."""
        known = (
            select(Event.id)
            .where(Event.project_id == self._project, Event.kind == "taught")
            .where(Event.data["label_set"].astext == news.label_set)
            .where(cast(Event.data["taught_until"].astext, BigInteger) >= news.taught_until)
        )
        with self._database.session() as session:
            events.take_turn(session, self._project)
            if session.scalar(known.limit(1)) is None:
                event = TaughtEvent(
                    label_set=news.label_set,
                    taught_until=news.taught_until,
                    moved=news.moved[:MOVED_SHOWN],
                    moved_count=len(news.moved),
                )
                events.tell(session, self._project, event)
