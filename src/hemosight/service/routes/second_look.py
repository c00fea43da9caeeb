"""What wants a second look: labels that look wrong, and comments."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl
from fastapi import APIRouter, Depends, Query, Response

from hemosight.engine.readings import csv
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.second_look import CommentChange, CommentListed, Comments, Doubts, DoubtShown
from hemosight.service.security.permissions import BIGGEST, Id, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, cases, comments, events, label_history, labels, users
from hemosight.service.storage.comments import CommentFilter
from hemosight.service.storage.live_events import CommentEvent

router = APIRouter(prefix="/projects/{project}", tags=["second look"])


@router.get("/doubts", operation_id="list_doubts")
def list_doubts(
    seat: Viewer,
    service: Service,
    case: CaseQuery = None,
    label_set: SetQuery = "cell_type",
    limit: Limit = 100,
) -> Doubts:
    """Labels that look wrong: a classifier that learnt every other label of the project reads the cell otherwise."""
    with service.database.session() as session:
        if case is not None:
            cases.require(session, seat.project, case)
        number = labels.label_set_of(session, seat.project, label_set).id
    state = service.project_states.get(seat.project)
    found = state.readings.doubts(label_set)
    snapshot = state.readings.snapshot(label_set)
    rows = dict(zip(snapshot.ids.tolist(), range(len(snapshot.ids)), strict=True))
    wanted = snapshot.of_case(case)
    names = snapshot.spec.names
    # One that was relabelled this very moment is left out.
    found = [
        one
        for one in found
        if (row := rows.get(one.image)) is not None
        and wanted[row]
        and snapshot.label[row] >= 0
        and names[snapshot.label[row]] == one.label
    ]
    with service.database.session() as session:
        again = label_history.repeated(session, number, [one.image for one in found])
    # What somebody looked at again and left as it is comes last.
    doubted = len(found)
    found = sorted(found, key=lambda one: one.image in again)[:limit]
    items = [
        DoubtShown(
            image=one.image,
            case=int(snapshot.case[rows[one.image]]) if snapshot.case[rows[one.image]] >= 0 else None,
            label=one.label,
            by=int(snapshot.by[rows[one.image]]),
            version=int(snapshot.version[rows[one.image]]),
            read=one.read,
            own=None if snapshot.held_back[rows[one.image]] else one.own,
            other=None if snapshot.held_back[rows[one.image]] else one.other,
            repeated=one.image in again,
        )
        for one in found
    ]
    return Doubts(items=items, doubted=doubted, labelled=int(np.count_nonzero(wanted & (snapshot.label >= 0))))


def which_comments(
    case: CaseQuery = None,
    user: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Who wrote it.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Stands in the comment.")] = None,
    resolved: Annotated[bool | None, Query(description="Dealt with or not; both where left away.")] = None,
    assigned: Annotated[
        int | None, Query(ge=0, le=BIGGEST, description="Who is to see to it; 0 where nobody was named.")
    ] = None,
    concerns: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Who wrote it or is to see to it.")] = None,
) -> CommentFilter:
    """The comments that are asked for."""
    return CommentFilter(case, user, text, resolved, assigned, concerns)


WantedComments = Annotated[CommentFilter, Depends(which_comments)]


@router.get("/comments", operation_id="list_comments")
def list_comments(
    seat: Viewer, session: Transaction, wanted: WantedComments, after: After = 0, limit: Limit = 100
) -> Comments:
    """Comments under the project's cells, the newest first."""
    if wanted.case is not None:
        cases.require(session, seat.project, wanted.case)
    rows = comments.listed(session, seat.project, wanted, after, limit)
    return Comments(
        items=[CommentListed.model_validate(vars(row)) for row in rows],
        open=comments.still_open(session, seat.project),
        next=cursor(rows, limit, lambda row: row.id),
    )


@router.post(
    "/comments/export",
    operation_id="export_comments",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The comments, newest first."}
    },
)
def export_comments(seat: Viewer, session: Transaction, wanted: WantedComments) -> Response:
    """The comments that fit, as CSV, with the names of who wrote, was named and resolved."""
    if wanted.case is not None:
        cases.require(session, seat.project, wanted.case)
    rows = comments.listed(session, seat.project, wanted, 0, None)
    given = {name: value for name, value in vars(wanted).items() if value is not None}
    audit.note(session, seat, "comment.export", {**given, "comments": len(rows)}, seat.project)
    names = users.displays(session)
    table = pl.DataFrame(
        [
            {
                "comment": row.id,
                "image": row.image,
                "name": row.name,
                "case": row.case_key,
                "by": names[row.user],
                "at": row.at.isoformat(),
                "text": row.text,
                "assigned_to": names.get(row.assigned_to or 0),
                "assigned_by": names.get(row.assigned_by or 0),
                "assigned_at": None if row.assigned_at is None else row.assigned_at.isoformat(),
                "resolved": row.resolved,
                "resolved_by": names.get(row.resolved_by or 0),
                "resolved_at": None if row.resolved_at is None else row.resolved_at.isoformat(),
            }
            for row in rows
        ],
        schema=_COMMENT_COLUMNS,
    )
    headers = {"Content-Disposition": f'attachment; filename="hemosight-project-{seat.project}-comments.csv"'}
    return Response(csv(table), media_type="text/csv; charset=utf-8", headers=headers)


_COMMENT_COLUMNS = {
    "comment": pl.Int64,
    "image": pl.Int64,
    "name": pl.String,
    "case": pl.String,
    "by": pl.String,
    "at": pl.String,
    "text": pl.String,
    "assigned_to": pl.String,
    "assigned_by": pl.String,
    "assigned_at": pl.String,
    "resolved": pl.Boolean,
    "resolved_by": pl.String,
    "resolved_at": pl.String,
}


@router.patch("/comments/{comment}", operation_id="change_comment")
def change_comment(seat: Reviewer, session: Transaction, comment: Id, given: CommentChange) -> CommentListed:
    """Note that a comment is dealt with or open again, or who is to see to it. Its text stays as it was written."""
    image = comments.get(session, seat.project, comment).image
    noted = {"comment": comment, "image": image}
    if given.resolved is not None:
        comments.mark(session, comment, seat.user.id, given.resolved)
        audit.note(session, seat, "comment.mark", {**noted, "resolved": given.resolved}, seat.project)
    if "assigned_to" in given.model_fields_set:
        comments.assign(session, seat.project, comment, seat.user.id, given.assigned_to)
        audit.note(session, seat, "comment.assign", {**noted, "assigned_to": given.assigned_to}, seat.project)
    session.flush()
    events.tell(session, seat.project, CommentEvent(image=image))
    return CommentListed.model_validate(vars(comments.get(session, seat.project, comment)))
