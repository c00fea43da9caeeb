"""Searching a case for a rare type, until the answer is sure."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, BackgroundTasks, Query
from sqlalchemy.orm import Session

from hemosight.service.desk.search import Search, Seen, search, summary, way_of
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.routes.labels import answer, request_of, submitted
from hemosight.service.schemas.labels import ClassName, NewLabel, Number
from hemosight.service.schemas.search import NewLook, NextCellShown, SearchShown
from hemosight.service.security.permissions import Reviewer, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import audit, cases, events, labels, looks
from hemosight.service.storage.looks import SearchKey

router = APIRouter(tags=["search"])
_ITEMS = 24


@router.get("/projects/{project}/search", operation_id="get_search")
def read(
    seat: Viewer,
    service: Service,
    target: Annotated[ClassName, Query(description="The class that is sought.")] = "blast",
    case: CaseQuery = None,
    label_set: SetQuery = "cell_type",
    below: Annotated[float, Query(gt=0, lt=1, description="The share that is asked about.")] = 0.01,
    like: Annotated[list[Number] | None, Query(max_length=100, description="Teaching cells of the type.")] = None,
    n: Annotated[int, Query(ge=1, le=200)] = _ITEMS,
) -> SearchShown:
    """Where the search of a case for a rare type stands, and the cells to look at next.

    All cells are ranked by probability and likeness together; when ranked looks find nothing more, the rest is drawn at
    random, and the interval says how many may have been missed, wherever one stops.
    """
    snapshot = service.project_states.get(seat.project).readings.snapshot(label_set)
    _require(snapshot, target)
    with service.database.session() as session:
        if case is not None:
            cases.require(session, seat.project, case)
        key = SearchKey(seat.project, case, labels.label_set_of(session, seat.project, label_set).id, target)
        found = search(snapshot, target, case, _seen(session, key), like or ())
    return _shown(found, snapshot, target, below, n)


@router.post("/projects/{project}/search", operation_id="add_look", status_code=201)
def look(seat: Reviewer, service: Service, given: NewLook, later: BackgroundTasks) -> SearchShown:
    """Keep what was seen of one cell: whether it is of the type; with `label`, also as the cell's label.

    Look and label are kept together or not at all; where another label than `version` stands by now, the look is kept
    and `labels` has the conflict. While ranking goes on any cell may be looked at; after that it must be one of the
    next that were drawn.
    """
    state = service.project_states.get(seat.project)
    snapshot = state.readings.snapshot(given.label_set)
    _require(snapshot, given.target)
    items, taught_until = (
        ([], 0)
        if given.label is None
        else submitted(
            state, given.label_set, [NewLabel(image=given.image, label=given.target, version=given.label.version)]
        )
    )
    outcome = None
    with service.database.session() as session:
        if given.case is not None:
            cases.require(session, seat.project, given.case)
        number = labels.label_set_of(session, seat.project, given.label_set).id
        key = SearchKey(seat.project, given.case, number, given.target)
        events.take_turn(session, seat.project)
        seen = _seen(session, key)
        way = way_of(
            search(snapshot, given.target, given.case, seen), given.image, {one.image: one.way for one in seen}
        )
        if way is None:
            raise Refusal(
                "in_the_way",
                expected="one of the cells that come next in this search",
                came=f"the cell {given.image}",
                mend="Ask for the search again and look at the cells it gives.",
            )
        looks.add(session, key, seat.user.id, given.image, way, given.found)
        facts = {"image": given.image, "case": given.case, "target": given.target, "found": given.found, "way": way}
        audit.note(session, seat, "search.look", facts, seat.project)
        if given.label is not None:
            request = request_of(seat, given.label.request, state.bundle_id, taught_until)
            outcome = labels.submit(session, request, given.label_set, items, "set")
        session.flush()
        session.expire_all()
        found = search(snapshot, given.target, given.case, _seen(session, key))
    shown = _shown(found, snapshot, given.target, given.below, _ITEMS)
    if outcome is None:
        return shown
    return shown.model_copy(update={"labels": answer(service, state, later, outcome)})


def _require(snapshot: Snapshot, target: str) -> None:
    if target not in snapshot.spec.names:
        raise NothingThere(kind="a class of this label set")


def _seen(session: Session, key: SearchKey) -> list[Seen]:
    return [Seen(row.image_id, row.way, row.found) for row in looks.of(session, key)]


def _shown(found: Search, snapshot: Snapshot, target: str, below: float, n: int) -> SearchShown:
    title = str(next(facts["title"] for facts in snapshot.spec.classes if facts["name"] == target))
    items = [
        NextCellShown.model_validate(
            {
                "image": one.image,
                "way": one.way,
                "probability": None if np.isnan(one.probability) else one.probability,
            }
        )
        for one in found.coming[:n]
    ]
    looked = found.looks
    return SearchShown(
        items=items,
        text=summary(found, title, below),
        cells=looked.cells,
        looked=looked.looked,
        ranked=looked.ranked,
        ranked_found=looked.ranked_found,
        random=looked.random,
        random_found=looked.random_found,
        way="random" if found.way == looks.DRAWN else "ranked",
        estimate=found.bound.estimate,
        low=found.bound.low,
        high=found.bound.high,
        below=below,
        decided=found.below(below),
        further=found.further(below),
        labels=None,
    )
