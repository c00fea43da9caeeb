"""Signatures: who signed which record, as it was then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from hemosight.service.errors import NothingThere
from hemosight.service.storage.tables import Image, LabelRecord, Signature, User


@dataclass(frozen=True)
class ListedSignature:
    """A signature, the signer's name as it was then, and which version of its case's record it is of, from 1 on."""

    row: Signature
    name: str
    version: int
    newest: bool
    """Whether that is the newest version."""


def listed(session: Session, project: int) -> list[ListedSignature]:
    """All signatures of a project in order, without their cells."""
    query = select(Signature, User.display).join(User, User.id == Signature.user_id)
    rows = session.execute(query.where(Signature.project_id == project).order_by(Signature.id)).all()
    versions: dict[int | None, int] = {}
    found = []
    for row, name in rows:
        versions[row.case_id] = max(versions.get(row.case_id, 0) + (row.role == "first"), 1)
        found.append((row, name, versions[row.case_id]))
    return [
        ListedSignature(row, row.signer or name, version, version == versions[row.case_id])
        for row, name, version in found
    ]


def get(session: Session, project: int, signature: int) -> Signature:
    """A signature with its cells. Raises :class:`~hemosight.service.errors.NothingThere`."""
    query = select(Signature).options(undefer(Signature.record)).where(Signature.id == signature)
    row = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if row is None or row.project_id != project:
        raise NothingThere(kind="a signature of this project")
    return row


def signers(session: Session, project: int) -> dict[int, list[str]]:
    """Who signed each record of a project, by the number of its first signature: the first signer, then the second."""
    query = select(Signature.id, Signature.countersigns, User.display).join(User, User.id == Signature.user_id)
    found: dict[int, list[str]] = {}
    for number, countersigns, name in session.execute(
        query.where(Signature.project_id == project).order_by(Signature.id)
    ):
        found.setdefault(countersigns or number, []).append(name)
    return found


def cells(session: Session, project: int, case: int) -> list[int]:
    """The images of a case, ascending."""
    query = select(Image.id).where(Image.project_id == project, Image.case_id == case)
    return list(session.scalars(query.order_by(Image.id)))


def files(session: Session, project: int, case: int) -> dict[int, tuple[str, str]]:
    """Name and checksum (hexadecimal) of every cell of a case."""
    query = select(Image.id, Image.name, func.encode(Image.sha256, "hex"))
    query = query.where(Image.project_id == project, Image.case_id == case)
    return {image: (name, sha256) for image, name, sha256 in session.execute(query)}


def reviewed_until(session: Session, project: int, label_set: int, case: int) -> int:
    """The newest label record of a case's cells; 0 where there is none."""
    query = (
        select(func.max(LabelRecord.id))
        .join(Image, Image.id == LabelRecord.image_id)
        # Of the images that are there: labels of a deleted one count for nothing.
        .where(Image.project_id == project, Image.case_id == case, LabelRecord.label_set_id == label_set)
    )
    return session.scalar(query) or 0


def add(session: Session, **facts: Any) -> Signature:
    """Append a signature."""
    row = Signature(**facts)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row
