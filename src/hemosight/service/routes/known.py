"""Known cells to look at beside a cell: signed ones of the laboratory, drawn ones where there are none."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Response

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.images.synthetic.smear import VERSION
from hemosight.service.desk import known_cells
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.errors import NothingThere
from hemosight.service.intake import drawn_types
from hemosight.service.schemas.known import DrawnType, KnownCellShown, KnownCellsShown, ReferenceType
from hemosight.service.security.permissions import Id, SignedIn, Viewer
from hemosight.service.state import Service
from hemosight.service.storage import amendments, cases, signatures, teaching
from hemosight.space.neighbours import nearest

router = APIRouter(tags=["images"])
_REFERENCE = 12
_DRAWN = 2
"""Drawn cells of each type."""


@router.get("/projects/{project}/images/{image}/known", operation_id="get_known_cells")
def get_known_cells(
    seat: Viewer, service: Service, image: Id, k: Annotated[int, Query(ge=1, le=50)] = 8
) -> KnownCellsShown:
    """The nearest cells that a person labelled and somebody signed, with their cases and signers.

    Types that the cell may be of and of which there is none can be drawn. The bundle's own cells have no pictures:
    what is said of them is how many of the nearest are of each type.
    """
    state = service.project_states.get(seat.project)
    state.vector(image)  # raises where the project has no such image
    snapshot = state.readings.snapshot(CELL_TYPE)
    with service.database.session() as session:
        signed = amendments.signed(session, seat.project)
        names = signatures.signers(session, seat.project)
        keys = dict(cases.keys(session, seat.project))
    found = known_cells.near(snapshot, signed, image, k)
    with service.database.session() as session:
        library = teaching.among(session, [one.image for one in found.cells])
    by = snapshot.by[np.searchsorted(snapshot.ids, [one.image for one in found.cells]).astype(np.int64)].tolist()
    return KnownCellsShown(
        signed=[
            KnownCellShown(
                **vars(one),
                case_key=keys.get(one.case, ""),
                signed_by=names[signed[one.case].signature],
                signed_at=signed[one.case].at,
                labelled_by=person,
                teaching=one.image in library,
            )
            for one, person in zip(found.cells, by, strict=True)
        ],
        signed_cells=found.among,
        drawn=[DrawnType(label=label, count=_DRAWN) for label in known_cells.drawn(found.missing)],
        undrawn=[label for label in found.missing if label not in known_cells.drawn(found.missing)],
        reference=_reference(state, image),
        reference_cells=len(state.bundle.support.embeddings.vectors),
    )


def _reference(state: ProjectState, image: int) -> list[ReferenceType]:
    vector, support = state.vector(image), state.bundle.support
    if vector is None:
        return []
    rows, _ = nearest(vector[None], support.embeddings.vectors, _REFERENCE)
    known = support.labels.get(CELL_TYPE)
    counted = Counter(known[row] if known else None for row in rows[0].tolist())
    return [ReferenceType(label=label, cells=n) for label, n in counted.most_common()]


@router.get(
    "/drawn-cells/{number}",
    operation_id="get_drawn_cell",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "description": "A cell."},
        304: {"description": "As the page has it."},
    },
)
def get_drawn_cell(
    _: SignedIn,
    number: Annotated[int, Path(ge=1, le=drawn_types.MOST)],
    label: Annotated[str, Query(max_length=100, examples=["neutrophil"], description="Its type.")],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A drawn cell of a type: no photograph, the same at every call."""
    headers = {"ETag": f'"drawn-{VERSION}-{label.encode().hex()}-{number}"', "Cache-Control": "private, max-age=86400"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = drawn_types.drawn_cell(label, number)
    if data is None:
        raise NothingThere(kind="a drawing of this type")
    return Response(data, media_type="image/jpeg", headers=headers)
