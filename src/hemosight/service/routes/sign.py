"""Signing a case: the record is kept as it was signed; a second signer signs that same record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.differential import Differential
from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.images.looks import PictureLooks
from hemosight.service.desk import signed_record
from hemosight.service.desk import signing_refusals as refusals
from hemosight.service.desk.drift import look_of_case, measures
from hemosight.service.desk.signing_checks import Check, checks
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.tally import Tally
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import counted
from hemosight.service.routes.familiarity import of_cases, refuse_foreign
from hemosight.service.routes.signatures import shown
from hemosight.service.schemas.differential import CheckShown, DifferentialShown, NewSignature, SignatureShown
from hemosight.service.security.permissions import ProjectSeat, Reviewer
from hemosight.service.security.tries import require_password
from hemosight.service.state import Service, State
from hemosight.service.storage import (
    amendments,
    audit,
    cases,
    counting,
    drift,
    events,
    films,
    findings,
    labels,
    profiles,
    projects,
    signatures,
    signing_rules,
)
from hemosight.service.storage.amendments import SignedCase
from hemosight.service.storage.findings import Findings
from hemosight.service.storage.live_events import SignatureEvent
from hemosight.service.storage.signatures import ListedSignature
from hemosight.service.storage.signing_rules import SigningRules
from hemosight.service.storage.tables import Case

router = APIRouter(tags=["signatures"])
_AMEND = "Begin an amendment of the case, which takes a reason, then sign it again."


@router.post("/projects/{project}/signatures", operation_id="sign", status_code=201)
def sign(given: NewSignature, seat: Reviewer, service: Service) -> SignatureShown:
    """Sign a case as it counts now, or put a second signature under the record of the first."""
    if given.case is None:
        raise Refusal(
            "in_the_way",
            expected="the cells of one case",
            came="all cells of the project",
            mend="Choose a case and sign it; cells without one are moved into a case first.",
        )
    with service.database.session() as session:
        cases.get(session, seat.project, given.case)
        rules = signing_rules.get(session, seat.project)
    _confirm(service, seat, rules, given)
    sealed = _second if given.role == "second" else _first
    return sealed(service, seat, given, given.case, rules)


def _confirm(service: State, seat: ProjectSeat, rules: SigningRules, given: NewSignature) -> None:
    """What the project asks of a signer besides being signed in."""
    if rules.confirm == "password":
        require_password(service, seat, None if given.password is None else given.password.get_secret_value())
    elif rules.confirm == "initials" and not given.initials:
        raise Refusal(
            "unfit",
            expected="the initials of who signs",
            came="none",
            mend="Give your initials; this project asks for them.",
        )


@dataclass(frozen=True)
class _Seen:
    """What of a case is signed: all of one moment, looked at before the project's turn is taken."""

    case: int
    cells: list[int]
    snapshot: Snapshot
    shown: DifferentialShown
    count: Tally
    checks: list[Check]
    types: Differential
    look: PictureLooks
    bundle: int
    scanner: dict[str, Any]


@dataclass(frozen=True)
class _Held:
    """What the database has of it, with the turn taken: nobody changes it before the signature stands."""

    row: Case
    label_set: int
    findings: Findings
    before: SignedCase | None


def _first(service: State, seat: ProjectSeat, given: NewSignature, case: int, rules: SigningRules) -> SignatureShown:
    """Sign what is there now; where the case is being amended, that makes a new version of its record."""
    seen = _gather(service, seat, given, case, rules)
    with service.database.session() as session:
        profiles.hold_scales(session, seat.project)
        events.take_turn(session, seat.project)
        held = _recheck(session, seat, given, seen)
        return _seal(service, session, seat, given, rules, seen, held)


