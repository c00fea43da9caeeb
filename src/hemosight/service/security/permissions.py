"""Who is asking, and whether they may: dependencies that give a route its seat.

Every route takes exactly one of ``SignedIn``, ``InPerson``, ``Administrator``, ``Viewer``, ``Taker``,
``Reviewer`` and ``ProjectAdmin``; the few that answer strangers are listed in the test that walks the whole API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.security import csrf, sessions
from hemosight.service.security.secrets import kept
from hemosight.service.state import Service, State
from hemosight.service.storage import sign_ins
from hemosight.service.storage.tables import Member, Project, User
from hemosight.service.storage.tables import SignedIn as Row

Role = Literal["viewer", "reviewer", "admin"]
Scope = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "admin")
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""Each holds those before it: reading and reviewing; changing settings and members."""
_ALL: frozenset[Scope] = frozenset(SCOPES)
BIGGEST = 2**63 - 1
Id = Annotated[int, Path(ge=1, le=BIGGEST)]
"""A number in an address."""

_schemes = [
    Security(
        APIKeyCookie(
            name="hemosight",
            scheme_name="session",
            description=f"Set by POST /session. Unsafe requests need the header {csrf.HEADER} besides.",
            auto_error=False,
        )
    ),
    Security(HTTPBearer(scheme_name="token", description="An API token of an account.", auto_error=False)),
]


@dataclass(frozen=True)
class Person:
    """An account, as a request knows it."""

    id: int
    name: str
    display: str
    is_admin: bool


@dataclass(frozen=True)
class Seat:
    """Who is asking, from where, and with what scopes.

    ``session`` is the hash of a browser's session; None where a token was sent. ``confined`` is the one project a
    token is good for.
    """

    user: Person
    address: str
    scopes: frozenset[Scope]
    session: bytes | None = None
    csrf: str = ""
    confined: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProjectSeat(Seat):
    """A seat at a project."""

    project: int
    role: Role


def address_of(request: Request) -> str:
    """Where a request came from; behind a trusted proxy, what the proxy says."""
    return request.client.host if request.client is not None else ""


def who(request: Request, session: Session, service: State) -> Seat:
    """The seat of whoever asks.

    Raises :class:`~hemosight.service.errors.Refusal`, and :class:`~hemosight.service.errors.Refusal` for
    an unsafe request that carries a cookie but no token.
    """
    sent = request.headers.get("authorization")
    if sent is not None:
        scheme, _, secret = sent.partition(" ")
        found = sign_ins.program(session, kept(secret.strip())) if scheme.lower() == "bearer" else None
        if found is None:
            raise not_signed_in("an API token that is unknown, expired or revoked")
        token, user = found
        scopes = _ALL.intersection(token.scopes)
        seat = Seat(_person(user), address_of(request), scopes, confined=token.project_id)
    else:
        seat = by_cookie(request, session, service)
        csrf.check_origin(request)
        csrf.check_token(request, seat.csrf)
    request.state.user = seat.user.id
    return seat


def by_cookie(request: Request, session: Session, service: State) -> Seat:
    """The seat of a browser, whoever sent it here: for what a provider sends back, and nothing else.

    Raises :class:`~hemosight.service.errors.Refusal`.
    """
    row, user = _browser(request, session, service)
    return Seat(_person(user), address_of(request), _ALL, row.id_hash, row.csrf)


def _browser(request: Request, session: Session, service: State) -> tuple[Row, User]:
    secret = sessions.secret_of(request, service.settings)
    if secret is not None:
        used = not getattr(request.state, "listening", False)
        found = sign_ins.browser(session, kept(secret), sessions.idle(service.settings), used=used)
        # Where names and passwords no longer sign in, those who came in by them are out.
        if found is not None and (found[0].by_provider or service.settings.local_accounts):
            return found
    if service.settings.login:
        raise not_signed_in("nobody" if secret is None else "a session that has ended")
    return sessions.local(session)


def _person(user: User) -> Person:
    return Person(user.id, user.name, user.display, user.is_admin)


def still_there(request: Request) -> None:
    """From here on this request asks by itself: a page that nobody touches does not keep its session from idling."""
    request.state.listening = True


# --- dependencies -----------------------------------------------------------------------------------------


def _require(seat: Seat, scope: Scope, method: str) -> None:
    """Refuse a token that is not meant for this."""
    if method not in csrf.SAFE and scope == "read":
        scope = "write"
    if not any(held in seat.scopes for held in SCOPES[SCOPES.index(scope) :]):
        raise Refusal(
            "not_allowed",
            expected=f"an API token with the scope {scope}",
            came=f"one with {', '.join(sorted(seat.scopes)) or 'none'}",
            mend="Make another token under your account.",
        )


