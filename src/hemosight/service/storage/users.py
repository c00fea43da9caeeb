"""Queries about accounts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from hemosight.service.errors import AlreadyThere, InTheWay, NothingThere
from hemosight.service.storage.tables import User

LOCAL = "local"
"""Name of the one person of a service without login."""
_MAKING_LOCAL = 0x48534C4F


def named(session: Session, name: str) -> User | None:
    """The account of this name, small or capital letters alike."""
    return session.scalars(select(User).where(func.lower(User.name) == func.lower(name))).one_or_none()


def get(session: Session, user_id: int) -> User:
    """An account. Raises :class:`~hemosight.service.errors.NothingThere`."""
    user = session.get(User, user_id)
    if user is None:
        raise NothingThere(kind="an account")
    return user


def listed(session: Session, after: int, limit: int) -> Sequence[User]:
    """Accounts in the order they were made, those behind number ``after``."""
    return session.scalars(select(User).where(User.id > after).order_by(User.id).limit(limit)).all()


def add(session: Session, name: str, display: str, password_hash: str | None, *, is_admin: bool) -> User:
    """A new account. Raises :class:`~hemosight.service.errors.AlreadyThere`."""
    if named(session, name) is not None:
        raise AlreadyThere(kind="a name of an account")
    user = User(name=name, display=display or name, password_hash=password_hash, is_admin=is_admin, active=True)
    session.add(user)
    session.flush()
    return user


def local(session: Session) -> User:
    """The one person of a service without login, made at first need."""
    user = named(session, LOCAL)
    if user is None:
        # Several requests of a new page arrive together.
        session.execute(select(func.pg_advisory_xact_lock(_MAKING_LOCAL)))
        user = named(session, LOCAL) or add(session, LOCAL, "Local reviewer", None, is_admin=True)
    return user


def anybody_with_password(session: Session) -> bool:
    """Whether anyone could sign in."""
    return bool(session.scalar(select(exists().where(User.active, User.password_hash.is_not(None)))))


def an_administrator(session: Session) -> bool:
    """Whether an administrator could sign in."""
    return bool(session.scalar(select(exists().where(User.active, User.is_admin, User.password_hash.is_not(None)))))


def keep_an_administrator(session: Session, leaving: int) -> None:
    """Refuse to take away the last administrator. Raises :class:`~hemosight.service.errors.InTheWay`."""
    # All are locked: two who take each other away at once must not both succeed.
    query = select(User.id).where(User.active, User.is_admin, User.password_hash.is_not(None)).with_for_update()
    if set(session.scalars(query.order_by(User.id))) <= {leaving}:
        raise InTheWay(
            expected="an administrator to remain",
            came="the last one being taken away",
            mend="Make somebody else an administrator first.",
        )
