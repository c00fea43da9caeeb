"""Queries about accounts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.settings import Settings
from hemosight.service.storage.database import pairs
from hemosight.service.storage.tables import ApiToken, Case, Device, Identity, LoginAttempt, Member, SignedIn, User

LOCAL = "local"
"""Name of the one person of a service without login."""
ERASED = "erased-"
"""How the name of an erased account begins."""
_MAKING_LOCAL = 0x48534C4F
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode's categories of what is not seen: control characters, marks that turn text, half surrogates."""
_JOINERS = "\u200c\u200d"
"""Names in Persian and in scripts of India are written with them."""


def named(session: Session, name: str) -> User | None:
    """The account of this name, small or capital letters alike."""
    return session.scalars(select(User).where(func.lower(User.name) == func.lower(name))).one_or_none()


def get(session: Session, user_id: int) -> User:
    """An account. Raises :class:`~hemosight.service.errors.NothingThere`."""
    user = session.get(User, user_id)
    if user is None:
        raise NothingThere(kind="an account")
    return user


def with_password(session: Session, user_id: int, password_hash: str | None) -> User | None:
    """An account, held until the transaction ends, whose password is still the one that was looked at; else None.

    Looking at a password takes its time: somebody may have given the account another one meanwhile.
    """
    query = select(User).where(User.id == user_id).with_for_update(key_share=True)
    user = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    return user if user is not None and user.active and user.password_hash == password_hash else None


def listed(session: Session, after: int, limit: int) -> Sequence[User]:
    """Accounts in the order they were made, those behind number ``after``."""
    return session.scalars(select(User).where(User.id > after).order_by(User.id).limit(limit)).all()


def displays(session: Session) -> dict[int, str]:
    """What every account is called, by number; erased ones too."""
    return pairs(session, select(User.id, User.display))


def printed(display: str) -> str:
    """How a person is called, as it can be printed: accents composed, one line, nothing that turns or hides text.

    Raises ``ValueError`` where nothing is left to read.
    """
    plain = "".join(" " if sign.isspace() else sign for sign in unicodedata.normalize("NFC", display))
    seen = (sign for sign in plain if sign in _JOINERS or unicodedata.category(sign) not in _UNSEEN)
    shown = " ".join("".join(seen).split())
    if not _as_read(shown):
        raise ValueError("expected a name with letters or digits")
    return shown


def called_like(session: Session, display: str, but: int) -> bool:
    """Whether another account is called so, or reads so: capitals, spaces and what is not seen make no difference."""
    wanted = _as_read(display)
    named = session.execute(select(User.name, User.display).where(User.id != but))
    return any(wanted in (_as_read(name), _as_read(shown)) for name, shown in named)


def _as_read(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in composed if sign.isalnum())


def add(session: Session, name: str, display: str, password_hash: str | None, *, is_admin: bool) -> User:
    """A new account. Raises :class:`~hemosight.service.errors.Refusal` where its name is taken."""
    if named(session, name) is not None:
        raise already_there("a name of an account")
    user = User(name=name, display=display or name, password_hash=password_hash, is_admin=is_admin, active=True)
    session.add(user)
    session.flush()
    return user


def erase(session: Session, user: User) -> None:
    """Take from an account whatever names a person: records keep its number, under a name that says nothing.

    Its sessions, tokens, known browsers and tries to sign in go; what it labelled and signed stays.
    """
    session.execute(delete(LoginAttempt).where(LoginAttempt.name == user.name.lower()))
    for table in (SignedIn, ApiToken, Device, Member, Identity):
        session.execute(delete(table).where(table.user_id == user.id))
    session.execute(update(Case).where(Case.assigned_to == user.id).values(assigned_to=None))
    user.name, user.display = f"{ERASED}{user.id}", f"Erased account {user.id}"
    user.password_hash, user.is_admin, user.active = None, False, False
    session.flush()


def local(session: Session) -> User:
    """The one person of a service without login, made at first need."""
    user = named(session, LOCAL)
    if user is None:
        # Several requests of a new page arrive together.
        session.execute(select(func.pg_advisory_xact_lock(_MAKING_LOCAL)))
        user = named(session, LOCAL) or add(session, LOCAL, "Local reviewer", None, is_admin=True)
    return user


def require_local_accounts(settings: Settings) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where names and passwords do not sign in."""
    if not settings.local_accounts:
        raise Refusal(
            "not_allowed",
            expected=f"somebody who signs in with {settings.oidc_title}",
            came="a name and a password",
            mend="Use the button of the page; HEMOSIGHT_LOCAL_ACCOUNTS allows passwords again.",
        )


def anybody_with_password(session: Session) -> bool:
    """Whether anyone could sign in by name and password."""
    return bool(session.scalar(select(exists().where(User.active, User.password_hash.is_not(None)))))


def _a_way_in() -> ColumnElement[bool]:
    """A password here, or a person of the provider."""
    return or_(User.password_hash.is_not(None), exists().where(Identity.user_id == User.id))


def comes_in(session: Session, user: User) -> bool:
    """Whether an account has a way to sign in."""
    return bool(session.scalar(select(exists().where(User.id == user.id, _a_way_in()))))


def an_administrator(session: Session) -> bool:
    """Whether an administrator could sign in."""
    return bool(session.scalar(select(exists().where(User.active, User.is_admin, _a_way_in()))))


def is_last_administrator(session: Session, leaving: int) -> bool:
    """Whether no administrator who could sign in would remain without this account."""
    # All are locked: two who take each other away at once must not both succeed.
    query = select(User.id).where(User.active, User.is_admin, _a_way_in()).with_for_update()
    return set(session.scalars(query.order_by(User.id))) <= {leaving}


def keep_an_administrator(session: Session, leaving: int) -> None:
    """Refuse to take away the last administrator. Raises :class:`~hemosight.service.errors.Refusal`."""
    if is_last_administrator(session, leaving):
        raise Refusal(
            "in_the_way",
            expected="an administrator to remain",
            came="the last one being taken away",
            mend="Make somebody else an administrator first.",
        )
