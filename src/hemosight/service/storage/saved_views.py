"""Saved views: how people want the table of a project, under names of their own; shared where they say so."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage.tables import SavedView, User

MOST_VIEWS = 50
"""Views that one person keeps of one project."""


@dataclass(frozen=True)
class ListedView:
    """A saved view, and whose it is."""

    id: int
    user: int
    by: str
    name: str
    shared: bool
    view: dict[str, Any]
    at: datetime.datetime


def listed(session: Session, project: int, user: int) -> list[ListedView]:
    """A person's own views, then what others share, each in the order of the alphabet."""
    query = (
        select(
            SavedView.id,
            SavedView.user_id,
            User.display,
            SavedView.name,
            SavedView.shared,
            SavedView.view,
            SavedView.at,
        )
        .join(User, User.id == SavedView.user_id)
        .where(SavedView.project_id == project, or_(SavedView.user_id == user, SavedView.shared))
    )
    rows = [ListedView(*row) for row in session.execute(query)]
    return sorted(rows, key=lambda one: (one.user != user, one.name.casefold(), one.id))


def keep(session: Session, project: int, user: int, name: str, view: dict[str, Any], *, shared: bool) -> ListedView:
    """Keep a view; a person's own of the same name is replaced.

    Raises :class:`~hemosight.service.errors.Refusal` for one view too many.
    """
    own = (SavedView.project_id == project, SavedView.user_id == user)
    others = session.scalar(select(func.count()).select_from(SavedView).where(*own, SavedView.name != name)) or 0
    if others >= MOST_VIEWS:
        raise Refusal(
            "unfit",
            expected=f"at most {MOST_VIEWS} views of one's own",
            came="one more",
            mend="Forget one that is not used.",
        )
    columns = {"project_id": project, "user_id": user, "name": name}
    changed = {"shared": shared, "view": view, "at": func.clock_timestamp()}
    query = insert(SavedView).values(**columns, **changed)
    query = query.on_conflict_do_update(index_elements=["project_id", "user_id", "name"], set_=changed)
    number = session.scalar(query.returning(SavedView.id))
    return next(one for one in listed(session, project, user) if one.id == number)


def get(session: Session, project: int, user: int, number: int) -> ListedView:
    """A view that a person sees. Raises :class:`~hemosight.service.errors.NothingThere`."""
    for one in listed(session, project, user):
        if one.id == number:
            return one
    raise NothingThere(kind="a view of this project")


def forget(session: Session, number: int) -> None:
    """Take a view away."""
    session.execute(delete(SavedView).where(SavedView.id == number))


def forget_all(session: Session, project: int) -> None:
    """Take all views of a project away that is being deleted."""
    session.execute(delete(SavedView).where(SavedView.project_id == project))
