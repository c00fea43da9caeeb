"""What cells and cases of a project were called before they got running numbers; for administrators of the service."""

from __future__ import annotations

import polars as pl
from fastapi import APIRouter, Response

from hemosight.engine.readings import csv
from hemosight.service.errors import Refusal
from hemosight.service.security.permissions import ProjectAdmin
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, original_names

router = APIRouter(tags=["projects"])


@router.post(
    "/projects/{project}/original-names",
    operation_id="export_original_names",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "kind, number, name."}},
)
def export_original_names(seat: ProjectAdmin, session: Transaction) -> Response:
    """The map from running numbers to names, as CSV; that it was taken is noted. For administrators of the service."""
    if not seat.user.is_admin or seat.confined is not None:
        raise Refusal(
            "not_allowed",
            expected="an administrator of this service",
            came="an administrator of the project" if not seat.user.is_admin else "an API token for one project",
            mend="Ask an administrator of the service.",
        )
    rows = original_names.listed(session, seat.project)
    audit.note(session, seat, "project.original_names", {"names": len(rows)}, seat.project)
    schema = {"kind": pl.String, "number": pl.Int64, "name": pl.String}
    headers = {"Content-Disposition": f'attachment; filename="hemosight-project-{seat.project}-names.csv"'}
    body = csv(pl.DataFrame(rows, schema=schema, orient="row"))
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)
