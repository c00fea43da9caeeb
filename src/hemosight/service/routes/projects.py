"""Projects, their members and cases."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.bundle import Bundle
from hemosight.service.errors import AlreadyThere, InTheWay, NotAllowed
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.people import UserShown
from hemosight.service.schemas.projects import (
    CaseChange,
    Cases,
    CaseShown,
    MemberRole,
    Members,
    MemberShown,
    NewCase,
    NewProject,
    ProjectChange,
    ProjectListed,
    Projects,
    ProjectShown,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, SignedIn, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, events, projects, sign_ins, users
from hemosight.service.storage.tables import Case, KnownBundle, LabelSet, Project
from hemosight.sheet import palette
from hemosight.space.labels import CELL_TYPE, title

router = APIRouter(prefix="/projects", tags=["projects"])


# --- projects ---------------------------------------------------------------------------------------------


@router.get("", operation_id="list_projects")
def list_projects(seat: SignedIn, session: Transaction, after: After = 0, limit: Limit = 200) -> Projects:
    """Projects one is a member of (an administrator of the service: all), and how far each is."""
    rows = projects.listed(
        session, seat.user.id, everything=seat.user.is_admin, only=seat.confined, after=after, limit=limit
    )
    shown = _listed(session, [(row, "admin" if seat.user.is_admin else role or "viewer") for row, role in rows])
    return Projects(items=shown, next=cursor(rows, limit, lambda row: row[0].id))


@router.post("", operation_id="create_project", status_code=201)
def create_project(seat: SignedIn, service: Service, session: Transaction, given: NewProject) -> ProjectShown:
    """Begin a project, which one then administers. It gets a label set for each thing the bundle reads."""
    if seat.confined is not None:
        raise NotAllowed(
            expected="an API token for every project", came="one for a single project", mend="Make another token."
        )
    bundle = service.shelf.register(session)
    project = projects.create(session, bundle, seat.user.id, given.model_dump(), label_sets(service.shelf.bundle))
    audit.note(session, seat, "project.create", {"project": project.id, "bundle": bundle}, project.id)
    return _shown(session, project, "admin")


@router.get("/{project}", operation_id="get_project")
def get_project(seat: Viewer, session: Transaction) -> ProjectShown:
    """A project, its settings, and how far it is."""
    return _shown(session, projects.get(session, seat.project), seat.role)


@router.patch("/{project}", operation_id="change_project")
def change_project(seat: ProjectAdmin, session: Transaction, given: ProjectChange) -> ProjectShown:
    """Change a project's name or settings, or put it into the archive, where it can only be looked at."""
    row = projects.get(session, seat.project)
    changes = given.model_dump(exclude_none=True)
    if changes.get("scale", row.scale) != row.scale and projects.progress(session, [row.id])[row.id].images:
        raise InTheWay(
            expected="a project without images",
            came="one whose images may have been read at the old scale",
            mend="Begin another project with this scale.",
        )
    archived = changes.pop("archived", None)
    for name, value in changes.items():
        setattr(row, name, value)
    if archived is not None and archived != (row.archived_at is not None):
        row.archived_at = sign_ins.now() if archived else None
        changes["archived"] = archived
    told = sorted(set(changes) - {"name", "description"})
    audit.note(session, seat, "project.change", changes, row.id)
    session.flush()
    shown = _shown(session, row, seat.role)
    events.tell(session, row.id, "settings", {"changed": told})
    return shown


def label_sets(bundle: Bundle) -> list[LabelSet]:
    """The label sets a new project begins with: one for each reader of the bundle, cell types first."""
    names = sorted(bundle.readers, key=lambda name: (name != CELL_TYPE, name))
    made = []
    for name in names:
        marks = palette.marks(bundle.readers[name].classes)
        classes = [
            {"name": label, "title": title(label), "key": mark.letter, "light": mark.light, "dark": mark.dark}
            for label, mark in marks.items()
        ]
        made.append(LabelSet(name=name, title=title(name), kind="bundle", classes=classes))
    return made


def _listed(session: Session, rows: Sequence[tuple[Project, str]]) -> list[ProjectListed]:
    ids = [row.id for row, _ in rows]
    progress = projects.progress(session, ids)
    members = projects.member_counts(session, ids)
    last = projects.last_reviews(session, ids)
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
            }
        )
        for row, role in rows
    ]


def _shown(session: Session, project: Project, role: str) -> ProjectShown:
    (listed,) = _listed(session, [(project, role)])
    bundle = session.get_one(KnownBundle, project.bundle_id)
    return ProjectShown(
        **listed.model_dump(),
        scale=project.scale,
        teaching=project.teaching,
        teaching_weight=project.teaching_weight,
        second_signer=project.second_signer,
        bundle=f"{bundle.name} {bundle.version}",
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
    """Make an account a member, or change its role."""
    row = users.get(session, user)
    before = projects.seat_member(session, seat.project, user, given.role)
    audit.note(session, seat, "member.set", {"user": user, "role": given.role, "before": before}, seat.project)
    return MemberShown(user=UserShown.model_validate(row, from_attributes=True), role=given.role)


@router.delete("/{project}/members/{user}", operation_id="remove_member", status_code=204)
def remove_member(seat: ProjectAdmin, session: Transaction, user: Id) -> None:
    """Take a member's role away; what it has labelled stays."""
    projects.unseat_member(session, seat.project, user)
    audit.note(session, seat, "member.remove", {"user": user}, seat.project)


# --- cases ------------------------------------------------------------------------------------------------


@router.get("/{project}/cases", operation_id="list_cases")
def list_cases(seat: Viewer, session: Transaction, after: After = 0, limit: Limit = 500) -> Cases:
    """The cases of a project, in the order they were made, and how far each is."""
    rows = projects.cases(session, seat.project, after, limit)
    return Cases(items=_cases(session, seat.project, rows), next=cursor(rows, limit, lambda row: row.id))


@router.post("/{project}/cases", operation_id="add_case", status_code=201)
def add_case(seat: Reviewer, session: Transaction, given: NewCase) -> CaseShown:
    """A new case."""
    row = projects.add_case(session, seat.project, given.key, given.note)
    audit.note(session, seat, "case.create", {"case": row.id, "key": row.key}, seat.project)
    return _cases(session, seat.project, [row])[0]


@router.patch("/{project}/cases/{case}", operation_id="change_case")
def change_case(seat: Reviewer, session: Transaction, case: Id, given: CaseChange) -> CaseShown:
    """Change a case's key or note."""
    row = projects.case(session, seat.project, case)
    changes = given.model_dump(exclude_none=True)
    if given.key is not None and given.key != row.key and projects.case_of(session, seat.project, given.key):
        raise AlreadyThere(kind="a case key")
    for name, value in changes.items():
        setattr(row, name, value)
    audit.note(session, seat, "case.change", {"case": case, **changes}, seat.project)
    session.flush()
    return _cases(session, seat.project, [row])[0]


def _cases(session: Session, project: int, rows: Sequence[Case]) -> list[CaseShown]:
    ids = [row.id for row in rows]
    progress = projects.case_progress(session, projects.get(session, project), ids)
    signed = projects.signed_cases(session, ids)
    return [
        CaseShown(
            id=row.id,
            key=row.key,
            note=row.note,
            created_at=row.created_at,
            **vars(progress[row.id]),
            signed=row.id in signed,
        )
        for row in rows
    ]
