"""Signing a differential: the counts are kept as they were; a second signer is another person."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.service.desk.tally import Tally
from hemosight.service.errors import InTheWay, Unfit
from hemosight.service.routes.differential import counted
from hemosight.service.schemas.differential import DifferentialShown, NewSignature, Signatures, SignatureShown
from hemosight.service.security.permissions import ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, events, labels, projects, signatures
from hemosight.service.storage.tables import Signature
from hemosight.space.labels import CELL_TYPE

router = APIRouter(tags=["signatures"])


@router.get("/projects/{project}/signatures", operation_id="list_signatures")
def list_signatures(seat: Viewer, session: Transaction) -> Signatures:
    """Who signed what, and whether it is still as it was signed."""
    now = _reviewed_until(session, seat.project)
    return Signatures(items=[_shown(row, name, now) for row, name in signatures.listed(session, seat.project)])


@router.post("/projects/{project}/signatures", operation_id="sign", status_code=201)
def sign(given: NewSignature, seat: Reviewer, service: Service) -> SignatureShown:
    """Sign the differential of a case, or of the project, as it is now."""
    if given.case is not None:
        with service.database.session() as session:
            projects.case(session, seat.project, given.case)
    desk = service.desks.get(seat.project)
    shown, count = counted(desk, CELL_TYPE, given.case)
    _require_finished(count, given.note)
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        now = _reviewed_until(session, seat.project)
        if now.get(given.case, 0) != count.reviewed_until:
            raise InTheWay(
                expected="a differential that nobody changes while it is signed",
                came="a label that came in meanwhile",
                mend="Look at the differential again, then sign.",
            )
        if given.role == "second":
            _require_first(session, seat, given.case, count.reviewed_until)
        row = signatures.add(
            session,
            project_id=seat.project,
            case_id=given.case,
            user_id=seat.user.id,
            role=given.role,
            bundle_id=desk.bundle_id,
            revision=count.reviewed_until,
            differential=shown.model_dump(mode="json", by_alias=True),
            note=given.note,
        )
        audit.note(session, seat, "signature.add", {"signature": row.id, "case": given.case}, seat.project)
        session.flush()
        events.tell(session, seat.project, "signature", {"case": given.case})
        return _shown(row, seat.user.display, now)


def _require_finished(count: Tally, note: str) -> None:
    if not count.after.total and not any(count.after.apart.values()):
        raise Unfit(expected="cells to sign for", came="none that are read or labelled", mend="Upload cells first.")
    missing = [
        f"{n} {what}"
        for n, what in ((count.waiting, "not read yet"), (count.unreadable, "unreadable"), (count.unsure, "unsure"))
        if n
    ]
    if missing and not note.strip():
        raise InTheWay(
            expected="every cell read and decided",
            came=", ".join(missing),
            mend="Decide them, or say in the note why the differential holds without them.",
        )


def _require_first(session: Session, seat: ProjectSeat, case: int | None, reviewed_until: int) -> None:
    first = signatures.newest(session, seat.project, case, "first")
    if first is None or first.revision != reviewed_until:
        raise InTheWay(
            expected="a first signature under these very counts",
            came="none" if first is None else "one from before the last label",
            mend="Let the first signer sign (again).",
        )
    if first.user_id == seat.user.id:
        raise InTheWay(
            expected="another person as the second signer",
            came="the one who signed first",
            mend="Ask another reviewer of the project.",
        )


def _reviewed_until(session: Session, project: int) -> dict[int | None, int]:
    return signatures.reviewed_until(session, project, labels.label_set_of(session, project, CELL_TYPE).id)


def _shown(row: Signature, name: str, now: dict[int | None, int]) -> SignatureShown:
    return SignatureShown(
        id=row.id,
        case=row.case_id,
        user=row.user_id,
        name=name,
        at=row.at,
        role=row.role,  # type: ignore[arg-type] -- the table checks it
        note=row.note,
        revision=row.revision,
        bundle=row.bundle_id,
        current=now.get(row.case_id, 0) == row.revision,
        differential=DifferentialShown.model_validate(row.differential),
    )
