"""Names that files and cases came in with, in projects where they get running numbers instead.

``names`` of a project: ``kept``, as they came; ``mapped``, numbered, and what each was called is kept apart here, for
administrators of the service; ``dropped``, numbered, and nothing is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import delete, exists, insert, select, text
from sqlalchemy.orm import Session

from hemosight.service.errors import Refusal
from hemosight.service.storage import events
from hemosight.service.storage.database import one_of
from hemosight.service.storage.tables import Case, Image, OriginalName, Project

Names = Literal["kept", "mapped", "dropped"]
Kind = Literal["image", "case"]
_ENDINGS = {"image/jpeg": ".jpg"}


def of_project(session: Session, project: int) -> str:
    """What becomes of names in a project."""
    return session.scalar(select(Project.names).where(Project.id == project)) or "kept"


def require_unnamed(session: Session, project: int, what: str) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where a project takes no names that people type."""
    if of_project(session, project) != "kept":
        raise Refusal(
            "in_the_way",
            expected=f"{what} in a project that keeps names",
            came="a project whose cells and cases have running numbers alone",
            mend="Leave it away; what must be said of a cell goes into a comment, without naming anybody.",
        )


def choose(session: Session, project: Project, names: Names) -> None:
    """Say what becomes of names. Raises :class:`~hemosight.service.errors.Refusal` once there are cells or cases."""
    if names == project.names:
        return
    there = exists().where(Image.project_id == project.id), exists().where(Case.project_id == project.id)
    if session.scalar(select(there[0] | there[1])):
        raise Refusal(
            "in_the_way",
            expected="a project without cells and cases, to choose what becomes of names",
            came="one that has some, under the names that they have",
            mend="Begin another project; names that came in stay in backups and in the audit trail.",
        )
    project.names = names


def case_of(session: Session, project: int, key: str, facts: Mapping[str, Any]) -> tuple[int, bool]:
    """The numbered case for a key that was given, and whether it is new.

    A key is a number that HemoSight gave, or, where the map is kept, what was called so before; any other makes a case.
    """
    events.take_turn(session, project)
    found = session.scalar(select(Case.id).where(Case.project_id == project, Case.key == key))
    if found is None:
        mapped = select(OriginalName.number).where(
            OriginalName.project_id == project, OriginalName.kind == "case", OriginalName.name == key
        )
        found = session.scalar(mapped)
    if found is not None:
        return found, False
    row = Case(project_id=project, key=f"new {uuid.uuid4()}", **facts)
    session.add(row)
    session.flush()
    row.key = f"case-{row.id}"
    session.flush()
    _keep(session, project, "case", {row.id: key})
    return row.id, True


def number_cells(session: Session, project: int, cells: Mapping[int, tuple[str, str]]) -> None:
    """Name new cells by their numbers; ``cells`` are their names as they came, and their kinds of file."""
    session.execute(
        text("""
            UPDATE images SET name = 'cell-' || given.id || given.ending
            FROM unnest(CAST(:ids AS bigint[]), CAST(:endings AS text[])) AS given(id, ending)
            WHERE images.id = given.id
        """),
        {"ids": list(cells), "endings": [_ENDINGS.get(kind, ".png") for _, kind in cells.values()]},
    )
    _keep(session, project, "image", {image: name for image, (name, _) in cells.items()})


def _keep(session: Session, project: int, kind: Kind, names: Mapping[int, str]) -> None:
    if names and of_project(session, project) == "mapped":
        rows = [{"project_id": project, "kind": kind, "number": number, "name": name} for number, name in names.items()]
        session.execute(insert(OriginalName), rows)


def forget(session: Session, project: int, kind: Kind, numbers: Sequence[int]) -> None:
    """Forget what cells or cases were called: they are deleted."""
    query = delete(OriginalName).where(OriginalName.project_id == project, OriginalName.kind == kind)
    session.execute(query.where(one_of(OriginalName.number, numbers)))


def listed(session: Session, project: int) -> Sequence[tuple[str, int, str]]:
    """Kind, number and name of everything that the map holds."""
    query = select(OriginalName.kind, OriginalName.number, OriginalName.name).where(OriginalName.project_id == project)
    found = session.execute(query.order_by(OriginalName.kind, OriginalName.number))
    return [(row.kind, row.number, row.name) for row in found]
