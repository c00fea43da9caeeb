"""Signatures: who signed which differential, as it was then; and whether it still is so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import Image, LabelFact, Signature, User


def listed(session: Session, project: int) -> list[tuple[Signature, str]]:
    """All signatures of a project in order, each with the signer's name."""
    query = select(Signature, User.display).join(User, User.id == Signature.user_id)
    found = session.execute(query.where(Signature.project_id == project).order_by(Signature.id))
    return [(row, name) for row, name in found]


def newest(session: Session, project: int, case: int | None, role: str) -> Signature | None:
    """The last signature of a role under a case, or under the project as a whole."""
    query = select(Signature).where(Signature.project_id == project, Signature.role == role)
    query = query.where(Signature.case_id.is_(None) if case is None else Signature.case_id == case)
    return session.scalars(query.order_by(Signature.id.desc()).limit(1)).one_or_none()


def reviewed_until(session: Session, project: int, label_set: int) -> dict[int | None, int]:
    """The newest fact of every case; under None that of the whole project."""
    query = (
        select(Image.case_id, func.max(LabelFact.id).label("newest"))
        .join(Image, Image.id == LabelFact.image_id)
        .where(LabelFact.project_id == project, LabelFact.label_set_id == label_set)
        .group_by(Image.case_id)
    )
    by_case: dict[int | None, int] = {row.case_id: row.newest for row in session.execute(query)}
    return {**by_case, None: max(by_case.values(), default=0)}


def add(session: Session, **facts: Any) -> Signature:
    """Append a signature."""
    row = Signature(**facts)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row
