"""Reports: what they say besides counts, and a signed record as PDF, CSV, HL7 v2.5.1 and FHIR R4."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.errors import HemoSightError
from hemosight.images.decode import decode
from hemosight.images.names import file_name
from hemosight.service.desk import signed_record
from hemosight.service.desk.signing_checks import checks
from hemosight.service.documents import fhir, hl7, table
from hemosight.service.documents.content import Report, Signer
from hemosight.service.documents.of_record import content
from hemosight.service.documents.pdf import pdf, square
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import counted
from hemosight.service.routes.familiarity import of_cases, refuse_foreign
from hemosight.service.schemas.differential import DifferentialShown
from hemosight.service.schemas.reports import FindingsChange, ReportForm
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, Taker, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import (
    amendments,
    audit,
    cases,
    events,
    findings,
    images,
    labels,
    report_settings,
    signatures,
    signing_rules,
)
from hemosight.service.storage.findings import Findings
from hemosight.service.storage.report_settings import ReportSettings
from hemosight.service.storage.signatures import ListedSignature

router = APIRouter(prefix="/projects/{project}", tags=["reports"])

_KINDS: dict[ReportForm, tuple[str, str]] = {
    "pdf": ("application/pdf", "pdf"),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "hl7": ("application/hl7-v2", "hl7"),
    "fhir": ("application/fhir+json", "fhir.json"),
}
"""Media type and name's end of each form."""
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.get("/report-settings", operation_id="get_report_settings")
def get_settings(seat: Viewer, session: Transaction) -> ReportSettings:
    """What the reports of a project say besides counts: laboratory, time zone, reference ranges, text blocks."""
    return report_settings.get(session, seat.project)


@router.put("/report-settings", operation_id="set_report_settings")
def set_settings(seat: ProjectAdmin, session: Transaction, given: ReportSettings) -> ReportSettings:
    """Set what reports say besides counts. What is signed stays as it was signed."""
    known = {entry["name"] for entry in labels.label_set_of(session, seat.project, CELL_TYPE).classes}
    before = report_settings.get(session, seat.project)
    # A range of a type that is not in use any more may stay; nobody counts that type.
    kept = {one.label for one in before.ranges}
    for one in given.ranges:
        if one.label not in known | kept:
            raise Refusal(
                "unfit",
                expected="ranges of types of the project's cells",
                came=f"one of {one.label!r}",
                mend=f"Choose among: {', '.join(sorted(known))}.",
            )
    noted = {"settings": given.model_dump(mode="json"), "before": before.model_dump(mode="json")}
    audit.note(session, seat, "report.settings", noted, seat.project)
    report_settings.put(session, seat.project, given)
    return given


@router.get("/cases/{case}/findings", operation_id="get_findings")
def get_findings(seat: Viewer, session: Transaction, case: Id) -> Findings:
    """What the report of a case says besides counts: remark, grades, platelets, cells that it shows."""
    return findings.get(session, cases.get(session, seat.project, case))


@router.patch("/cases/{case}/findings", operation_id="change_findings")
def change_findings(seat: Reviewer, session: Transaction, case: Id, given: FindingsChange) -> Findings:
    """Change the findings of a case that nobody signed, or that is being amended."""
    events.take_turn(session, seat.project)
    row = cases.get(session, seat.project, case)
    amendments.require_unlocked(session, seat.project, [case])
    changes = given.changes()
    made = findings.change(session, row, changes, add=given.add_cells, remove=given.remove_cells, seen=given.version)
    # Not the remark itself: it may speak of a patient, and the audit trail is kept.
    noted: dict[str, Any] = {"case": case, "fields": sorted(changes), "cells": made.cells}
    audit.note(session, seat, "case.findings", noted, seat.project)
    return made


# --- documents --------------------------------------------------------------------------------------------


@router.post(
    "/signatures/{signature}/report",
    operation_id="take_report",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/pdf": _BINARY,
                "text/csv": {"schema": {"type": "string"}},
                "application/hl7-v2": {"schema": {"type": "string"}},
                "application/fhir+json": {"schema": {"type": "object"}},
            },
            "description": "The file.",
        }
    },
)
def take_report(
    seat: Taker,
    service: Service,
    signature: Id,
    form: Annotated[
        ReportForm, Query(alias="format", description="`csv` is the differential; `hl7` is ORU^R01; `fhir` a Bundle.")
    ] = "pdf",
) -> Response:
    """The report of a signed record, with all signatures under it: the same bytes until a new version replaces it.

    A record of which the second signature is still wanted says so, and is preliminary. Nothing that changes later
    (ranges, text blocks, names, labels, the model) changes it, but that the report of a record that a new version has
    replaced says so. Who takes it away is noted, so it is no GET.
    """
    with service.database.session() as session:
        signatures.get(session, seat.project, signature)
        listed = signatures.listed(session, seat.project)
        under = _under(listed, signature)
        newest = max(one.version for one in listed if one.row.case_id == under[0].row.case_id)
        first = signatures.get(session, seat.project, under[0].row.id)
        made = _signed(session, first.record or {}, under, None if under[0].newest else newest)
        body = _body(session, seat.project, made, form)
        audit.note(session, seat, "signature.report", {"signature": signature, "format": form}, seat.project)
    replaced = "-replaced" if made.replaced else ""
    return _file(body, form, f"{made.key or f'record-{signature}'}-version-{made.version}{replaced}")


