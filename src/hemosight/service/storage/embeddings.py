"""Queries about embeddings: which images still need one, and storing what a worker computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.storage import events, profiles
from hemosight.service.storage.tables import Case, CellEmbedding, EmbeddingAttempt, Image, Picture, Profile, Upload
from hemosight.space.embeddings import Vectors


@dataclass(frozen=True)
class Unembedded:
    """An image without an embedding, the factor that brings its pixels to the reference scale, its upload's bits."""

    id: int
    data: bytes
    scale: float
    bits: int | None


@dataclass(frozen=True)
class StoredEmbedding:
    """An image's embedding as a worker stores it; ``vector`` is None where ``status`` says why it is unreadable."""

    id: int
    vector: Vectors | None
    status: str
    novelty: float | None = None
    x: float | None = None
    y: float | None = None
    scale: float | None = None
    """What its pixels were brought to the reference scale with; None where that does not matter."""


def unembedded(session: Session, project_id: int, bundle_id: int, images: Sequence[int]) -> list[Unembedded]:
    """Those of some images that are still in the project and have no embedding, in order of their ids."""
    query = (
        select(Image.id, Picture.data, func.coalesce(Profile.scale, 1.0), Upload.bits)
        .join(Picture, Picture.sha256 == Image.sha256)
        .outerjoin(Upload, Upload.id == Image.upload_id)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(Profile, Profile.id == func.coalesce(Case.profile_id, profiles.oldest(project_id)))
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == bundle_id))
        .where(Image.project_id == project_id, Image.id.in_(images), CellEmbedding.image_id.is_(None))
        .order_by(Image.id)
    )
    return [Unembedded(*row) for row in session.execute(query)]


def scale_of(session: Session, project_id: int, image: int) -> float:
    """What brings an image's pixels to the reference scale."""
    return profiles.scales(session, project_id, [image]).get(image, 1.0)


def add(session: Session, project_id: int, bundle_id: int, worker: str, rows: Sequence[StoredEmbedding]) -> list[int]:
    """Store embeddings.

    Returns the ids of the images that had none before and have not been taken back meanwhile, nor are to be read at
    another scale by now, sorted.
    """
    profiles.hold_scales(session, project_id)
    events.take_turn(session, project_id)  # before the images are held: who deletes some holds it, and waits for them
    facts = {
        "ids": [row.id for row in rows],
        "vectors": [None if row.vector is None else _bytes(row.vector) for row in rows],
        "statuses": [row.status for row in rows],
        "novelties": [row.novelty for row in rows],
        "xs": [row.x for row in rows],
        "ys": [row.y for row in rows],
        "scales": [row.scale for row in rows],
        "project": project_id,
    }
    stored = session.scalars(
        text("""
            INSERT INTO embeddings (image_id, bundle_id, vector, status, novelty, x, y, scale, worker)
            SELECT image.id, :bundle, given.vector, given.status, given.novelty, given.x, given.y, given.scale, :worker
            FROM unnest(CAST(:ids AS bigint[]), CAST(:vectors AS bytea[]), CAST(:statuses AS text[]),
                        CAST(:novelties AS float8[]), CAST(:xs AS real[]), CAST(:ys AS real[]),
                        CAST(:scales AS float8[]))
                AS given(id, vector, status, novelty, x, y, scale)
            JOIN (
                SELECT id, case_id FROM images WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL
                ORDER BY id FOR SHARE
            ) AS image ON image.id = given.id
            LEFT JOIN cases ON cases.id = image.case_id
            LEFT JOIN profiles ON profiles.id = COALESCE(
                cases.profile_id, (SELECT min(id) FROM profiles WHERE project_id = :project))
            WHERE given.scale IS NULL OR given.scale = COALESCE(profiles.scale, 1)
            ORDER BY image.id
            ON CONFLICT DO NOTHING RETURNING image_id
        """),
        {**facts, "bundle": bundle_id, "worker": worker},
    )
    return sorted(stored.all())


def _bytes(vector: Vectors) -> bytes:
    return np.ascontiguousarray(vector, "<f4").tobytes()


def begin_attempt(session: Session, image_id: int, bundle_id: int) -> int:
    """Note that embedding an image begins. Returns how often it has begun without an end, this time counted."""
    row = insert(EmbeddingAttempt).values(image_id=image_id, bundle_id=bundle_id)
    again = row.on_conflict_do_update(
        index_elements=["image_id", "bundle_id"],
        set_={"attempts": EmbeddingAttempt.attempts + 1, "at": func.clock_timestamp()},
    )
    return session.scalars(again.returning(EmbeddingAttempt.attempts)).one()


def end_attempts(session: Session, bundle_id: int, images: Sequence[int]) -> None:
    """Forget the attempts on images whose embedding ended."""
    session.query(EmbeddingAttempt).filter(
        EmbeddingAttempt.bundle_id == bundle_id, EmbeddingAttempt.image_id.in_(images)
    ).delete()
