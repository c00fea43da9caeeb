"""Labelling a whole group of cells on the word of a random sample, with the bound that it warrants."""

from __future__ import annotations

import secrets
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query
from sqlalchemy import func
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk import groups as desk
from hemosight.service.errors import Refusal
from hemosight.service.routes.familiarity import refuse_bulk_agreement
from hemosight.service.schemas.groups import (
    AcceptedBound,
    GroupCells,
    GroupOrder,
    Groups,
    GroupShown,
    NewGroup,
    SampledCell,
)
from hemosight.service.schemas.labels import MOST
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import Id, ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import amendments, audit, class_facts, events, groups, labels
from hemosight.service.storage.groups import UnlabelledCell
from hemosight.service.storage.labels import LabelRequest, SubmittedLabel
from hemosight.service.storage.tables import CellGroup

router = APIRouter(prefix="/projects/{project}/groups", tags=["labels"])
_BEST = 10
"""Wrong cells of a sample up to which it is told what the bound would be."""
_ALIKE = 1e-9
"""Bounds that differ by no more are the same, written otherwise."""


@router.post("/order", operation_id="order_group")
def order_group(seat: Viewer, service: Service, given: GroupCells) -> GroupOrder:
    """Lay cells in order of likeness to the middle of them all, so that a border can be drawn. Nothing is kept."""
    state = service.project_states.get(seat.project)
    found = desk.by_likeness(state.readings.snapshot(given.label_set), given.images)
    return GroupOrder(images=found, left_out=len(set(given.images)) - len(found))


@router.post("", operation_id="draw_group", status_code=201)
def draw_group(seat: Reviewer, service: Service, given: NewGroup) -> GroupShown:
    """Draw a random sample of a group: cells that have a label, or are not there, are left out of both.

    The service chooses the seed. What was drawn stays: a person answers or gives up one sample before the next.
    """
    state = service.project_states.get(seat.project)
    refuse_bulk_agreement(state, given.images)
    with state.writing, service.database.session() as session:
        row = labels.label_set_of(session, seat.project, given.label_set)
        if given.label not in class_facts.in_use(row.classes):
            raise labels.unknown(row, given.label)
        events.take_turn(session, seat.project)
        cells = groups.unlabelled(session, seat.project, row.id, given.images)
        if not cells:
            raise _labelled_all(len(given.images))
        if row.name == CELL_TYPE:
            amendments.require_unlocked(session, seat.project, {one.case for one in cells if one.case is not None})
        images, seed = [one.image for one in cells], secrets.randbits(32)
        group = CellGroup(
            project_id=seat.project,
            label_set_id=row.id,
            label=given.label,
            user_id=seat.user.id,
            images=images,
            sample=desk.sampled(images, given.sample, seed),
            seed=seed,
        )
        groups.add(session, group)
        noted = {"group": group.id, "label_set": row.name, "label": group.label, "seed": seed, "sample": group.sample}
        noted |= {"cells": images, "drawn_before": group.drawn_before}
        audit.note(session, seat, "group.draw", noted, seat.project)
        return _shown(session, group, row.name)


@router.get("", operation_id="list_groups")
def list_groups(
    seat: Viewer,
    session: Transaction,
    own: Annotated[
        bool, Query(description="Only the one that the asker drew and has not ended, by label set.")
    ] = False,
    after: After = 0,
    limit: Limit = 100,
) -> Groups:
    """Groups of the project whose samples were drawn, with answers and bounds, whatever became of them."""
    rows = groups.listed(session, seat.project, after, limit, seat.user.id if own else None)
    return Groups(
        items=[_shown(session, group, name) for group, name in rows],
        next=cursor(rows, limit, lambda row: row[0].id),
    )


@router.get("/{group}", operation_id="get_group")
def get_group(seat: Viewer, session: Transaction, group: Id) -> GroupShown:
    """A group, its sample and the answers up to now: enough to go on after a reload."""
    return _shown(session, *groups.get(session, seat.project, group))


@router.post("/{group}/accept", operation_id="accept_group")
def accept_group(
    seat: Reviewer, service: Service, group: Id, seen_bound: AcceptedBound, later: BackgroundTasks
) -> GroupShown:
    """Give the group its label, once every cell of the sample is answered. Accepting again changes nothing.

    Cells of the sample keep what they were called. Cells that somebody labelled meanwhile are left alone; where that
    makes the bound lower than the one that was shown, nothing is labelled.
    """
    state = service.project_states.get(seat.project)
    with service.database.session() as session:
        row, label_set = groups.get(session, seat.project, group)
        there = [one.image for one in groups.unlabelled(session, seat.project, row.label_set_id, row.images)]
    refuse_bulk_agreement(state, row.images)
    # Before the transaction: it is what was read while the person looked.
    seen, taught_until = state.readings.seen_predictions(label_set, there)
    read = {image: (one.predicted, one.probability) for image, one in zip(there, seen, strict=True)}
    undo: list[int] = []
    with state.writing, service.database.session() as session:
        events.take_turn(session, seat.project)
        row, _ = groups.get(session, seat.project, group)
        if row.ended_at is not None and (row.outcome or {}).get("accepted"):
            return _shown(session, row, label_set)
        _require_open(row, seat)
        answers = groups.answers(session, row)
        if len(answers) < len(row.sample):
            raise _unanswered(row, len(answers))
        cells = _to_label(session, row, [image for image in there if image not in answers])
        facts = _warranted(row, answers, len(cells))
        if facts["bound"] < seen_bound.bound - _ALIKE:
            raise _lower(seen_bound.bound, facts["bound"])
        items = [SubmittedLabel(one.image, row.label, one.version, *read[one.image]) for one in cells]
        for start in range(0, len(items), MOST):
            request = LabelRequest(seat.project, seat.user.id, seat, uuid.uuid4(), state.bundle_id, taught_until)
            undo += [
                label.version
                for label in labels.submit(session, request, label_set, items[start : start + MOST], "group").labels
            ]
        facts |= {"answers": [[i, answers[i]] for i in row.sample]}
        facts |= {"labelled": len(cells), "left": len(row.images) - len(row.sample) - len(cells)}
        _end(
            session,
            row,
            seat,
            "group.accept",
            {"accepted": True, **facts},
            {"labels": [min(undo), max(undo)]} if undo else {},
        )
        shown = _shown(session, row, label_set)
    if undo:
        later.add_task(state.labels_written, label_set, max(undo))
    return shown.model_copy(update={"undo": undo})


