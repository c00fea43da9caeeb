"""Queries about projects and their members."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage.tables import (
    CellEmbedding,
    CurrentLabelRow,
    Image,
    LabelRecord,
    LabelSet,
    Member,
    Profile,
    Project,
    User,
)

FIRST = "Scanner 1"
"""Name of the scanner profile that a project begins with. The page takes it for none: web/src/profiles/profiles.ts."""
_SAID = (func.count().filter(CurrentLabelRow.label != UNSURE), func.count().filter(CurrentLabelRow.label == UNSURE))


@dataclass(frozen=True)
class ProjectProgress:
    """How far a project is: images, those read, those with a label in the first label set, those unsure."""

    images: int = 0
    read: int = 0
    labelled: int = 0
    unsure: int = 0


def get(session: Session, project_id: int) -> Project:
    """A project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    project = session.get(Project, project_id)
    if project is None or project.deleted_at is not None:
        raise NothingThere(kind="a project")
    return project


def listed(
    session: Session, user_id: int, *, everything: bool, only: int | None, after: int, limit: int
) -> list[tuple[Project, str | None]]:
    """Projects behind number ``after`` with the role a person has there; an administrator of the service sees all."""
    query = (
        select(Project, Member.role)
        .outerjoin(Member, (Member.project_id == Project.id) & (Member.user_id == user_id))
        .where(Project.id > after, Project.deleted_at.is_(None))
        .order_by(Project.id)
        .limit(limit)
    )
    if not everything:
        query = query.where(Member.role.is_not(None))
    if only is not None:
        query = query.where(Project.id == only)
    return [(project, role) for project, role in session.execute(query)]


def progress(session: Session, projects: Sequence[int]) -> dict[int, ProjectProgress]:
    """How far each project is: three counts over indexes, however many projects."""
    images = _counts(session, select(Image.project_id, func.count()).where(Image.project_id.in_(projects)))
    read = _counts(
        session,
        select(Image.project_id, func.count())
        .join(Project, Project.id == Image.project_id)
        .join(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == Project.bundle_id))
        .where(Image.project_id.in_(projects)),
    )
    first = select(func.min(LabelSet.id)).where(LabelSet.project_id.in_(projects)).group_by(LabelSet.project_id)
    labels = _labels(
        session,
        select(LabelSet.project_id, *_SAID)
        .join(CurrentLabelRow, CurrentLabelRow.label_set_id == LabelSet.id)
        .where(LabelSet.id.in_(first), CurrentLabelRow.label.is_not(None))
        .group_by(LabelSet.project_id),
    )
    return {key: ProjectProgress(images.get(key, 0), read.get(key, 0), *labels.get(key, (0, 0))) for key in projects}


def _counts(session: Session, query: Select[Any, int]) -> dict[int, int]:
    """What a query of keys and counts gives, grouped by the key."""
    key = next(iter(query.selected_columns))
    return {row[0]: row[1] for row in session.execute(query.group_by(key))}


def _labels(session: Session, query: Select[Any, int, int]) -> dict[int, tuple[int, int]]:
    """Numbers of labels and of unsure ones, by the query's key."""
    return {row[0]: (row[1], row[2]) for row in session.execute(query)}


def last_reviews(session: Session, projects: Sequence[int]) -> dict[int, datetime.datetime]:
    """When each project was last labelled."""
    last = select(func.max(LabelRecord.id)).where(LabelRecord.project_id.in_(projects)).group_by(LabelRecord.project_id)
    found = session.scalars(select(LabelRecord).where(LabelRecord.id.in_(last)))
    return {fact.project_id: fact.at for fact in found}


def member_counts(session: Session, projects: Sequence[int]) -> dict[int, int]:
    """How many members each project has."""
    return _counts(session, select(Member.project_id, func.count()).where(Member.project_id.in_(projects)))


def create(
    session: Session, bundle_id: int, user_id: int, facts: dict[str, Any], label_sets: list[LabelSet]
) -> Project:
    """A new project, whose maker administers it, and its first scanner profile, at the ``scale`` of the facts."""
    scale = facts.get("scale", 1.0)
    named = {name: value for name, value in facts.items() if name != "scale"}
    project = Project(**named, bundle_id=bundle_id, created_by=user_id)
    session.add(project)
    session.flush()
    made_by = "default" if scale == 1.0 else "person"
    session.add(Profile(project_id=project.id, name=FIRST, scale=scale, scale_from=made_by, created_by=user_id))
    session.add(Member(project_id=project.id, user_id=user_id, role="admin"))
    for row in label_sets:
        row.project_id = project.id
        row.created_by = user_id
        session.add(row)
        session.flush()  # one by one: the order of their numbers is their order on the page
    session.refresh(project)
    return project


# --- members ----------------------------------------------------------------------------------------------


def members(session: Session, project_id: int) -> list[tuple[User, str]]:
    """Members and their roles, by name."""
    query = select(User, Member.role).join(Member, Member.user_id == User.id).where(Member.project_id == project_id)
    return [(user, given) for user, given in session.execute(query.order_by(func.lower(User.name)))]


def role(session: Session, project_id: int, user_id: int) -> str | None:
    """A person's role in a project; None for whoever is no member."""
    member = session.get(Member, (project_id, user_id))
    return None if member is None else member.role


def seat_member(session: Session, project_id: int, user_id: int, given: str) -> str | None:
    """Give a person a role; the one it had before, or None. Raises as :func:`_keep_an_admin`."""
    was = role(session, project_id, user_id)
    if was == "admin" and given != "admin":
        _keep_an_admin(session, project_id, user_id)
    row = insert(Member).values(project_id=project_id, user_id=user_id, role=given)
    session.execute(row.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": given}))
    return was


def unseat_member(session: Session, project_id: int, user_id: int) -> None:
    """Take a person's role away.

    Raises :class:`~hemosight.service.errors.NothingThere` and as :func:`_keep_an_admin`.
    """
    row = session.get(Member, (project_id, user_id))
    if row is None:
        raise NothingThere(kind="a member of this project")
    if row.role == "admin":
        _keep_an_admin(session, project_id, user_id)
    session.delete(row)


def _keep_an_admin(session: Session, project_id: int, leaving: int) -> None:
    # All are locked: two who take each other away at once must not both succeed.
    query = select(Member.user_id).where(Member.project_id == project_id, Member.role == "admin").with_for_update()
    if set(session.scalars(query.order_by(Member.user_id))) <= {leaving}:
        raise Refusal(
            "in_the_way",
            expected="an administrator to remain in the project",
            came="the last one being taken away",
            mend="Make somebody else its administrator first.",
        )