def _gather(service: State, seat: ProjectSeat, given: NewSignature, case: int, rules: SigningRules) -> _Seen:
    """Everything that takes its time, so that nobody waits for it; refuses what may not be signed so."""
    state = service.project_states.get(seat.project)
    if not state.settle(CELL_TYPE):
        raise Refusal(
            "in_the_way",
            expected="readings that have followed every label",
            came="a model that is still learning",
            mend="Wait a moment, look at the differential again, then sign.",
        )
    with service.database.session() as session:
        cells = signatures.cells(session, seat.project, case)
        bundle = projects.get(session, seat.project).bundle_id
        amendments.require_open(session, seat.project, case, _AMEND)
        scanner = signed_record.profile(profiles.of_case(session, seat.project, cases.get(session, seat.project, case)))
    snapshot = state.readings.snapshot(CELL_TYPE)
    known = sorted(snapshot.ids[snapshot.of_case(case)].tolist())
    now, count = counted(state, CELL_TYPE, case, None if given.level is None else Level(given.level))
    if given.digest is not None and given.digest != now.digest:
        raise refusals.other_counts()
    # A rule on a finer type holds at whatever level the record tells types.
    found = checks(
        state.readings.tally(CELL_TYPE, case, Level.SUBTYPE)[1],
        of_cases(state).get(case),
        rules,
        int(snapshot.counting(case).sum()),
        now.since_draw,
    )
    refuse_foreign(state, case, "sign it")
    refusals.require_finished(count, found, given.note)
    types = state.readings.tally(CELL_TYPE, case, Level.TYPE)[1].after
    look = look_of_case(service.database, known)  # before the transaction: nobody else waits for it
    state.catch_up(since=time.monotonic())  # a request is told what was there when it came, which was a while ago
    # Counts, checks and cells are of one moment, and how sure each reading is of the labels that the record names.
    of_one_moment = now.taught_until == snapshot.taught_until
    if not of_one_moment or not state.readings.snapshot(CELL_TYPE).says_as(snapshot, case):
        raise refusals.changed(
            "a case that nobody changes while it is signed", "cells that were labelled, read, moved or deleted"
        )
    if cells != known:
        raise refusals.other_cells()
    return _Seen(case, cells, snapshot, now, count, found, types, look, bundle, scanner)


def _recheck(session: Session, seat: ProjectSeat, given: NewSignature, seen: _Seen) -> _Held:
    """Refuse where anything is otherwise by now than it was seen. Call it with the turn taken."""
    case = seen.case
    row = cases.get(session, seat.project, case)
    if lost := films.uncounted_of(session, case):
        raise refusals.uncounted(lost)
    before = amendments.require_open(session, seat.project, case, _AMEND)
    types = labels.label_set_of(session, seat.project, CELL_TYPE)
    if list(seen.snapshot.spec.classes) != types.classes:
        raise refusals.changed(
            "types that nobody changes while a case is signed", "another title, parent, merging or level"
        )
    if seen.cells != signatures.cells(session, seat.project, case):
        raise refusals.other_cells()
    if signatures.reviewed_until(session, seat.project, types.id, case) != seen.count.reviewed_until:
        raise refusals.changed("a differential that nobody changes while it is signed", "a label that came in")
    if signed_record.profile(profiles.of_case(session, seat.project, row)) != seen.scanner:
        raise refusals.changed(
            "a scanner profile that nobody changes while a case is signed", "another profile or scale"
        )
    if projects.get(session, seat.project).bundle_id != seen.bundle:
        raise refusals.changed(
            "a project that one bundle reads while a case is signed", "one that was moved to another"
        )
    chosen = counting.of(row)
    if (chosen.draw, list(chosen.choices)) != (seen.shown.counting, seen.shown.counting_choices):
        raise refusals.changed("a case of which nobody draws the cells anew while it is signed", "another draw")
    said = findings.get(session, row)
    if given.findings is None and said.version:
        raise refusals.unseen_findings()
    if given.findings is not None and given.findings != said.version:
        raise refusals.changed("the remark and grades that you looked at", "others")
    facts = signed_record.facts(session, row)
    if given.facts is None and facts.to_be_seen:
        raise refusals.unseen_facts()
    if given.facts is not None and given.facts != facts.digest:
        raise refusals.changed(
            "the specimen, scanner profile and report's settings that you looked at", "others: some were changed"
        )
    return _Held(row, types.id, said, before)


