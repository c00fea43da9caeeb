"""Columns: the whole project as typed arrays, or what changed since."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from hemosight.service.desk.columns import BINARY, MEDIA_TYPE, columns, tag
from hemosight.service.schemas.labels import SetName
from hemosight.service.security.permissions import BIGGEST, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, cases

router = APIRouter(tags=["columns"])


@router.get("/projects/{project}/columns", operation_id="get_columns", responses=BINARY, response_class=Response)
def read(
    seat: Viewer,
    service: Service,
    label_set: Annotated[SetName, Query()] = "cell_type",
    since: Annotated[
        int | None, Query(ge=0, le=BIGGEST, description="`event` of an earlier answer: only what changed.")
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Every image with its reading, prediction and label, in the order of their numbers."""
    snapshot = service.project_states.get(seat.project).readings.snapshot(label_set)
    headers = {"ETag": tag(snapshot), "Cache-Control": "private, no-cache"} if since is None else {}
    if since is None and if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    with service.database.session() as session:
        locked = {case for case, one in amendments.signed(session, seat.project).items() if one.locked}
        keys = cases.keys(session, seat.project)
    named = [{"id": number, "key": key, "locked": number in locked} for number, key in keys]
    return Response(columns(snapshot, named, since), media_type=MEDIA_TYPE, headers=headers)
