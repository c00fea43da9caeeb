"""Comments of a project: listed, found dealt with or open again, given to somebody. All is appended."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import projects
from hemosight.service.storage.tables import Case, Comment, CommentAssignment, CommentMark, Image

_INNER = aliased(CommentMark)
_NEWEST = select(func.max(_INNER.id)).where(_INNER.comment_id == Comment.id).correlate(Comment).scalar_subquery()
_MARK = aliased(CommentMark)
_RESOLVED = func.coalesce(_MARK.resolved, False)
_GIVEN = aliased(CommentAssignment)
_INNER_GIVEN = aliased(CommentAssignment)
_LAST_GIVEN = (
    select(func.max(_INNER_GIVEN.id)).where(_INNER_GIVEN.comment_id == Comment.id).correlate(Comment).scalar_subquery()
)


@dataclass(frozen=True)
class ListedComment:
    """A comment with its cell, the newest mark of it, and who is to see to it."""

    id: int
    image: int
    name: str
    case: int | None
    case_key: str | None
    user: int
    at: datetime.datetime
    text: str
    resolved: bool
    resolved_by: int | None
    resolved_at: datetime.datetime | None
    assigned_to: int | None
    assigned_by: int | None
    assigned_at: datetime.datetime | None


@dataclass(frozen=True)
class CommentFilter:
    """Which comments: of a case (0: of no case), of a person, containing a text, dealt with or not; None: any.

    ``assigned`` is whose they are to see to (0: nobody's), ``concerns`` a person who wrote them or is to see to them.
    """

    case: int | None = None
    user: int | None = None
    text: str | None = None
    resolved: bool | None = None
    assigned: int | None = None
    concerns: int | None = None


def listed(
    session: Session, project: int, wanted: CommentFilter, before: int, limit: int | None
) -> list[ListedComment]:
    """The newest first, those older than number ``before`` where that is not 0; all where ``limit`` is None."""
    query = (
        select(Comment, Image.name, Image.case_id, Case.key, _RESOLVED, _MARK, _GIVEN)
        .join(Image, Image.id == Comment.image_id)
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(_MARK, _MARK.id == _NEWEST)
        .outerjoin(_GIVEN, _GIVEN.id == _LAST_GIVEN)
        .where(Image.project_id == project, *_conditions(wanted))
    )
    if before:
        query = query.where(Comment.id < before)
    rows = session.execute(query.order_by(Comment.id.desc()).limit(limit))
    return [
        ListedComment(
            id=row.id,
            image=row.image_id,
            name=name,
            case=case,
            case_key=key,
            user=row.user_id,
            at=row.at,
            text=row.text,
            resolved=done,
            resolved_by=mark.user_id if done else None,
            resolved_at=mark.at if done else None,
            assigned_to=None if given is None else given.assigned_to,
            assigned_by=None if given is None or given.assigned_to is None else given.user_id,
            assigned_at=None if given is None or given.assigned_to is None else given.at,
        )
        for row, name, case, key, done, mark, given in rows
    ]


def _conditions(wanted: CommentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.case is not None:
        found.append(Image.case_id == wanted.case if wanted.case else Image.case_id.is_(None))
    if wanted.user is not None:
        found.append(Comment.user_id == wanted.user)
    if wanted.text:
        found.append(Comment.text.icontains(wanted.text, autoescape=True))
    if wanted.resolved is not None:
        found.append(_RESOLVED if wanted.resolved else ~_RESOLVED)
    if wanted.assigned is not None:
        nobody = _GIVEN.assigned_to.is_(None)
        found.append(_GIVEN.assigned_to == wanted.assigned if wanted.assigned else nobody)
    if wanted.concerns is not None:
        found.append(or_(_GIVEN.assigned_to == wanted.concerns, Comment.user_id == wanted.concerns))
    return found


def still_open(session: Session, project: int) -> int:
    """How many comments of a project are not dealt with."""
    query = (
        select(func.count())
        .select_from(Comment)
        .join(Image, Image.id == Comment.image_id)
        .outerjoin(_MARK, _MARK.id == _NEWEST)
        .where(Image.project_id == project, _RESOLVED.is_(False))
    )
    return session.scalar(query) or 0


def get(session: Session, project: int, comment: int) -> ListedComment:
    """A comment of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    found = [one for one in listed(session, project, CommentFilter(), comment + 1, 1) if one.id == comment]
    if not found:
        raise NothingThere(kind="a comment of this project")
    return found[0]


def mark(session: Session, comment: int, user: int, resolved: bool) -> None:
    """Note that a comment is dealt with, or open again."""
    session.add(CommentMark(comment_id=comment, user_id=user, resolved=resolved))
    session.flush()


def assign(session: Session, project: int, comment: int, user: int, to: int | None) -> None:
    """Note who is to see to a comment; None takes that back.

    Raises :class:`~hemosight.service.errors.Refusal` for a person who may not review in the project.
    """
    if to is not None and projects.role(session, project, to) not in ("reviewer", "admin"):
        raise Refusal(
            "unfit",
            expected="a reviewer or administrator of this project",
            came="another account",
            mend="Make the person a reviewer of the project first.",
        )
    session.add(CommentAssignment(comment_id=comment, user_id=user, assigned_to=to))
    session.flush()
