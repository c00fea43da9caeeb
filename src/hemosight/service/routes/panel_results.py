"""What a closed panel came to: agreement and consensus for everybody, how each person reads for whom it concerns."""

from __future__ import annotations

from collections.abc import Set

from fastapi import APIRouter

from hemosight.scoring.agreement import Agreement
from hemosight.scoring.raters import Chance
from hemosight.service.desk.panels import CellResult
from hemosight.service.routes.panel_exports import closed, results
from hemosight.service.schemas.panels import (
    Bounded,
    CaseTimeShown,
    CellResultShown,
    CoefficientShown,
    ConfusionShown,
    DecisionShown,
    PairShown,
    PanelResults,
    ReaderResultShown,
    SaidShown,
    TogetherShown,
)
from hemosight.service.security.permissions import Id, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import panels

router = APIRouter(prefix="/projects/{project}/panels", tags=["panels"])


@router.get("/{panel}/results", operation_id="get_panel_results")
def get_panel_results(panel: Id, seat: Viewer, session: Transaction) -> PanelResults:
    """Agreement, consensus, each reader's figures, every cell side by side; of a closed session alone.

    How each person reads is told to administrators of the project, and to everybody of themselves, with how far they
    agree with each other reader: others see what was said of a cell, not by whom.
    """
    row = closed(session, seat, panel)
    people = {one.user: one.name for one in panels.readers(session, panel)}
    cells = panels.cells(session, panel)
    found = results(session, row, cells)
    keys = dict(panels.cases(session, panel).values())
    own = {seat.user.id} & set(people)
    known = set(people) if seat.role == "admin" else own
    decided, predicted = panels.decisions(session, panel), {one.image_id: one.predicted for one in cells}
    return PanelResults(
        together=[
            TogetherShown(what=what, cells=ac1.cells, share=ac1.share, ac1=_of(ac1), fleiss=_of(kappa))
            for what, ac1, kappa in found.together
        ],
        pairs=[
            PairShown(a=a, b=b, n=its.n, share=its.share, kappa=_kappa(its))
            for a, b, its in found.pairs
            if known == set(people) or own & {a, b}
        ],
        readers=[
            ReaderResultShown(
                user=one.user,
                name=people[one.user],
                read=one.read,
                unsure=one.unsure,
                own=None if one.own is None else _kappa(one.own),
                own_cells=0 if one.own is None else one.own.n,
                accuracy=_bounded(one.accuracy),
                score=_bounded(one.score),
                aided_score=_bounded(one.aided_score),
                followed=_bounded(one.followed),
                misled=_bounded(one.misled),
                median_ms=one.median_ms,
                aided_ms=one.aided_ms,
                case_ms=one.case_ms,
                aided_case_ms=one.aided_case_ms,
                confusion=[ConfusionShown(reference=its, said=said, count=n) for its, said, n in one.confusion],
            )
            for one in found.readers
            if one.user in known
        ],
        cells=[
            CellResultShown(
                image=one.image,
                said=_said(one, known),
                consensus=one.consensus,
                probability=one.probability,
                differing=one.differing,
                decision=None
                if (its := decided.get(one.image)) is None
                else DecisionShown(label=its.label, note=its.note, user=its.user_id, at=its.at),
                predicted=predicted[one.image],
            )
            for one in sorted(found.cells, key=lambda one: not one.differing)
        ],
        times=[
            CaseTimeShown(
                user=one.user,
                case=one.case,
                key=keys[one.case],
                cells=one.cells,
                blind_ms=one.blind,
                aided_ms=one.aided,
            )
            for one in found.times
            if one.user in known
        ],
    )


# --- steps ----------------------------------------------------------------------------------------------------


def _said(cell: CellResult, known: Set[int]) -> list[SaidShown]:
    """What was said of a cell; without a name and in the order of labels where whose it is stays unknown.

    In the order of readers the same place would be the same person in every cell.
    """
    rows = [(user if user in known else None, label, user in cell.suspect) for user, label in cell.said.items()]
    rows.sort(key=lambda row: (row[0] is None, row[0] or 0, row[1], row[2]))
    return [SaidShown(user=user, label=label, suspect=suspect) for user, label, suspect in rows]


def _of(found: Chance) -> CoefficientShown:
    return CoefficientShown(value=found.value, low=found.low, high=found.high)


def _kappa(found: Agreement) -> CoefficientShown:
    return CoefficientShown(value=found.kappa, low=found.low, high=found.high)


def _bounded(found: object | None) -> Bounded | None:
    return None if found is None else Bounded.model_validate(found)
