"""The differential of a case or a project, and how far people and the model agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from hemosight.blood.differential import Share
from hemosight.blood.vocabulary import Level
from hemosight.scoring.agreement import Judgement, among_people, in_bulk, with_model
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.tally import Tally
from hemosight.service.schemas.differential import (
    AgreementShown,
    ApartRow,
    CellOfTable,
    CountRow,
    DifferentialShown,
    InBulk,
    KappaShown,
    MovedRow,
    ShareShown,
    TwoPeople,
    WithModel,
)
from hemosight.service.schemas.labels import SetName
from hemosight.service.security.permissions import BIGGEST, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import cases, class_facts, judgements, labels
from hemosight.service.storage.counting import SinceDraw

router = APIRouter(tags=["differential"])

CaseQuery = Annotated[
    int | None,
    Query(
        ge=0,
        le=BIGGEST,
        description="A case's number, 0 for the cells without a case; all images where left away.",
    ),
]
SetQuery = Annotated[SetName, Query()]
LevelQuery = Annotated[
    Level | None,
    Query(description="How finely types are told; as the label set has it where left away.", examples=["type"]),
]


@router.get("/projects/{project}/differential", operation_id="get_differential")
def differential(
    seat: Viewer,
    service: Service,
    case: CaseQuery = None,
    label_set: SetQuery = "cell_type",
    level: LevelQuery = None,
) -> DifferentialShown:
    """Counts and shares: as the model alone reads, as people labelled, and what the model reads of the rest."""
    if case is not None:
        with service.database.session() as session:
            cases.require(session, seat.project, case)
    return counted(service.project_states.get(seat.project), label_set, case, level)[0]


@router.get("/projects/{project}/agreement", operation_id="get_agreement")
def agreement(
    seat: Viewer, service: Service, case: CaseQuery = None, label_set: SetQuery = "cell_type"
) -> AgreementShown:
    """Cohen's kappa: people against the model's reading before their label, and every two people."""
    with service.database.session() as session:
        said = _judgements(session, seat.project, label_set, case)
    model = with_model(said)
    table = [CellOfTable(human=human, model=read, count=n) for human, read, n in model.table]
    return AgreementShown(
        human_model=WithModel.model_validate({**KappaShown.facts(model), "table": table}),
        in_bulk=InBulk.model_validate(in_bulk(said), from_attributes=True),
        humans=[
            TwoPeople.model_validate({**KappaShown.facts(found), "a": one, "b": other})
            for one, other, found in among_people(said)
        ],
    )


def _judgements(session: Session, project: int, label_set: str, case: int | None) -> list[Judgement]:
    if case is not None:
        cases.require(session, project, case)
    row = labels.label_set_of(session, project, label_set)
    now = class_facts.merges(row.classes)
    return [
        replace(one, label=now.get(one.label, one.label), predicted=now.get(one.predicted or "", one.predicted))
        for one in judgements.judgements(session, project, row.id, case)
    ]


def counted(
    state: ProjectState, label_set: str, case: int | None, level: Level | None = None
) -> tuple[DifferentialShown, Tally]:
    """The differential as the API shows it, and the count behind it; at the label set's own level where None."""
    state.follow(label_set)
    chosen = state.counting(case)
    snapshot, count = state.readings.tally(label_set, case, level)
    before, after = count.before, count.after
    titles = {facts["name"]: facts["title"] for facts in snapshot.spec.classes}
    rules = snapshot.spec.rules
    first = {share.label: share for share in before.shares}
    manifest, panels = state.bundle.manifest, snapshot.panels_of(case)
    own = snapshot.ids[snapshot.of_case(case)].tolist()
    since = SinceDraw(0, 0) if chosen.drawn is None else chosen.drawn.since(own)
    shown = DifferentialShown(
        label_set=label_set,
        total=after.total,
        total_before=before.total,
        rows=[
            CountRow(
                label=share.label,
                title=titles.get(share.label, share.label),
                before=_share(first[share.label]),
                after=_share(share),
                reviewed=count.reviewed.get(share.label, 0),
                parent=rules[share.label].parent,
            )
            for share in after.shares
        ],
        apart={
            name: ApartRow(
                before=before.apart[name],
                after=cells,
                reviewed=count.reviewed.get(name, 0),
                title=titles[name],
                per_100=after.per_100(name),
                parent=rules[name].parent,
            )
            for name, cells in after.apart.items()
        },
        excluded={
            name: ApartRow(
                before=before.excluded[name], after=cells, reviewed=count.reviewed.get(name, 0), title=titles[name]
            )
            for name, cells in after.excluded.items()
        },
        level=count.level.value,
        erythroblasts_per_100=after.erythroblasts_per_100,
        erythroblasts_per_100_before=before.erythroblasts_per_100,
        unsure=count.unsure,
        unreviewed=count.unreviewed,
        unusual=count.unusual,
        waiting=count.waiting,
        unreadable=count.unreadable,
        reclassified=_moves(count.reclassified),
        moved_by_model=_moves(count.moved_by_model),
        reviewed_until=count.reviewed_until,
        taught_until=snapshot.taught_until,
        taught_by_panels=[one.number for one in panels],
        panel_titles=[one.title for one in panels],
        bundle=f"{manifest.name} {manifest.version}",
        counting=chosen.draw,
        counting_choices=list(chosen.choices),
        drawn_cells_gone=since.gone,
        cells_since_draw=since.later,
    )
    return shown, count


def _moves(moves: list[tuple[str, str, int]]) -> list[MovedRow]:
    return [MovedRow.model_validate({"from": one, "to": to, "count": n}) for one, to, n in moves]


def _share(share: Share) -> ShareShown:
    return ShareShown(count=share.count, share=share.share, low=share.low, high=share.high)
