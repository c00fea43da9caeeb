"""Next to review: the cells whose label would tell most, and how the review goes."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.scoring.agreement import Judgement, so_far
from hemosight.scoring.metrics import scores
from hemosight.service.desk.queue import choose
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.queue import CurvePoint, Forecast, NextShown, Queue
from hemosight.service.security.permissions import Viewer
from hemosight.service.state import Service
from hemosight.service.storage import cases

router = APIRouter(tags=["queue"])
_SCORING = threading.Lock()


@router.get("/projects/{project}/next", operation_id="get_next")
def read(
    seat: Viewer,
    service: Service,
    strategy: Literal["uncertainty", "margin", "diversity", "novelty", "typical", "adapt"] = "uncertainty",
    n: Annotated[int, Query(ge=1, le=200)] = 20,
    case: CaseQuery = None,
    label_set: SetQuery = "cell_type",
    skip: Annotated[list[Number] | None, Query(max_length=1000, description="Images to leave out.")] = None,
) -> Queue:
    """Cells nobody has said anything of, those first whose label would teach most.

    ``curve`` is the review so far: of each stretch of labels, how the model read those cells before it learnt from
    them. Cells chosen for being hard make it look worse than the model is. ``forecast`` is of the whole project,
    whatever the case: what its labels are worth by themselves, and how many more a higher score takes.
    """
    state = service.project_states.get(seat.project)
    snapshot = state.readings.snapshot(label_set)
    if case is not None:
        with service.database.session() as session:
            cases.require(session, seat.project, case)
    judged = state.readings.first_judgements(label_set)
    judged.take_in(service.database)
    said, in_bulk = judged.of(snapshot.ids, state.bundle_id)
    names = snapshot.spec.names
    by_novelty = False
    if strategy == "adapt" and case is not None and label_set == CELL_TYPE:
        about = state.readings.familiarity().cases.get(case or -1)
        by_novelty = about is not None and about.missing > 0
    items = [
        NextShown(
            image=one.image,
            reason=one.reason,
            predicted=names[snapshot.predicted[one.row]] if snapshot.predicted[one.row] >= 0 else None,
            probability=float(snapshot.probability[one.row])
            if snapshot.predicted[one.row] >= 0 and not snapshot.held_back[one.row]
            else None,
        )
        for one in choose(snapshot, strategy, n, case, skip or [], by_novelty=by_novelty)
    ]
    # Labels given to many cells at once neither measure the model nor tell how the next ones will come.
    found = service.forecasts.get(seat.project, snapshot, in_bulk, state.bundle_id)
    return Queue(items=items, curve=_curve(said), forecast=None if found is None else Forecast.model_validate(found))


def _curve(said: list[Judgement]) -> list[CurvePoint]:
    points = []
    for end, human, model in so_far(said):
        value, low, high = _score(tuple(human), tuple(model))
        points.append(CurvePoint(labels=end, macro_f1=value, low=low, high=high))
    return points


def _score(human: tuple[str, ...], model: tuple[str, ...]) -> tuple[float, float, float]:
    with _SCORING:  # of many who ask after the label that ends a stretch, one works it out
        return _scored(human, model)


@lru_cache(maxsize=1024)
def _scored(human: tuple[str, ...], model: tuple[str, ...]) -> tuple[float, float, float]:
    """Of a stretch that is over: it stays as it is, and its interval takes a thousand resamplings."""
    found = scores(human, model).macro_f1
    return found.value, found.low, found.high
