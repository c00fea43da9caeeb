"""Cases: the worklist, the specimen, the cells of one and of another."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.desk.signing_checks import Check, RuleCounts, fired
from hemosight.service.desk.worklist import CaseNumbers, rule_counts, worklist
from hemosight.service.errors import NothingThere
from hemosight.service.schemas.cases import (
    CaseChange,
    Cases,
    CaseShown,
    CaseState,
    CellChange,
    CellsChanged,
    CellsDeletion,
    CellsMove,
    NewCase,
    RuleFired,
)
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, Viewer
from hemosight.service.state import Service, State
from hemosight.service.storage import (
    amendments,
    audit,
    cases,
    deletion,
    events,
    original_names,
    profiles,
    projects,
    signing_rules,
)
from hemosight.service.storage.amendments import SignedCase
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.signing_rules import SigningRule
from hemosight.service.storage.tables import Case, Image
from hemosight.service.work import jobs, recrops

router = APIRouter(prefix="/projects/{project}", tags=["cases"])


@router.get("/cases", operation_id="list_cases")
def list_cases(seat: Viewer, service: Service, after: After = 0, limit: Limit = 500) -> Cases:
    """The worklist: the cases of a project in the order they were made, how far each is, and what wants a look."""
    numbers = _Numbers(service, seat.project)
    with service.database.session() as session:
        rows = cases.listed(session, seat.project, after, limit)
        items = _shown(session, seat.project, rows, numbers)
    loose = numbers.of(cases.WITHOUT).images
    return Cases(items=items, without_case=loose, next=cursor(rows, limit, lambda row: row.id))


@router.post("/cases", operation_id="add_case", status_code=201)
def add_case(seat: Reviewer, service: Service, given: NewCase) -> CaseShown:
    """A new case."""
    with service.database.session() as session:
        if given.note:
            original_names.require_unnamed(session, seat.project, "a note on a case")
        row = cases.add(session, seat.project, given.key, given.note)
        audit.note(session, seat, "case.create", {"case": row.id, "key": row.key}, seat.project)
        return _shown(session, seat.project, [row], None)[0]


@router.patch("/cases/{case}", operation_id="change_case")
def change_case(seat: Reviewer, service: Service, case: Id, given: CaseChange) -> CaseShown:
    """Change a case's key, its specimen's fields, or who is to review it."""
    numbers = _Numbers(service, seat.project)
    with service.database.session() as session:
        events.take_turn(session, seat.project)  # before any row of the project is held
        row = cases.get(session, seat.project, case)
        noted = given.model_dump(mode="json", exclude_unset=True)
        if given.changes().keys() & {"key", "note", "accession", "collected_at", "received_at"}:
            original_names.require_unnamed(session, seat.project, "what a specimen is called and when it was taken")
        if given.changes().keys() - {"assigned_to"}:  # what a record says of its specimen stays true of its case
            amendments.require_unlocked(session, seat.project, [case])
        audit.note(session, seat, "case.change", {"case": case, "key_before": row.key, **noted}, seat.project)
        cases.change(session, row, given.changes())
        return _shown(session, seat.project, [row], numbers)[0]


@router.delete("/cases/{case}", operation_id="delete_case", status_code=204)
def delete_case(seat: ProjectAdmin, service: Service, case: Id) -> None:
    """Delete a case with its cells. The audit trail keeps what they were; a signed case cannot be deleted."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)  # another may delete it meanwhile
        row = cases.get(session, seat.project, case)
        key = row.key
        cells = deletion.delete_case(session, row)
        recrops.ask(session, seat.project)
        audit.note(session, seat, "case.delete", {"case": case, "key": key, "cells": cells}, seat.project)


# --- cells ------------------------------------------------------------------------------------------------


@router.post("/images/move", operation_id="move_cells")
def move_cells(seat: Reviewer, service: Service, given: CellsMove) -> CellsChanged:
    """Put cells into another case, or into none; cells of a signed record stay, and a signed case takes none."""
    with service.database.session() as session:
        profiles.take_scales(session, seat.project)
        scales = profiles.scales(session, seat.project, given.images)
        moved = cases.move(session, seat.project, given.images, given.case)
        if again := profiles.forget_moved(session, seat.project, {image: scales[image] for image in moved}):
            bundle = projects.get(session, seat.project).bundle_id
            jobs.enqueue(session, project_id=seat.project, bundle_id=bundle, images=again)
        if moved:
            before = [{"image": image, "case": case} for image, case in moved.items()]
            audit.note(session, seat, "image.move", {"case": given.case, "before": before}, seat.project)
    return CellsChanged(cells=len(moved))


