"""Fields of view: lists, one with its cells, and what people add to the search or take from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Response
from sqlalchemy.orm import Session

from hemosight.images.decode import decode
from hemosight.images.finding.fairness import words
from hemosight.service.errors import NothingThere
from hemosight.service.intake import field_cells
from hemosight.service.routes.differential import CaseQuery
from hemosight.service.routes.pictures import UNSHOWN, headers_of, pixels_of
from hemosight.service.schemas.fields import (
    FieldCellShown,
    FieldChecked,
    FieldDetail,
    Fields,
    FieldShown,
    NewFieldCell,
)
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, cases, events, fields, films, images
from hemosight.service.storage.tables import CameraField, FieldCell
from hemosight.service.work import recrops
from hemosight.space import explain

router = APIRouter(prefix="/projects/{project}/fields", tags=["fields"])


@router.get("", operation_id="list_fields")
def list_fields(
    seat: Viewer, session: Transaction, case: CaseQuery = None, after: After = 0, limit: Limit = 100
) -> Fields:
    """Fields that were searched for white cells, those of one case where it is given, in the order they came."""
    if case is not None:
        cases.require(session, seat.project, case)
    rows = fields.listed(session, seat.project, case, after, limit)
    return Fields(items=_shown(session, rows), next=cursor(rows, limit, lambda row: row.id))


@router.get("/{field}", operation_id="get_field")
def get_field(seat: Viewer, session: Transaction, field: Id) -> FieldDetail:
    """A field with the boxes of its cells, and whether counting is fair in it."""
    return _detail(session, fields.get(session, seat.project, field))


@router.delete("/{field}", operation_id="delete_field", status_code=204)
def delete_field(seat: ProjectAdmin, service: Service, field: Id) -> None:
    """Delete a field with the cells that were cut out of it; not one of a signed case. It can be sent again.

    A cell of it that another field shows as well is soon cut out there.
    """
    with service.database.session() as session:
        events.take_turn(session, seat.project)  # another may delete it meanwhile
        row = fields.get(session, seat.project, field)
        sha256 = (row.sha256 or b"").hex()
        cells = fields.delete_field(session, row, seat.project)
        noted = {"field": field, "sha256": sha256, "cells": cells}
        recrops.ask(session, seat.project)
        audit.note(session, seat, "field.delete", noted, seat.project)


@router.get(
    "/{field}/picture",
    operation_id="get_field_picture",
    response_class=Response,
    responses=pixels_of("image/jpeg", "image/png", "image/tiff", "image/bmp", "image/webp", "application/dicom"),
)
def get_field_picture(
    seat: Viewer,
    service: Service,
    field: Id,
    if_none_match: Annotated[str | None, Header()] = None,
    sec_fetch_dest: Annotated[
        str | None, Header(description="Sent by browsers; `image` gets TIFF and DICOM as PNG.")
    ] = None,
) -> Response:
    """The field's file as it was uploaded; where a page is about to show what browsers cannot, as PNG."""
    with service.database.session() as session:
        row = fields.get(session, seat.project, field)
        headers = headers_of((row.sha256 or b"").hex()) | {"Vary": "Sec-Fetch-Dest"}
        if if_none_match == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data, kind = images.picture(session, row.sha256 or b"")
        bits = fields.bits(session, row)
    if (kind in UNSHOWN or bits is not None) and sec_fetch_dest == "image":
        data, kind = explain.png(decode(data, bits)), "image/png"
        headers["ETag"] = f'{headers["ETag"][:-1]}-png"'
    return Response(data, media_type=kind, headers=headers)


