"""Labels: saying what cells are, taking it back, the facts in order."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from fastapi import APIRouter, BackgroundTasks
from sqlalchemy.orm import Session

from hemosight.service.desk.desk import Desk
from hemosight.service.schemas.labels import (
    FactMade,
    Facts,
    FactShown,
    LabelAnswer,
    LabelConflict,
    NewLabels,
    NewUndo,
)
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import labels
from hemosight.service.storage.labels import Outcome, Request, Said
from hemosight.service.storage.tables import LabelFact

router = APIRouter(tags=["labels"])


@router.post("/projects/{project}/labels", operation_id="say_labels")
def say(given: NewLabels, seat: Reviewer, service: Service, later: BackgroundTasks) -> LabelAnswer:
    """Say what images are. One of which something else stands by now is left alone and comes back as a conflict."""
    desk = service.desks.get(seat.project)
    # Before the transaction: what the person saw is what the model said until now.
    sights, revision = desk.sight(given.label_set, [item.image for item in given.items])
    items = [
        Said(item.image, item.label, item.version, sight.predicted, sight.probability)
        for item, sight in zip(given.items, sights, strict=True)
    ]
    request = _request(seat, given.request, desk.bundle_id, revision)
    return _answer(
        service, desk, later, lambda session: labels.say(session, request, given.label_set, items, given.kind)
    )


@router.post("/projects/{project}/labels/undo", operation_id="undo_labels")
def undo(given: NewUndo, seat: Reviewer, service: Service, later: BackgroundTasks) -> LabelAnswer:
    """Restore what stood before each of these facts, where they still stand."""
    desk = service.desks.get(seat.project)
    request = _request(seat, given.request, desk.bundle_id, 0)
    return _answer(service, desk, later, lambda session: labels.undo(session, request, given.facts))


@router.get("/projects/{project}/labels", operation_id="list_label_facts")
def facts(seat: Viewer, session: Transaction, after: After = 0, limit: Limit = 100) -> Facts:
    """Everything that was ever said in the project, in order."""
    rows = labels.facts_after(session, seat.project, after, limit)
    return Facts(items=[shown(fact, name) for fact, name in rows], next=cursor(rows, limit, lambda row: row[0].id))


def shown(fact: LabelFact, label_set: str) -> FactShown:
    """A fact as the API shows it."""
    return FactShown(
        id=fact.id,
        image=fact.image_id,
        label_set=label_set,
        label=fact.label,
        user=fact.user_id,
        at=fact.at,
        kind=fact.kind,  # type: ignore[arg-type] -- the table checks it
        undoes=fact.undoes,
        predicted=fact.predicted,
        probability=fact.probability,
        revision=fact.revision,
        bundle=fact.bundle_id,
    )


def _request(seat: ProjectSeat, number: uuid.UUID, bundle: int, revision: int) -> Request:
    return Request(seat.project, seat.user.id, seat, number, bundle, revision)


def _learn(service: State, desk: Desk, label_set: str, fact: int) -> None:
    with service.metrics.turns.time():
        desk.learn(label_set, fact)


def _answer(service: State, desk: Desk, later: BackgroundTasks, write: Callable[[Session], Outcome]) -> LabelAnswer:
    with service.database.session() as session:
        outcome = write(session)
    # After the commit, and after the answer: the desk reads what was written, like every other process does.
    newest = {fact.label_set: fact.version for fact in sorted(outcome.facts, key=lambda fact: fact.version)}
    for label_set, fact in newest.items():
        later.add_task(_learn, service, desk, label_set, fact)
    return LabelAnswer(
        facts=[FactMade(image=fact.image, version=fact.version, label=fact.label) for fact in outcome.facts],
        conflicts=[
            LabelConflict(image=one.image, version=one.version, label=one.label, by=one.by, at=one.at)
            for one in outcome.conflicts
        ],
        revision=outcome.revision,
        undo=[fact.version for fact in outcome.facts],
    )
