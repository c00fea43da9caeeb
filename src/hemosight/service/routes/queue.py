"""Next to review: the cells whose label would tell most, and how the review goes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from hemosight.service.desk.agreement import Judgement, so_far
from hemosight.service.desk.queue import choose
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.queue import CurvePoint, Forecast, NextShown, Queue
from hemosight.service.security.permissions import Viewer
from hemosight.service.state import Service
from hemosight.service.storage import labels, projects
from hemosight.study.metrics import scores

router = APIRouter(tags=["queue"])


@router.get("/projects/{project}/next", operation_id="get_next")
def read(
    seat: Viewer,
    service: Service,
    strategy: Literal["uncertainty", "margin", "diversity", "novelty", "typical"] = "uncertainty",
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
    with service.database.session() as session:
        if case is not None:
            projects.case(session, seat.project, case)
        row = labels.label_set_of(session, seat.project, label_set)
        said = labels.judgements(session, seat.project, row.id)
    view = service.desks.get(seat.project).view(label_set)
    names = view.question.names
    items = [
        NextShown(
            image=one.image,
            reason=one.reason,
            predicted=names[view.predicted[one.row]] if view.predicted[one.row] >= 0 else None,
            probability=float(view.probability[one.row]) if view.predicted[one.row] >= 0 else None,
        )
        for one in choose(view, strategy, n, case, skip or [])
    ]
    found = service.forecasts.get(seat.project, view)
    return Queue(items=items, curve=_curve(said), forecast=None if found is None else Forecast.model_validate(found))


def _curve(said: list[Judgement]) -> list[CurvePoint]:
    points = []
    for end, human, model in so_far(said):
        found = scores(human, model).macro_f1
        points.append(CurvePoint(labels=end, macro_f1=found.value, low=found.low, high=found.high))
    return points
