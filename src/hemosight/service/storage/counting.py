"""Which cells of a case are counted: drawn with a seed, and kept as they were drawn.

Kept as JSON beside the case until a signature freezes it; null where every cell counts. What was drawn before stays in
the audit trail (``case.counting``).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.service.storage import events
from hemosight.service.storage.live_events import CaseEvent
from hemosight.service.storage.tables import CameraField, Case, CurrentLabelRow, FieldCell, Image

Method = Literal["random", "battlement"]


class CellDraw(BaseModel):
    """How the cells that count were drawn, and by whom."""

    model_config = ConfigDict(frozen=True)
    method: Method = Field(description="`random`: single cells; `battlement`: field after field from a drawn one.")
    wanted: int = Field(description="Leukocytes that were to be met.")
    seed: int = Field(description="Fixes the order of the cells.")
    met: int = Field(description="Leukocytes among the cells that were drawn, as they counted then.")
    chosen: int = Field(description="Cells that were drawn: these leukocytes, and what was met on the way.")
    pool: int = Field(description="Cells that they were drawn from.")
    unfair: int = Field(description="Read cells that were left out because counting is not fair in their field.")
    user: int
    name: str = Field(description="Who drew, as they were called then.")
    at: datetime.datetime
    reason: str = Field(description="Why they were drawn anew; empty for a first draw.")


class DrawnCells(CellDraw):
    """A draw with the cells that it gave."""

    images: list[int] = Field(description="In the order in which they were drawn.")

    @property
    def draw(self) -> CellDraw:
        """Without the cells."""
        return CellDraw.model_validate(self.model_dump(exclude={"images"}))


def of(row: Case) -> DrawnCells | None:
    """Which cells of a case count; None where all do."""
    return None if row.counting is None else DrawnCells.model_validate(row.counting)


def of_project(session: Session, project: int, case: int | None = None) -> dict[int, DrawnCells]:
    """The draws of a project's cases, or of one, by case."""
    query = select(Case.id, Case.counting).where(Case.project_id == project, Case.counting.is_not(None))
    if case is not None:
        query = query.where(Case.id == case)
    return {number: DrawnCells.model_validate(value) for number, value in session.execute(query)}


def set_to(session: Session, row: Case, made: DrawnCells | None) -> None:
    """Let these cells of a case count, or all. The caller holds the project's turn."""
    row.counting = None if made is None else made.model_dump(mode="json")
    session.flush()
    events.tell(session, row.project_id, CaseEvent(case=row.id))


def labelled(session: Session, project: int, label_set: int, case: int) -> int:
    """How many cells of a case have a label that stands."""
    query = select(func.count()).select_from(CurrentLabelRow).join(Image, Image.id == CurrentLabelRow.image_id)
    query = query.where(Image.project_id == project, Image.case_id == case, CurrentLabelRow.label_set_id == label_set)
    return session.scalar(query.where(CurrentLabelRow.label.is_not(None))) or 0


def places(session: Session, images: Collection[int]) -> dict[int, tuple[int, float, bool]]:
    """Of cells that were cut out of fields: the field, the middle of the cell from its left, and whether it is fair."""
    query = select(FieldCell.image_id, FieldCell.field_id, FieldCell.x + FieldCell.width / 2, CameraField.reasons)
    query = query.join(CameraField, CameraField.id == FieldCell.field_id)
    rows = session.execute(query.where(FieldCell.image_id.in_(images)))
    return {image: (field, across, not reasons) for image, field, across, reasons in rows if image is not None}
