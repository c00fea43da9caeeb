"""Queries about panels: sessions, who reads them, what was read and decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere
from hemosight.service.storage import class_facts
from hemosight.service.storage.tables import (
    Case,
    Image,
    LabelSet,
    Panel,
    PanelCell,
    PanelDecision,
    PanelReader,
    PanelReading,
    User,
)

FIRST, AGAIN, AIDED = 1, 2, 3
"""Turns of a reading: the first, the repeated one, the one with the model's reading shown."""


@dataclass(frozen=True)
class ReaderProgress:
    """Who reads a panel, and how many readings they have given."""

    user: int
    name: str
    done: int


def add(session: Session, readers: Sequence[int], cells: Sequence[Mapping[str, Any]], **facts: Any) -> Panel:
    """A new panel; ``cells`` are columns of :class:`PanelCell` without the panel's number."""
    row = Panel(**facts)
    session.add(row)
    session.flush()
    session.execute(insert(PanelCell), [{"panel_id": row.id, **cell} for cell in cells])
    session.execute(insert(PanelReader), [{"panel_id": row.id, "user_id": user} for user in readers])
    session.refresh(row)
    return row


def get(session: Session, project: int, panel: int, hold: Literal["open", "alone"] | None = None) -> Panel:
    """A panel of a project, as it stands now. Raises :class:`~hemosight.service.errors.NothingThere`.

    ``hold`` until the caller's transaction ends: ``open`` keeps others from closing it, and many may hold it so, as
    readers do; ``alone`` waits for all of them.
    """
    query = select(Panel).where(Panel.id == panel)
    if hold is not None:
        query = query.with_for_update(read=hold == "open").execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a panel of this project")
    return row


def listed(session: Session, project: int) -> Sequence[Panel]:
    """Panels of a project, the newest first."""
    return session.scalars(select(Panel).where(Panel.project_id == project).order_by(Panel.id.desc())).all()


def classes(session: Session, row: Panel) -> list[str]:
    """What a cell of the panel may be called, without ``?``."""
    found = session.get_one(LabelSet, row.label_set_id)
    return class_facts.in_use(found.classes)


def cells(session: Session, panel: int) -> list[PanelCell]:
    """Cells of a panel in their order, without those that were deleted since."""
    query = select(PanelCell).join(Image, Image.id == PanelCell.image_id)
    query = query.where(PanelCell.panel_id == panel, Image.deleted_at.is_(None))
    return list(session.scalars(query.order_by(PanelCell.position)))


def cases(session: Session, panel: int) -> dict[int, tuple[int, str]]:
    """Image -> number and key of its case, of the cells of a panel that are of one."""
    query = select(PanelCell.image_id, Case.id, Case.key).join(Image, Image.id == PanelCell.image_id)
    query = query.join(Case, Case.id == Image.case_id).where(PanelCell.panel_id == panel)
    return {image: (case, key) for image, case, key in session.execute(query)}


def readers(session: Session, panel: int) -> list[ReaderProgress]:
    """Who reads a panel, by name."""
    done = select(PanelReading.user_id, func.count().label("n")).where(PanelReading.panel_id == panel)
    counts = done.group_by(PanelReading.user_id).subquery()
    query = (
        select(User.id, User.display, func.coalesce(counts.c.n, 0))
        .join(PanelReader, PanelReader.user_id == User.id)
        .outerjoin(counts, counts.c.user_id == User.id)
        .where(PanelReader.panel_id == panel)
        .order_by(User.display, User.id)
    )
    return [ReaderProgress(*row) for row in session.execute(query)]


def readings(session: Session, panel: int, user: int | None = None) -> list[PanelReading]:
    """What was read, in order; of one reader where given."""
    query = select(PanelReading).where(PanelReading.panel_id == panel)
    if user is not None:
        query = query.where(PanelReading.user_id == user)
    return list(session.scalars(query.order_by(PanelReading.id)))


def read(session: Session, panel: int, image: int, user: int, turn: int, label: str, ms: int | None) -> bool:
    """Append a reading; False where this one was given before."""
    query = insert(PanelReading).values(panel_id=panel, image_id=image, user_id=user, turn=turn, label=label, ms=ms)
    return session.execute(query.on_conflict_do_nothing().returning(PanelReading.id)).scalar_one_or_none() is not None


def decide(session: Session, panel: int, image: int, user: int, label: str, note: str) -> None:
    """Append a decision."""
    session.add(PanelDecision(panel_id=panel, image_id=image, user_id=user, label=label, note=note))
    session.flush()


def decisions(session: Session, panel: int) -> dict[int, PanelDecision]:
    """The newest decision of each cell."""
    query = select(PanelDecision).where(PanelDecision.panel_id == panel).order_by(PanelDecision.id)
    return {row.image_id: row for row in session.scalars(query)}


def content_ids(session: Session, images: Sequence[int]) -> dict[int, str]:
    """Image -> the sha256 of its file, hexadecimal."""
    query = select(Image.id, func.encode(Image.sha256, "hex")).where(Image.id.in_(images))
    return {image: value for image, value in session.execute(query) if value is not None}
