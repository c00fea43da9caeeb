"""Queries about readings: what is to be read, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import CellReading, Image, Picture, Project, ReadingTry
from hemosight.space.embeddings import Vectors


@dataclass(frozen=True)
class Unread:
    """An image without a reading, and the factor that brings its pixels to the reference scale."""

    id: int
    data: bytes
    scale: float


@dataclass(frozen=True)
class Read:
    """What the encoder made of an image; ``vector`` is None, and ``status`` says why, where it is unreadable."""

    id: int
    vector: Vectors | None
    status: str
    novelty: float | None = None
    x: float | None = None
    y: float | None = None


def unread(session: Session, project_id: int, bundle_id: int, images: Sequence[int]) -> list[Unread]:
    """Those of some images that still are in the project and that nobody has read, in order of their ids."""
    query = (
        select(Image.id, Picture.data, Project.scale)
        .join(Picture, Picture.sha256 == Image.sha256)
        .join(Project, Project.id == Image.project_id)
        .outerjoin(CellReading, (CellReading.image_id == Image.id) & (CellReading.bundle_id == bundle_id))
        .where(Image.project_id == project_id, Image.id.in_(images), CellReading.image_id.is_(None))
        .order_by(Image.id)
    )
    return [Unread(*row) for row in session.execute(query)]


def add(session: Session, bundle_id: int, worker: str, rows: Sequence[Read]) -> list[int]:
    """Store readings; gives the images that nobody had read before, and that have not been taken back meanwhile."""
    facts = {
        "ids": [row.id for row in rows],
        "vectors": [None if row.vector is None else _bytes(row.vector) for row in rows],
        "statuses": [row.status for row in rows],
        "novelties": [row.novelty for row in rows],
        "xs": [row.x for row in rows],
        "ys": [row.y for row in rows],
    }
    stored = session.scalars(
        text("""
            INSERT INTO readings (image_id, bundle_id, vector, status, novelty, x, y, worker)
            SELECT image.id, :bundle, given.vector, given.status, given.novelty, given.x, given.y, :worker
            FROM unnest(CAST(:ids AS bigint[]), CAST(:vectors AS bytea[]), CAST(:statuses AS text[]),
                        CAST(:novelties AS float8[]), CAST(:xs AS real[]), CAST(:ys AS real[]))
                AS given(id, vector, status, novelty, x, y)
            JOIN (SELECT id FROM images WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR KEY SHARE) AS image
                ON image.id = given.id
            ORDER BY image.id
            ON CONFLICT DO NOTHING RETURNING image_id
        """),
        {**facts, "bundle": bundle_id, "worker": worker},
    )
    return sorted(stored.all())


def _bytes(vector: Vectors) -> bytes:
    return np.ascontiguousarray(vector, "<f4").tobytes()


def waiting(session: Session, project_id: int, bundle_id: int) -> int:
    """How many images of a project nobody has read."""
    query = (
        select(func.count())
        .select_from(Image)
        .outerjoin(CellReading, (CellReading.image_id == Image.id) & (CellReading.bundle_id == bundle_id))
        .where(Image.project_id == project_id, CellReading.image_id.is_(None))
    )
    return session.scalar(query) or 0


def begin_try(session: Session, image_id: int, bundle_id: int) -> int:
    """Note that an image's reading begins; gives how often it did without an end, this time counted."""
    row = insert(ReadingTry).values(image_id=image_id, bundle_id=bundle_id)
    again = row.on_conflict_do_update(
        index_elements=["image_id", "bundle_id"],
        set_={"tries": ReadingTry.tries + 1, "at": func.clock_timestamp()},
    )
    return session.scalars(again.returning(ReadingTry.tries)).one()


def end_tries(session: Session, bundle_id: int, images: Sequence[int]) -> None:
    """Forget the tries of images whose reading ended."""
    session.query(ReadingTry).filter(ReadingTry.bundle_id == bundle_id, ReadingTry.image_id.in_(images)).delete()
