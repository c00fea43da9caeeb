"""Which cells of a case are counted: drawn with a seed, and kept as they were drawn.

Kept as JSON beside the case until a signature freezes it; null where every cell counts. Every choice is kept there too,
with its reason, so that nobody draws until the counts please without its being told; the cells of earlier draws stand
in the audit trail (``case.counting``).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
    target_leukocytes: int = Field(description="Leukocytes that were to be counted.")
    seed: int = Field(description="Fixes the order of the cells.")
    first_field: int | None = Field(default=None, description="Of a battlement: the field that it began in.")
    counted_leukocytes: int = Field(description="Leukocytes among the cells that were drawn, as they counted then.")
    counted_cells: int = Field(description="Cells that were drawn: these leukocytes, and what was met on the way.")
    eligible_cells: int = Field(description="Cells that they were drawn from.")
    cells_in_unfair_fields: int = Field(
        description="Read cells that were left out because counting is not fair in their field."
    )
    user: int
    name: str = Field(description="Who drew, as they were called then.")
    at: datetime.datetime
    reason: str = Field(description="Why they were drawn anew; empty for a first draw.")


class SinceDraw(NamedTuple):
    """Drawn cells that are in their case no more, and cells of it that came since, which the draw knew nothing of."""

    gone: int
    later: int


class DrawnCells(CellDraw):
    """A draw with the cells that it gave, and those that it passed over; of draws before that was kept nobody knows."""

    images: list[int] = Field(description="In the order in which they were drawn.")
    passed_over: list[int] | None = Field(default=None, description="The other cells of the case then, read or not.")

    @property
    def draw(self) -> CellDraw:
        """What is shown of it: how the cells were drawn, and by whom."""
        return CellDraw.model_validate(self.model_dump(include=set(CellDraw.model_fields)))

    def since(self, cells: Collection[int]) -> SinceDraw:
        """What became of the case, whose cells these are now."""
        there, drawn = set(cells), set(self.images)
        later = set() if self.passed_over is None else there.difference(drawn, self.passed_over)
        return SinceDraw(len(drawn - there), len(later))


class CountingChoice(BaseModel):
    """One choice of the cells of a case that count: a draw, or all of them again."""

    model_config = ConfigDict(frozen=True)
    target_leukocytes: int | None = Field(description="Leukocytes that were to be counted; null for all cells.")
    method: Method | None = Field(description="Null for all cells.")
    seed: int | None
    labelled_cells: int | None = Field(description="Cells of the case that had a label then; null where nobody knows.")
    name: str = Field(description="Who chose, as they were called then.")
    at: datetime.datetime
    reason: str = Field(description="Why; empty where none was given.")


@dataclass(frozen=True)
class CaseCounting:
    """Which cells of a case count: those that were drawn, all where None; and every choice, the first in front."""

    drawn: DrawnCells | None = None
    choices: tuple[CountingChoice, ...] = ()

    @property
    def draw(self) -> CellDraw | None:
        """The draw that stands, without its cells."""
        return None if self.drawn is None else self.drawn.draw


def of(row: Case) -> CaseCounting:
    """Which cells of a case count."""
    return _of(row.counting, row.draws)


def of_project(session: Session, project: int, case: int | None = None) -> dict[int, CaseCounting]:
    """Which cells count, by case: of those of a project in which anybody chose, or of one."""
    query = select(Case.id, Case.counting, Case.draws).where(Case.project_id == project, Case.draws != [])
    if case is not None:
        query = query.where(Case.id == case)
    return {number: _of(drawn, choices) for number, drawn, choices in session.execute(query)}


def _of(drawn: Mapping[str, Any] | None, choices: Sequence[Mapping[str, Any]]) -> CaseCounting:
    return CaseCounting(
        None if drawn is None else DrawnCells.model_validate(drawn),
        tuple(CountingChoice.model_validate(one) for one in choices),
    )


def set_to(session: Session, row: Case, made: DrawnCells | None, choice: CountingChoice) -> None:
    """Let these cells of a case count, or all, and keep that it was chosen. The caller holds the project's turn."""
    row.counting = None if made is None else made.model_dump(mode="json")
    row.draws = [*row.draws, choice.model_dump(mode="json")]
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
