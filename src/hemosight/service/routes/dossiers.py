"""Dossiers: a validation on the project's signed cells, asked for here and made by a worker."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from hemosight.service.errors import Refusal
from hemosight.service.intake import protocols
from hemosight.service.operations.disk import require_room
from hemosight.service.schemas.dossiers import Dossiers, DossierShown, DossierSummary, NewDossier
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import Id, ProjectAdmin, Taker, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, dossiers, events, projects
from hemosight.service.storage.dossiers import ListedDossier

router = APIRouter(prefix="/projects/{project}/dossiers", tags=["dossiers"])
_KINDS = {"zip": "application/zip", "pdf": "application/pdf"}


@router.get("", operation_id="list_dossiers")
def list_dossiers(seat: Viewer, session: Transaction, after: After = 0, limit: Limit = 100) -> Dossiers:
    """Validations that were asked for in a project, the newest first."""
    rows = dossiers.listed(session, seat.project, after, limit)
    return Dossiers(items=[_shown(one) for one in rows], next=cursor(rows, limit, lambda one: one.row.id))


@router.post("", operation_id="make_dossier", status_code=201)
def make_dossier(given: NewDossier, seat: ProjectAdmin, service: Service, session: Transaction) -> DossierShown:
    """Ask for a dossier on the signed cases as they are when a worker begins; it is made beside the review."""
    title = protocols.title_of(given.protocol)
    require_room(service.settings)
    events.take_turn(session, seat.project)
    if dossiers.unfinished(session, seat.project):
        raise Refusal(
            "in_the_way",
            expected="one dossier of a project at a time",
            came="another one that is not made yet",
            mend="Wait until it is made, or call it off.",
        )
    project = projects.get(session, seat.project)
    session.refresh(project)  # whoever had the turn before may have moved it to another bundle
    service.registry.require(session, project.bundle_id)  # no worker beside this service would ever make it
    row = dossiers.add(session, seat.project, project.bundle_id, seat.user.id, given.protocol, title)
    audit.note(session, seat, "dossier.create", {"dossier": row.id, "protocol": _hash(row.protocol)}, seat.project)
    return _shown(dossiers.get(session, seat.project, row.id))


@router.delete("/{dossier}", operation_id="call_off_dossier", status_code=204)
def call_off_dossier(seat: ProjectAdmin, session: Transaction, dossier: Id) -> None:
    """Call off a dossier that waits or is being made; it stays in the list as one that was not made."""
    row = dossiers.get(session, seat.project, dossier).row
    if not dossiers.call_off(session, seat.project, "It was called off.", dossier):
        raise Refusal(
            "in_the_way",
            expected="a dossier that waits or is being made",
            came=f"one that is {row.state}",
            mend="Leave it: a dossier that has ended is a record.",
        )
    audit.note(session, seat, "dossier.cancel", {"dossier": dossier}, seat.project)


@router.post(
    "/{dossier}/export",
    operation_id="export_dossier",
    response_class=Response,
    responses={
        200: {
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS.values()},
            "description": "The file.",
        }
    },
)
def export_dossier(
    seat: Taker,
    session: Transaction,
    dossier: Id,
    form: Annotated[Literal["zip", "pdf"], Query(alias="format", description="Every file, or the PDF alone.")] = "pdf",
) -> Response:
    """A dossier as a file; it shows crops, so that taking it is noted."""
    row = dossiers.get(session, seat.project, dossier, file="pdf" if form == "pdf" else "archive").row
    body = row.pdf if form == "pdf" else row.archive
    if body is None:
        came = f"one that is {row.state}" if row.dropped_at is None else "one whose files were dropped for newer ones"
        raise Refusal("in_the_way", expected="a dossier that is made", came=came, mend="Wait, or ask anew.")
    audit.note(session, seat, "dossier.export", {"dossier": dossier, "format": form}, seat.project)
    headers = {"Content-Disposition": f'attachment; filename="hemosight-dossier-{dossier}.{form}"'}
    return Response(body, media_type=_KINDS[form], headers=headers)


def _hash(protocol: str) -> str:
    return hashlib.sha256(protocol.encode()).hexdigest()


def _shown(one: ListedDossier) -> DossierShown:
    row = one.row
    return DossierShown(
        id=row.id,
        title=row.title,
        protocol_sha256=_hash(row.protocol),
        protocol=row.protocol,
        asked_by=row.asked_by,
        name=one.name,
        asked_at=row.asked_at,
        state=row.state,  # type: ignore[arg-type] -- the table checks it
        ended_at=row.ended_at,
        said=row.said,
        summary=None if row.summary is None else DossierSummary.model_validate(row.summary),
        archive_sha256=row.archive_sha256,
        dropped_at=row.dropped_at,
    )
