"""The audit trail, for administrators, and for a project's administrators theirs."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from hemosight.images.formulas import guarded
from hemosight.service.errors import Refusal
from hemosight.service.schemas.audit import AuditedUser, AuditPage, AuditShown, ChainShown
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import BIGGEST, Administrator, Seat, SignedIn
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, audit_chain, projects
from hemosight.service.storage.audit import Which
from hemosight.service.storage.database import Database

router = APIRouter(tags=["audit"])
Number = Annotated[int | None, Query(ge=1, le=BIGGEST)]
_COLUMNS = ("id", "at", "user", "user_name", "project", "action", "subject", "address")
_AT_ONCE = 1000


def which(
    project: Number = None,
    user: Number = None,
    action: Annotated[
        str | None,
        Query(max_length=100, examples=["member.set"], description="An action, or a noun for all of its actions."),
    ] = None,
    since: Annotated[datetime.datetime | None, Query(description="From this moment on.")] = None,
    until: Annotated[datetime.datetime | None, Query(description="Before this moment.")] = None,
) -> Which:
    """The rows that are asked for."""
    return Which(project, user, action, with_zone(since), with_zone(until))


Wanted = Annotated[Which, Depends(which)]


@router.get("/audit", operation_id="list_audit")
def list_audit(seat: SignedIn, session: Transaction, wanted: Wanted, after: After = 0, limit: Limit = 100) -> AuditPage:
    """Who changed what, the newest first. All of it for administrators; one project's for those who administer it."""
    _require(session, seat, wanted)
    rows = audit.listed(session, wanted, before=after or None, limit=limit)
    shown = [
        AuditShown(
            id=row.id,
            at=row.at,
            user=None if row.user_id is None else AuditedUser(id=row.user_id, name=name or ""),
            project=row.project_id,
            action=row.action,
            subject=row.subject,
            address=row.address,
        )
        for row, name in rows
    ]
    return AuditPage(items=shown, next=cursor(rows, limit, lambda row: row[0].id))


@router.post(
    "/audit/export",
    operation_id="export_audit",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows as CSV, newest first."}
    },
)
def export_audit(seat: SignedIn, service: Service, wanted: Wanted) -> StreamingResponse:
    """The rows that fit, as CSV; that they were taken is a row itself."""
    with service.database.session() as session:
        _require(session, seat, wanted)
        given = {name: value for name, value in vars(wanted).items() if value is not None and name != "project"}
        subject = {name: str(value) for name, value in given.items()}
        audit.note(session, seat, "audit.export", subject, wanted.project)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_csv(service.database, wanted), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/audit/chain", operation_id="verify_audit")
def verify_audit(seat: Administrator, session: Transaction) -> ChainShown:
    """Go through the whole trail: whether a row was changed, added or taken away behind the service's back."""
    found = audit_chain.verify(session)
    return ChainShown(**vars(found), intact=found.intact)


def _csv(database: Database, wanted: Which) -> Iterator[bytes]:
    yield _lines([_COLUMNS])
    before: int | None = None
    while True:
        with database.session() as session:
            rows = audit.listed(session, wanted, before=before, limit=_AT_ONCE)
            lines = [
                (
                    row.id,
                    row.at.isoformat(),
                    row.user_id or "",
                    name or "",
                    row.project_id or "",
                    row.action,
                    json.dumps(row.subject, ensure_ascii=False, sort_keys=True),
                    row.address or "",
                )
                for row, name in rows
            ]
        if lines:
            yield _lines(lines)
            before = int(lines[-1][0])
        if len(lines) < _AT_ONCE:
            return


def _lines(rows: Sequence[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([guarded(value) if isinstance(value, str) else value for value in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def with_zone(moment: datetime.datetime | None) -> datetime.datetime | None:
    """A moment without a zone is UTC's."""
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def _require(session: Session, seat: Seat, wanted: Which) -> None:
    if "admin" not in seat.scopes or not (_everywhere(seat) or _administers(session, seat, wanted.project)):
        raise Refusal(
            "not_allowed",
            expected="an administrator of the service, or of the project named with ?project=",
            came="another account or token",
            mend="Ask an administrator.",
        )


def _everywhere(seat: Seat) -> bool:
    return seat.user.is_admin and seat.confined is None


def _administers(session: Session, seat: Seat, project: int | None) -> bool:
    if project is None or seat.confined not in (None, project):
        return False
    return seat.user.is_admin or projects.role(session, project, seat.user.id) == "admin"
