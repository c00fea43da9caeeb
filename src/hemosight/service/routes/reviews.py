"""The review of reviews: who labelled what, what became of it, and how far readers agree who read blind."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.engine.readings import csv
from hemosight.service.desk import reviews
from hemosight.service.desk.reviews import Reviewed, Turn, TurnFilter
from hemosight.service.routes.audit import with_zone
from hemosight.service.routes.differential import CaseQuery, SetQuery
from hemosight.service.schemas.reviews import BlindPairShown, GroupBy, OverturnedShown, ReviewRow, Reviews
from hemosight.service.security.permissions import BIGGEST, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, cases, labels, users
from hemosight.service.storage import reviews as stored

router = APIRouter(prefix="/projects/{project}/reviews", tags=["review of reviews"])
_SHOWN = 100
"""Overturned labels that are listed."""


def which(
    user: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Whose labels.")] = None,
    case: CaseQuery = None,
    since: Annotated[datetime.datetime | None, Query(description="Given from this moment on.")] = None,
    until: Annotated[datetime.datetime | None, Query(description="Given before this moment.")] = None,
) -> TurnFilter:
    """The labels that are asked for; what became of them is looked for at any time after."""
    return TurnFilter(user, case, with_zone(since), with_zone(until))


WantedTurns = Annotated[TurnFilter, Depends(which)]


@router.get("", operation_id="get_reviews")
def get_reviews(
    seat: Viewer,
    session: Transaction,
    wanted: WantedTurns,
    by: GroupBy = "person",
    label_set: SetQuery = "cell_type",
) -> Reviews:
    """Labels of each person, by type or by case where asked so: changes of the model's reading, and overturned ones.

    Who labels a cell second at the desk sees the label that stands. Readings of closed panels are blind.
    """
    found = _found(session, seat.project, label_set, wanted)
    overturned = [turn for turn in found.turns if turn.other_at is not None]
    overturned.sort(key=lambda turn: (turn.other_at, turn.image), reverse=True)
    readings = [
        one
        for one in stored.blind_readings(session, seat.project, found.label_set)
        # The other reader's are needed as well: who is asked for is looked at below.
        if TurnFilter(None, wanted.case, wanted.since, wanted.until).fits(one.user, found.case.get(one.image), one.at)
    ]
    pairs = [pair for pair in reviews.blind_pairs(readings) if wanted.user in (None, pair.one, pair.other)]
    return Reviews(
        rows=_rows(found, by),
        overturned=[
            OverturnedShown.model_validate(
                {
                    **{name: getattr(turn, name) for name in OverturnedShown.model_fields if hasattr(turn, name)},
                    "case": found.case[turn.image],
                    "case_key": found.key_of(turn),
                }
            )
            for turn in overturned[:_SHOWN]
        ],
        overturned_count=len(overturned),
        blind=[
            BlindPairShown(
                one=pair.one,
                other=pair.other,
                cells=pair.agreement.n,
                share=pair.agreement.share,
                kappa=pair.agreement.kappa,
                low=pair.agreement.low,
                high=pair.agreement.high,
            )
            for pair in pairs
        ],
        panels=len({one.panel for one in readings}),
    )


@router.post(
    "/export",
    operation_id="export_reviews",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows as CSV."}},
)
def export_reviews(
    seat: Viewer,
    session: Transaction,
    wanted: WantedTurns,
    by: GroupBy = "person",
    label_set: SetQuery = "cell_type",
) -> Response:
    """The table as CSV, with people's names; that it was taken is noted."""
    found = _found(session, seat.project, label_set, wanted)
    names = users.displays(session)
    given = {name: str(value) for name, value in vars(wanted).items() if value is not None}
    audit.note(session, seat, "review.export", {"by": by, "label_set": label_set, **given}, seat.project)
    rows = [
        {"person": names[row.user], "type": row.label, "case": row.case_key, **row.model_dump(include=_COUNTS)}
        for row in _rows(found, by)
    ]
    numbers = {name: pl.Float64 if name in ("agreed", "low", "high") else pl.Int64 for name in _ORDER}
    table = pl.DataFrame(rows, schema={"person": pl.String, "type": pl.String, "case": pl.String, **numbers})
    unused = {"person": ["type", "case"], "type": ["case"], "case": ["type"]}[by]
    headers = {"Content-Disposition": f'attachment; filename="hemosight-project-{seat.project}-reviews-by-{by}.csv"'}
    return Response(csv(table.drop(unused)), media_type="text/csv; charset=utf-8", headers=headers)


_ORDER = tuple(Reviewed.__dataclass_fields__)
_COUNTS = set(_ORDER)


# --- steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """The turns that are wanted, and where their cells lie."""

    label_set: int
    names: list[str]
    turns: list[Turn]
    case: dict[int, int | None]
    keys: dict[int, str]

    def key_of(self, turn: Turn) -> str | None:
        return self.keys.get(self.case[turn.image] or 0)


def _found(session: Session, project: int, label_set: str, wanted: TurnFilter) -> _Found:
    if wanted.case is not None:
        cases.require(session, project, wanted.case)
    row = labels.label_set_of(session, project, label_set)
    case = stored.cases_of(session, project)
    turns = reviews.turns(stored.records(session, project, row.id), stored.decisions(session, project, row.id))
    return _Found(
        label_set=row.id,
        names=[*(str(one["name"]) for one in row.classes), UNSURE],
        turns=[turn for turn in turns if wanted.fits(turn.user, case.get(turn.image), turn.at)],
        case=case,
        keys=dict(cases.keys(session, project)),
    )


def _rows(found: _Found, by: GroupBy) -> list[ReviewRow]:
    keys: dict[GroupBy, Callable[[Turn], Any]] = {
        "person": lambda turn: (turn.user, None, None),
        "type": lambda turn: (turn.user, turn.label, None),
        "case": lambda turn: (turn.user, None, found.case[turn.image]),
    }
    order = {name: place for place, name in enumerate(found.names)}
    rows = [
        ReviewRow(user=user, label=label, case=case, case_key=found.keys.get(case or 0), **vars(counts))
        for (user, label, case), counts in reviews.grouped(found.turns, keys[by]).items()
    ]
    return sorted(rows, key=lambda row: (row.user, order.get(row.label or "", len(order)), row.case or 0))
