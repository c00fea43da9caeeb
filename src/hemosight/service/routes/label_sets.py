"""Label sets: what is asked of every cell; a laboratory can define more, from a few examples."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.errors import Refusal
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
from hemosight.service.storage import audit, class_facts, events, label_sets, labels
from hemosight.service.storage.labels import LabelRequest, SubmittedLabel
from hemosight.service.storage.live_events import LabelSetEvent
from hemosight.service.storage.tables import LabelSet

router = APIRouter(tags=["label sets"])


@router.get("/projects/{project}/label-sets", operation_id="list_label_sets")
def list_label_sets(seat: Viewer, service: Service) -> LabelSets:
    """Every label set, how many labels it has, and how well it reads."""
    with service.database.session() as session:
        rows, labelled = label_sets.listed(session, seat.project), label_sets.labelled(session, seat.project)
    state = service.project_states.get(seat.project)
    return LabelSets(items=[shown(row, labelled.get(row.id, {}), state) for row in rows])


@router.post("/projects/{project}/label-sets", operation_id="create_label_set", status_code=201)
def create_label_set(given: NewLabelSet, seat: Reviewer, service: Service) -> LabelSetShown:
    """Define a label set. Its examples are labels like any other: records with an author."""
    state = service.project_states.get(seat.project)
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        _require_type(session, seat.project, given.asked_of)
        classes = _with_marks([], given.classes)
        row = label_sets.add(
            session, seat.project, seat.user.id, given.name, given.title, classes, asked_of=given.asked_of
        )
        audit.note(session, seat, "label_set.create", {"label_set": row.id, **given.model_dump()}, seat.project)
        session.flush()
        events.tell(session, seat.project, LabelSetEvent(name=row.name))
        outcome = None
        if given.examples:
            request = LabelRequest(seat.project, seat.user.id, seat, uuid.uuid4(), state.bundle_id, 0)
            submitted = [SubmittedLabel(example.image, example.label, 0) for example in given.examples]
            outcome = labels.submit(session, request, row.name, submitted, "set")
        labelled = label_sets.labelled(session, seat.project)
    if outcome is not None:
        state.labels_written(given.name, outcome.taught_until)
    return shown(row, labelled.get(row.id, {}), state)


@router.patch("/projects/{project}/label-sets/{label_set}", operation_id="change_label_set")
def change_label_set(given: LabelSetChange, label_set: Id, seat: Reviewer, service: Service) -> LabelSetShown:
    """Give a label set another title, more classes or another level, say of which type it is asked, or put it away."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = label_sets.get(session, seat.project, label_set)
        if given.archived and row.name == CELL_TYPE:
            raise Refusal(
                "in_the_way",
                expected="a label set that reports can do without",
                came="the cell types",
                mend="Put another one away.",
            )
        if given.title is not None:
            row.title = given.title
        if given.classes is not None:
            row.classes = _with_marks(list(row.classes), given.classes)
        if given.level is not None:
            row.level = given.level
        if "asked_of" in given.model_fields_set and row.name != CELL_TYPE:
            _require_type(session, seat.project, given.asked_of)
            row.asked_of = given.asked_of
        if given.archived is not None:
            label_sets.archive(row, archived=given.archived)
        changes = given.model_dump(exclude_unset=True)
        audit.note(session, seat, "label_set.change", {"label_set": row.id, **changes}, seat.project)
        session.flush()
        events.tell(session, seat.project, LabelSetEvent(name=row.name))
        labelled, archived = label_sets.labelled(session, seat.project), row.archived_at is not None
    return shown(row, labelled.get(row.id, {}), None if archived else service.project_states.get(seat.project))


def _require_type(session: Session, project: int, name: str | None) -> None:
    """A label set is asked of every cell, or of a cell type that is in use."""
    if name is None:
        return
    known = class_facts.in_use(labels.label_set_of(session, project, CELL_TYPE).classes)
    if name not in known:
        raise Refusal(
            "unfit",
            expected="a cell type of the project that the label set is asked of",
            came=repr(name),
            mend=f"Choose one of: {', '.join(known)}.",
        )


def _with_marks(known: list[dict[str, Any]], given: list[ClassGiven]) -> list[dict[str, Any]]:
    """Classes in their order, new ones behind; a class keeps its key and colours whatever comes after it."""
    classes = {entry["name"]: dict(entry) for entry in known}
    found = marks([*classes, *(one.name for one in given)])
    taken = {entry["key"] for entry in known}
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


def shown(row: LabelSet, labelled: dict[str, int], state: ProjectState | None) -> LabelSetShown:
    """A label set as the API shows it; without a score where no state is given."""
    into = class_facts.merges(row.classes)
    now: Counter[str] = Counter()
    for name, count in labelled.items():
        now[into.get(name, name)] += count
    score, taught_until = (None, 0) if state is None or not labelled else state.readings.score(row.name)
    return LabelSetShown(
        id=row.id,
        name=row.name,
        title=row.title,
        # In memory one that the bundle does not read any more counts as the project's own.
        kind=row.kind if state is None else state.spec(row.name).kind,  # type: ignore[arg-type] -- the table checks it
        classes=as_classes(class_facts.shown(row.classes, row.name)),
        level=row.level,  # type: ignore[arg-type] -- the table checks it
        asked_of=row.asked_of,
        labelled=dict(now),
        score=None
        if score is None
        else Score(
            macro_f1=score.macro_f1.value,
            low=score.macro_f1.low,
            high=score.macro_f1.high,
            n=score.cells,
            folds=score.cells,
        ),
        taught_until=taught_until,
    )