@router.post("/{group}/give-up", operation_id="give_up_group")
def give_up_group(seat: Reviewer, session: Transaction, group: Id) -> GroupShown:
    """End a sample without labelling the group. The answers stay labels of their cells; that it was drawn is kept."""
    events.take_turn(session, seat.project)
    row, label_set = groups.get(session, seat.project, group)
    if row.ended_at is None or (row.outcome or {}).get("accepted"):
        _require_open(row, seat)
        answers = groups.answers(session, row)
        facts = {"accepted": False, "answers": [[i, answers[i]] for i in row.sample if i in answers]}
        _end(session, row, seat, "group.drop", facts, {})
    return _shown(session, row, label_set)


# --- steps ------------------------------------------------------------------------------------------------


def _to_label(session: Session, row: CellGroup, images: list[int]) -> list[UnlabelledCell]:
    return groups.unlabelled(session, row.project_id, row.label_set_id, images, row.until)


def _warranted(row: CellGroup, answers: dict[int, str], unseen: int) -> dict[str, Any]:
    right = sum(answer == row.label for answer in answers.values())
    return {"right": right, "bound": desk.bound(len(row.images), len(row.sample), right, unseen)}


def _end(
    session: Session, row: CellGroup, seat: ProjectSeat, action: str, outcome: dict[str, Any], more: dict[str, Any]
) -> None:
    row.ended_at, row.outcome = func.clock_timestamp(), outcome
    audit.note(session, seat, action, {"group": row.id, "label": row.label, **outcome, **more}, row.project_id)
    session.flush()
    session.refresh(row)


def _best(row: CellGroup) -> list[float]:
    cells, drawn = len(row.images), len(row.sample)
    return [desk.bound(cells, drawn, drawn - wrong, cells - drawn) for wrong in range(min(drawn, _BEST) + 1)]


def _shown(session: Session, row: CellGroup, label_set: str) -> GroupShown:
    outcome = row.outcome or {}
    answers = dict(outcome["answers"]) if outcome else groups.answers(session, row)
    facts: dict[str, Any] = {"right": sum(answer == row.label for answer in answers.values()), "bound": None}
    if "bound" in outcome:
        facts = {name: outcome[name] for name in ("right", "bound", "labelled", "left")}
    elif not outcome and len(answers) == len(row.sample):
        rest = [image for image in row.images if image not in answers]
        facts = _warranted(row, answers, len(_to_label(session, row, rest)))
    return GroupShown(
        id=row.id,
        label_set=label_set,
        label=row.label,
        user=row.user_id,
        at=row.at,
        cells=len(row.images),
        seed=row.seed,
        sample=[SampledCell(image=image, answer=answers.get(image)) for image in row.sample],
        best=[] if outcome else _best(row),
        drawn_before=row.drawn_before,
        ended_at=row.ended_at,
        accepted=outcome.get("accepted"),
        **{"labelled": None, "left": None, **facts},
    )


def _require_open(row: CellGroup, seat: ProjectSeat) -> None:
    if row.ended_at is None and row.user_id == seat.user.id:
        return
    raise Refusal(
        "in_the_way",
        expected="a sample that is open, of the person who drew it",
        came="one that somebody else drew" if row.ended_at is None else "one that has ended",
        mend="Draw a sample of the group yourself.",
    )


def _unanswered(row: CellGroup, answered: int) -> Refusal:
    return Refusal(
        "in_the_way",
        expected=f"an answer to each of the {len(row.sample)} cells of the sample, by whoever drew it, one by one",
        came=f"answers to {answered}",
        mend="Label the others, each by itself; `?` where you are unsure. Or give the sample up.",
    )


def _lower(seen: float, now: float) -> Refusal:
    return Refusal(
        "in_the_way",
        expected=f"a group whose bound is still at least {seen:.4f}, as it was shown",
        came=f"one of {now:.4f}, since cells of it were labelled or went meanwhile",
        mend="Look at the group again, and accept it with the bound that it has now, or give it up.",
    )


def _labelled_all(given: int) -> Refusal:
    return Refusal(
        "in_the_way",
        expected="cells that nobody has labelled",
        came=f"{given:,} of which none is without a label",
        mend="Choose others: a group takes only cells without a label.",
    )