@router.get(
    "/{field}/thumbnail",
    operation_id="get_field_thumbnail",
    response_class=Response,
    responses=pixels_of("image/jpeg"),
)
def get_field_thumbnail(
    seat: Viewer, session: Transaction, field: Id, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The middle of the field, 160 pixels wide."""
    row = fields.get(session, seat.project, field)
    headers = headers_of(f"{(row.sha256 or b'').hex()}-160")
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = images.thumbnail(session, row.sha256 or b"")
    if data is None:
        raise NothingThere(kind="a thumbnail of the field")
    return Response(data, media_type="image/jpeg", headers=headers)


# --- what people say of the search ------------------------------------------------------------------------


@router.put("/{field}/checked", operation_id="check_field")
def check_field(seat: Reviewer, service: Service, field: Id, given: FieldChecked) -> FieldDetail:
    """Say that the whole field was looked at and its cells are right as they stand, or take that back.

    Only of such fields it is known what the search missed.
    """
    with service.database.session() as session:
        row = fields.get(session, seat.project, field)
        fields.check(session, row, seat.user.id if given.checked else None)
        audit.note(session, seat, "field.check", {"field": field, "checked": given.checked}, seat.project)
        return _detail(session, row)


@router.post("/{field}/cells", operation_id="add_field_cell", status_code=201)
def add_field_cell(seat: Reviewer, service: Service, field: Id, given: NewFieldCell) -> FieldCellShown:
    """Add the cell at a place that the search missed, or bring one back that was removed there.

    It is cut out at the reference scale, joins the field's case and is read like the others. A signed case takes none
    unless it is being amended.
    """
    number = field_cells.add_cell(service.database, service.settings, seat, field, given.x, given.y)
    with service.database.session() as session:
        return _box(session.get_one(FieldCell, number))


@router.delete("/{field}/cells/{cell}", operation_id="remove_field_cell")
def remove_field_cell(seat: Reviewer, service: Service, field: Id, cell: Id) -> FieldCellShown:
    """Take what the search found out of the counts as no white cell. Its box stays, and it can be brought back.

    What people said of it stays in the records. The cells of a signed case stay with their record.
    """
    with service.database.session() as session:
        fields.get(session, seat.project, field)
        row = session.get(FieldCell, cell)
        if row is None or row.field_id != field:
            raise NothingThere(kind="a cell of this field")
        gone = fields.remove(session, seat.project, row, seat.user.id)
        noted = {"field": field, "cell": cell, "found": row.added_by is None, **gone}
        audit.note(session, seat, "field.cell.remove", noted, seat.project)
        return _box(row)


# --- steps ------------------------------------------------------------------------------------------------


def _shown(session: Session, rows: Sequence[CameraField]) -> list[FieldShown]:
    counts, sizes = fields.counts(session, rows), fields.sizes(session, rows)
    nowhere = films.of_two_films(session, rows)
    placed = {row.id for row in rows if (row.case_id, row.film) not in nowhere}
    return [
        FieldShown(
            id=row.id,
            name=row.name,
            case=row.case_id,
            width=sizes[row.id][0],
            height=sizes[row.id][1],
            red_cell_px=row.red_cell_px,
            scale_from=row.scale_from,
            **vars(counts.get(row.id, fields.FieldCounts())),
            covered=row.covered,
            fair=not row.reasons,
            fairness=words(row.covered, row.reasons),
            reasons=row.reasons,
            film=row.film if row.id in placed else None,
            x=row.x if row.id in placed else None,
            y=row.y if row.id in placed else None,
            checked_by=row.checked_by,
            checked_at=row.checked_at,
            uploaded_at=row.uploaded_at,
        )
        for row in rows
        if row.id in sizes
    ]


def _detail(session: Session, row: CameraField) -> FieldDetail:
    shown = _shown(session, [row])
    if not shown:
        raise NothingThere(kind="a field of this project")
    before, after = fields.beside(session, row)
    rows = fields.cells(session, row.id)
    elsewhere = films.counted_in(session, rows)
    boxes = [_box(cell, elsewhere.get(cell.id)) for cell in rows]
    return FieldDetail(**shown[0].model_dump(), boxes=boxes, before=before, after=after)


def _box(row: FieldCell, seen_in: int | None = None) -> FieldCellShown:
    return FieldCellShown(
        id=row.id,
        image=row.image_id,
        x=row.x,
        y=row.y,
        width=row.width,
        height=row.height,
        score=row.score,
        marks=row.marks,
        seen_in=seen_in,
        added_by=row.added_by,
        removed_by=row.removed_by,
        removed_at=row.removed_at,
    )
