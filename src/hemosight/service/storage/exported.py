"""The rows and pictures that exports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import (
    Case,
    CellEmbedding,
    CurrentLabelRow,
    Image,
    LabelRecord,
    Picture,
    User,
)


def rows(session: Session, project: int, bundle: int, label_set: int, case: int | None) -> Sequence[Any]:
    """Every image in order with its case, reading, and the label that stands: who said it, and when."""
    query = (
        select(
            Image.id,
            Image.name,
            Case.key.label("case"),
            Image.uploaded_at,
            func.encode(Image.sha256, "hex").label("sha256"),
            Picture.width,
            Picture.height,
            Picture.media_type,
            func.coalesce(CellEmbedding.status, "waiting").label("status"),
            User.name.label("labelled_by"),
            LabelRecord.at.label("labelled_at"),
            LabelRecord.kind.label("label_kind"),
        )
        .join(Picture, Picture.sha256 == Image.sha256)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == bundle))
        .outerjoin(
            CurrentLabelRow, (CurrentLabelRow.image_id == Image.id) & (CurrentLabelRow.label_set_id == label_set)
        )
        .outerjoin(LabelRecord, LabelRecord.id == CurrentLabelRow.label_id)
        .outerjoin(User, User.id == LabelRecord.user_id)
        .where(Image.project_id == project)
        .order_by(Image.id)
    )
    if case is not None:
        query = query.where(Image.case_id == case if case else Image.case_id.is_(None))
    return session.execute(query).all()


def pictures(session: Session, images: Sequence[int]) -> dict[int, bytes]:
    """The files as they came, by image."""
    query = select(Image.id, Picture.data).join(Picture, Picture.sha256 == Image.sha256).where(Image.id.in_(images))
    return {row.id: row.data for row in session.execute(query)}
