"""The library of teaching cells: cells that show their type well, chosen by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from hemosight.engine.readings import csv
from hemosight.images.names import folder_names
from hemosight.service.desk import exchange
from hemosight.service.desk.archive_stream import stored
from hemosight.service.routes.differential import SetQuery
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.teaching import NewTeachingCell, TeachingCellChange, TeachingCells, TeachingCellShown
from hemosight.service.security.permissions import BIGGEST, Id, Reviewer, Viewer
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, events, exported, labels, teaching
from hemosight.service.storage.teaching import ListedTeachingCell, TeachingFilter

router = APIRouter(prefix="/projects/{project}/teaching", tags=["teaching cells"])
_COLUMNS = ("path", "label", "sha256", "case", "added_by", "added_at", "label_set", "note", "label_now")
"""Of the exported table; what reads labels from a table finds path and label first."""


@router.get("", operation_id="list_teaching_cells")
def list_teaching_cells(
    seat: Viewer,
    session: Transaction,
    label_set: SetQuery = "cell_type",
    label: Annotated[str | None, Query(max_length=200, description="Of one type alone.")] = None,
    image: Annotated[int | None, Query(ge=1, le=BIGGEST, description="One cell, where it is in the library.")] = None,
    after: After = 0,
    limit: Limit = 500,
) -> TeachingCells:
    """The library: teaching cells with their type, case, note and who added them."""
    row = labels.label_set_of(session, seat.project, label_set)
    rows = teaching.listed(session, seat.project, TeachingFilter(row.id, label, image), after, limit)
    return TeachingCells(
        items=[_shown(one) for one in rows],
        counts=teaching.counts(session, seat.project, row.id),
        next=cursor(rows, limit, lambda one: one.id),
    )


@router.post("", operation_id="add_teaching_cell", status_code=201)
def add_teaching_cell(seat: Reviewer, session: Transaction, given: NewTeachingCell) -> TeachingCellShown:
    """Put a labelled cell into the library of its type. From then on it is not deleted, and outlives retention."""
    label_set = labels.label_set_of(session, seat.project, given.label_set)
    row = teaching.add(session, seat.project, label_set.id, given.image, seat.user.id, given.note)
    noted = {"teaching": row.id, "image": row.image_id, "label_set": label_set.name, "label": row.label}
    audit.note(session, seat, "teaching.add", noted, seat.project)
    return _shown(*teaching.listed(session, seat.project, TeachingFilter(label_set.id, image=given.image)))


@router.patch("/{teaching_cell}", operation_id="change_teaching_cell")
def change_teaching_cell(
    seat: Reviewer, session: Transaction, teaching_cell: Id, given: TeachingCellChange
) -> TeachingCellShown:
    """Give a teaching cell another note."""
    events.take_turn(session, seat.project)  # before any row of the project is held
    row = teaching.get(session, seat.project, teaching_cell)
    noted = {"teaching": row.id, "image": row.image_id, "note": given.note, "before": row.note}
    audit.note(session, seat, "teaching.change", noted, seat.project)
    teaching.change(session, row, given.note)
    return _shown(*teaching.listed(session, seat.project, TeachingFilter(row.label_set_id, image=row.image_id)))


@router.delete("/{teaching_cell}", operation_id="remove_teaching_cell", status_code=204)
def remove_teaching_cell(seat: Reviewer, session: Transaction, teaching_cell: Id) -> None:
    """Take a cell out of the library. The cell, its labels and its case stay as they are."""
    events.take_turn(session, seat.project)
    row = teaching.get(session, seat.project, teaching_cell)
    noted = {"teaching": row.id, "image": row.image_id, "label": row.label, "note": row.note}
    audit.note(session, seat, "teaching.remove", noted, seat.project)
    teaching.remove(session, row)


@router.post(
    "/export",
    operation_id="export_teaching_cells",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            "description": "A zip.",
        }
    },
)
def export_teaching_cells(seat: Viewer, service: Service, label_set: SetQuery = "cell_type") -> StreamingResponse:
    """The library as a zip: a folder of pictures for each type, and `labels.csv` with note, who added it and when."""
    with service.database.session() as session:
        row = labels.label_set_of(session, seat.project, label_set)
        rows = teaching.listed(session, seat.project, TeachingFilter(row.id))
        classes = [str(one["name"]) for one in row.classes]
        audit.note(session, seat, "teaching.export", {"label_set": label_set, "cells": len(rows)}, seat.project)
    folders = folder_names(list(dict.fromkeys([*classes, *(one.label for one in rows)])))
    places = [f"{folders[one.label]}/{exchange.media_name(one.image, one.name)}" for one in rows]
    table = pl.DataFrame(
        [
            {
                "path": place,
                "label": one.label,
                "sha256": one.sha256,
                "case": one.case_key,
                "added_by": one.by,
                "added_at": one.at.isoformat(),
                "label_set": label_set,
                "note": one.note,
                "label_now": one.label_now,
            }
            for place, one in zip(places, rows, strict=True)
        ],
        schema=dict.fromkeys(_COLUMNS, pl.String),
    )

    def read(images: Sequence[int]) -> Mapping[int, bytes]:
        with service.database.session() as session:
            return exported.pictures(session, images)

    pictures = [(one.image, place) for place, one in zip(places, rows, strict=True)]
    name = f"hemosight-project-{seat.project}-teaching-{row.id}.zip"
    return StreamingResponse(
        stored({"labels.csv": csv(table).encode()}, pictures, read),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _shown(one: ListedTeachingCell) -> TeachingCellShown:
    return TeachingCellShown.model_validate(vars(one))
