"""Signing in and out, and the first administrator."""

from __future__ import annotations

import asyncio
import datetime
import time

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.schemas.people import FirstAdmin, SessionShown, SignedOut, SignIn, UserShown
from hemosight.service.security import csrf, devices, passwords, sessions, throttle
from hemosight.service.security.leaving import leaving
from hemosight.service.security.permissions import SCOPES, InPerson, Person, Seat, address_of, who
from hemosight.service.security.secrets import kept
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, sign_ins, tries, users
from hemosight.service.storage.tables import SignedIn, User

router = APIRouter(tags=["session"])
FIRST_LINK = datetime.timedelta(days=1)
"""How long the first link is good."""
_PATIENCE = 20.0
"""Seconds a try waits for the outcome of others on which it depends."""


@router.get("/session", operation_id="get_session")
def get_session(request: Request, service: Service, session: Transaction) -> SessionShown:
    """Who is signed in; answers strangers too, so that the page knows what to show them."""
    try:
        seat = who(request, session, service)
    except Refusal as refusal:
        if refusal.code != "not_signed_in":
            raise
        return _shown(session, service, None, "")
    return _shown(session, service, users.get(session, seat.user.id), seat.csrf)


@router.post("/session", operation_id="sign_in")
async def sign_in(request: Request, response: Response, service: Service, given: SignIn) -> SessionShown:
    """Sign in with name and password. Whoever gives several wrong passwords has to wait (429).

    A browser on which the name signed in before waits for its own wrong passwords only.
    """
    csrf.check_origin(request)
    users.require_local_accounts(service.settings)
    device = devices.secret_of(request, service.settings)
    async with leaving(request) as gone:
        attempt, user, known = await _try(request, service, given.name, device)
        right: bool | None = None
        try:
            # Outside of any transaction: it takes its time, and as long for a name that does not exist.
            secret = given.password.get_secret_value()
            right, renewed = await passwords.verify_later(secret, known, lambda: not gone.is_set())
        finally:
            await run_in_threadpool(_end, service, attempt, right)
    service.metrics.sign_ins.labels("right" if right else "wrong").inc()
    if not right or user is None:
        raise passwords.wrong()
    return await run_in_threadpool(_enter, request, response, service, user, known, renewed)


async def _try(request: Request, service: State, name: str, device: bytes | None) -> tuple[int, int | None, str | None]:
    """Wait until a try may be made: its number, the account of that name, and its password's hash."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        begun = await run_in_threadpool(_begin_try, service, name, address_of(request), device)
        if begun is not None:
            return begun
        if time.monotonic() > deadline:
            raise throttle.too_many(5.0)
        await asyncio.sleep(0.1)


def _begin_try(
    service: State, name: str, address: str, device: bytes | None
) -> tuple[int, int | None, str | None] | None:
    try:
        attempt = throttle.may_try(service.database, service.settings, name, address, device)
    except Refusal:
        service.metrics.sign_ins.labels("throttled").inc()
        raise
    if attempt is None:
        return None
    with service.database.session() as session:
        user = users.named(session, name)
        if user is None or not user.active:
            return attempt, None, None
        return attempt, user.id, user.password_hash


def _end(service: State, attempt: int, right: bool | None) -> None:
    with service.database.session() as session:
        tries.end(session, attempt, right=right)


def _enter(
    request: Request, response: Response, service: State, user_id: int, known: str | None, renewed: str | None
) -> SessionShown:
    with service.database.session() as session:
        user = users.with_password(session, user_id, known)
        if user is None:
            raise passwords.wrong()
        if renewed is not None:
            user.password_hash = renewed
        return begin_session(session, request, response, service, user)


@router.delete("/session", operation_id="sign_out")
def sign_out(request: Request, seat: InPerson, response: Response, service: Service) -> SignedOut:
    """Sign this browser out. The one local person of a service without login stays.

    Who came by the provider is still signed in there; `location` is where a browser ends that too.
    """
    if seat.session is None or not service.settings.login:
        return SignedOut(location=None)
    with service.database.session() as session:
        by_provider = sign_ins.came_by_provider(session, seat.session)
        sign_ins.end(session, seat.session)
        audit.note(session, seat, "session.end")
    sessions.forget(response, service.settings)
    if not by_provider or service.provider is None:
        return SignedOut(location=None)
    back = f"{sessions.public_address(request, service.settings)}/sign-in"
    return SignedOut(location=service.provider.sign_out(back))


@router.post("/first-run", operation_id="first_run", status_code=201)
def first_run(request: Request, response: Response, service: Service, given: FirstAdmin) -> SessionShown:
    """Make the first administrator with the one-time link, and sign in."""
    csrf.check_origin(request)
    users.require_local_accounts(service.settings)
    with service.database.session() as session:
        if users.an_administrator(session):
            raise Refusal(
                "in_the_way",
                expected="a service without an administrator",
                came="one that has one",
                mend="Sign in; or make another with `hemosight service admin NAME` on the server.",
            )
        if not sign_ins.use_first_run(session, kept(given.token), FIRST_LINK):
            raise NothingThere(kind="a first link that is new and unused")
        least = service.settings.password_length
        password = passwords.hashed(given.password.get_secret_value(), least)
        user = users.add(session, given.name, given.display, password, is_admin=True)
        return begin_session(session, request, response, service, user, "user.create")


def begin_session(
    session: Session,
    request: Request,
    response: Response,
    service: State,
    user: User,
    action: str = "session.begin",
    *,
    by_provider: bool = False,
) -> SessionShown:
    """Sign a browser in: cookies on the answer, a row in the trail."""
    row: SignedIn = sessions.begin(session, request, response, user, service.settings, by_provider=by_provider)
    devices.remember(session, request, response, user, service.settings)
    person = Person(user.id, user.name, user.display, user.is_admin)
    seat = Seat(person, address_of(request), frozenset(SCOPES), row.id_hash, row.csrf)
    audit.note(session, seat, action, {"user": user.id})
    return _shown(session, service, user, row.csrf)


def _shown(session: Session, service: State, user: User | None, token: str) -> SessionShown:
    login = service.settings.login
    return SessionShown(
        user=None if user is None else UserShown.model_validate(user, from_attributes=True),
        csrf=token,
        first_run=login and user is None and service.settings.local_accounts and not users.an_administrator(session),
        login=login,
        local_accounts=service.settings.local_accounts,
        provider=None if service.provider is None else service.settings.oidc_title,
        password=user is not None and user.password_hash is not None and service.settings.local_accounts,
        password_length=service.settings.password_length,
    )
