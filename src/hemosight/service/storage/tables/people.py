"""Tables of people: accounts, and the ways in of browsers and programs."""

from __future__ import annotations

from sqlalchemy import Index, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class User(Table):
    """A person with an account. Accounts are never deleted, only made inactive: records name them."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_name", func.lower(text("name")), unique=True),)
    id: Mapped[int] = row_id()
    name: Mapped[str]
    display: Mapped[str]
    password_hash: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(server_default=false())
    active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[Moment] = now()


class SignedIn(Table):
    """A browser that signed in (table ``sessions``)."""

    __tablename__ = "sessions"
    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = ref("users.id", index=True, cascade=True)
    csrf: Mapped[str]
    created_at: Mapped[Moment] = now()
    seen_at: Mapped[Moment] = now()
    expires_at: Mapped[Moment] = mapped_column(index=True)
    agent: Mapped[str] = mapped_column(server_default="")
    by_provider: Mapped[bool] = mapped_column(server_default=false())


class ApiToken(Table):
    """A program's way in, kept as a hash."""

    __tablename__ = "api_tokens"
    id: Mapped[int] = row_id()
    user_id: Mapped[int] = ref("users.id", index=True, cascade=True)
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    project_id: Mapped[int | None] = ref("projects.id", cascade=True)
    created_at: Mapped[Moment] = now()
    used_at: Mapped[Moment | None]
    expires_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]


class LoginAttempt(Table):
    """A password given; what throttling counts. ``ok`` is null while it is being looked at, ``device`` as in
    :class:`Device`, where the name is known on it.
    """

    __tablename__ = "login_attempts"
    __table_args__ = (Index(None, "name", "at"), Index(None, "address", "at"))
    id: Mapped[int] = row_id()
    name: Mapped[str]
    address: Mapped[str]
    at: Mapped[Moment] = now()
    ok: Mapped[bool | None]
    device: Mapped[bytes | None]


class Device(Table):
    """A browser on which somebody once gave the right password: strangers' wrong ones do not slow it down."""

    __tablename__ = "devices"
    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = ref("users.id", key=True, index=True, cascade=True)
    created_at: Mapped[Moment] = now()
    seen_at: Mapped[Moment] = now()


class FirstRun(Table):
    """The one-time link that makes the first administrator."""

    __tablename__ = "first_run"
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    created_at: Mapped[Moment] = now()
    used_at: Mapped[Moment | None]


class Identity(Table):
    """Who an account is at an OpenID Connect provider (table ``identities``): ``subject`` never changes there."""

    __tablename__ = "identities"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = ref("users.id", index=True, cascade=True)
    created_at: Mapped[Moment] = now()


class OidcTry(Table):
    """A person on the way to the provider and back: the hash of ``state``, good once.

    ``goes_on`` is where the page goes afterwards. ``user_id`` is set where somebody who is signed in connects the
    provider's account with theirs.
    """

    __tablename__ = "oidc_tries"
    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    goes_on: Mapped[str]
    user_id: Mapped[int | None] = ref("users.id", cascade=True)
    created_at: Mapped[Moment] = mapped_column(server_default=text("clock_timestamp()"), index=True)
