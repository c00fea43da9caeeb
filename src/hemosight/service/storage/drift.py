"""Queries about control charts: the points of signed cases, what their cells were read as, and answers to flags."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from hemosight.service.errors import Refusal
from hemosight.service.storage.database import pairs
from hemosight.service.storage.tables import (
    Case,
    DriftAnswer,
    DriftPoint,
    Image,
    LabelRecord,
    Picture,
    Signature,
    Upload,
    User,
)


@dataclass(frozen=True)
class StoredPoint:
    """A case on the charts of a scanner profile.

    Parameters
    ----------
    case, key
        Number, and what the laboratory calls it.
    first
        The first signature that the case ever got: its place in time, whatever was amended since.
    signature, bundle, at
        The first signature of the newest version of its record, the bundle that read it then, and when.
    profile
        The scanner profile it counts for.
    measures
        What that version looked like.
    """

    case: int
    key: str
    first: int
    signature: int
    bundle: int
    at: datetime.datetime
    profile: int
    measures: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What somebody said to the flags of a scanner profile (:class:`.tables.DriftAnswer`)."""

    profile: int
    until: int
    kind: str
    note: str
    user: int
    name: str
    at: datetime.datetime


def add(session: Session, project: int, signature: int, case: int, profile: int, measures: dict[str, Any]) -> None:
    """Put a signed version of a case on the charts of its profile."""
    facts = {"project_id": project, "case_id": case, "profile_id": profile, "measures": measures}
    session.add(DriftPoint(signature_id=signature, **facts))
    session.flush()


def points(session: Session, project: int) -> list[StoredPoint]:
    """Every case on the charts of a project, once, in the order in which they were signed for the first time."""
    first = (
        select(Signature.case_id, func.min(Signature.id).label("first"))
        .where(Signature.project_id == project, Signature.case_id.is_not(None))
        .group_by(Signature.case_id)
        .subquery()
    )
    query = (
        select(DriftPoint, Case.key, first.c.first, Signature.bundle_id, Signature.at)
        .join(Case, Case.id == DriftPoint.case_id)
        .join(Signature, Signature.id == DriftPoint.signature_id)
        .join(first, first.c.case_id == DriftPoint.case_id)
        .where(DriftPoint.project_id == project)
        .order_by(DriftPoint.signature_id)
    )
    newest: dict[int, StoredPoint] = {}
    for row, key, begun, bundle, at in session.execute(query.execution_options(populate_existing=True)):
        newest[row.case_id] = StoredPoint(
            row.case_id, key, begun, row.signature_id, bundle, at, row.profile_id, row.measures
        )
    return sorted(newest.values(), key=lambda one: one.first)


def answers(session: Session, project: int) -> list[Answer]:
    """Every answer to flags of a project's scanner profiles, in order."""
    query = select(DriftAnswer, User.display).join(User, User.id == DriftAnswer.user_id)
    query = query.where(DriftAnswer.project_id == project).order_by(DriftAnswer.id)
    return [
        Answer(row.profile_id, row.until, row.kind, row.note, row.user_id, name, row.at)
        for row, name in session.execute(query)
    ]


def answer(session: Session, project: int, profile: int, user: int, kind: str, note: str, seen: int) -> DriftAnswer:
    """Answer what the charts of a profile say up to its newest case; ``seen`` is the newest signature looked at.

    Raises :class:`~hemosight.service.errors.Refusal` where the charts say something else by now.
    """
    there = [one for one in points(session, project) if one.profile == profile]
    newest = max((one.signature for one in there), default=0)
    if newest != seen:
        raise Refusal(
            "in_the_way",
            expected=f"an answer to what the charts say now, up to signature {newest}",
            came=f"one to what they said up to signature {seen}",
            mend="Look at the charts again, then answer.",
        )
    until = max((one.first for one in there), default=0)
    row = DriftAnswer(project_id=project, profile_id=profile, until=until, kind=kind, note=note, user_id=user)
    session.add(row)
    session.flush()
    return row


def merge(session: Session, profile: int, into: int) -> None:
    """Put the points of a profile on the charts of another; answers to its own flags end with it."""
    session.execute(update(DriftPoint).where(DriftPoint.profile_id == profile).values(profile_id=into))


def first_readings(session: Session, project: int, label_set: int, case: int) -> dict[int, str | None]:
    """What the model read each labelled cell of a case as, when somebody first said what it is."""
    first = (
        select(func.min(LabelRecord.id))
        .join(Image, Image.id == LabelRecord.image_id)
        .where(Image.project_id == project, Image.case_id == case, LabelRecord.label_set_id == label_set)
        .where(LabelRecord.kind.in_(("set", "agree")), LabelRecord.label.is_not(None))
        .group_by(LabelRecord.image_id)
    )
    query = select(LabelRecord.image_id, LabelRecord.predicted).where(LabelRecord.id.in_(first))
    return pairs(session, query)


def pictures(session: Session, images: Sequence[int]) -> list[tuple[bytes, int | None]]:
    """The files of cells, with the bits of a sample where they declare none, in the order of their numbers."""
    query = select(Picture.data, Upload.bits).join(Image, Image.sha256 == Picture.sha256)
    query = query.outerjoin(Upload, Upload.id == Image.upload_id).where(Image.id.in_(images)).order_by(Image.id)
    return [(data, bits) for data, bits in session.execute(query)]
