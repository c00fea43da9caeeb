"""Events: what browsers are told, written in the transaction that makes it true."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from hemosight.service.storage import freshness
from hemosight.service.storage.live_events import StoredEvent
from hemosight.service.storage.tables import Event, Project

CHANNEL = "hemosight_events"
"""PostgreSQL notifies ``<project> <event id>`` here when an event commits."""
KEPT = datetime.timedelta(days=1)
"""How long a browser may have been away and still miss nothing."""
_TURN = 0x48534F54
"""First key of the advisory lock that orders a project's facts and events; the migration's triggers take the same."""


def take_turn(session: Session, project_id: int) -> None:
    """Wait until no other transaction writes facts or events of the project, and keep others waiting until the end.

    Ids are given out in this order, so they are in the order of commits. The triggers of ``labels`` and ``events`` do
    the same at the first row; a transaction that locks other rows first must take its turn before those, or two
    such transactions can wait for each other.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:turn, :project)"), {"turn": _TURN, "project": project_id})


def tell(session: Session, project_id: int, event: StoredEvent) -> None:
    """Tell a project's browsers something, as soon as the caller's transaction commits.

    Call it last: from here to the commit other writers of the project wait.
    """
    freshness.wrote()
    session.execute(insert(Event).values(project_id=project_id, kind=event.kind, data=event.model_dump(mode="json")))


def since(session: Session, project_id: int, after: int, limit: int = 1000) -> Sequence[Event]:
    """The events of a project after an id, in order."""
    query = select(Event).where(Event.project_id == project_id, Event.id > after).order_by(Event.id).limit(limit)
    return session.scalars(query).all()


def newest(session: Session, project_id: int) -> int:
    """Id of a project's last event; 0 where there is none."""
    return session.scalar(select(func.max(Event.id)).where(Event.project_id == project_id)) or 0


def forgotten(session: Session, project_id: int, after: int) -> bool:
    """Whether events of a project that came after an id may have been forgotten.

    They have not where the event itself is still there, or where nobody has seen any (``after`` 0) and the
    project is younger than what is kept.
    """
    if after <= 0:
        young = select(Project.created_at > func.now() - KEPT).where(Project.id == project_id)
        return not session.scalar(young)
    return session.scalar(select(Event.id).where(Event.id == after, Event.project_id == project_id)) is None


def prune(session: Session) -> int:
    """Forget events older than :data:`KEPT`, but each project's newest, from which it can resume. Returns how many."""
    last = select(func.max(Event.id)).group_by(Event.project_id)
    gone = session.execute(delete(Event).where(Event.at < func.now() - KEPT, Event.id.not_in(last)).returning(Event.id))
    return len(gone.all())
