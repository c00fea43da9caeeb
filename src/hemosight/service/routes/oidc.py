"""Signing in by an OpenID Connect provider: away to it, and back."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.oidc import OidcClient, SignInDenied, derived
from hemosight.service.routes.session import begin_session
from hemosight.service.schemas.people import ProviderAddress, ToProvider
from hemosight.service.security import csrf, oidc_accounts, sessions
from hemosight.service.security.permissions import InPerson, Seat, address_of, by_cookie
from hemosight.service.security.secrets import kept, new_secret, same
from hemosight.service.state import Service, State
from hemosight.service.storage import identities

router = APIRouter(tags=["session"])
log = structlog.get_logger()
_Word = Annotated[str, StringConstraints(max_length=4096)]


@router.post("/session/provider", operation_id="go_to_provider")
def go_to_provider(request: Request, response: Response, service: Service, given: ToProvider) -> ProviderAddress:
    """Begin to sign in by the provider: where the browser is to go, and from where it comes back."""
    csrf.check_origin(request)
    return _sent(request, response, service, given.goes_on, None)


@router.post("/account/provider", operation_id="connect_provider")
def connect_provider(request: Request, response: Response, service: Service, seat: InPerson) -> ProviderAddress:
    """Begin to connect one's account with one at the provider, to sign in by it from then on."""
    return _sent(request, response, service, "/account", seat.user.id)


@router.get("/session/provider", operation_id="come_from_provider", response_class=RedirectResponse, status_code=303)
def come_from_provider(
    request: Request, service: Service, state: _Word = "", code: _Word = "", iss: _Word = "", error: _Word = ""
) -> RedirectResponse:
    """Where the provider sends browsers back to: signs in, and goes on to the page."""
    client = _provider(service)
    came = {"code": code, "iss": iss, "error": error}
    user = None
    try:
        secret, goes_on, user = _under_way(request, service, state)
        back = _address(request, service, "/api/v1/session/provider")
        claims = client.redeem(secret, back, {name: value for name, value in came.items() if value})
        answer = RedirectResponse(_page(service, goes_on), status_code=303)
        with service.database.session() as session:
            refused = None
            try:
                if user is not None:
                    seat = _same_person(request, service, user)
                    oidc_accounts.connect(session, service.settings, claims, seat)
                else:
                    entered = oidc_accounts.enter(session, service.settings, claims, address_of(request))
                    begin_session(session, request, answer, service, entered, by_provider=True)
            except SignInDenied as fault:
                refused = fault  # what was taken from a person is kept all the same
        if refused is not None:
            raise refused
    except SignInDenied as fault:
        log.warning("oidc.refused", why=fault.why, reason=str(fault))
        service.metrics.sign_ins.labels("wrong").inc()
        place = "/sign-in" if user is None else "/account"
        answer = RedirectResponse(_page(service, f"{place}?refused={fault.why}"), status_code=303)
    else:
        service.metrics.sign_ins.labels("right").inc()
    _forget(answer, service)
    return answer


def _sent(request: Request, response: Response, service: State, goes_on: str, user: int | None) -> ProviderAddress:
    client, secret = _provider(service), new_secret()
    try:
        place = client.address(secret, _address(request, service, "/api/v1/session/provider"))
    except SignInDenied as fault:
        log.warning("oidc.refused", why=fault.why, reason=str(fault))
        raise Refusal(
            "busy",
            expected="an answer of the provider that people sign in with",
            came=str(fault),
            mend="Try again; an administrator finds more in the service's log (HEMOSIGHT_OIDC_ISSUER).",
            retry_after=10,
        ) from fault
    with service.database.session() as session:
        identities.begin(session, kept(derived(secret, "state")), goes_on, user)
    response.set_cookie(
        _cookie(service),
        secret,
        max_age=int(identities.LASTS.total_seconds()),
        path=sessions.cookie_path(service.settings),
        secure=service.settings.over_tls,
        httponly=True,
        samesite="lax",  # the provider sends the browser back by a link
    )
    return ProviderAddress(location=place)


def _under_way(request: Request, service: State, state: str) -> tuple[str, str, int | None]:
    """The browser's secret, where it goes on, and whose account is to be connected."""
    secret = request.cookies.get(_cookie(service), "")
    if not secret or not same(state, derived(secret, "state")):
        raise SignInDenied("again", "an answer that this browser did not ask for")
    with service.database.session() as session:
        found = identities.use(session, kept(state))
    if found is None:
        raise SignInDenied("again", "an answer that came before, or too late")
    return secret, *found


def _same_person(request: Request, service: State, user: int) -> Seat:
    """Whoever is signed in, if it is still who began. Another page has no part in it: the state is this browser's."""
    try:
        with service.database.session() as session:
            seat = by_cookie(request, session, service)
    except Refusal as refusal:
        raise SignInDenied("again", "nobody is signed in any more") from refusal
    if seat.user.id != user or seat.session is None:
        raise SignInDenied("again", "somebody else is signed in by now")
    return seat


def _provider(service: State) -> OidcClient:
    if service.provider is None or not service.settings.login:
        raise NothingThere(kind="a provider to sign in with")
    return service.provider


def _cookie(service: State) -> str:
    return f"{sessions.cookie_name(service.settings)}-provider"


def _forget(answer: Response, service: State) -> None:
    settings = service.settings
    path = sessions.cookie_path(settings)
    answer.delete_cookie(_cookie(service), path=path, secure=settings.over_tls, httponly=True, samesite="lax")


def _page(service: State, path: str) -> str:
    return f"{service.settings.root_path}{path}"


def _address(request: Request, service: State, path: str) -> str:
    return sessions.public_address(request, service.settings) + path
