"""The audit trail: who changed what, when, from where; a row in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import AuditRow, User


class Person(Protocol):
    """A user, as far as the trail goes."""

    @property
    def id(self) -> int:
        """Number of the account."""
        ...


class Actor(Protocol):
    """Whoever acts: a seat at the service."""

    @property
    def user(self) -> Person | None:
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
) -> None:
    """Write what is being done, in the caller's transaction.

    Parameters
    ----------
    actor
        Who does it; None where the service itself does.
    action
        ``noun.verb``, such as ``project.create``.
    subject
        What it is done to, and how: plain JSON values, never a password or a token.
    """
    session.add(
        AuditRow(
            user_id=actor.user.id if actor is not None and actor.user is not None else None,
            project_id=project_id,
            action=action,
            subject=dict(subject or {}),
            address=actor.address if actor is not None else None,
        )
    )


def listed(
    session: Session,
    *,
    project: int | None = None,
    user: int | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[tuple[AuditRow, str | None]]:
    """Rows with the name of whoever acted, the newest first, those older than number ``before``."""
    query = select(AuditRow, User.name).outerjoin(User, User.id == AuditRow.user_id)
    wanted = {AuditRow.project_id: project, AuditRow.user_id: user, AuditRow.action: action}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(AuditRow.id < before)
    return [(row, name) for row, name in session.execute(query.order_by(AuditRow.id.desc()).limit(limit))]
