"""What leaves a closed panel: every reading, and the reference, which is what the panel says each cell is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import polars as pl
from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from hemosight.engine.readings import csv
from hemosight.service.desk import panels as desk
from hemosight.service.desk.panel_reference import reference
from hemosight.service.desk.panels import CellOfPanel, PanelAnswer, PanelResult
from hemosight.service.errors import Refusal
from hemosight.service.security.permissions import Id, ProjectSeat, Taker
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, panels
from hemosight.service.storage.tables import Panel, PanelCell

router = APIRouter(prefix="/projects/{project}/panels", tags=["panels"])


_TABLE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}
}


@router.post(
    "/{panel}/reference/export", operation_id="export_panel_reference", response_class=Response, responses=_TABLE
)
def export_panel_reference(panel: Id, seat: Taker, session: Transaction) -> Response:
    """What a closed session came to as CSV, a row a cell: `sha256`, `label`, `decision`, `consensus`, `probability`.

    The label is what was decided, else the consensus. `hemosight validate --reference` takes the table.
    """
    row = closed(session, seat, panel)
    found = results(session, row, panels.cells(session, panel))
    audit.note(session, seat, "panel.export", {"panel": panel, "cells": len(found.cells)}, seat.project)
    content = panels.content_ids(session, [one.image for one in found.cells])
    decided = {image: one.label for image, one in panels.decisions(session, panel).items()}
    return _file(reference(found.cells, decided, content), f"panel-{panel}-reference")


@router.post(
    "/{panel}/readings/export", operation_id="export_panel_readings", response_class=Response, responses=_TABLE
)
def export_panel_readings(panel: Id, seat: Taker, session: Transaction) -> Response:
    """Every reading of a closed session as CSV: `sha256`, `reader`, `label`, `turn`, `ms`, `at`, `case`, `shown`.

    `ms` is there of timed sessions, `shown` (what the reader was shown as the model's reading) of aided turns.

    `hemosight validate --readings` reads it; first readings alone count there. It says how each person reads: whoever
    does not administer the project gets their own readings, and who takes it away is noted.
    """
    closed(session, seat, panel)
    own = None if seat.role == "admin" else seat.user.id
    said, names = panels.readings(session, panel, own), _names(session, panel)
    content = panels.content_ids(session, sorted({one.image_id for one in said}))
    of = panels.cases(session, panel)
    shown = {one.image_id: one.shown for one in panels.cells(session, panel)}
    rows = [
        (
            *(content[one.image_id], names[one.user_id], one.label, one.turn, one.ms, one.at.isoformat()),
            *(of.get(one.image_id, (0, ""))[1], shown.get(one.image_id) if one.turn == panels.AIDED else None),
        )
        for one in said
        if one.image_id in content
    ]
    audit.note(session, seat, "panel.export_readings", {"panel": panel, "readings": len(rows)}, seat.project)
    return _file(pl.DataFrame(rows, schema=_READINGS, orient="row"), f"panel-{panel}-readings")


# --- steps ----------------------------------------------------------------------------------------------------

_READINGS = {"sha256": pl.String, "reader": pl.String, "label": pl.String, "turn": pl.Int64, "ms": pl.Int64}
_READINGS |= {"at": pl.String, "case": pl.String, "shown": pl.String}


def _file(table: pl.DataFrame, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(csv(table), media_type="text/csv; charset=utf-8", headers=headers)


def closed(session: Session, seat: ProjectSeat, panel: int, hold: Literal["open", "alone"] | None = None) -> Panel:
    """A panel that is closed; one that is open is refused: it is still being read blind. ``hold`` as in
    :func:`~hemosight.service.storage.panels.get`.
    """
    row = panels.get(session, seat.project, panel, hold)
    if row.closed_at is None:
        raise Refusal(
            "in_the_way",
            expected="a session that is closed",
            came="one that is still being read blind",
            mend="Close it first.",
        )
    return row


def results(session: Session, row: Panel, cells: Sequence[PanelCell]) -> PanelResult:
    """What was read of a panel so far, compared."""
    of = panels.cases(session, row.id)
    return desk.results(
        [
            CellOfPanel(one.image_id, one.predicted, one.shown, one.mark, of.get(one.image_id, (None, ""))[0])
            for one in cells
        ],
        [
            PanelAnswer(one.image_id, one.user_id, one.turn, one.label, one.ms)
            for one in panels.readings(session, row.id)
        ],
        [one.user for one in panels.readers(session, row.id)],
    )


def _names(session: Session, panel: int) -> dict[int, str]:
    """What each reader is called in a table: two of one name by their account's number as well."""
    people = panels.readers(session, panel)
    alike = Counter(one.name for one in people)
    return {one.user: one.name if alike[one.name] == 1 else f"{one.name} ({one.user})" for one in people}
