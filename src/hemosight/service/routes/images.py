"""Images: lists, one alone, its neighbours, comments."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.service.desk import listing
from hemosight.service.desk.foreign import ProjectFamiliarity
from hemosight.service.desk.label_set_state import UNDECIDED
from hemosight.service.desk.listing import ImageFilter, Sort
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import NothingThere
from hemosight.service.routes.differential import CaseQuery
from hemosight.service.routes.labels import held_back
from hemosight.service.routes.labels import shown as record_shown
from hemosight.service.routes.pictures import window
from hemosight.service.schemas.desk import TagShown
from hemosight.service.schemas.images import (
    WAITING,
    CellInField,
    CommentShown,
    ImageListed,
    Images,
    ImageShown,
    Neighbour,
    Neighbours,
    NewComment,
    SetAnswer,
)
from hemosight.service.schemas.labels import SetName
from hemosight.service.schemas.pages import Limit
from hemosight.service.security.permissions import Id, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, cases, events, fields, images, labels, tags
from hemosight.service.storage.live_events import CommentEvent
from hemosight.service.storage.tables import Comment, FieldCell
from hemosight.space.neighbours import nearest

router = APIRouter(prefix="/projects/{project}/images", tags=["images"])
Share = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str | None, Query(max_length=200)]
LabelSet = Annotated[SetName, Query()]


@router.get("", operation_id="list_images")
def list_images(
    seat: Viewer,
    service: Service,
    session: Transaction,
    label_set: LabelSet = "cell_type",
    predicted: Name = None,
    label: Name = None,
    min_confidence: Share = None,
    max_confidence: Share = None,
    min_novelty: Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)] = None,
    case: CaseQuery = None,
    text: Annotated[str | None, Query(max_length=200, description="Stands in the name, the case or a comment.")] = None,
    tag: Annotated[str | None, Query(max_length=40, description="Has this tag.")] = None,
    labelled: bool | None = None,
    unsure: bool | None = None,
    sort: Sort = "id",
    limit: Limit = 100,
    after: Annotated[str | None, Query(max_length=60, description="`next` of the page before.")] = None,
) -> Images:
    """Images that fit every filter given, with the model's word and people's, in pages."""
    # Before the first query: the project needs a connection of its own, and who waits for one should hold none.
    state = service.project_states.get(seat.project)
    snapshot = state.readings.snapshot(label_set)
    known = state.readings.familiarity()
    if case is not None:
        cases.require(session, seat.project, case)
    among = images.named(session, seat.project, text) if text else None
    if tag is not None:
        having = np.array(tags.having(session, seat.project, tag), np.int64)
        among = having if among is None else np.intersect1d(among, having)
    wanted = ImageFilter(predicted, label, min_confidence, max_confidence, min_novelty, labelled, unsure, case, among)
    rows, following = listing.page(snapshot, listing.rows(snapshot, wanted), sort, after, limit)
    facts = images.shown(session, seat.project, snapshot.ids[rows].tolist())
    # One that was taken back this very moment is left out.
    items = [
        _listed(snapshot, row, facts[number], known) for row in rows if (number := int(snapshot.ids[row])) in facts
    ]
    return Images(items=items, next=following)


@router.get("/{image}", operation_id="get_image")
def get_image(seat: Viewer, service: Service, session: Transaction, image: Id) -> ImageShown:
    """All that is known of an image."""
    state = service.project_states.get(seat.project)
    answers = state.readings.of_image(image)
    snapshot = state.readings.snapshot(next(iter(answers)))
    known = state.readings.familiarity()
    row = int(np.searchsorted(snapshot.ids, image))
    held = held_back(state)
    facts = images.record(session, seat.project, image)
    if facts is None:
        raise NothingThere(kind="an image of this project")
    box = fields.of_image(session, seat.project, image)
    return ImageShown(
        **_listed(snapshot, row, facts, known).model_dump(),
        width=facts.width,
        height=facts.height,
        sha256=facts.sha256.hex(),
        x=facts.x,
        y=facts.y,
        in_field=None if box is None else _in_field(session, seat.project, box),
        sets={
            name: SetAnswer(
                label=answer.label,
                version=answer.version,
                predicted=answer.predicted,
                probabilities={} if held(image, name) else answer.probabilities,
                taught_until=answer.taught_until,
            )
            for name, answer in answers.items()
        },
        comments=[_comment(row) for row in images.comments(session, image)],
        tags=[TagShown(name=row.name, user=row.user_id, at=row.at) for row in tags.of_image(session, image)],
        history=[record_shown(record, name, held(image, name)) for record, name in labels.history(session, image)],
    )


@router.get("/{image}/neighbours", operation_id="get_neighbours")
def get_neighbours(
    seat: Viewer,
    service: Service,
    image: Id,
    k: Annotated[int, Query(ge=1, le=100)] = 12,
    among: Literal["project", "reference"] = "project",
    label_set: LabelSet = "cell_type",
) -> Neighbours:
    """The nearest cells by the encoder, in the project or among the bundle's labelled cells (which have no picture)."""
    state = service.project_states.get(seat.project)
    vector = state.vector(image)
    if vector is None:
        return Neighbours(items=[])
    snapshot = state.readings.snapshot(label_set)
    if among == "reference":
        support = state.bundle.support
        rows, distances = nearest(vector[None], support.embeddings.vectors, k)
        known = support.labels.get(label_set)
        return Neighbours(
            items=[
                Neighbour(image=None, reference=int(row), label=known[row] if known else None, distance=float(distance))
                for row, distance in zip(rows[0], distances[0], strict=True)
            ]
        )
    others = np.flatnonzero(snapshot.read & (snapshot.ids != image))
    if not len(others):
        return Neighbours(items=[])
    rows, distances = nearest(vector[None], snapshot.vectors[snapshot.rows[others]], k)
    return Neighbours(
        items=[
            Neighbour(
                image=int(snapshot.ids[row]), reference=None, label=_said(snapshot, row), distance=float(distance)
            )
            for row, distance in zip(others[rows[0]], distances[0], strict=True)
        ]
    )


