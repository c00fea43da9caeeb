"""Signed records: who signed what, every version as it was signed, and as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.engine.readings import csv
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.routes.differential import counted
from hemosight.service.schemas.differential import DifferentialShown, Signatures, SignatureShown
from hemosight.service.schemas.signing import SignedRecord
from hemosight.service.security.permissions import Id, Taker, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, audit, signatures
from hemosight.service.storage.amendments import SignedCase
from hemosight.service.storage.signatures import ListedSignature
from hemosight.service.storage.tables import Signature

router = APIRouter(tags=["signatures"])


@router.get("/projects/{project}/signatures", operation_id="list_signatures")
def list_signatures(
    seat: Viewer,
    service: Service,
    compare: Annotated[
        bool,
        Query(description="Say in `reads_otherwise` whether each case would count otherwise now: counts them all."),
    ] = False,
) -> Signatures:
    """Who signed what, every version as it was signed, and which of them stands."""
    with service.database.session() as session:
        rows = signatures.listed(session, seat.project)
        amended = _amended(session, seat.project)
    digest = _digests(service.project_states.get(seat.project)) if compare else None
    return Signatures(items=[shown(one, amended, digest and digest(one.row.case_id, _level(one.row))) for one in rows])


@router.get("/projects/{project}/signatures/{signature}", operation_id="get_signature")
def get_signature(seat: Viewer, service: Service, signature: Id) -> SignedRecord:
    """A signed record with every cell: what a person said, what the model read, what it counted as."""
    with service.database.session() as session:
        row = signatures.get(session, seat.project, signature)
        listed = next(one for one in signatures.listed(session, seat.project) if one.row.id == signature)
        amended = _amended(session, seat.project)
    digest = _digests(service.project_states.get(seat.project))
    facts = shown(listed, amended, digest(row.case_id, _level(row))).model_dump(by_alias=True)
    record = row.record or {"specimen": None, "profile": None, "cells": None, "report": None}
    return SignedRecord.model_validate({**facts, **record})


@router.post(
    "/projects/{project}/signatures/{signature}/export",
    operation_id="export_signature",
    response_class=Response,
    responses={
        200: {
            "content": {kind: {"schema": {"type": "string"}} for kind in ("application/json", "text/csv")},
            "description": "The file.",
        }
    },
)
def export_signature(
    seat: Taker,
    service: Service,
    signature: Id,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """A signed record as a file: all of it as JSON, the same bytes every time, or its cells as CSV."""
    with service.database.session() as session:
        row = signatures.get(session, seat.project, signature)
        listed = next(one for one in signatures.listed(session, seat.project) if one.row.id == signature)
        noted = {"signature": signature, "format": form}
        audit.note(session, seat, "signature.export", noted, seat.project)
    record = row.record or {"specimen": None, "profile": None, "cells": []}
    name = f"hemosight-record-{signature}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        drawn = any("outside" in cell for cell in record["cells"])
        columns = {name: kind for name, kind in _COLUMNS.items() if drawn or name != "outside"}
        cells = pl.DataFrame(record["cells"], schema=columns)
        return Response(csv(cells), media_type="text/csv; charset=utf-8", headers=headers)
    return Response(_file(listed, record), media_type="application/json", headers=headers)


_COLUMNS = {
    "image": pl.Int64,
    "name": pl.String,
    "sha256": pl.String,
    "status": pl.String,
    "counted": pl.String,
    "outside": pl.Boolean,
    "label": pl.String,
    "labelled_by": pl.Int64,
    "version": pl.Int64,
    "predicted": pl.String,
    "probability": pl.Float64,
    "novelty": pl.Float64,
}


def _file(one: ListedSignature, record: dict[str, Any]) -> bytes:
    row = one.row
    own = ("id", "case_id", "user_id", "role", "note", "amends", "reason", "countersigns", "confirmed", "initials")
    facts = {name: getattr(row, name) for name in own} | {"name": one.name, "version": one.version}
    facts |= {"at": row.at.isoformat(), "second_wanted": row.second_wanted, "fingerprint": row.fingerprint}
    signed = {"differential": row.differential, "checks": row.checks, **record}
    return json.dumps({"signature": facts, "signed": signed}, ensure_ascii=False, indent=1, sort_keys=True).encode()


# --- showing ----------------------------------------------------------------------------------------------


def _amended(session: Session, project: int) -> dict[int | None, SignedCase]:
    return {case: one for case, one in amendments.signed(session, project).items() if not one.locked}


def _digests(state: ProjectState) -> Callable[[int | None, Level], str]:
    """What the cells of a case count as now, told as finely as in its record; each case is counted once."""
    return cache(lambda case, level: counted(state, CELL_TYPE, case, level)[0].digest)


def _level(row: Signature) -> Level:
    return Level(row.differential.get("level", Level.SUBTYPE))


def shown(one: ListedSignature, amended: dict[int | None, SignedCase], now: str | None) -> SignatureShown:
    """A signature as the API gives it.

    Parameters
    ----------
    amended
        Cases that are being amended: no record of them is current.
    now
        The digest of what the case counts as now; None where that was not asked.
    """
    row = one.row
    signed = DifferentialShown.model_validate(row.differential)
    same = ("id", "at", "role", "note", "reviewed_until", "taught_until", "countersigns", "amends", "reason")
    same += ("second_wanted", "confirmed", "initials", "checks", "fingerprint")
    facts = {name: getattr(row, name) for name in same}
    return SignatureShown.model_validate(
        {
            **facts,
            "case": row.case_id,
            "user": row.user_id,
            "name": one.name,
            "bundle": row.bundle_id,
            "version": one.version,
            "current": one.newest and row.case_id not in amended,
            "reads_otherwise": None if now is None else now != signed.digest,
            "differential": signed,
        }
    )
