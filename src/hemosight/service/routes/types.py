"""The types of a laboratory: adding them on the spot, renaming, merging and retiring them, with their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from hemosight.blood import colours
from hemosight.blood.colours import Ink
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.routes.label_sets import shown
from hemosight.service.schemas.audit import AuditedUser
from hemosight.service.schemas.label_sets import LabelSetShown
from hemosight.service.schemas.types import (
    ColourPair,
    NewType,
    OfferedType,
    OfferedTypes,
    TypeChange,
    TypeEdit,
    TypeHistory,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, class_edits, events, label_sets
from hemosight.service.storage.class_edits import NewClass
from hemosight.service.storage.live_events import LabelSetEvent
from hemosight.service.storage.tables import LabelSet

router = APIRouter(prefix="/projects/{project}/label-sets/{label_set}", tags=["label sets"])
OFFERED_COLOURS = 8
TypeName = Annotated[str, Path(min_length=1, max_length=100, description="A class's name, as records have it.")]


@router.get("/types/offered", operation_id="list_offered_types")
def offered(seat: Viewer, session: Transaction, label_set: Id) -> OfferedTypes:
    """Types that can be taken up as they are, and keys and colours that are free for a new one."""
    row = label_sets.get(session, seat.project, label_set)
    free = colours.free([Ink(facts["light"], facts["dark"]) for facts in row.classes], OFFERED_COLOURS)
    types = class_edits.offered(row.classes) if row.name == CELL_TYPE else []
    return OfferedTypes(
        types=[OfferedType.model_validate(one) for one in types],
        colours=[ColourPair(light=ink.light, dark=ink.dark) for ink in free],
        keys=class_edits.free_keys(row.classes),
    )


@router.post("/types", operation_id="add_type", status_code=201)
def add_type(given: NewType, label_set: Id, seat: Reviewer, service: Service) -> LabelSetShown:
    """Add a class to a label set, the cell types among them. It is read as soon as cells are labelled so."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = label_sets.get(session, seat.project, label_set)
        ink = None if given.colour is None else Ink(given.colour.light, given.colour.dark)
        new = NewClass(given.title, given.name, given.key, ink, given.counts, given.parent)
        row.classes = class_edits.added(row.classes, new, row.name)
        made = row.classes[-1]
        _note(session, seat, row, "type.add", {"type": made["name"], **made})
    return _answer(service, seat, label_set)


@router.patch("/types/{name}", operation_id="change_type")
def change_type(
    given: TypeChange, label_set: Id, name: TypeName, seat: ProjectAdmin, service: Service
) -> LabelSetShown:
    """Rename a class, change its key, colour, place or counting, retire it or merge it into another.

    Label records and signed records stay as they are; cases that are not signed count by the new rule at once.
    """
    read = service.project_states.get(seat.project).bundle.classifiers
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = label_sets.get(session, seat.project, label_set)
        fixed = read[row.name].classes if row.kind == "bundle" and row.name in read else ()
        before = {facts["name"]: facts for facts in row.classes}
        row.classes = class_edits.changed(row.classes, name, given.changes, row.name, fixed)
        was = {fact: before[name].get(fact) for fact in given.changes}
        _note(session, seat, row, "type.change", {"type": name, **given.changes, "before": was})
    return _answer(service, seat, label_set)


@router.get("/history", operation_id="get_label_set_history")
def history(seat: Viewer, session: Transaction, label_set: Id) -> TypeHistory:
    """Who added, renamed, merged or retired what, and when; the newest first."""
    row = label_sets.get(session, seat.project, label_set)
    return TypeHistory(
        items=[
            TypeEdit(
                id=edit.id,
                at=edit.at,
                user=None if edit.user_id is None else AuditedUser(id=edit.user_id, name=who or ""),
                action=edit.action,
                subject=edit.subject,
            )
            for edit, who in label_sets.history(session, row)
        ]
    )


def _note(session: Session, seat: ProjectSeat, row: LabelSet, action: str, facts: dict[str, object]) -> None:
    audit.note(session, seat, action, {"label_set": row.id, **facts}, seat.project)
    session.flush()
    events.tell(session, seat.project, LabelSetEvent(name=row.name))


def _answer(service: State, seat: ProjectSeat, label_set: int) -> LabelSetShown:
    with service.database.session() as session:
        row, labelled = label_sets.get(session, seat.project, label_set), label_sets.labelled(session, seat.project)
        return shown(row, labelled.get(label_set, {}), None)
