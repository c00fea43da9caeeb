"""The audit trail, for administrators, and for a project's administrators theirs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from hemosight.service.errors import NotAllowed
from hemosight.service.schemas.audit import AuditPage, AuditShown, Doer
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import BIGGEST, Seat, SignedIn
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, projects

router = APIRouter(tags=["audit"])
Number = Annotated[int | None, Query(ge=1, le=BIGGEST)]


@router.get("/audit", operation_id="list_audit")
def list_audit(
    seat: SignedIn,
    session: Transaction,
    project: Number = None,
    user: Number = None,
    action: Annotated[str | None, Query(max_length=100, examples=["member.set"])] = None,
    after: After = 0,
    limit: Limit = 100,
) -> AuditPage:
    """Who changed what, the newest first. All of it for administrators; one project's for those who administer it."""
    if "admin" not in seat.scopes or not (_everywhere(seat) or _administers(session, seat, project)):
        raise NotAllowed(
            expected="an administrator of the service, or of the project named with ?project=",
            came="another account or token",
            mend="Ask an administrator.",
        )
    rows = audit.listed(session, project=project, user=user, action=action, before=after or None, limit=limit)
    shown = [
        AuditShown(
            id=row.id,
            at=row.at,
            user=None if row.user_id is None else Doer(id=row.user_id, name=name or ""),
            project=row.project_id,
            action=row.action,
            subject=row.subject,
            address=row.address,
        )
        for row, name in rows
    ]
    return AuditPage(items=shown, next=cursor(rows, limit, lambda row: row[0].id))


def _everywhere(seat: Seat) -> bool:
    return seat.user.is_admin and seat.confined is None


def _administers(session: Session, seat: Seat, project: int | None) -> bool:
    if project is None or seat.confined not in (None, project):
        return False
    return seat.user.is_admin or projects.role(session, project, seat.user.id) == "admin"