@router.post("/{image}/comments", operation_id="add_comment", status_code=201)
def add_comment(seat: Reviewer, session: Transaction, image: Id, given: NewComment) -> CommentShown:
    """Write something under an image, for good."""
    events.take_turn(session, seat.project)  # before the image is held: who deletes it holds the turn, and waits for it
    if images.checksum(session, seat.project, image) is None:
        raise NothingThere(kind="an image of this project")
    comment = images.add_comment(session, image, seat.user.id, given.text)
    audit.note(session, seat, "comment.add", {"image": image, "comment": comment.id}, seat.project)
    session.flush()
    events.tell(session, seat.project, CommentEvent(image=image))
    return _comment(comment)


def _in_field(session: Session, project: int, box: FieldCell) -> CellInField:
    """Where a cell lies in its field, and the part of the field that is shown around it."""
    row = fields.get(session, project, box.field_id)
    where = (box.x, box.y, box.width, box.height)
    left, top, side = window(where, *fields.sizes(session, [row])[row.id])
    return CellInField(
        field=row.id, x=box.x, y=box.y, width=box.width, height=box.height, left=left, top=top, side=side
    )


def _comment(row: Comment) -> CommentShown:
    return CommentShown(id=row.id, user=row.user_id, at=row.at, text=row.text)


def _listed(snapshot: Snapshot, row: int, facts: images.Shown, known: ProjectFamiliarity) -> ImageListed:
    read = bool(snapshot.predicted[row] >= 0)
    shown = read and not snapshot.held_back[row]
    novelty = float(snapshot.novelty[row])
    return ImageListed(
        id=facts.id,
        name=facts.name,
        case=facts.case,
        uploaded_at=facts.uploaded_at,
        status=facts.status or WAITING,
        label=_label(snapshot, row),
        label_by=int(snapshot.by[row]) if snapshot.by[row] >= 0 else None,
        predicted=snapshot.spec.names[snapshot.predicted[row]] if read else None,
        probability=float(snapshot.probability[row]) if shown else None,
        uncertainty=1 - float(snapshot.margin[row]) if shown else None,
        unfamiliar=facts.id in known.unfamiliar,
        novelty=novelty if np.isfinite(novelty) else None,
        version=int(snapshot.version[row]),
    )


def _label(snapshot: Snapshot, row: int) -> str | None:
    label = int(snapshot.label[row])
    return UNSURE if label == UNDECIDED else snapshot.spec.names[label] if label >= 0 else None


def _said(snapshot: Snapshot, row: int) -> str | None:
    """The label of a cell, else what the model reads."""
    known = int(snapshot.label[row]) if snapshot.label[row] >= 0 else int(snapshot.predicted[row])
    return snapshot.spec.names[known] if known >= 0 else None