def _seal(
    service: State,
    session: Session,
    seat: ProjectSeat,
    given: NewSignature,
    rules: SigningRules,
    seen: _Seen,
    held: _Held,
) -> SignatureShown:
    """Keep the record with its signature, and what the case looked like."""
    case, before = seen.case, held.before
    differential = seen.shown.model_dump(mode="json", by_alias=True)
    checked = [CheckShown.model_validate(one).model_dump(mode="json") for one in seen.checks]
    record = signed_record.record_of(session, held.row, seen.snapshot, held.findings)
    second = projects.get(session, seat.project).second_signer
    signature = _add(
        service,
        session,
        seat,
        given,
        rules,
        case_id=case,
        bundle_id=seen.bundle,
        reviewed_until=seen.count.reviewed_until,
        taught_until=seen.shown.taught_until,
        differential=differential,
        checks=checked,
        record=record,
        fingerprint=signed_record.fingerprint(differential, checked, record),
        second_wanted=second or any(one.open and one.level == "second" for one in seen.checks),
        amends=None if before is None else before.signature,
        reason="" if before is None or before.amendment is None else before.amendment.reason,
    )
    read = drift.first_readings(session, seat.project, held.label_set, case)
    looks_so = measures(seen.snapshot, case, seen.types, read, seen.look)
    drift.add(session, seat.project, signature.id, case, seen.scanner["id"], looks_so.to_json())
    return signature


def _second(service: State, seat: ProjectSeat, given: NewSignature, case: int, rules: SigningRules) -> SignatureShown:
    """Put another signature under the newest record of a case, whatever the model has learnt since."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        standing = amendments.signed(session, seat.project, [case]).get(case)
        if standing is None or not standing.locked:
            raise Refusal(
                "in_the_way",
                expected="a signed record to put a second signature under",
                came="a case that nobody has signed" if standing is None else "a case that is being amended",
                mend="Let the first signer sign before you.",
            )
        first = signatures.get(session, seat.project, standing.signature)
        # Counts may be equal where an amendment changed the remark, the grades or the specimen alone.
        if given.digest is not None and given.digest != DifferentialShown.model_validate(first.differential).digest:
            raise refusals.other_counts()
        if given.countersigns is None:
            raise refusals.no_record_seen()
        if given.countersigns != first.id:
            raise refusals.changed("the record that you looked at", "a newer version of it")
        if standing.second:
            raise Refusal(
                "in_the_way",
                expected="a record that wants a second signature",
                came="one that has two",
                mend="Nothing is left to sign; an amendment makes a new version.",
            )
        if first.user_id == seat.user.id:
            raise Refusal(
                "in_the_way",
                expected="another person as the second signer",
                came="the one who signed first",
                mend="Ask another reviewer of the project.",
            )
        same = ("case_id", "bundle_id", "reviewed_until", "taught_until", "differential", "checks", "record")
        same += ("fingerprint", "second_wanted", "amends", "reason")
        record = {name: getattr(first, name) for name in same}
        return _add(service, session, seat, given, rules, **record, countersigns=first.id)


def _add(
    service: State, session: Session, seat: ProjectSeat, given: NewSignature, rules: SigningRules, **facts: Any
) -> SignatureShown:
    row = signatures.add(
        session,
        project_id=seat.project,
        user_id=seat.user.id,
        role=given.role,
        note=given.note,
        confirmed=rules.confirm,
        initials=given.initials if rules.confirm == "initials" else "",
        signer=seat.user.display,
        **facts,
    )
    case = given.case or 0
    version = amendments.signed(session, seat.project, [case])[case].version
    noted = {"signature": row.id, "case": case, "role": row.role, "version": version, "reason": row.reason}
    audit.note(session, seat, "signature.add", noted, seat.project)
    session.flush()
    events.tell(session, seat.project, SignatureEvent(case=row.case_id))
    signed = DifferentialShown.model_validate(row.differential)
    return shown(ListedSignature(row, seat.user.display, version, True), {}, signed.digest)
