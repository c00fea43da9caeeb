"""Queries about workers: who reads, with which bundle, and how quickly."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import WorkerSeen

GONE = datetime.timedelta(seconds=10)
"""A worker that has been silent for so long is not shown."""


def seen(session: Session, name: str, bundle_id: int, rate: float) -> None:
    """Note that a worker lives and how many images it read a second, lately."""
    facts = {"bundle_id": bundle_id, "rate": rate, "seen_at": func.clock_timestamp()}
    row = insert(WorkerSeen).values(name=name, **facts)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=facts))


def gone(session: Session, name: str) -> None:
    """Note that a worker has stopped; and forget those that died a day ago."""
    old = func.now() - datetime.timedelta(days=1)
    session.execute(delete(WorkerSeen).where((WorkerSeen.name == name) | (WorkerSeen.seen_at < old)))


def living(session: Session, bundle_id: int) -> Sequence[WorkerSeen]:
    """The workers that read with a bundle now."""
    query = select(WorkerSeen).where(WorkerSeen.bundle_id == bundle_id, WorkerSeen.seen_at > func.now() - GONE)
    return session.scalars(query.order_by(WorkerSeen.name)).all()
