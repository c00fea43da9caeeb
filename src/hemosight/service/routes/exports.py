"""Exports: a project or a case as a table, a folder of pictures, or COCO-style JSON.

Taking data away is noted in the audit trail, so it is asked for with POST. The file itself is fetched afterwards, as
often as it takes, by whoever asked: that leaves no further mark, and a browser can stream it to its disk.
"""

from __future__ import annotations

import datetime

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from hemosight.service.desk import exports
from hemosight.service.errors import NothingThere
from hemosight.service.schemas.exports import ExportMade, NewExport
from hemosight.service.security.permissions import Id, Taker, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, cases, labels, sign_ins
from hemosight.service.storage.tables import AuditRow

router = APIRouter(tags=["exports"])
_GOOD = datetime.timedelta(hours=1)
"""How long a file may be fetched after it was asked for."""
_ACTION = "project.export"

_BODIES = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("text/csv", "application/vnd.apache.parquet", "application/json", "application/zip")
}


@router.post("/projects/{project}/exports", operation_id="make_export", status_code=201)
def make_export(seat: Taker, session: Transaction, given: NewExport) -> ExportMade:
    """Note that a project or a case is taken away; fetch the file from `.../exports/{id}` within an hour.

    `labels`, `fiftyone` and `label-studio` hold as labels what people said alone; the others prediction,
    probabilities, a person's label, who and when, bundle and last label learnt of every cell.
    """
    if given.case is not None:
        cases.require(session, seat.project, given.case)
    labels.label_set_of(session, seat.project, given.label_set)
    row = audit.note(session, seat, _ACTION, given.model_dump(), seat.project)
    session.flush()
    return ExportMade(id=row.id, until=sign_ins.now() + _GOOD, **given.model_dump())


@router.get(
    "/projects/{project}/exports/{export}",
    operation_id="fetch_export",
    response_class=StreamingResponse,
    responses={200: {"content": _BODIES, "description": "The file."}},
)
def fetch_export(seat: Viewer, service: Service, export: Id) -> StreamingResponse:
    """The file of an export that one asked for within the last hour, as the project stands now."""
    with service.database.session() as session:
        query = select(AuditRow.subject).where(
            AuditRow.id == export,
            AuditRow.action == _ACTION,
            AuditRow.project_id == seat.project,
            AuditRow.user_id == seat.user.id,
            AuditRow.at > sign_ins.now() - _GOOD,
        )
        subject = session.scalar(query)
    if subject is None:
        raise NothingThere(kind="an export of yours from the last hour")
    wanted = NewExport.model_validate(subject)
    made = exports.export(
        service.project_states.get(seat.project),
        service.database,
        wanted.format,
        wanted.label_set,
        wanted.case,
        mark=wanted.bom,
    )
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return StreamingResponse(made.parts, media_type=made.media_type, headers=headers)
