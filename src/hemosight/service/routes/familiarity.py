"""Whether the model knows the scanner of a case, and how far it can be trusted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.scoring.agreement import Judgement
from hemosight.service.desk.foreign import CaseFamiliarity
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.trust import LEAST, MOST, STEP, STILL, Trust, check_cells, trust
from hemosight.service.errors import Refusal
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.schemas.familiarity import CaseFamiliarityShown, Familiarities, TrustShown
from hemosight.service.security.permissions import BIGGEST, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import cases, judgements, labels, profiles

router = APIRouter(tags=["familiarity"])


@router.get("/projects/{project}/familiarity", operation_id="list_familiarity")
def familiarity(seat: Viewer, service: Service) -> Familiarities:
    """Of each case, how many of its cells look like nothing the model or the project's people know."""
    found = of_cases(service.project_states.get(seat.project))
    return Familiarities(
        items=[
            CaseFamiliarityShown(
                case=None if case < 0 else case,
                **vars(one),
                share=one.share,
                wanted=one.wanted,
                foreign=one.foreign,
            )
            for case, one in found.items()
        ]
    )


@router.get("/projects/{project}/trust", operation_id="get_trust")
def statement(
    seat: Viewer,
    service: Service,
    case: CaseQuery = None,
    label_set: SetQuery = CELL_TYPE,
    profile: Annotated[int | None, Query(ge=1, le=BIGGEST, description="All cases of a scanner profile.")] = None,
) -> TrustShown:
    """What was asked and how well the model reads it: right before people said so, and on random checks.

    Of one case, of a scanner profile, or of all. `moved_by_last` and `enough` are of a case alone.
    """
    with service.database.session() as session:
        if case is not None:
            cases.require(session, seat.project, case)
        if profile is not None:
            profiles.get(session, seat.project, profile)
        row = labels.label_set_of(session, seat.project, label_set)
        said = judgements.judgements(session, seat.project, row.id, case)
    state = service.project_states.get(seat.project)
    snapshot = state.readings.snapshot(label_set)
    wanted = snapshot.of_case(case) & (True if profile is None else snapshot.profile == profile)
    if profile is not None:
        among = set(snapshot.ids[wanted].tolist())
        said = [one for one in said if one.image in among]
    checks: set[int] = set()
    for number in np.unique(snapshot.case[wanted]).tolist():
        checks |= set(check_cells(snapshot.ids[snapshot.case == number]).tolist())
    # What is trusted is the reading of types; finer ones of a laboratory's own count as the type above them.
    classifier = state.bundle.classifiers.get(label_set)
    read, upper = () if classifier is None else classifier.classes, snapshot.spec.upper
    said = [
        replace(one, label=upper(one.label, read), predicted=one.predicted and upper(one.predicted, read))
        for one in said
    ]
    found = trust(said, snapshot.spec.names, state.readings.left_out(label_set), checks)
    facts = {name: getattr(found, name) for name in TrustShown.model_fields if hasattr(found, name)}
    if case is not None and label_set == CELL_TYPE:
        facts |= _enough(state, snapshot, case, said, found)
    return TrustShown.model_validate(facts)


def _enough(
    state: ProjectState, snapshot: Snapshot, case: int, said: Sequence[Judgement], found: Trust
) -> dict[str, Any]:
    """How many open cells of a case the last answers moved, and whether its queue ends.

    It ends at ``MOST`` answers whatever they still move: nobody is asked without end. Only the labels of unfamiliar
    cells that a foreign case lacks are still asked for. If it is foreign all the same it stays held back, and the page
    says so.
    """
    order: dict[int, None] = {}
    for one in said:
        if one.single and not one.earlier:
            order.pop(one.image, None)
            order[one.image] = None
    last = list(order)[-STEP:]
    moved = state.readings.moved_by(snapshot.spec.name, case, last)
    if len(order) < LEAST:
        return {"moved_by_last": moved, "enough": False}
    about = state.readings.familiarity().cases.get(case or -1)
    still = moved <= STILL * max(about.open if about else 0, 1)
    known = about is None or not about.foreign
    missing = 0 if about is None else about.missing
    return {"moved_by_last": moved, "enough": (known and still) or (found.asked >= MOST and not missing)}


def of_cases(state: ProjectState) -> dict[int, CaseFamiliarity]:
    """Every case of a project; -1 stands for cells without one."""
    return dict(state.readings.familiarity().cases)


def refuse_foreign(state: ProjectState, case: int | None, doing: str) -> None:
    """Refuse what must not be done with readings of an unknown scanner; ``case`` is None for all cells."""
    found = of_cases(state)
    for number, one in found.items():
        if one.foreign and case in (None, number):
            raise _refusal(one, doing)


def refuse_bulk_agreement(state: ProjectState, images: Sequence[int]) -> None:
    """Refuse agreeing with many readings at once where one of them is of an unknown scanner."""
    if len(images) < 2:
        return
    snapshot = state.readings.snapshot(CELL_TYPE)
    wanted = set(images)
    cases = {int(case) for image, case in zip(snapshot.ids, snapshot.case, strict=True) if int(image) in wanted}
    for case, one in state.readings.familiarity().cases.items():
        if case in cases and one.foreign:
            raise _refusal(one, "agree with many readings at once")


def _refusal(one: CaseFamiliarity, doing: str) -> Refusal:
    return Refusal(
        "in_the_way",
        expected=f"a case that the model knows the scanner of, to {doing}",
        came=f"one of which {one.to_bundle} of {one.cells} cells do not look like anything the model knows",
        mend=f"Adapt to this scanner: answer cells of the case one by one ({one.taught} of {one.wanted} labels are "
        "there), or label every cell of it.",
    )
