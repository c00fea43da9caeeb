"""Drift: control charts of every scanner profile, a point for each signed case, and what is said to their flags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.scoring.control import BASELINE
from hemosight.scoring.watch import SHIFT, stretch
from hemosight.service.desk import drift as desk
from hemosight.service.desk.drift import DriftChart, ScannerDrift
from hemosight.service.schemas.drift import (
    DriftAnswerShown,
    DriftCase,
    DriftChartShown,
    DriftFlag,
    DriftPointShown,
    DriftPromise,
    Drifts,
    NewDriftAnswer,
    ScannerDriftShown,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, drift, events, profiles, projects
from hemosight.service.storage.drift import Answer
from hemosight.service.storage.live_events import ProfileEvent
from hemosight.service.storage.tables import Profile

router = APIRouter(prefix="/projects/{project}", tags=["drift"])


@router.get("/drift", operation_id="get_drift")
def get_drift(seat: Viewer, session: Transaction) -> Drifts:
    """Control charts of every scanner: a point for each signed case, the rules that it broke, what is promised."""
    return Drifts(items=_all(session, seat.project))


@router.post("/profiles/{profile}/drift-answers", operation_id="answer_drift", status_code=201)
def answer_drift(seat: ProjectAdmin, session: Transaction, profile: Id, given: NewDriftAnswer) -> ScannerDriftShown:
    """Say what became of the flags of a scanner; it asks for a new validation no more, until a later case does.

    It answers what was looked at (`seen`): where a case was signed since, it is refused.
    """
    events.take_turn(session, seat.project)
    profiles.get(session, seat.project, profile)
    row = drift.answer(session, seat.project, profile, seat.user.id, given.kind, given.note, given.seen)
    noted = {"profile": profile, "until": row.until, **given.model_dump()}
    audit.note(session, seat, "drift.answer", noted, seat.project)
    # Told as a measurement is: browsers look again, and no cell is read anew.
    profiles.changed(session, seat.project, ProfileEvent(profile=profile, measured=True))
    return next(one for one in _all(session, seat.project) if one.profile == profile)


# --- showing ----------------------------------------------------------------------------------------------


def _all(session: Session, project: int) -> list[ScannerDriftShown]:
    points, answers = drift.points(session, project), drift.answers(session, project)
    found, bundle = [], projects.get(session, project).bundle_id
    for row in profiles.listed(session, project):
        own = [one for one in answers if one.profile == row.id]
        found.append(_shown(row, desk.scanner([one for one in points if one.profile == row.id], own, bundle), own))
    return found


def _shown(row: Profile, found: ScannerDrift, answers: Sequence[Answer]) -> ScannerDriftShown:
    return ScannerDriftShown(
        profile=row.id,
        name=row.name,
        cases=[DriftCase(id=one.case, key=one.key, signature=one.signature, at=one.at) for one in found.points],
        charts=[_chart(chart) for chart in found.charts],
        flags=_flags(found),
        asks=found.asks,
        learnt=found.usual,
        learnt_readings=found.usual_readings,
        baseline=BASELINE,
        promise=None
        if found.performance is None
        else DriftPromise(
            false=found.performance.false,
            shift=SHIFT,
            median=found.performance.drifted.median,
            most=found.performance.drifted.most,
            stretch=stretch(len(found.charts)),
        ),
        answers=[
            DriftAnswerShown.model_validate(one, from_attributes=True)
            for one in sorted(answers, key=lambda one: one.at, reverse=True)
        ],
    )


def _chart(chart: DriftChart) -> DriftChartShown:
    its = chart.watch
    broken: dict[int, list[str]] = {}
    for flag in its.flags:
        broken.setdefault(flag.at, []).append(flag.rule)
    return DriftChartShown(
        name=chart.name,
        kind=chart.kind,
        title=chart.title,
        centre=_number(its.centre),
        deviation=_number(its.deviation),
        points=[
            DriftPointShown(
                value=_number(its.values[at]),
                z=_number(its.z[at]),
                usual=bool(its.usual[at]),
                rules=broken.get(at, []),
            )
            for at in range(len(its.values))
        ],
    )


def _flags(found: ScannerDrift) -> list[DriftFlag]:
    """Flags that nobody has answered, in the order of cases."""
    flags = []
    for at in range(found.answered, len(found.points)):
        for chart in found.charts:
            if rules := [flag.rule for flag in chart.watch.flags if flag.at == at]:
                case, z = found.points[at], float(chart.watch.z[at])
                flags.append(
                    DriftFlag(case=case.case, key=case.key, chart=chart.name, title=chart.title, z=z, rules=rules)
                )
    return flags


def _number(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
