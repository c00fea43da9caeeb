"""Projects and their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood import palette
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.bundle import Bundle
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.people import UserShown
from hemosight.service.schemas.projects import (
    MemberRole,
    Members,
    MemberShown,
    Names,
    NewProject,
    ProjectChange,
    ProjectListed,
    Projects,
    ProjectShown,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, SignedIn, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, deletion, events, original_names, project_bundle, projects, sign_ins, users
from hemosight.service.storage.live_events import SettingsEvent
from hemosight.service.storage.tables import LabelSet, Project

router = APIRouter(prefix="/projects", tags=["projects"])


# --- projects ---------------------------------------------------------------------------------------------


@router.get("", operation_id="list_projects")
def list_projects(
    seat: SignedIn, service: Service, session: Transaction, after: After = 0, limit: Limit = 200
) -> Projects:
    """Projects one is a member of (an administrator of the service: all), and how far each is."""
    rows = projects.listed(
        session, seat.user.id, everything=seat.user.is_admin, only=seat.confined, after=after, limit=limit
    )
    shown = _listed(
        service, session, [(row, "admin" if seat.user.is_admin else role or "viewer") for row, role in rows]
    )
    return Projects(items=shown, next=cursor(rows, limit, lambda row: row[0].id))


@router.post("", operation_id="create_project", status_code=201)
def create_project(seat: SignedIn, service: Service, session: Transaction, given: NewProject) -> ProjectShown:
    """Begin a project, which one then administers. It gets a label set for each thing the bundle reads."""
    if seat.confined is not None:
        raise Refusal(
            "not_allowed",
            expected="an API token for every project",
            came="one for a single project",
            mend="Make another token.",
        )
    bundle = service.registry.register(session)
    project = projects.create(session, bundle, seat.user.id, given.model_dump(), label_sets(service.registry.bundle))
    audit.note(session, seat, "project.create", {"project": project.id, "bundle": bundle}, project.id)
    return _shown(service, session, project, "admin")


@router.get("/{project}", operation_id="get_project")
def get_project(seat: Viewer, service: Service, session: Transaction) -> ProjectShown:
    """A project, its settings, and how far it is."""
    return _shown(service, session, projects.get(session, seat.project), seat.role)


@router.patch("/{project}", operation_id="change_project")
def change_project(seat: ProjectAdmin, service: Service, session: Transaction, given: ProjectChange) -> ProjectShown:
    """Change a project's name or settings, or put it into the archive, where it can only be looked at."""
    events.take_turn(session, seat.project)  # before the project is held: who deletes it has the turn, and waits for it
    row = projects.get(session, seat.project)
    changes = given.model_dump(exclude_none=True)
    archived = changes.pop("archived", None)
    if given.names is not None:
        original_names.choose(session, row, given.names)
    for name, value in changes.items():
        setattr(row, name, value)
    if archived is not None and archived != (row.archived_at is not None):
        row.archived_at = sign_ins.now() if archived else None
        changes["archived"] = archived
    changed = sorted(changes)
    audit.note(session, seat, "project.change", changes, row.id)
    session.flush()
    shown = _shown(service, session, row, seat.role)
    events.tell(session, row.id, SettingsEvent(changed=changed))
    return shown


@router.delete("/{project}", operation_id="delete_project", status_code=204)
def delete_project(seat: ProjectAdmin, service: Service) -> None:
    """Delete a project with its cells and cases. The audit trail stays; one with signed records cannot be deleted."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)  # another may delete it meanwhile
        row = projects.get(session, seat.project)
        cells = deletion.delete_project(session, row)
        audit.note(session, seat, "project.delete", {"project": row.id, "name": row.name, "cells": cells}, row.id)
    service.project_states.drop(seat.project)


def label_sets(bundle: Bundle) -> list[LabelSet]:
    """The label sets a new project begins with: one for each reader of the bundle, cell types first."""
    names = sorted(bundle.classifiers, key=lambda name: (name != CELL_TYPE, name))
    made = []
    for name in names:
        marks = palette.marks(bundle.classifiers[name].classes)
        classes = [
            {"name": label, "title": title(label), "key": mark.letter, "light": mark.light, "dark": mark.dark}
            for label, mark in marks.items()
        ]
        made.append(LabelSet(name=name, title=title(name), kind="bundle", classes=classes))
    return made


def _listed(service: State, session: Session, rows: Sequence[tuple[Project, str]]) -> list[ProjectListed]:
    ids = [row.id for row, _ in rows]
    progress = projects.progress(session, ids)
    members = projects.member_counts(session, ids)
    last = projects.last_reviews(session, ids)
    bundles = project_bundle.names(session, ids)
    return [
        ProjectListed.model_validate(
            {
                "id": row.id,
                "name": row.name,
                "description": row.description,
                "role": role,
                **vars(progress[row.id]),
                "members": members.get(row.id, 0),
                "last_review": last.get(row.id),
                "archived": row.archived_at is not None,
                "bundle": bundles[row.id][0],
                "bundle_here": bundles[row.id][1] == service.registry.identity,
            }
        )
        for row, role in rows
    ]


def _shown(service: State, session: Session, project: Project, role: str) -> ProjectShown:
    (listed,) = _listed(service, session, [(project, role)])
    return ProjectShown(
        **listed.model_dump(),
        teaching=project.teaching,
        teaching_weight=project.teaching_weight,
        second_signer=project.second_signer,
        names=cast(Names, project.names),  # a constraint of the table holds it
        created_at=project.created_at,
    )


# --- members ----------------------------------------------------------------------------------------------


@router.get("/{project}/members", operation_id="list_members")
def list_members(seat: Viewer, session: Transaction) -> Members:
    """Who may do what in a project."""
    rows = projects.members(session, seat.project)
    shown = [
        MemberShown.model_validate({"user": UserShown.model_validate(user, from_attributes=True), "role": role})
        for user, role in rows
    ]
    return Members(items=shown)


@router.put("/{project}/members/{user}", operation_id="set_member")
def set_member(seat: ProjectAdmin, session: Transaction, user: Id, given: MemberRole) -> MemberShown:
    """Make an account a member, or change its role.

    Who is no administrator of the service has to know whom they add: numbers would list all accounts.
    """
    row = users.get(session, user)
    seated = user in {one.id for one, _ in projects.members(session, seat.project)}
    if not (seat.user.is_admin or seated) and (given.name or "").casefold() != row.name.casefold():
        raise NothingThere(kind="an account")
    before = projects.seat_member(session, seat.project, user, given.role)
    audit.note(session, seat, "member.set", {"user": user, "role": given.role, "before": before}, seat.project)
    return MemberShown(user=UserShown.model_validate(row, from_attributes=True), role=given.role)


@router.delete("/{project}/members/{user}", operation_id="remove_member", status_code=204)
def remove_member(seat: ProjectAdmin, session: Transaction, user: Id) -> None:
    """Take a member's role away; what it has labelled stays."""
    projects.unseat_member(session, seat.project, user)
    audit.note(session, seat, "member.remove", {"user": user}, seat.project)