@router.post("/images/delete", operation_id="delete_cells")
def delete_cells(seat: ProjectAdmin, service: Service, given: CellsDeletion) -> CellsChanged:
    """Delete cells. The audit trail keeps what they were, labels and comments stay; cells of a signed record too.

    A cell that another field shows as well is soon cut out there and counts as found there.
    """
    with service.database.session() as session:
        cells = deletion.delete_cells(session, seat.project, given.images)
        recrops.ask(session, seat.project)
        audit.note(session, seat, "image.delete", {"cells": cells}, seat.project)
    return CellsChanged(cells=len(cells))


@router.patch("/images/{image}", operation_id="rename_cell", status_code=204)
def rename_cell(seat: Reviewer, service: Service, image: Id, given: CellChange) -> None:
    """Change a cell's name."""
    with service.database.session() as session:
        events.take_turn(session, seat.project)  # before any row of the project is held
        row = session.get(Image, image)
        if row is None or row.project_id != seat.project:
            raise NothingThere(kind="an image of this project")
        original_names.require_unnamed(session, seat.project, "a cell's name")
        noted = {"image": image, "name": given.name, "before": row.name}
        audit.note(session, seat, "image.rename", noted, seat.project)
        row.name = given.name
        session.flush()
        events.tell(session, seat.project, ImagesEvent(renamed=1))


# --- steps ------------------------------------------------------------------------------------------------


class _Numbers:
    """Taken before a connection is: the project needs one of its own to catch up. Rules are counted if it has any."""

    def __init__(self, service: State, project: int) -> None:
        state = service.project_states.get(project)
        self._snapshot = state.readings.snapshot(state.first_label_set())
        self._counts = worklist(self._snapshot)
        self._of_rules: dict[int, RuleCounts] | None = None

    def of(self, case: int) -> CaseNumbers:
        """What the worklist counts of a case."""
        return self._counts.get(case, CaseNumbers())

    def fired(self, case: int, rules: Sequence[SigningRule]) -> list[Check]:
        """Which rules the case meets; they are on cell types."""
        if not rules or self._snapshot.spec.name != CELL_TYPE:
            return []
        if self._of_rules is None:
            self._of_rules = rule_counts(self._snapshot)
        counts = self._of_rules.get(case)
        return [] if counts is None else fired(rules, counts)


def _shown(session: Session, project: int, rows: Sequence[Case], numbers: _Numbers | None) -> list[CaseShown]:
    """Cases as the API shows them; one that was made just now has no cells, and no numbers are looked for."""
    signed = amendments.signed(session, project, [row.id for row in rows])
    rules = signing_rules.get(session, project).rules
    shown = []
    for row in rows:
        count, signature = CaseNumbers() if numbers is None else numbers.of(row.id), signed.get(row.id)
        facts = {name: value for name, value in vars(count).items() if name != "newest"}
        specimen = ("id", "key", "note", "accession", "collected_at", "received_at", "wbc", "assigned_to", "created_at")
        state = _state(count, signature)
        met = [] if state == "signed" or numbers is None else numbers.fired(row.id, rules)
        shown.append(
            CaseShown.model_validate(
                {
                    **{name: getattr(row, name) for name in specimen},
                    **facts,
                    "rules_fired": [RuleFired.model_validate(one) for one in met],
                    "state": state,
                    "signed": signature is not None,
                    "signed_at": None if signature is None else signature.at,
                    "version": 0 if signature is None else signature.version,
                    "second_wanted": signature is not None and signature.second_wanted and not signature.second,
                }
            )
        )
    return shown


def _state(count: CaseNumbers, signature: SignedCase | None) -> CaseState:
    if signature is not None:
        # Records of older versions did not lock their case: labels may have come since.
        return "signed" if signature.locked and count.newest <= signature.reviewed_until else "amended"
    return "in_review" if count.labelled or count.unsure else "new"
