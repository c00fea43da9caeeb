"""Queries that tell whether the service is well, and how much it has done."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import CellEmbedding, Image, Project

ALIVE = datetime.timedelta(seconds=15)
"""A worker that gave no sign of life for so long counts as gone; it gives one every second."""


@dataclass(frozen=True)
class ImageCounts:
    """Images over all projects."""

    waiting: int
    read: int
    unreadable: int


def workers(session: Session) -> int:
    """Workers that gave a sign of life lately."""
    query = text("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - :alive")
    return session.scalar(query, {"alive": ALIVE}) or 0


def work(session: Session) -> ImageCounts:
    """What waits and what was read: by the bundle of each project."""
    images = session.scalar(select(func.count()).select_from(Image).where(Image.project_id.is_not(None))) or 0
    query = (
        select(func.count().filter(CellEmbedding.status == "ok"), func.count().filter(CellEmbedding.status != "ok"))
        .select_from(CellEmbedding)
        .join(Image, Image.id == CellEmbedding.image_id)
        .join(Project, (Project.id == Image.project_id) & (Project.bundle_id == CellEmbedding.bundle_id))
    )
    read, unreadable = session.execute(query).one()
    return ImageCounts(images - read - unreadable, read, unreadable)


def database_bytes(session: Session) -> int:
    """Bytes that the database takes on its disk."""
    return session.scalar(select(func.pg_database_size(func.current_database()))) or 0
