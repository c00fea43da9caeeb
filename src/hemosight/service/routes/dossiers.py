"""Dossiers: a validation on the project's signed cells, asked for here and made by a worker."""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from hemosight.service.errors import Refusal
from hemosight.service.schemas.dossiers import Dossiers, DossierShown, DossierSummary, NewDossier
from hemosight.service.security.permissions import Id, ProjectAdmin, Taker, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, dossiers, events, projects
from hemosight.service.storage.dossiers import ListedDossier

router = APIRouter(prefix="/projects/{project}/dossiers", tags=["dossiers"])
_KINDS = {"zip": "application/zip", "pdf": "application/pdf"}


@router.get("", operation_id="list_dossiers")
def list_dossiers(seat: Viewer, session: Transaction) -> Dossiers:
    """Validations that were asked for in a project, the newest first."""
    return Dossiers(items=[_shown(one) for one in dossiers.listed(session, seat.project)])


@router.post("", operation_id="make_dossier", status_code=201)
def make_dossier(given: NewDossier, seat: ProjectAdmin, session: Transaction) -> DossierShown:
    """Ask for a dossier on the signed cases as they are when a worker begins; it is made beside the review."""
    try:
        facts = tomllib.loads(given.protocol)
    except (ValueError, RecursionError) as error:  # numbers without an end, brackets in brackets
        came = f"a text that is none: {error}"
        raise Refusal("unfit", expected="a protocol in TOML", came=came, mend=_MEND) from error
    if missing := [name for name in _ASKED if not facts.get(name)]:
        came = f"one without {', '.join(missing)}"
        raise Refusal("unfit", expected=f"a protocol with {', '.join(_ASKED)}", came=came, mend=_MEND)
    if not isinstance(facts["title"], str):
        raise Refusal("unfit", expected="a title that is a text", came=repr(facts["title"]), mend=_MEND)
    events.take_turn(session, seat.project)
    if dossiers.unfinished(session, seat.project):
        raise Refusal(
            "in_the_way",
            expected="one dossier of a project at a time",
            came="another one that is not made yet",
            mend="Wait until it is made.",
        )
    bundle = projects.get(session, seat.project).bundle_id
    row = dossiers.add(session, seat.project, bundle, seat.user.id, given.protocol)
    audit.note(session, seat, "dossier.create", {"dossier": row.id, "protocol": _hash(row.protocol)}, seat.project)
    return _shown(dossiers.get(session, seat.project, row.id))


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
    row = dossiers.get(session, seat.project, dossier, archive=True).row
    if row.archive is None:
        raise Refusal(
            "in_the_way", expected="a dossier that is made", came=f"one that is {row.state}", mend="Wait, or ask anew."
        )
    audit.note(session, seat, "dossier.export", {"dossier": dossier, "format": form}, seat.project)
    body = row.archive
    if form == "pdf":
        with zipfile.ZipFile(io.BytesIO(row.archive)) as archive:
            body = archive.read("dossier.pdf")
    headers = {"Content-Disposition": f'attachment; filename="hemosight-dossier-{dossier}.{form}"'}
    return Response(body, media_type=_KINDS[form], headers=headers)


_ASKED = ("title", "written_by", "written_on")
"""What a protocol says before it says anything else; the command reads the rest."""
_MEND = "See the example on the page, or docs/how-to/validate.md."


def _hash(protocol: str) -> str:
    return hashlib.sha256(protocol.encode()).hexdigest()


def _shown(one: ListedDossier) -> DossierShown:
    row = one.row
    return DossierShown(
        id=row.id,
        title=str(tomllib.loads(row.protocol).get("title", "")),
        protocol_sha256=_hash(row.protocol),
        protocol=row.protocol,
        asked_by=row.asked_by,
        name=one.name,
        asked_at=row.asked_at,
        state=row.state,  # type: ignore[arg-type] -- the table checks it
        ended_at=row.ended_at,
        said=row.said,
        summary=None if row.summary is None else DossierSummary.model_validate(row.summary),
    )
