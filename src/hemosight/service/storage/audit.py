"""The audit trail: who changed what, when, from where; a row in the transaction of the change itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import AuditRow, User


class ActingUser(Protocol):
    """A user, as far as the trail goes."""

    @property
    def id(self) -> int:
        """Number of the account."""
        ...


class Actor(Protocol):
    """Whoever acts: a seat at the service."""

    @property
    def user(self) -> ActingUser | None:
        """The account; None before signing in."""
        ...

    @property
    def address(self) -> str | None:
        """Where the request came from."""
        ...


def note(
    session: Session,
    actor: Actor | None,
    action: str,
    subject: Mapping[str, Any] | None = None,
    project_id: int | None = None,
) -> AuditRow:
    """Write what is being done, in the caller's transaction; the row, whose number comes with a flush.

    Parameters
    ----------
    actor
        Who does it; None where the service itself does.
    action
        ``noun.verb``, such as ``project.create``.
    subject
        What it is done to, and how: plain JSON values, never a password or a token.
    """
    row = AuditRow(
        user_id=actor.user.id if actor is not None and actor.user is not None else None,
        project_id=project_id,
        action=action,
        subject=dict(subject or {}),
        address=actor.address if actor is not None else None,
    )
    session.add(row)
    return row


@dataclass(frozen=True)
class Which:
    """Rows of the trail: all that fit every fact that is given. ``action`` may be a noun alone, such as ``member``."""

    project: int | None = None
    user: int | None = None
    action: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions of a query."""
        found: list[ColumnElement[bool]] = []
        if self.project is not None:
            found.append(AuditRow.project_id == self.project)
        if self.user is not None:
            found.append(AuditRow.user_id == self.user)
        if self.action is not None:
            noun = AuditRow.action.startswith(f"{self.action}.", autoescape=True)
            found.append(AuditRow.action == self.action if "." in self.action else noun)
        if self.since is not None:
            found.append(AuditRow.at >= self.since)
        if self.until is not None:
            found.append(AuditRow.at < self.until)
        return found


def listed(
    session: Session, which: Which, *, before: int | None = None, limit: int = 100
) -> list[tuple[AuditRow, str | None]]:
    """Rows with the name of whoever acted, the newest first, those older than number ``before``."""
    query = select(AuditRow, User.name).outerjoin(User, User.id == AuditRow.user_id).where(*which.conditions())
    if before is not None:
        query = query.where(AuditRow.id < before)
    return [(row, name) for row, name in session.execute(query.order_by(AuditRow.id.desc()).limit(limit))]