def signed_in(request: Request, service: Service) -> Seat:
    """Anybody with an account."""
    with service.database.session() as session:
        seat = who(request, session, service)
    _require(seat, "read", request.method)
    return seat


def in_person(seat: Annotated[Seat, Depends(signed_in)]) -> Seat:
    """Anybody with an account who came by browser: a token cannot make more tokens, or change a password."""
    if seat.session is None:
        raise Refusal(
            "not_allowed",
            expected="somebody who signed in by browser",
            came="an API token",
            mend="Sign in on the page to change an account.",
        )
    return seat


def administrator(request: Request, seat: Annotated[Seat, Depends(signed_in)]) -> Seat:
    """An administrator of the service; by token only with the scope ``admin`` and for no single project."""
    _require(seat, "admin", request.method)
    if not seat.user.is_admin or seat.confined is not None:
        raise Refusal(
            "not_allowed",
            expected="an administrator of this service",
            came="another account" if not seat.user.is_admin else "an API token for one project",
            mend="Ask an administrator to do it.",
        )
    return seat


def _at_project(least: Role, *, reading: bool = False) -> Callable[..., ProjectSeat]:
    scope: Scope = SCOPES[ROLES.index(least)]

    def dependency(request: Request, service: Service, project: Id) -> ProjectSeat:
        with service.database.session() as session:
            seat = who(request, session, service)
            query = (
                select(Member.role, Project.archived_at)
                .select_from(Project)
                .outerjoin(Member, (Member.project_id == Project.id) & (Member.user_id == seat.user.id))
                .where(Project.id == project, Project.deleted_at.is_(None))
            )
            found = session.execute(query).one_or_none()
        role = None if found is None else ("admin" if seat.user.is_admin else found.role)
        if found is None or role is None or seat.confined not in (None, project):
            raise NothingThere(kind="a project")
        _require(seat, scope, "GET" if reading else request.method)
        if ROLES.index(role) < ROLES.index(least):
            raise Refusal(
                "not_allowed",
                expected=f"a member with the role {least}",
                came=f"one with the role {role}",
                mend="Ask a project administrator for another role.",
            )
        if least == "reviewer" and found.archived_at is not None and request.method not in csrf.SAFE:
            raise in_archive()
        return ProjectSeat(
            user=seat.user,
            address=seat.address,
            scopes=seat.scopes,
            session=seat.session,
            csrf=seat.csrf,
            confined=seat.confined,
            project=project,
            role=role,
        )

    dependency.__doc__ = f"A member of the project with the role {least} or more; whoever is none sees no project."
    return dependency


viewer = _at_project("viewer")
"""What :data:`Viewer` asks; for who has to ask again later, such as a stream of events: it says so first
(:func:`still_there`).
"""
SignedIn = Annotated[Seat, Depends(signed_in)]
"""Dependency: anybody with an account."""
InPerson = Annotated[Seat, Depends(in_person)]
"""Dependency: anybody with an account, not by token."""
Administrator = Annotated[Seat, Depends(administrator)]
"""Dependency: an administrator of the service."""
Viewer = Annotated[ProjectSeat, Depends(viewer)]
"""Dependency: a member of the project, who may look."""
Taker = Annotated[ProjectSeat, Depends(_at_project("viewer", reading=True))]
"""Dependency: a member who takes away what they may look at: noted, so it is a POST; a token for reading may."""
Reviewer = Annotated[ProjectSeat, Depends(_at_project("reviewer"))]
"""Dependency: a member who may upload, label, comment and sign."""
ProjectAdmin = Annotated[ProjectSeat, Depends(_at_project("admin"))]
"""Dependency: a member who may change settings and members."""
SCHEMES = _schemes
"""For the OpenAPI: the two ways of saying who one is."""


def in_archive() -> Refusal:
    """The refusal of a change in a project that is archived."""
    return Refusal(
        "in_the_way",
        expected="a project that is in use",
        came="one that is archived",
        mend="A project administrator can take it out of the archive.",
    )


def not_signed_in(came: str) -> Refusal:
    """The refusal of somebody who is nobody here."""
    return Refusal(
        "not_signed_in",
        expected="somebody who is signed in, or an API token",
        came=came,
        mend="Sign in, or send `Authorization: Bearer TOKEN`.",
    )
