"""Label sets: what is asked of every cell, also after the fact and from a few examples."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import APIRouter

from hemosight.service.desk.desk import Desk
from hemosight.service.errors import InTheWay
from hemosight.service.schemas.label_sets import (
    ClassGiven,
    LabelSetChange,
    LabelSets,
    LabelSetShown,
    NewLabelSet,
    Score,
    as_classes,
)
from hemosight.service.security.permissions import Id, Reviewer, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import audit, events, label_sets, labels
from hemosight.service.storage.labels import Request, Said
from hemosight.service.storage.tables import LabelSet
from hemosight.sheet.palette import marks
from hemosight.space.labels import CELL_TYPE, title

router = APIRouter(tags=["label sets"])


@router.get("/projects/{project}/label-sets", operation_id="list_label_sets")
def list_label_sets(seat: Viewer, service: Service) -> LabelSets:
    """Every label set, how many labels it has, and how well it reads."""
    with service.database.session() as session:
        rows, labelled = label_sets.listed(session, seat.project), label_sets.labelled(session, seat.project)
    desk = service.desks.get(seat.project)
    return LabelSets(items=[_shown(row, labelled.get(row.id, {}), desk) for row in rows])


@router.post("/projects/{project}/label-sets", operation_id="create_label_set", status_code=201)
def create_label_set(given: NewLabelSet, seat: Reviewer, service: Service) -> LabelSetShown:
    """Invent a label set. Its examples are labels like any other: facts with an author."""
    desk = service.desks.get(seat.project)
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = label_sets.add(
            session, seat.project, seat.user.id, given.name, given.title, _with_marks([], given.classes)
        )
        audit.note(session, seat, "label_set.create", {"label_set": row.id, **given.model_dump()}, seat.project)
        session.flush()
        events.tell(session, seat.project, "label_set", {"name": row.name})
        outcome = None
        if given.examples:
            request = Request(seat.project, seat.user.id, seat, uuid.uuid4(), desk.bundle_id, 0)
            said = [Said(example.image, example.label, 0) for example in given.examples]
            outcome = labels.say(session, request, row.name, said, "set")
        labelled = label_sets.labelled(session, seat.project)
    if outcome is not None:
        desk.learn(given.name, outcome.revision)
    return _shown(row, labelled.get(row.id, {}), desk)


@router.patch("/projects/{project}/label-sets/{label_set}", operation_id="change_label_set")
def change_label_set(given: LabelSetChange, label_set: Id, seat: Reviewer, service: Service) -> LabelSetShown:
    """Give a label set another title, more classes, or put it away."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = label_sets.get(session, seat.project, label_set)
        if given.archived and row.name == CELL_TYPE:
            raise InTheWay(
                expected="a label set that reports can do without", came="the cell types", mend="Put another one away."
            )
        if given.title is not None:
            row.title = given.title
        if given.classes is not None:
            row.classes = _with_marks(list(row.classes), given.classes)
        if given.archived is not None:
            label_sets.archive(row, archived=given.archived)
        changes = given.model_dump(exclude_none=True)
        audit.note(session, seat, "label_set.change", {"label_set": row.id, **changes}, seat.project)
        session.flush()
        events.tell(session, seat.project, "label_set", {"name": row.name})
        labelled, archived = label_sets.labelled(session, seat.project), row.archived_at is not None
    return _shown(row, labelled.get(row.id, {}), None if archived else service.desks.get(seat.project))


def _with_marks(known: list[dict[str, Any]], given: list[ClassGiven]) -> list[dict[str, Any]]:
    """Classes in their order, new ones behind; a class keeps its key and colours whatever comes after it."""
    classes = {facts["name"]: dict(facts) for facts in known}
    found = marks([*classes, *(one.name for one in given)])
    taken = {facts["key"] for facts in known}
    for one in given:
        if one.name in classes:
            classes[one.name]["title"] = one.title or classes[one.name]["title"]
            continue
        mark = found[one.name]
        free = [
            letter
            for letter in [mark.letter, *one.name.upper(), *"ABCDEFGIJKLMNOPQRSTUVWXYZ0123456789"]
            if letter.isalnum()
        ]
        key = next((letter for letter in free if letter not in taken and letter != "H"), mark.letter)
        taken.add(key)
        classes[one.name] = {
            "name": one.name,
            "title": one.title or title(one.name),
            "key": key,
            "light": mark.light,
            "dark": mark.dark,
        }
    return list(classes.values())


def _shown(row: LabelSet, labelled: dict[str, int], desk: Desk | None) -> LabelSetShown:
    score, taught = (None, 0) if desk is None or not labelled else desk.score(row.name)
    return LabelSetShown(
        id=row.id,
        name=row.name,
        title=row.title,
        kind=row.kind,  # type: ignore[arg-type] -- the table checks it
        classes=as_classes(row.classes),
        labelled=labelled,
        score=None
        if score is None
        else Score(
            macro_f1=score.macro_f1.value,
            low=score.macro_f1.low,
            high=score.macro_f1.high,
            n=score.cells,
            folds=score.cells,
        ),
        revision=taught,
    )
