"""The library of teaching cells: cells that show their type well, chosen by people, kept for the project.

A cell is in the library of the type that a person had labelled it with; of a type that was merged since, in that of
the one it was merged into, as its label means that one. While it is there nobody deletes it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.storage import class_facts, events
from hemosight.service.storage.database import one_of, pairs
from hemosight.service.storage.live_events import TeachingEvent
from hemosight.service.storage.tables import Case, CurrentLabelRow, Image, LabelSet, TeachingCell, User


@dataclass(frozen=True)
class ListedTeachingCell:
    """A teaching cell: the type it was added for, the label that stands now, its case, and who added it.

    Both types are what they mean now, after merges.
    """

    id: int
    image: int
    name: str
    sha256: str
    case: int | None
    case_key: str | None
    label: str
    label_now: str | None
    note: str
    user: int
    by: str
    at: datetime.datetime


@dataclass(frozen=True)
class TeachingFilter:
    """Which teaching cells: of a label set, of one type of it, or one cell alone; None: any."""

    label_set: int
    label: str | None = None
    image: int | None = None


def listed(
    session: Session, project: int, wanted: TeachingFilter, after: int = 0, limit: int | None = None
) -> list[ListedTeachingCell]:
    """Teaching cells in the order they were added, those behind number ``after``."""
    query = (
        select(
            TeachingCell.id,
            TeachingCell.image_id,
            Image.name,
            func.encode(Image.sha256, "hex"),
            Image.case_id,
            Case.key,
            TeachingCell.label,
            CurrentLabelRow.label,
            TeachingCell.note,
            TeachingCell.user_id,
            User.display,
            TeachingCell.at,
        )
        .join(Image, Image.id == TeachingCell.image_id)
        .join(User, User.id == TeachingCell.user_id)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(
            CurrentLabelRow,
            (CurrentLabelRow.image_id == TeachingCell.image_id)
            & (CurrentLabelRow.label_set_id == TeachingCell.label_set_id),
        )
        .where(TeachingCell.project_id == project, TeachingCell.label_set_id == wanted.label_set)
        .where(TeachingCell.id > after)
        .order_by(TeachingCell.id)
        .limit(limit)
    )
    into = _merges(session, wanted.label_set)
    if wanted.label is not None:
        meant = [one for one in {wanted.label, *into} if into.get(one, one) == wanted.label]
        query = query.where(TeachingCell.label.in_(meant))
    if wanted.image is not None:
        query = query.where(TeachingCell.image_id == wanted.image)
    rows = [ListedTeachingCell(*row) for row in session.execute(query)]
    return [
        replace(one, label=into.get(one.label, one.label), label_now=into.get(one.label_now or "", one.label_now))
        for one in rows
    ]


def counts(session: Session, project: int, label_set: int) -> dict[str, int]:
    """How many teaching cells each type has."""
    query = select(TeachingCell.label, func.count()).where(
        TeachingCell.project_id == project, TeachingCell.label_set_id == label_set
    )
    into = _merges(session, label_set)
    found: dict[str, int] = {}
    for label, count in pairs(session, query.group_by(TeachingCell.label)).items():
        found[into.get(label, label)] = found.get(into.get(label, label), 0) + count
    return found


def _merges(session: Session, label_set: int) -> dict[str, str]:
    return class_facts.merges(session.scalar(select(LabelSet.classes).where(LabelSet.id == label_set)) or [])


def get(session: Session, project: int, number: int) -> TeachingCell:
    """A row of a project's library. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(TeachingCell, number)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a teaching cell of this project")
    return row


def add(session: Session, project: int, label_set: int, image: int, user: int, note: str) -> TeachingCell:
    """Put a cell into the library of the type that a person labelled it with.

    Raises :class:`~hemosight.service.errors.NothingThere` for a cell that the project does not have, and
    :class:`~hemosight.service.errors.Refusal` where it is in the library or no person has said what it is.
    """
    events.take_turn(session, project)  # nobody deletes or labels it in between
    if session.scalar(select(Image.id).where(Image.id == image, Image.project_id == project)) is None:
        raise NothingThere(kind="an image of this project")
    found = select(CurrentLabelRow.label).where(CurrentLabelRow.image_id == image)
    label = session.scalar(found.where(CurrentLabelRow.label_set_id == label_set))
    if label is None or label == UNSURE:
        raise Refusal(
            "unfit",
            expected="a cell that a person gave a type",
            came="one without a label" if label is None else "one that is labelled unsure",
            mend="Label the cell first: what only the model reads teaches nobody.",
        )
    there = select(TeachingCell.id).where(TeachingCell.image_id == image, TeachingCell.label_set_id == label_set)
    if session.scalar(there) is not None:
        raise already_there("a teaching cell")
    label = _merges(session, label_set).get(label, label)
    row = TeachingCell(project_id=project, label_set_id=label_set, image_id=image, label=label, note=note, user_id=user)
    session.add(row)
    session.flush()
    session.refresh(row)
    events.tell(session, project, TeachingEvent(image=image))
    return row


def change(session: Session, row: TeachingCell, note: str) -> None:
    """Give a teaching cell another note."""
    row.note = note
    session.flush()
    events.tell(session, row.project_id, TeachingEvent(image=row.image_id))


def remove(session: Session, row: TeachingCell) -> None:
    """Take a cell out of the library; the cell itself stays."""
    session.delete(row)
    session.flush()
    events.tell(session, row.project_id, TeachingEvent(image=row.image_id))


# --- what is in the library stays --------------------------------------------------------------------------


def among(session: Session, images: Sequence[int]) -> dict[int, str]:
    """Which of these cells are in the library, and of which type."""
    query = select(TeachingCell.image_id, TeachingCell.label).where(one_of(TeachingCell.image_id, images))
    return pairs(session, query.order_by(TeachingCell.id))


def require_none(session: Session, images: Sequence[int]) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where any of these cells is in the library."""
    found = among(session, images)
    if not found:
        return
    shown = ", ".join(f"{image} ({label})" for image, label in list(found.items())[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    raise Refusal(
        "in_the_way",
        expected="cells that are not in the library of teaching cells",
        came=f"{len(found)} of them that are: {shown}{more}",
        mend="Take them out of the library first, on its page, or move them to another case.",
    )


def forget_all(session: Session, project: int) -> None:
    """Empty the library of a project that is being deleted."""
    session.execute(delete(TeachingCell).where(TeachingCell.project_id == project))
