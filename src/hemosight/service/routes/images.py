"""Images: lists, one alone, its neighbours, comments."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query

from hemosight.service import listing
from hemosight.service.desk.opinions import UNDECIDED
from hemosight.service.desk.views import View
from hemosight.service.errors import NothingThere
from hemosight.service.listing import Sort, Wanted
from hemosight.service.routes.differential import CaseQuery
from hemosight.service.routes.labels import shown as fact_shown
from hemosight.service.schemas.images import (
    WAITING,
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
from hemosight.service.storage import audit, events, images, labels, projects
from hemosight.service.storage.tables import Comment
from hemosight.sheet.palette import UNSURE
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
    min_novelty: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
    case: CaseQuery = None,
    text: Annotated[str | None, Query(max_length=200, description="Stands in the name, the case or a comment.")] = None,
    labelled: bool | None = None,
    unsure: bool | None = None,
    sort: Sort = "id",
    limit: Limit = 100,
    after: Annotated[str | None, Query(max_length=60, description="`next` of the page before.")] = None,
) -> Images:
    """Images that fit every filter given, with the model's word and people's, in pages."""
    # Before the first query: the desk needs a connection of its own, and who waits for one should hold none.
    view = service.desks.get(seat.project).view(label_set)
    if case is not None:
        projects.case(session, seat.project, case)
    among = images.named(session, seat.project, text) if text else None
    wanted = Wanted(predicted, label, min_confidence, max_confidence, min_novelty, labelled, unsure, case, among)
    rows, following = listing.page(view, listing.rows(view, wanted), sort, after, limit)
    facts = images.shown(session, seat.project, view.ids[rows].tolist())
    # One that was taken back this very moment is left out.
    items = [_listed(view, row, facts[number]) for row in rows if (number := int(view.ids[row])) in facts]
    return Images(items=items, next=following)


@router.get("/{image}", operation_id="get_image")
def get_image(seat: Viewer, service: Service, session: Transaction, image: Id) -> ImageShown:
    """All that is known of an image."""
    desk = service.desks.get(seat.project)
    answers = desk.answers(image)
    view = desk.view(next(iter(answers)))
    row = int(np.searchsorted(view.ids, image))
    facts = images.facts(session, seat.project, image)
    if facts is None:
        raise NothingThere(kind="an image of this project")
    return ImageShown(
        **_listed(view, row, facts).model_dump(),
        width=facts.width,
        height=facts.height,
        sha256=facts.sha256.hex(),
        x=facts.x,
        y=facts.y,
        sets={
            name: SetAnswer(
                label=answer.label,
                version=answer.version,
                predicted=answer.predicted,
                probabilities=answer.probabilities,
                revision=answer.revision,
            )
            for name, answer in answers.items()
        },
        comments=[_comment(row) for row in images.comments(session, image)],
        history=[fact_shown(fact, name) for fact, name in labels.history(session, image)],
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
    desk = service.desks.get(seat.project)
    vector = desk.vector(image)
    if vector is None:
        return Neighbours(items=[])
    view = desk.view(label_set)
    if among == "reference":
        support = desk.bundle.support
        rows, distances = nearest(vector[None], support.embeddings.vectors, k)
        known = support.labels.get(label_set)
        return Neighbours(
            items=[
                Neighbour(image=None, reference=int(row), label=known[row] if known else None, distance=float(distance))
                for row, distance in zip(rows[0], distances[0], strict=True)
            ]
        )
    others = np.flatnonzero(view.read & (view.ids != image))
    if not len(others):
        return Neighbours(items=[])
    rows, distances = nearest(vector[None], view.vectors[view.rows[others]], k)
    return Neighbours(
        items=[
            Neighbour(image=int(view.ids[row]), reference=None, label=_said(view, row), distance=float(distance))
            for row, distance in zip(others[rows[0]], distances[0], strict=True)
        ]
    )


@router.post("/{image}/comments", operation_id="add_comment", status_code=201)
def add_comment(seat: Reviewer, session: Transaction, image: Id, given: NewComment) -> CommentShown:
    """Write something under an image, for good."""
    if images.checksum(session, seat.project, image) is None:
        raise NothingThere(kind="an image of this project")
    comment = images.add_comment(session, image, seat.user.id, given.text)
    audit.note(session, seat, "comment.add", {"image": image, "comment": comment.id}, seat.project)
    session.flush()
    events.tell(session, seat.project, "comment", {"image": image})
    return _comment(comment)


def _comment(row: Comment) -> CommentShown:
    return CommentShown(id=row.id, user=row.user_id, at=row.at, text=row.text)


def _listed(view: View, row: int, facts: images.Shown) -> ImageListed:
    read = bool(view.predicted[row] >= 0)
    novelty = float(view.novelty[row])
    return ImageListed(
        id=facts.id,
        name=facts.name,
        case=facts.case,
        uploaded_at=facts.uploaded_at,
        status=facts.status or WAITING,
        label=_label(view, row),
        label_by=int(view.by[row]) if view.by[row] >= 0 else None,
        predicted=view.question.names[view.predicted[row]] if read else None,
        probability=float(view.probability[row]) if read else None,
        uncertainty=1 - float(view.margin[row]) if read else None,
        novelty=novelty if np.isfinite(novelty) else None,
        version=int(view.version[row]),
    )


def _label(view: View, row: int) -> str | None:
    label = int(view.label[row])
    return UNSURE if label == UNDECIDED else view.question.names[label] if label >= 0 else None


def _said(view: View, row: int) -> str | None:
    """A person's word for a cell, else the model's."""
    known = int(view.label[row]) if view.label[row] >= 0 else int(view.predicted[row])
    return view.question.names[known] if known >= 0 else None
