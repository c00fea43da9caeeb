"""Queries about dossiers: validations that were asked for, who makes them, what came of them."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.orm import Session, undefer

from hemosight.service.errors import NothingThere
from hemosight.service.storage.tables import DossierRow, User

SILENT = datetime.timedelta(seconds=30)
"""Without a sign of life for so long its maker is dead."""
ATTEMPTS = 3
"""How often a maker may die over a dossier before it counts as failed."""
_ROUND = ATTEMPTS + 1
"""``attempts`` only grows, so that no two claims are alike; whole rounds of it, of claims given back, count as none."""
KEPT = 10
"""Made dossiers of a project whose files are kept; of older ones the row and the fingerprint are."""
_UNFINISHED = ("waiting", "running")


@dataclass(frozen=True)
class DossierClaim:
    """A dossier that somebody makes, and the claim under which: once another has claimed it, nothing is written."""

    dossier: int
    attempt: int

    @classmethod
    def of(cls, row: DossierRow) -> DossierClaim:
        """The claim by which a dossier was just given to the caller."""
        return cls(row.id, row.attempts)


@dataclass(frozen=True)
class ListedDossier:
    """A dossier and who asked for it."""

    row: DossierRow
    name: str


def add(session: Session, project: int, bundle: int, user: int, protocol: str, title: str) -> DossierRow:
    """Ask for a dossier; the title is the protocol's."""
    row = DossierRow(project_id=project, bundle_id=bundle, asked_by=user, protocol=protocol, title=title)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def listed(session: Session, project: int, before: int, limit: int) -> list[ListedDossier]:
    """Dossiers of a project, the newest first, those older than number ``before`` where that is not 0."""
    query = select(DossierRow, User.display).join(User, User.id == DossierRow.asked_by)
    query = query.where(DossierRow.project_id == project)
    if before:
        query = query.where(DossierRow.id < before)
    rows = session.execute(query.order_by(DossierRow.id.desc()).limit(limit))
    return [ListedDossier(row, name) for row, name in rows]


def unfinished(session: Session, project: int) -> int:
    """How many dossiers of a project wait or are being made."""
    query = select(func.count()).where(DossierRow.project_id == project, DossierRow.state.in_(_UNFINISHED))
    return session.scalar(query) or 0


def get(
    session: Session, project: int, dossier: int, *, file: Literal["archive", "pdf"] | None = None
) -> ListedDossier:
    """A dossier of a project, with one of its files where that is asked for.

    Raises :class:`~hemosight.service.errors.NothingThere`.
    """
    query = select(DossierRow, User.display).join(User, User.id == DossierRow.asked_by)
    if file is not None:
        query = query.options(undefer(DossierRow.archive if file == "archive" else DossierRow.pdf))
    found = session.execute(query.where(DossierRow.id == dossier, DossierRow.project_id == project)).one_or_none()
    if found is None:
        raise NothingThere(kind="a dossier of this project")
    return ListedDossier(*found)


def call_off(session: Session, project: int, said: str, dossier: int | None = None) -> list[int]:
    """Fail what waits or is being made of a project, or one of them; gives which. Who makes it sees that and stops."""
    query = update(DossierRow).where(DossierRow.project_id == project, DossierRow.state.in_(_UNFINISHED))
    if dossier is not None:
        query = query.where(DossierRow.id == dossier)
    values = {"state": "failed", "said": said, "ended_at": func.now()}
    return list(session.scalars(query.values(**values).returning(DossierRow.id)))


def before(session: Session, row: DossierRow) -> bytes | None:
    """The archive of the newest dossier that was made before this one."""
    query = select(DossierRow.archive).where(DossierRow.project_id == row.project_id, DossierRow.id < row.id)
    query = query.where(DossierRow.state == "made", DossierRow.dropped_at.is_(None))
    return session.scalar(query.order_by(DossierRow.id.desc()).limit(1))


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
    if row.attempts % _ROUND >= ATTEMPTS:
        row.said = f"{row.said}\nMaking it ended the worker {ATTEMPTS} times.".strip()
        row.state, row.ended_at = "failed", func.now()
        session.flush()
        return None
    row.state, row.attempts, row.seen_at = "running", row.attempts + 1, func.now()
    session.flush()
    session.refresh(row)
    return row


def alive(session: Session, claim: DossierClaim) -> bool:
    """Show that somebody makes it; False where it was called off, or another maker has it by now."""
    return _update_running(session, claim, seen_at=func.now())


def released(session: Session, claim: DossierClaim) -> None:
    """Give a dossier back that was begun and not made, without counting it against it: its maker was told to stop."""
    # Not one less: the claim of whoever takes it next would be this one again.
    _update_running(session, claim, state="waiting", attempts=DossierRow.attempts + _ROUND - 1)


def made(
    session: Session, claim: DossierClaim, said: str, summary: dict[str, Any], archive: bytes, pdf: bytes | None = None
) -> bool:
    """Store what was made; False where it was called off meanwhile, or another maker has it."""
    fingerprint = hashlib.sha256(archive).hexdigest()
    values = {"summary": summary, "archive": archive, "pdf": pdf, "archive_sha256": fingerprint}
    return _update_running(session, claim, state="made", said=_stored(said), ended_at=func.now(), **values)


def drop_old(session: Session, project: int) -> list[tuple[int, str | None]]:
    """Drop the files of all but the newest :data:`KEPT` made dossiers of a project; numbers, fingerprints."""
    held = select(DossierRow.id).where(
        DossierRow.project_id == project, DossierRow.state == "made", DossierRow.dropped_at.is_(None)
    )
    old = session.scalars(held.order_by(DossierRow.id.desc()).offset(KEPT)).all()
    query = update(DossierRow).where(DossierRow.id.in_(old)).returning(DossierRow.id, DossierRow.archive_sha256)
    rows = session.execute(query.values(archive=None, pdf=None, dropped_at=func.now()))
    return [(number, fingerprint) for number, fingerprint in rows]


def failed(session: Session, claim: DossierClaim, said: str) -> bool:
    """Store why nothing was made; False where it was called off meanwhile, or another maker has it."""
    return _update_running(session, claim, state="failed", said=_stored(said), ended_at=func.now())


def _update_running(session: Session, claim: DossierClaim, **values: Any) -> bool:
    query = update(DossierRow).where(DossierRow.id == claim.dossier, DossierRow.attempts == claim.attempt)
    query = query.where(DossierRow.state == "running").values(**values)
    return session.scalar(query.returning(DossierRow.id)) is not None


def _stored(said: str) -> str:
    """A text without NUL, which a child may say and PostgreSQL cannot keep."""
    return said.replace("\x00", "")


def data_folder(session: Session) -> str | None:
    """Where the database's files lie on its machine; None where it does not say so to everybody."""
    return session.scalar(text("SELECT setting FROM pg_settings WHERE name = 'data_directory'"))


def by_number(session: Session, dossier: int) -> DossierRow:
    """A dossier of any project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(DossierRow, dossier)
    if row is None:
        raise NothingThere(kind="a dossier")
    return row
