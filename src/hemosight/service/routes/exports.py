"""Exports: a project or a case as a table, a folder of pictures, or COCO-style JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from hemosight.service.exports import export
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.security.permissions import Viewer
from hemosight.service.state import Service
from hemosight.service.storage import audit, projects

router = APIRouter(tags=["exports"])

_BODIES = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("text/csv", "application/vnd.apache.parquet", "application/json", "application/zip")
}


@router.get(
    "/projects/{project}/export",
    operation_id="export",
    response_class=StreamingResponse,
    responses={200: {"content": _BODIES, "description": "The file."}},
)
def read(
    seat: Viewer,
    service: Service,
    form: Annotated[Literal["csv", "parquet", "json", "folder", "coco"], Query(alias="format")] = "csv",
    case: CaseQuery = None,
    label_set: SetQuery = "cell_type",
) -> StreamingResponse:
    """Prediction, probabilities, a person's label, who and when, bundle and revision of every cell."""
    with service.database.session() as session:
        if case is not None:
            projects.case(session, seat.project, case)
        audit.note(
            session, seat, "project.export", {"format": form, "case": case, "label_set": label_set}, seat.project
        )
    made = export(service.desks.get(seat.project), service.database, form, label_set, case)
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return StreamingResponse(made.parts, media_type=made.media_type, headers=headers)