@router.post(
    "/cases/{case}/preliminary-report",
    operation_id="take_preliminary_report",
    response_class=Response,
    responses={200: {"content": {"application/pdf": _BINARY}, "description": "The file."}},
)
def take_preliminary_report(seat: Taker, service: Service, case: Id) -> Response:
    """The report of a case that nobody signed, as PDF: every page says that it is preliminary and not signed."""
    with service.database.session() as session:
        cases.get(session, seat.project, case)
        standing = amendments.require_open(session, seat.project, case, "Take the report of the signed record.")
    state = service.project_states.get(seat.project)
    refuse_foreign(state, case, "give a report of it")
    now = counted(state, CELL_TYPE, case)[0]
    snapshot, finest = state.readings.tally(CELL_TYPE, case, Level.SUBTYPE)  # rules hold at any level, as for who signs
    with service.database.session() as session:
        row = cases.get(session, seat.project, case)
        rules = signing_rules.get(session, seat.project)
        found = checks(finest, of_cases(state).get(case), rules, int(snapshot.counting(case).sum()), now.since_draw)
        record = signed_record.record_of(session, row, snapshot, findings.get(session, row))
        amendment = None if standing is None else standing.amendment
        made = content(
            number=0,
            differential=now.model_dump(mode="json", by_alias=True),
            checks=[{"says": one.says, "open": one.open} for one in found],
            record=record,
            signers=(),
            at=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
            amended_by="" if amendment is None else amendment.reason,
        )
        body = _body(session, seat.project, made, "pdf")
        audit.note(session, seat, "case.report", {"case": case}, seat.project)
    return _file(body, "pdf", f"{made.key}-preliminary")


def _under(listed: Sequence[ListedSignature], signature: int) -> list[ListedSignature]:
    """All signatures under the record that a signature is under, the first one first."""
    asked = next(one for one in listed if one.row.id == signature)
    first = asked.row.countersigns or asked.row.id
    return [one for one in listed if first in (one.row.id, one.row.countersigns)]


def _signed(session: Session, record: dict[str, Any], under: list[ListedSignature], replaced_by: int | None) -> Report:
    row = under[0].row
    if row.case_id is not None and not record.get("specimen"):  # a record of an older version
        record = {**record, "specimen": {"key": cases.get(session, row.project_id, row.case_id).key}}
    differential = DifferentialShown.model_validate(row.differential).model_dump(mode="json", by_alias=True)
    stored_apart = row.differential["apart"]
    pairs = [*zip(differential["rows"], row.differential["rows"], strict=True)]
    pairs += [(shown, stored_apart[name]) for name, shown in differential["apart"].items()]
    for shown, stored in pairs:
        if "parent" not in stored:  # a record of an older version says nothing, which is not "none"
            del shown["parent"]
    return content(
        number=row.id,
        differential=differential,
        checks=row.checks,
        record=record,
        signers=[
            Signer(
                one.name,
                "first" if one.row.role == "first" else "second",
                one.row.at,
                one.row.initials,
                one.row.confirmed,
                one.row.note,
            )
            for one in under
        ],
        at=under[-1].row.at.replace(microsecond=0),
        version=under[0].version,
        reason=row.reason,
        second_wanted=row.second_wanted,
        fingerprint=row.fingerprint,
        replaced_by=replaced_by,
    )


def _body(session: Session, project: int, made: Report, form: ReportForm) -> bytes:
    match form:
        case "csv":
            return table.table(made).encode()
        case "hl7":
            return hl7.message(made)
        case "fhir":
            return fhir.bundle(made)
        case "pdf":
            return pdf(made, _pictures(session, project, made))


def _pictures(session: Session, project: int, made: Report) -> dict[int, NDArray[np.uint8]]:
    """The chosen cells, by the checksums of the record; a file that cannot be decoded is left away."""
    found = {}
    for cell in made.cells:
        data = images.stored(session, bytes.fromhex(cell.sha256))
        if data is None:
            continue
        try:
            found[cell.image] = square(decode(data, images.bits(session, project, cell.image)))
        except HemoSightError:
            continue
    return found


def _file(body: bytes, form: ReportForm, name: str) -> Response:
    kind, end = _KINDS[form]
    plain = file_name(name).encode("ascii", "replace").decode().replace("?", "_")
    headers = {"Content-Disposition": f'attachment; filename="{plain}.{end}"', "Cache-Control": "private, no-cache"}
    return Response(body, media_type=kind, headers=headers)
