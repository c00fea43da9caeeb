"""Signing a case: the record is kept as it was signed; a second signer signs that same record."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.service.desk import signed_record
from hemosight.service.desk.drift import look_of_case, measures
from hemosight.service.desk.signing_checks import Check, checks
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
    report_settings,
    signatures,
    signing_rules,
)
from hemosight.service.storage.amendments import SignedCase
from hemosight.service.storage.live_events import SignatureEvent
from hemosight.service.storage.signatures import ListedSignature
from hemosight.service.storage.signing_rules import SigningRules

router = APIRouter(tags=["signatures"])


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


def _first(service: State, seat: ProjectSeat, given: NewSignature, case: int, rules: SigningRules) -> SignatureShown:
    """Sign what is there now; where the case is being amended, that makes a new version of its record."""
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
        bundle_id = projects.get(session, seat.project).bundle_id
        _require_open(amendments.signed(session, seat.project, [case]).get(case))
        second = projects.get(session, seat.project).second_signer
        scanner = signed_record.profile(profiles.of_case(session, seat.project, cases.get(session, seat.project, case)))
    snapshot = state.readings.snapshot(CELL_TYPE)
    known = sorted(snapshot.ids[snapshot.of_case(case)].tolist())
    now, count = counted(state, CELL_TYPE, case, None if given.level is None else Level(given.level))
    if given.digest is not None and given.digest != now.digest:
        raise _other_counts()
    # A rule on a finer type holds at whatever level the record tells types.
    found = checks(
        state.readings.tally(CELL_TYPE, case, Level.SUBTYPE)[1],
        of_cases(state).get(case),
        rules,
        int(snapshot.counting(case).sum()),
        now.since_draw,
    )
    refuse_foreign(state, case, "sign it")
    _require_finished(count, found, given.note)
    types = state.readings.tally(CELL_TYPE, case, Level.TYPE)[1].after
    look = look_of_case(service.database, known)  # before the transaction: nobody else waits for it
    state.catch_up(since=time.monotonic())  # a request is told what was there when it came, which was a while ago
    if state.readings.snapshot(CELL_TYPE) is not snapshot:  # counts, checks and cells are of one moment
        raise _changed(
            "a case that nobody changes while it is signed", "cells that were labelled, read, moved or deleted"
        )
    with service.database.session() as session:
        profiles.hold_scales(session, seat.project)
        events.take_turn(session, seat.project)
        row_of_case = cases.get(session, seat.project, case)
        if lost := films.uncounted_of(session, case):
            raise _uncounted(lost)
        before = amendments.signed(session, seat.project, [case]).get(case)
        _require_open(before)
        types_now = labels.label_set_of(session, seat.project, CELL_TYPE)
        label_set = types_now.id
        if list(snapshot.spec.classes) != types_now.classes:
            raise _changed(
                "types that nobody changes while a case is signed", "another title, parent, merging or level"
            )
        if not cells == known == signatures.cells(session, seat.project, case):
            raise _changed("a case whose cells stay while it is signed", "cells that were added, moved or deleted")
        if signatures.reviewed_until(session, seat.project, label_set, case) != count.reviewed_until:
            raise _changed("a differential that nobody changes while it is signed", "a label that came in")
        if signed_record.profile(profiles.of_case(session, seat.project, row_of_case)) != scanner:
            raise _changed("a scanner profile that nobody changes while a case is signed", "another profile or scale")
        if projects.get(session, seat.project).bundle_id != bundle_id:
            raise _changed("a project that one bundle reads while a case is signed", "one that was moved to another")
        chosen = counting.of(row_of_case)
        if (chosen.draw, list(chosen.choices)) != (now.counting, now.counting_choices):
            raise _changed("a case of which nobody draws the cells anew while it is signed", "another draw")
        said = findings.get(session, row_of_case)
        if given.findings is None and said.version:
            raise _unseen_findings()
        if given.findings is not None and given.findings != said.version:
            raise _changed("the remark and grades that you looked at", "others")
        facts = signed_record.facts(session, row_of_case)
        if given.facts is None and facts.to_be_seen:
            raise _unseen_facts()
        if given.facts is not None and given.facts != facts.digest:
            raise _changed("the specimen and the report's settings that you looked at", "others: some were changed")
        differential = now.model_dump(mode="json", by_alias=True)
        checked = [CheckShown.model_validate(one).model_dump(mode="json") for one in found]
        record = {
            "specimen": signed_record.specimen(row_of_case),
            "profile": scanner,
            "cells": signed_record.cells(snapshot, case, signatures.files(session, seat.project, case)),
            "report": signed_record.report(
                projects.get(session, seat.project),
                report_settings.get(session, seat.project),
                said,
                snapshot.spec.classes,
            ),
        }
        signature = _add(
            service,
            session,
            seat,
            given,
            rules,
            case_id=case,
            bundle_id=bundle_id,
            reviewed_until=count.reviewed_until,
            taught_until=now.taught_until,
            differential=differential,
            checks=checked,
            record=record,
            fingerprint=signed_record.fingerprint(differential, checked, record),
            second_wanted=second or any(one.open and one.level == "second" for one in found),
            amends=None if before is None else before.signature,
            reason="" if before is None or before.amendment is None else before.amendment.reason,
        )
        read = drift.first_readings(session, seat.project, label_set, case)
        looks_so = measures(snapshot, case, types, read, look)
        drift.add(session, seat.project, signature.id, case, scanner["id"], looks_so.to_json())
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
            raise _other_counts()
        if given.countersigns is None:
            raise _no_record_seen()
        if given.countersigns != first.id:
            raise _changed("the record that you looked at", "a newer version of it")
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


def _require_open(standing: SignedCase | None) -> None:
    if standing is not None and standing.locked:
        raise Refusal(
            "locked",
            expected="a case that nobody has signed, or that is being amended",
            came=f"one that was signed on {standing.at:%d %B %Y}",
            mend="Begin an amendment of the case, which takes a reason, then sign it again.",
        )


def _require_finished(count: Tally, found: list[Check], note: str) -> None:
    if not count.after.total and not any(count.after.apart.values()):
        raise Refusal(
            "unfit", expected="cells to sign for", came="none that are read or labelled", mend="Upload cells first."
        )
    # The scanner has a refusal of its own, which says how to adapt to it.
    blocking = [one.says for one in found if one.open and one.level == "block" and one.name != "foreign"]
    if blocking:
        raise Refusal(
            "in_the_way",
            expected="nothing that stands in the way of a signature here",
            came="; ".join(blocking),
            mend="See to it; the project's administrator sets which checks stand in the way.",
        )
    missing = [one.says for one in found if one.open and one.level == "reason"]
    if missing and not note.strip():
        raise Refusal(
            "in_the_way",
            expected="every cell read and decided",
            came="; ".join(missing),
            mend="Decide them, or say in the note why the differential holds all the same.",
        )


def _changed(expected: str, came: str) -> Refusal:
    return Refusal(
        "in_the_way",
        expected=expected,
        came=f"{came} meanwhile",
        mend="Look at the differential again, then sign.",
    )


def _unseen_findings() -> Refusal:
    return Refusal(
        "in_the_way",
        expected="the version of the case's remark and grades that you looked at, as `findings`",
        came="none, and the case has some",
        mend="Look at the remark and grades, then sign with their version.",
    )


def _unseen_facts() -> Refusal:
    return Refusal(
        "in_the_way",
        expected="`facts` of the case's signing as you looked at it: its specimen and the report's settings",
        came="none, and the case has a specimen or the report has reference ranges",
        mend="Look at `specimen` and `settings` of the case's signing, then sign with its `facts`.",
    )


def _no_record_seen() -> Refusal:
    return Refusal(
        "in_the_way",
        expected="the first signature whose record you looked at, as `countersigns`",
        came="none",
        mend="Look at the record, then sign it second with its signature's `id`.",
    )


def _uncounted(cells: int) -> Refusal:
    return Refusal(
        "in_the_way",
        expected="every cell of the case's fields counted once",
        came=f"{cells} that count nowhere, since another field that counted them is gone",
        mend="Wait until they are counted; or open the field, and count them there or remove them.",
    )


def _other_counts() -> Refusal:
    return Refusal(
        "in_the_way",
        expected="the counts that you looked at",
        came="other counts: labels or readings have changed meanwhile",
        mend="Look at the differential again, then sign.",
    )
