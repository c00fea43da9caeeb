"""Labels from a table, into a case or a project."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import PurePath

from fastapi import APIRouter, BackgroundTasks
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.images.sources.cells import parse_cells
from hemosight.service.desk import label_import
from hemosight.service.desk.label_import import ImportPlan, KnownImage, Row
from hemosight.service.errors import Refusal
from hemosight.service.schemas.label_import import (
    LISTED,
    LabelImportShown,
    NewLabelImport,
    ProposalShown,
    RowShown,
    RowsShown,
    UnknownLabel,
)
from hemosight.service.schemas.labels import MOST
from hemosight.service.security.permissions import ProjectSeat, Reviewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, audit, cases, events, label_sets, labels, original_names
from hemosight.service.storage.labels import LabelRequest, SubmittedLabel
from hemosight.service.storage.tables import LabelSet

router = APIRouter(tags=["labels"])


@router.post("/projects/{project}/labels/import", operation_id="import_labels")
def import_labels(given: NewLabelImport, seat: Reviewer, service: Service, later: BackgroundTasks) -> LabelImportShown:
    """Label cells by a table of paths or content ids and labels; `check` only says what would come of it.

    All or nothing: while a label of the table is no class here and nobody said what it means, nothing is written.
    """
    file = PurePath(given.file).name or given.file
    table = parse_cells(given.content, file)
    state = service.project_states.get(seat.project)
    with service.database.session() as session:
        if given.case is not None:
            cases.get(session, seat.project, given.case)
        row = labels.label_set_of(session, seat.project, given.label_set)
        known = _cells(session, seat, row, given.case)
        # Without the project's turn: of a million cells it takes seconds, in which nobody else could label.
        plan = label_import.plan(table, known, row.classes, given.means, file=file, overwrite=given.overwrite)
    if given.check:
        return _shown(plan, row, written=False)
    _require_known(plan, row)
    images = sorted(plan.labels)
    seen, taught_until = state.readings.seen_predictions(given.label_set, images)
    items = [
        SubmittedLabel(image, plan.labels[image], plan.versions[image], was.predicted, was.probability)
        for image, was in zip(images, seen, strict=True)
    ]
    undo: list[int] = []
    with service.database.session() as session:
        events.take_turn(session, seat.project)
        for start in range(0, len(items), MOST):
            # One request has a number and at most so many labels; a larger table is several of them.
            number = uuid.uuid5(given.request, str(start))
            request = LabelRequest(seat.project, seat.user.id, seat, number, state.bundle_id, taught_until)
            outcome = labels.submit(session, request, row.name, items[start : start + MOST], "set")
            if outcome.conflicts:
                raise _labelled_meanwhile(len(outcome.conflicts))
            undo += [label.version for label in outcome.labels]
        named = original_names.of_project(session, seat.project) == "kept"
        # In a project without names the table may be called as a patient is, and the trail is kept.
        noted = {
            "file": file if named else "",
            "label_set": row.id,
            "case": given.case,
            "labels": plan.counts,
            "means": given.means if named else {},
        }
        audit.note(session, seat, "label.import", noted, seat.project)
    shown = _shown(plan, row, written=True)
    if undo:
        later.add_task(state.labels_written, given.label_set, max(undo))
    return shown.model_copy(update={"undo": undo})


def _labelled_meanwhile(cells: int) -> Refusal:
    return Refusal(
        "in_the_way",
        expected="cells that nobody labels while the table is read",
        came=f"{cells:,} that somebody labelled, or that this request labelled before",
        mend="Look at what the table would do now, then import it. Nothing was written.",
    )


def _cells(session: Session, seat: ProjectSeat, row: LabelSet, case: int | None) -> Iterator[KnownImage]:
    locked = set()
    if row.name == CELL_TYPE:
        locked = {number for number, one in amendments.signed(session, seat.project).items() if one.locked}
    for one in label_sets.cells(session, seat.project, row.id, case):
        sha256 = (one.sha256 or b"").hex()
        yield KnownImage(one.id, one.name, sha256, one.case_id in locked, one.label, one.version or 0)


def _require_known(plan: ImportPlan, row: LabelSet) -> None:
    if not plan.unknown:
        return
    said = []
    for label, rows in plan.unknown.items():
        found = label_import.proposals(label, row.classes, row.name)
        maybe = " or ".join(f"{one.name}{' (to be added)' if one.add else ''}" for one in found)
        said.append(f"{label!r} ({len(rows)} rows{f', perhaps {maybe}' if maybe else ''})")
    raise Refusal(
        "unfit",
        expected=f"labels that are classes of {row.name}",
        came=", ".join(said),
        mend="Say in `means` what each stands for, or null to leave its rows out. Nothing was written.",
    )


def _shown(plan: ImportPlan, row: LabelSet, *, written: bool) -> LabelImportShown:
    def rows(found: list[Row]) -> RowsShown:
        return RowsShown(count=len(found), first=[RowShown.model_validate(one) for one in found[:LISTED]])

    return LabelImportShown(
        written=written,
        rows=plan.rows,
        blank=plan.blank,
        same=plan.same,
        labels=plan.counts,
        unknown=[
            UnknownLabel(
                label=label,
                rows=len(found),
                proposals=[
                    ProposalShown.model_validate(one) for one in label_import.proposals(label, row.classes, row.name)
                ],
            )
            for label, found in plan.unknown.items()
        ],
        unmatched=rows(plan.unmatched),
        clashing=rows(plan.clashing),
        kept=rows(plan.kept),
        locked=rows(plan.locked),
        undo=[],
    )
