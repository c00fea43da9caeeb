"""What a project checks before signing, how a case stands, and amending what is signed."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, Level
from hemosight.service.desk import signed_record
from hemosight.service.desk.signing_checks import checks
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import counted
from hemosight.service.routes.familiarity import of_cases
from hemosight.service.schemas.differential import CheckShown
from hemosight.service.schemas.signing import (
    AmendmentShown,
    NewAmendment,
    ProfileOfRecord,
    SettingsOfRecord,
    SigningShown,
    SpecimenOfRecord,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import (
    amendments,
    audit,
    cases,
    counting,
    events,
    findings,
    labels,
    profiles,
    projects,
    signatures,
    signing_rules,
)
from hemosight.service.storage.signing_rules import SigningRules
from hemosight.service.work import jobs

router = APIRouter(prefix="/projects/{project}", tags=["signatures"])


@router.get("/signing-rules", operation_id="get_signing_rules")
def get_rules(seat: Viewer, session: Transaction) -> SigningRules:
    """What is checked before a case is signed, and what follows from each check."""
    return signing_rules.get(session, seat.project)


@router.put("/signing-rules", operation_id="set_signing_rules")
def set_rules(seat: ProjectAdmin, session: Transaction, given: SigningRules) -> SigningRules:
    """Set what is checked before a case is signed. What is signed stays under the rules it was signed by."""
    known = {entry["name"] for entry in labels.label_set_of(session, seat.project, CELL_TYPE).classes}
    for rule in given.rules:
        if rule.label is not None and rule.label not in known:
            raise Refusal(
                "unfit",
                expected="rules on types of the project's cells",
                came=f"one on {rule.label!r}",
                mend=f"Choose one of: {', '.join(sorted(known))}.",
            )
    before = signing_rules.get(session, seat.project)
    noted = {"rules": given.model_dump(mode="json"), "before": before.model_dump(mode="json")}
    audit.note(session, seat, "signing.rules", noted, seat.project)
    signing_rules.put(session, seat.project, given)
    return given


@router.get("/cases/{case}/signing", operation_id="get_signing")
def get_signing(seat: Viewer, service: Service, case: Id) -> SigningShown:
    """How a case stands: the checks before a signature as they are now, its newest version, whether it is amended."""
    with service.database.session() as session:
        facts = signed_record.facts(session, cases.get(session, seat.project, case))
        rules = signing_rules.get(session, seat.project)
        standing = amendments.signed(session, seat.project, [case]).get(case)
    state = service.project_states.get(seat.project)
    now, count = counted(state, CELL_TYPE, case, Level.SUBTYPE)
    cells = int(state.readings.snapshot(CELL_TYPE).counting(case).sum())
    found = checks(count, of_cases(state).get(case), rules, cells, now.since_draw)
    amendment = None if standing is None else standing.amendment
    return SigningShown(
        case=case,
        locked=standing is not None and standing.locked,
        version=0 if standing is None else standing.version,
        second_wanted=standing is not None and standing.second_wanted and not standing.second,
        amendment=None if amendment is None else AmendmentShown.model_validate(amendment),
        confirm=rules.confirm,
        checks=[CheckShown.model_validate(one) for one in found],
        specimen=SpecimenOfRecord.model_validate(facts.specimen),
        profile=ProfileOfRecord.model_validate(facts.profile),
        settings=SettingsOfRecord.model_validate(facts.settings),
        facts=facts.digest,
    )


@router.post("/cases/{case}/amendment", operation_id="amend_case", status_code=201)
def amend(seat: Reviewer, session: Transaction, case: Id, given: NewAmendment) -> AmendmentShown:
    """Open a signed case for changes. Its record stays; signing again makes a new version."""
    profiles.take_scales(session, seat.project)
    row = cases.get(session, seat.project, case)
    audit.note(session, seat, "case.amend", {"case": case, "reason": given.reason}, seat.project)
    made = amendments.begin(session, seat.project, case, seat.user.id, given.reason)
    if again := profiles.read_amended(session, seat.project, row):
        bundle = projects.get(session, seat.project).bundle_id
        jobs.enqueue(session, project_id=seat.project, bundle_id=bundle, images=again)
    return AmendmentShown.model_validate(made)


@router.delete("/cases/{case}/amendment", operation_id="withdraw_amendment", status_code=204)
def withdraw(seat: Reviewer, session: Transaction, case: Id) -> None:
    """Close a signed case again as it was signed; once something in it has changed, only signing ends an amendment."""
    cases.get(session, seat.project, case)
    events.take_turn(session, seat.project)
    _require_unchanged(session, seat.project, case)
    audit.note(session, seat, "case.withdraw", {"case": case}, seat.project)
    amendments.withdraw(session, seat.project, case, seat.user.id)


def _require_unchanged(session: Session, project: int, case: int) -> None:
    standing = amendments.signed(session, project, [case]).get(case)
    if standing is None:
        return
    label_set = labels.label_set_of(session, project, CELL_TYPE).id
    labelled = signatures.reviewed_until(session, project, label_set, case) != standing.reviewed_until
    record = signatures.get(session, project, standing.signature).record
    stored = None if record is None else [cell["image"] for cell in record["cells"]]
    specimen = None if record is None else record["specimen"]
    row = cases.get(session, project, case)
    other = specimen is not None and specimen != signed_record.specimen(row)
    said = None if record is None else record.get("report")
    now = signed_record.findings(findings.get(session, row))
    other = other or (said is not None and any(said[name] != value for name, value in now.items()))
    signed = signatures.get(session, project, standing.signature).differential.get("counting")
    drawn = counting.of(row).draw
    other = other or signed != (None if drawn is None else drawn.model_dump(mode="json"))
    if labelled or other or (stored is not None and stored != signatures.cells(session, project, case)):
        raise Refusal(
            "in_the_way",
            expected="a case that is as it was signed",
            came="one with labels, cells, findings, another draw or facts of the specimen that came since",
            mend="Sign it again: that makes a new version, and the old one stays.",
        )
