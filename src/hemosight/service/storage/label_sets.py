"""Label sets: those of the bundle, and those that a laboratory defines later."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, already_there
from hemosight.service.storage.tables import AuditRow, CurrentLabelRow, Image, LabelSet, User

_AT_ONCE = 5000


def listed(session: Session, project: int) -> Sequence[LabelSet]:
    """Those in use, in the order in which they were made."""
    query = select(LabelSet).where(LabelSet.project_id == project, LabelSet.archived_at.is_(None))
    return session.scalars(query.order_by(LabelSet.id)).all()


def get(session: Session, project: int, number: int) -> LabelSet:
    """A label set, archived or not. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(LabelSet, number, with_for_update=True)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a label set of this project")
    return row


def add(
    session: Session,
    project: int,
    user: int,
    name: str,
    title: str,
    classes: list[Any],
    asked_of: str | None = None,
) -> LabelSet:
    """One of the project's own. Raises :class:`~hemosight.service.errors.Refusal` where its name is taken."""
    facts = {"project_id": project, "created_by": user, "name": name, "title": title, "kind": "own", "classes": classes}
    facts["asked_of"] = asked_of
    query = insert(LabelSet).values(**facts).on_conflict_do_nothing().returning(LabelSet.id)
    number = session.scalar(query)
    if number is None:
        raise already_there("a name of a label set")
    row = session.get(LabelSet, number)
    if row is None:
        raise NothingThere(kind="a label set of this project")
    return row


def archive(row: LabelSet, *, archived: bool) -> None:
    """Put a label set away, or take it out again; its labels stay."""
    row.archived_at = datetime.datetime.now(datetime.UTC) if archived else None


def labelled(session: Session, project: int) -> dict[int, dict[str, int]]:
    """How many images stand in each class of each label set, ``?`` among them."""
    query = (
        select(CurrentLabelRow.label_set_id, CurrentLabelRow.label, func.count())
        .join(LabelSet, LabelSet.id == CurrentLabelRow.label_set_id)
        .where(LabelSet.project_id == project, CurrentLabelRow.label.is_not(None))
        .group_by(CurrentLabelRow.label_set_id, CurrentLabelRow.label)
    )
    found: dict[int, dict[str, int]] = {}
    for number, label, count in session.execute(query):
        if label is not None:
            found.setdefault(number, {})[label] = count
    return found


def history(session: Session, row: LabelSet) -> list[tuple[AuditRow, str | None]]:
    """What the audit trail has of a label set and its classes, the newest first, with the name of whoever did it."""
    query = (
        select(AuditRow, User.name)
        .outerjoin(User, User.id == AuditRow.user_id)
        .where(
            AuditRow.project_id == row.project_id,
            AuditRow.action.in_(("label_set.create", "label_set.change", "type.add", "type.change")),
            AuditRow.subject["label_set"].as_integer() == row.id,
        )
        .order_by(AuditRow.id.desc())
    )
    return [(edit, name) for edit, name in session.execute(query)]


def cells(session: Session, project: int, label_set: int, case: int | None) -> Iterator[Any]:
    """Images of a project or a case with the label that stands: id, name, sha256, case_id, label, version.

    They come a part at a time: there may be a million.
    """
    query = (
        select(
            Image.id,
            Image.name,
            Image.sha256,
            Image.case_id,
            CurrentLabelRow.label,
            CurrentLabelRow.label_id.label("version"),
        )
        .outerjoin(
            CurrentLabelRow, (CurrentLabelRow.image_id == Image.id) & (CurrentLabelRow.label_set_id == label_set)
        )
        .where(Image.project_id == project)
        .order_by(Image.id)
    )
    if case is not None:
        query = query.where(Image.case_id == case)
    yield from session.execute(query.execution_options(yield_per=_AT_ONCE))
