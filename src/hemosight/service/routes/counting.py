"""Which cells of a case are counted: all, or so many that a seed draws."""

from __future__ import annotations

import datetime
import secrets

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk.counted_cells import draw
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import counted
from hemosight.service.schemas.counting import NewCounting
from hemosight.service.schemas.differential import DifferentialShown
from hemosight.service.security.permissions import Id, ProjectSeat, Reviewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, audit, cases, counting, events, labels, signatures
from hemosight.service.storage.counting import DrawnCells
from hemosight.service.storage.tables import Case

router = APIRouter(prefix="/projects/{project}", tags=["differential"])
_SEEDS = 2**32


@router.put("/cases/{case}/counting", operation_id="set_counting")
def set_counting(seat: Reviewer, service: Service, case: Id, given: NewCounting) -> DifferentialShown:
    """Draw the cells of a case that count, or let all count; gives the differential of those.

    The cells are drawn from fields in which counting is fair (and from crops that came without a field), at random or
    field after field, until so many leukocytes are met. What is met on the way is told for every 100 of them. Once
    cells are labelled a draw takes a reason; every draw stands in the audit trail. A signed case has to be amended.
    """
    state = service.project_states.get(seat.project)
    snapshot = state.readings.snapshot(CELL_TYPE)
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = cases.get(session, seat.project, case)
        amendments.require_unlocked(session, seat.project, [case])
        before = counting.of(row)
        _require_reason(session, seat, row, before, given)
        made = None
        if given.leukocytes is not None:
            method, seed = given.method, secrets.randbelow(_SEEDS)
            if given.same_order and before is not None:
                method, seed = before.method, before.seed
            images = signatures.cells(session, seat.project, case)
            found = draw(snapshot, case, counting.places(session, images), method, given.leukocytes, seed)
            made = DrawnCells(
                method=method,
                wanted=given.leukocytes,
                seed=seed,
                met=found.met,
                chosen=len(found.images),
                pool=found.pool,
                unfair=found.unfair,
                user=seat.user.id,
                name=seat.user.display,
                at=datetime.datetime.now(datetime.UTC),
                reason=given.reason,
                images=found.images,
            )
        own = ("method", "wanted", "seed", "met", "pool", "unfair")
        noted = {name: None if made is None else getattr(made, name) for name in own}
        was = None if before is None else before.model_dump(mode="json", include=set(own))
        chosen = [] if made is None else made.images
        facts = {"case": case, "reason": given.reason, **noted, "images": chosen, "drawn_before": was}
        audit.note(session, seat, "case.counting", facts, seat.project)
        counting.set_to(session, row, made)
    return counted(state, CELL_TYPE, case)[0]


def _require_reason(
    session: Session, seat: ProjectSeat, row: Case, before: DrawnCells | None, given: NewCounting
) -> None:
    if given.reason or (before is None and given.leukocytes is None):
        return
    label_set = labels.label_set_of(session, seat.project, CELL_TYPE).id
    labelled = counting.labelled(session, seat.project, label_set, row.id)
    if labelled:
        raise Refusal(
            "in_the_way",
            expected="a reason for choosing the cells that count now",
            came=f"none, and {labelled} {'cell is' if labelled == 1 else 'cells are'} labelled",
            mend="Say why; it stands in the audit trail and with the record.",
        )
