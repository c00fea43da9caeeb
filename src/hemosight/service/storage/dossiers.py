"""Queries about dossiers: validations that were asked for, who makes them, what came of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, undefer

from hemosight.service.errors import NothingThere
from hemosight.service.storage.tables import DossierRow, User

SILENT = datetime.timedelta(seconds=30)
"""Without a sign of life for so long its maker is dead."""
ATTEMPTS = 3
"""How often a maker may die over a dossier before it counts as failed."""


@dataclass(frozen=True)
class ListedDossier:
    """A dossier and who asked for it."""

    row: DossierRow
    name: str


def add(session: Session, project: int, bundle: int, user: int, protocol: str) -> DossierRow:
    """Ask for a dossier."""
    row = DossierRow(project_id=project, bundle_id=bundle, asked_by=user, protocol=protocol)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def listed(session: Session, project: int) -> list[ListedDossier]:
    """Dossiers of a project, the newest first."""
    query = select(DossierRow, User.display).join(User, User.id == DossierRow.asked_by)
    rows = session.execute(query.where(DossierRow.project_id == project).order_by(DossierRow.id.desc()))
    return [ListedDossier(row, name) for row, name in rows]


def unfinished(session: Session, project: int) -> int:
    """How many dossiers of a project wait or are being made."""
    query = select(func.count()).where(DossierRow.project_id == project, DossierRow.state.in_(("waiting", "running")))
    return session.scalar(query) or 0


def get(session: Session, project: int, dossier: int, *, archive: bool = False) -> ListedDossier:
    """A dossier of a project, with its archive where that is asked for.

    Raises :class:`~hemosight.service.errors.NothingThere`.
    """
    query = select(DossierRow, User.display).join(User, User.id == DossierRow.asked_by)
    if archive:
        query = query.options(undefer(DossierRow.archive))
    found = session.execute(query.where(DossierRow.id == dossier, DossierRow.project_id == project)).one_or_none()
    if found is None:
        raise NothingThere(kind="a dossier of this project")
    return ListedDossier(*found)


def before(session: Session, row: DossierRow) -> bytes | None:
    """The archive of the newest dossier that was made before this one."""
    query = select(DossierRow.archive).where(DossierRow.project_id == row.project_id, DossierRow.id < row.id)
    return session.scalar(query.where(DossierRow.state == "made").order_by(DossierRow.id.desc()).limit(1))


# --- who makes them -------------------------------------------------------------------------------------------


def claim(session: Session, bundle: int) -> DossierRow | None:
    """The oldest dossier that waits for a maker who runs this bundle, or whose maker is dead; now it is the caller's.

    One over which too many makers died is given up here.
    """
    free = or_(
        DossierRow.state == "waiting",
        (DossierRow.state == "running") & (DossierRow.seen_at < func.now() - SILENT),
    )
    query = select(DossierRow).where(free, DossierRow.bundle_id == bundle).order_by(DossierRow.id).limit(1)
    row = session.scalar(query.with_for_update(skip_locked=True))
    if row is None:
        return None
    if row.attempts >= ATTEMPTS:
        row.said = f"{row.said}\nMaking it ended the worker {ATTEMPTS} times.".strip()
        row.state, row.ended_at = "failed", func.now()
        session.flush()
        return None
    row.state, row.attempts, row.seen_at = "running", row.attempts + 1, func.now()
    session.flush()
    session.refresh(row)
    return row


def alive(session: Session, dossier: int) -> None:
    """Show that somebody makes it."""
    session.execute(update(DossierRow).where(DossierRow.id == dossier).values(seen_at=func.now()))


def released(session: Session, dossier: int) -> None:
    """Give a dossier back that was begun and not made, without counting it against it: its maker was told to stop."""
    values = {"state": "waiting", "attempts": DossierRow.attempts - 1}
    session.execute(update(DossierRow).where(DossierRow.id == dossier, DossierRow.state == "running").values(**values))


def made(session: Session, dossier: int, said: str, summary: dict[str, Any], archive: bytes) -> None:
    """Store what was made."""
    values = {"state": "made", "said": said, "summary": summary, "archive": archive, "ended_at": func.now()}
    session.execute(update(DossierRow).where(DossierRow.id == dossier).values(**values))


def failed(session: Session, dossier: int, said: str) -> None:
    """Store why nothing was made."""
    values = {"state": "failed", "said": said, "ended_at": func.now()}
    session.execute(update(DossierRow).where(DossierRow.id == dossier).values(**values))


def by_number(session: Session, dossier: int) -> DossierRow:
    """A dossier of any project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(DossierRow, dossier)
    if row is None:
        raise NothingThere(kind="a dossier")
    return row
