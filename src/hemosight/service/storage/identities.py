"""Queries about people who sign in by an OpenID Connect provider."""

from __future__ import annotations

import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from hemosight.service.storage import sign_ins
from hemosight.service.storage.tables import Identity, Member, OidcTry, Project, User

LASTS = datetime.timedelta(minutes=10)
"""How long a person may take at the provider."""
MOST = 20_000
"""Sign-ins under way at the same time."""
_ENTERING = 0x48534F49


def begin(session: Session, state_hash: bytes, goes_on: str, user_id: int | None) -> None:
    """Note that somebody is sent to the provider. Those who did not come back are forgotten on the occasion."""
    session.execute(delete(OidcTry).where(OidcTry.created_at < sign_ins.now() - LASTS))
    strangers = select(OidcTry.state_hash).where(OidcTry.user_id.is_(None))
    # Where somebody asks by the thousand, the oldest go: whoever came last is on the way for a moment, and is let in.
    beyond = strangers.order_by(OidcTry.created_at.desc()).offset(MOST - 1)
    session.execute(delete(OidcTry).where(OidcTry.state_hash.in_(beyond)).execution_options(synchronize_session=False))
    session.add(OidcTry(state_hash=state_hash, goes_on=goes_on, user_id=user_id, created_at=sign_ins.now()))


def use(session: Session, state_hash: bytes) -> tuple[str, int | None] | None:
    """Use a sign-in up: where it goes on, and whose account it is for; None where it is unknown, old or used."""
    query = (
        delete(OidcTry)
        .where(OidcTry.state_hash == state_hash, OidcTry.created_at > sign_ins.now() - LASTS)
        .returning(OidcTry.goes_on, OidcTry.user_id)
    )
    found = session.execute(query).one_or_none()
    return None if found is None else (found.goes_on, found.user_id)


def take_turn(session: Session) -> None:
    """One after another: two first sign-ins of one person must not make two accounts."""
    session.execute(select(func.pg_advisory_xact_lock(_ENTERING)))


def known(session: Session, issuer: str, subject: str) -> User | None:
    """The account of a person of a provider."""
    query = select(User).join(Identity, Identity.user_id == User.id)
    return session.scalars(query.where(Identity.issuer == issuer, Identity.subject == subject)).one_or_none()


def connect(session: Session, issuer: str, subject: str, user_id: int) -> None:
    """From now on this person of the provider is this account, and whoever it was there before no longer."""
    session.execute(delete(Identity).where(Identity.issuer == issuer, Identity.user_id == user_id))
    session.add(Identity(issuer=issuer, subject=subject, user_id=user_id, created_at=sign_ins.now()))
    session.flush()


def set_roles(session: Session, user_id: int, wanted: dict[int, str | None]) -> dict[int, str | None]:
    """Give a person these roles in projects that are there, or none; gives what was changed."""
    changed: dict[int, str | None] = {}
    there = set(session.scalars(select(Project.id).where(Project.id.in_(wanted), Project.deleted_at.is_(None))))
    for project in sorted(there):
        row = session.get(Member, (project, user_id))
        role = wanted[project]
        if (None if row is None else row.role) == role:
            continue
        changed[project] = role
        if role is None:
            session.delete(row)
        elif row is None:
            session.add(Member(project_id=project, user_id=user_id, role=role))
        else:
            row.role = role
    session.flush()
    return changed
