"""Labels: set, undo, list."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from fastapi import APIRouter, BackgroundTasks
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.errors import Refusal
from hemosight.service.routes.familiarity import refuse_bulk_agreement
from hemosight.service.schemas.labels import (
    LabelAnswer,
    LabelConflict,
    LabelRecords,
    LabelRecordShown,
    NewLabel,
    NewLabels,
    NewUndo,
    StoredLabel,
)
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, State
from hemosight.service.storage import labels
from hemosight.service.storage.labels import LabelOutcome, LabelRequest, SubmittedLabel
from hemosight.service.storage.tables import LabelRecord

router = APIRouter(tags=["labels"])


@router.post("/projects/{project}/labels", operation_id="set_labels")
def submit(given: NewLabels, seat: Reviewer, service: Service, later: BackgroundTasks) -> LabelAnswer:
    """Label images. One whose current label is another than `version` is left alone and comes back as a conflict."""
    state = service.project_states.get(seat.project)
    if given.kind == "agree":
        refuse_bulk_agreement(state, [item.image for item in given.items])
    items, taught_until = submitted(state, given.label_set, given.items)
    request = request_of(seat, given.request, state.bundle_id, taught_until)
    return _answer(
        service, state, later, lambda session: labels.submit(session, request, given.label_set, items, given.kind)
    )


@router.post("/projects/{project}/labels/undo", operation_id="undo_labels")
def undo(given: NewUndo, seat: Reviewer, service: Service, later: BackgroundTasks) -> LabelAnswer:
    """Restore the label before each of these, where they are still the current ones."""
    state = service.project_states.get(seat.project)
    request = request_of(seat, given.request, state.bundle_id, 0)
    return _answer(service, state, later, lambda session: labels.undo(session, request, given.labels))


@router.get("/projects/{project}/labels", operation_id="list_label_records")
def records(seat: Viewer, service: Service, after: After = 0, limit: Limit = 100) -> LabelRecords:
    """All label records of the project, in order."""
    with service.database.session() as session:
        rows = labels.records_after(session, seat.project, after, limit)
    # With no connection in hand: the project may need one of its own.
    held = _untold if all(row.probability is None for row, _ in rows) else _held_back_here(service, seat.project)
    return LabelRecords(
        items=[shown(record, name, held(record.image_id, name)) for record, name in rows],
        next=cursor(rows, limit, lambda row: row[0].id),
    )


def _held_back_here(service: State, project: int) -> Callable[[int, str], bool]:
    try:
        return held_back(service.project_states.get(project))
    except Refusal as refused:
        if refused.code != "bundle_not_here":
            raise
        return _untold


def shown(record: LabelRecord, label_set: str, blank: bool) -> LabelRecordShown:
    """A label record as the API shows it; ``blank`` leaves away how sure the model was, which the table keeps."""
    return LabelRecordShown(
        id=record.id,
        image=record.image_id,
        label_set=label_set,
        label=record.label,
        user=record.user_id,
        at=record.at,
        kind=record.kind,  # type: ignore[arg-type] -- the table checks it
        undoes=record.undoes,
        predicted=record.predicted,
        probability=None if blank else record.probability,
        taught_until=record.taught_until,
        bundle=record.bundle_id,
    )


def _untold(_image: int, _label_set: str) -> bool:
    """All is held back: of a project that another bundle reads nobody can tell; and where there is nothing to tell."""
    return True


def held_back(state: ProjectState) -> Callable[[int, str], bool]:
    """Whether the probabilities of an image in a label set are held back: in all but the project's own label sets."""
    types = state.readings.snapshot(CELL_TYPE)
    images = set(types.ids[types.held_back].tolist())
    with state.lock:
        own = {spec.name for spec in state.specs.values() if spec.kind == "own"}
    return lambda image, label_set: image in images and label_set not in own


def request_of(seat: ProjectSeat, number: uuid.UUID, bundle: int, taught_until: int) -> LabelRequest:
    """Who labels, under which number, beside which model."""
    return LabelRequest(seat.project, seat.user.id, seat, number, bundle, taught_until)


def submitted(state: ProjectState, label_set: str, items: Sequence[NewLabel]) -> tuple[list[SubmittedLabel], int]:
    """Labels with what the model said until now, and the newest label record it had learnt.

    To be asked before the transaction: that is what the person saw.
    """
    seen, taught_until = state.readings.seen_predictions(label_set, [item.image for item in items])
    return [
        SubmittedLabel(item.image, item.label, item.version, one.predicted, one.probability)
        for item, one in zip(items, seen, strict=True)
    ], taught_until


def _learn(service: State, state: ProjectState, label_set: str, version: int) -> None:
    with service.metrics.turns.time():
        state.labels_written(label_set, version)


def _answer(
    service: State, state: ProjectState, later: BackgroundTasks, write: Callable[[Session], LabelOutcome]
) -> LabelAnswer:
    with state.writing, service.database.session() as session:
        outcome = write(session)
    return answer(service, state, later, outcome)


def answer(service: State, state: ProjectState, later: BackgroundTasks, outcome: LabelOutcome) -> LabelAnswer:
    """What is answered to a request whose labels were committed; what it wrote is learnt ``later``."""
    # After the commit, and after the answer: the project reads what was written, like in every other process.
    newest = {label.label_set: label.version for label in sorted(outcome.labels, key=lambda label: label.version)}
    for label_set, version in newest.items():
        later.add_task(_learn, service, state, label_set, version)
    return LabelAnswer(
        labels=[StoredLabel(image=label.image, version=label.version, label=label.label) for label in outcome.labels],
        conflicts=[
            LabelConflict(
                image=one.image,
                version=one.version,
                label=one.label,
                submitted=one.submitted,
                by=one.by,
                at=one.at,
            )
            for one in outcome.conflicts
        ],
        taught_until=outcome.taught_until,
        undo=[label.version for label in outcome.labels],
    )
