"""Queries about images: what lists and pages show, their bytes, their comments."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from hemosight.errors import UnreadableImage
from hemosight.images.decode import image_size
from hemosight.images.names import composed
from hemosight.service.storage.tables import Case, CellEmbedding, Comment, Image, Picture, Project, Upload


@dataclass(frozen=True)
class Shown:
    """What a list shows of an image besides its columns; ``status`` is None where it is not read."""

    id: int
    name: str
    case: str | None
    uploaded_at: datetime.datetime
    status: str | None


@dataclass(frozen=True)
class ImageRecord(Shown):
    """What the page of one image shows besides."""

    sha256: bytes
    width: int
    height: int
    novelty: float | None
    x: float | None
    y: float | None


def shown(session: Session, project_id: int, images: Sequence[int]) -> dict[int, Shown]:
    """Images of a project by id."""
    query = (
        select(Image.id, Image.name, Case.key, Image.uploaded_at, CellEmbedding.status)
        .join(Project, Project.id == Image.project_id)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == Project.bundle_id))
        .where(Image.project_id == project_id, Image.id.in_(images))
    )
    return {row[0]: Shown(*row) for row in session.execute(query)}


def record(session: Session, project_id: int, image_id: int) -> ImageRecord | None:
    """Everything about one image but its bytes."""
    query = (
        select(
            Image.id,
            Image.name,
            Case.key,
            Image.uploaded_at,
            CellEmbedding.status,
            Image.sha256,
            Picture.width,
            Picture.height,
            CellEmbedding.novelty,
            CellEmbedding.x,
            CellEmbedding.y,
        )
        .join(Picture, Picture.sha256 == Image.sha256)
        .join(Project, Project.id == Image.project_id)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == Project.bundle_id))
        .where(Image.project_id == project_id, Image.id == image_id)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else ImageRecord(*row)


def named(session: Session, project_id: int, words: str) -> NDArray[np.int64]:
    """Ids of images in whose name, case or comments some text stands, in any case of letters."""
    pattern = f"%{composed(words).translate(_ESCAPED)}%"
    commented = select(Comment.image_id).join(Image, Image.id == Comment.image_id)
    commented = commented.where(Image.project_id == project_id, Comment.text.ilike(pattern, escape="\\"))
    query = (
        select(Image.id)
        .outerjoin(Case, Case.id == Image.case_id)
        .where(
            Image.project_id == project_id,
            or_(Image.name.ilike(pattern, escape="\\"), Case.key.ilike(pattern, escape="\\"), Image.id.in_(commented)),
        )
    )
    return np.array(session.scalars(query).all(), np.int64)


_ESCAPED = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def checksum(session: Session, project_id: int, image_id: int) -> bytes | None:
    """sha256 of an image's file; None where the project has no such image."""
    return session.scalar(select(Image.sha256).where(Image.project_id == project_id, Image.id == image_id))


def bits(session: Session, project_id: int, image_id: int) -> int | None:
    """Bits of the deep samples of an image's file, as whoever uploaded it said; None where nobody did."""
    query = select(Upload.bits).join(Image, Image.upload_id == Upload.id)
    return session.scalar(query.where(Image.project_id == project_id, Image.id == image_id))


def picture(session: Session, sha256: bytes) -> tuple[bytes, str]:
    """A file's bytes and its media type. A size of before, of how the picture lies in its file, is put right."""
    query = select(Picture.data, Picture.media_type, Picture.width, Picture.height).where(Picture.sha256 == sha256)
    data, kind, width, height = session.execute(query).one()
    if width != height:
        with contextlib.suppress(UnreadableImage):
            if image_size(data) == (height, width):
                turn(session, sha256, height, width)
    return data, kind


def turn(session: Session, sha256: bytes, width: int, height: int) -> None:
    """Have a picture be so wide and high where it is stored the other way around, as a version before did."""
    lying = (Picture.sha256 == sha256, Picture.width == height, Picture.height == width)
    session.execute(update(Picture).where(*lying).values(width=width, height=height))


def stored(session: Session, sha256: bytes) -> bytes | None:
    """A file's bytes; None where nothing is stored under the checksum."""
    return session.scalar(select(Picture.data).where(Picture.sha256 == sha256))


def thumbnail(session: Session, sha256: bytes) -> bytes | None:
    """A file's thumbnail; None where the file cannot be decoded."""
    return session.scalar(select(Picture.thumbnail).where(Picture.sha256 == sha256))


def comments(session: Session, image_id: int) -> Sequence[Comment]:
    """What was written under an image, in order."""
    return session.scalars(select(Comment).where(Comment.image_id == image_id).order_by(Comment.id)).all()


def add_comment(session: Session, image_id: int, user_id: int, words: str) -> Comment:
    """Write something under an image."""
    comment = Comment(image_id=image_id, user_id=user_id, text=words)
    session.add(comment)
    session.flush()
    session.refresh(comment)
    return comment
