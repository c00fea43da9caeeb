"""Signing in and out, and the first administrator."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from hemosight.service.errors import InTheWay, NothingThere, NotSignedIn, TooManyTries, WrongPassword
from hemosight.service.schemas.people import FirstAdmin, SessionShown, SignIn, UserShown
from hemosight.service.security import csrf, passwords, sessions
from hemosight.service.security.permissions import SCOPES, InPerson, Person, Seat, address_of, who
from hemosight.service.security.secrets import kept
from hemosight.service.security.throttle import Rule
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, sign_ins, users
from hemosight.service.storage.tables import SignedIn, User

router = APIRouter(tags=["session"])
FIRST_LINK = datetime.timedelta(days=1)
"""How long the first link is good."""


@router.get("/session", operation_id="get_session")
def get_session(request: Request, service: Service, session: Transaction) -> SessionShown:
    """Who is signed in; answers strangers too, so that the page knows what to show them."""
    try:
        seat = who(request, session, service)
    except NotSignedIn:
        return _shown(session, service, None, "")
    return _shown(session, service, users.get(session, seat.user.id), seat.csrf)


@router.post("/session", operation_id="sign_in")
def sign_in(request: Request, response: Response, service: Service, given: SignIn) -> SessionShown:
    """Sign in with name and password. After several wrong passwords a name, and an address, has to wait (429)."""
    csrf.check_origin(request)
    address = address_of(request)
    with service.database.session() as session:
        attempt = _may_try(session, service, given.name, address)
        user = users.named(session, given.name)
        known = user.password_hash if user is not None and user.active else None
    # Outside of the transaction: it takes its time, and as long for a name that does not exist.
    right, renewed = passwords.verify(given.password.get_secret_value(), known)
    service.metrics.sign_ins.labels("right" if right else "wrong").inc()
    if not right or user is None:
        raise WrongPassword
    with service.database.session() as session:
        sign_ins.note_right(session, attempt)
        user = users.get(session, user.id)
        if renewed is not None:
            user.password_hash = renewed
        return _begin(session, request, response, service, user, "session.begin")


@router.delete("/session", operation_id="sign_out", status_code=204)
def sign_out(seat: InPerson, response: Response, service: Service, session: Transaction) -> None:
    """Sign this browser out. The one local person of a service without login stays."""
    if seat.session is None or not service.settings.login:
        return
    sign_ins.end(session, seat.session)
    audit.note(session, seat, "session.end")
    sessions.forget(response, service.settings)


@router.post("/first-run", operation_id="first_run", status_code=201)
def first_run(request: Request, response: Response, service: Service, given: FirstAdmin) -> SessionShown:
    """Make the first administrator with the one-time link, and sign in."""
    csrf.check_origin(request)
    with service.database.session() as session:
        if users.an_administrator(session):
            raise InTheWay(
                expected="a service without an administrator",
                came="one that has one",
                mend="Sign in; or make another with `hemosight service admin NAME` on the server.",
            )
        if not sign_ins.use_first_run(session, kept(given.token), FIRST_LINK):
            raise NothingThere(kind="a first link that is new and unused")
        least = service.settings.password_length
        password = passwords.hashed(given.password.get_secret_value(), least)
        user = users.add(session, given.name, given.display, password, is_admin=True)
        return _begin(session, request, response, service, user, "user.create")


def _may_try(session: Session, service: State, name: str, address: str) -> int:
    settings, moment = service.settings, sign_ins.now()
    since = moment - datetime.timedelta(seconds=max(3600.0, 2 * settings.login_wait))
    sign_ins.take_turn(session, name)
    mine = sign_ins.wrong_for_name(session, name, since)
    here = sign_ins.wrong_from_address(session, address, since)
    wait = max(
        Rule(settings.login_tries, settings.login_wait).wait(mine.count, mine.last, moment),
        Rule(settings.login_tries_address, settings.login_wait).wait(here.count, here.last, moment),
    )
    if wait > 0:
        service.metrics.sign_ins.labels("throttled").inc()
        raise TooManyTries(seconds=max(1.0, wait))
    return sign_ins.note_try(session, name, address)


def _begin(
    session: Session, request: Request, response: Response, service: State, user: User, action: str
) -> SessionShown:
    row: SignedIn = sessions.begin(session, request, response, user, service.settings)
    person = Person(user.id, user.name, user.display, user.is_admin)
    seat = Seat(person, address_of(request), frozenset(SCOPES), row.id_hash, row.csrf)
    audit.note(session, seat, action, {"user": user.id})
    return _shown(session, service, user, row.csrf)


def _shown(session: Session, service: State, user: User | None, token: str) -> SessionShown:
    login = service.settings.login
    return SessionShown(
        user=None if user is None else UserShown.model_validate(user, from_attributes=True),
        csrf=token,
        first_run=login and user is None and not users.an_administrator(session),
        login=login,
        password_length=service.settings.password_length,
    )
