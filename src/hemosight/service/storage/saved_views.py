"""Saved views: how people want the table of a project, under names of their own; shared where they say so."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import events
from hemosight.service.storage.tables import Member, SavedView, User

MOST_VIEWS = 50
"""Views that one person keeps of one project."""
MOST_SHARED = 100
"""Views that are shared in a project: everybody gets all of them with the table, and a longer list is no help."""


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
    """A person's own views, then what others share, each in the order of the alphabet.

    Shared is a view as long as its owner may share: one of somebody who was removed, or may only look by now, is listed
    for them alone, and for the others again when they may.
    """
    rows = [ListedView(*row) for row in session.execute(_seen(project, user))]
    return sorted(rows, key=lambda one: (one.user != user, one.name.casefold(), one.id))


def _shared(project: int) -> ColumnElement[bool]:
    """Of a row: whether it is shared by somebody who may share in the project."""
    sharing = select(Member.user_id).where(Member.project_id == project, Member.role.in_(("reviewer", "admin")))
    return and_(SavedView.shared, User.active, or_(User.is_admin, SavedView.user_id.in_(sharing)))


def _seen(project: int, user: int) -> Select[*tuple[Any, ...]]:
    """Rows of a person's own views and of those that others share."""
    return (
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
        .where(SavedView.project_id == project, or_(SavedView.user_id == user, _shared(project)))
    )


def keep(session: Session, project: int, user: int, name: str, view: dict[str, Any], *, shared: bool) -> ListedView:
    """Keep a view; a person's own of the same name is replaced.

    Raises :class:`~hemosight.service.errors.Refusal` for one view too many.
    """
    events.take_turn(session, project)  # of many that are kept at once each is counted
    own = (SavedView.project_id == project, SavedView.user_id == user)
    others = session.scalar(select(func.count()).select_from(SavedView).where(*own, SavedView.name != name)) or 0
    if others >= MOST_VIEWS:
        raise Refusal(
            "unfit",
            expected=f"at most {MOST_VIEWS} views of one's own",
            came="one more",
            mend="Forget one that is not used.",
        )
    if shared:
        there = select(func.count()).select_from(SavedView).join(User, User.id == SavedView.user_id)
        there = there.where(SavedView.project_id == project, _shared(project), not_(and_(*own, SavedView.name == name)))
        if (session.scalar(there) or 0) >= MOST_SHARED:
            raise Refusal(
                "unfit",
                expected=f"at most {MOST_SHARED} shared views in a project",
                came="one more",
                mend="Keep it without sharing it, or have one forgotten that is not used.",
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
