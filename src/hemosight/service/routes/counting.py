"""Which cells of a case are counted: all, or so many that a seed draws."""

from __future__ import annotations

import datetime
import secrets

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk.counted_cells import draw
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import counted
from hemosight.service.schemas.counting import NewCounting
from hemosight.service.schemas.differential import DifferentialShown
from hemosight.service.security.permissions import Id, ProjectSeat, Reviewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, audit, cases, counting, events, labels, projects, signatures
from hemosight.service.storage.counting import CountingChoice, DrawnCells

router = APIRouter(prefix="/projects/{project}", tags=["differential"])
_SEEDS = 2**32


@router.put("/cases/{case}/counting", operation_id="set_counting")
def set_counting(seat: Reviewer, service: Service, case: Id, given: NewCounting) -> DifferentialShown:
    """Draw the cells of a case that count, or let all count; gives the differential of those.

    The cells are drawn from fields in which counting is fair (and from crops that came without a field), at random or
    field after field, until so many leukocytes are met. What is met on the way is told for every 100 of them. Once
    cells are labelled a draw takes a reason. Every choice is kept with the case and goes into its record, every draw
    with its cells stands in the audit trail. A signed case has to be amended.
    """
    state = service.project_states.get(seat.project)
    state.follow(CELL_TYPE)
    snapshot, bundle_id = state.readings.snapshot(CELL_TYPE), state.bundle_id
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        row = cases.get(session, seat.project, case)
        amendments.require_unlocked(session, seat.project, [case])
        _require_unchanged(session, seat.project, case, snapshot, bundle_id)
        label_set = labels.label_set_of(session, seat.project, CELL_TYPE).id
        before, labelled = counting.of(row).drawn, counting.labelled(session, seat.project, label_set, case)
        _require_reason(before, given, labelled)
        made = None if given.leukocytes is None else _drawn(session, seat, snapshot, case, before, given)
        choice = CountingChoice(
            target_leukocytes=given.leukocytes,
            method=None if made is None else made.method,
            seed=None if made is None else made.seed,
            labelled_cells=labelled,
            name=seat.user.display,
            at=datetime.datetime.now(datetime.UTC) if made is None else made.at,
            reason=given.reason,
        )
        own = {"method", "target_leukocytes", "seed", "first_field", "counted_leukocytes", "eligible_cells"}
        own.add("cells_in_unfair_fields")
        noted = dict.fromkeys(sorted(own)) if made is None else made.model_dump(mode="json", include=own)
        was = None if before is None else before.model_dump(mode="json", include=own)
        chosen = [] if made is None else made.images
        facts = {"case": case, "reason": given.reason, **noted, "images": chosen, "drawn_before": was}
        audit.note(session, seat, "case.counting", facts, seat.project)
        counting.set_to(session, row, made, choice)
    return counted(state, CELL_TYPE, case)[0]


def _drawn(
    session: Session, seat: ProjectSeat, snapshot: Snapshot, case: int, before: DrawnCells | None, given: NewCounting
) -> DrawnCells:
    method, seed, first, target = given.method, secrets.randbelow(_SEEDS), None, given.leukocytes or 0
    if given.same_order and before is not None:
        method, seed, first = before.method, before.seed, before.first_field
    cells = signatures.cells(session, seat.project, case)
    places = counting.places(session, cells)
    found = draw(snapshot, case, places, method, target, seed, first)
    return DrawnCells(
        method=method,
        target_leukocytes=target,
        seed=seed,
        # As it was drawn, also where it has no cell by now: who goes on once more goes on from there.
        first_field=found.first_field,
        counted_leukocytes=found.leukocytes,
        counted_cells=len(found.images),
        eligible_cells=found.eligible,
        cells_in_unfair_fields=found.in_unfair_fields,
        user=seat.user.id,
        name=seat.user.display,
        at=datetime.datetime.now(datetime.UTC),
        reason=given.reason,
        images=found.images,
        passed_over=sorted(set(cells).difference(found.images)),
    )


def _require_unchanged(session: Session, project: int, case: int, snapshot: Snapshot, bundle_id: int) -> None:
    """Cells, labels, types and bundle are those that the draw is made of: nobody else writes until it is stored."""
    label_set = labels.label_set_of(session, project, CELL_TYPE)
    own = snapshot.of_case(case)
    same = {
        "another bundle": projects.get(session, project).bundle_id == bundle_id,
        "cells that were added, moved or deleted": sorted(snapshot.ids[own].tolist())
        == signatures.cells(session, project, case),
        "a label that came in": int(snapshot.version[own].max(initial=0))
        == signatures.reviewed_until(session, project, label_set.id, case),
        "types that count otherwise": list(snapshot.spec.classes) == label_set.classes,
    }
    for came, holds in same.items():
        if not holds:
            raise Refusal(
                "in_the_way",
                expected="a case that nobody changes while its cells are drawn",
                came=f"{came} meanwhile",
                mend="Look at the differential again, then draw.",
            )


def _require_reason(before: DrawnCells | None, given: NewCounting, labelled: int) -> None:
    if given.reason or not labelled or (before is None and given.leukocytes is None):
        return
    raise Refusal(
        "in_the_way",
        expected="a reason for choosing the cells that count now",
        came=f"none, and {labelled} {'cell is' if labelled == 1 else 'cells are'} labelled",
        mend="Say why; it stands in the audit trail and with the record.",
    )
