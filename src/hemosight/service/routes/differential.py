"""The differential of a case or a project, and how far people and the model agree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from hemosight.service.desk.agreement import among_people, with_model
from hemosight.service.desk.desk import Desk
from hemosight.service.desk.tally import Tally, tally
from hemosight.service.schemas.differential import (
    AgreementShown,
    ApartRow,
    CellOfTable,
    CountRow,
    DifferentialShown,
    KappaShown,
    MovedRow,
    ShareShown,
    TwoPeople,
    WithModel,
)
from hemosight.service.schemas.labels import SetName
from hemosight.service.security.permissions import BIGGEST, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import labels, projects
from hemosight.sheet.differential import Share

router = APIRouter(tags=["differential"])

CaseQuery = Annotated[int | None, Query(ge=1, le=BIGGEST, description="A case's number; all images where left away.")]
SetQuery = Annotated[SetName, Query()]


@router.get("/projects/{project}/differential", operation_id="get_differential")
def differential(
    seat: Viewer, service: Service, case: CaseQuery = None, label_set: SetQuery = "cell_type"
) -> DifferentialShown:
    """Counts and shares as the model alone reads them and after review, and what the review moved."""
    if case is not None:
        with service.database.session() as session:
            projects.case(session, seat.project, case)
    return counted(service.desks.get(seat.project), label_set, case)[0]


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
        humans=[
            TwoPeople.model_validate({**KappaShown.facts(found), "a": one, "b": other})
            for one, other, found in among_people(said)
        ],
    )


def _judgements(session: Session, project: int, label_set: str, case: int | None) -> list[labels.Judgement]:
    if case is not None:
        projects.case(session, project, case)
    return labels.judgements(session, project, labels.label_set_of(session, project, label_set).id, case)


def counted(desk: Desk, label_set: str, case: int | None) -> tuple[DifferentialShown, Tally]:
    """The differential as the API shows it, and the count behind it."""
    desk.settle(label_set)
    view = desk.view(label_set)
    count = tally(view, case)
    before, after = count.before, count.after
    titles = {facts["name"]: facts["title"] for facts in view.question.classes}
    first = {share.label: share for share in before.shares}
    manifest = desk.bundle.manifest
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
            )
            for share in after.shares
        ],
        apart={name: ApartRow(before=before.apart[name], after=count) for name, count in after.apart.items()},
        erythroblasts_per_100=after.erythroblasts_per_100,
        erythroblasts_per_100_before=before.erythroblasts_per_100,
        unsure=count.unsure,
        unreviewed=count.unreviewed,
        waiting=count.waiting,
        unreadable=count.unreadable,
        reclassified=[
            MovedRow.model_validate({"from": one, "to": to, "count": n}) for one, to, n in count.reclassified
        ],
        revision=count.reviewed_until,
        bundle=f"{manifest.name} {manifest.version}",
    )
    return shown, count


def _share(share: Share) -> ShareShown:
    return ShareShown(count=share.count, share=share.share, low=share.low, high=share.high)
