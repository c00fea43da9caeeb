"""Label sets: those of the bundle, and those that a laboratory invents after the fact."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import AlreadyThere, NothingThere
from hemosight.service.storage.tables import LabelSet, Standing


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


def add(session: Session, project: int, user: int, name: str, title: str, classes: list[Any]) -> LabelSet:
    """One of the project's own. Raises :class:`~hemosight.service.errors.AlreadyThere`."""
    facts = {"project_id": project, "created_by": user, "name": name, "title": title, "kind": "own", "classes": classes}
    query = insert(LabelSet).values(**facts).on_conflict_do_nothing().returning(LabelSet.id)
    number = session.scalar(query)
    if number is None:
        raise AlreadyThere(kind="a name of a label set")
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
        select(Standing.label_set_id, Standing.label, func.count())
        .join(LabelSet, LabelSet.id == Standing.label_set_id)
        .where(LabelSet.project_id == project, Standing.label.is_not(None))
        .group_by(Standing.label_set_id, Standing.label)
    )
    found: dict[int, dict[str, int]] = {}
    for number, label, count in session.execute(query):
        if label is not None:
            found.setdefault(number, {})[label] = count
    return found
