"""A browser's session: a random secret in a cookie, its hash and its facts in the database."""

from __future__ import annotations

import datetime

from fastapi import Request, Response
from sqlalchemy.orm import Session

from hemosight.service.security.secrets import kept, new_secret
from hemosight.service.settings import Settings
from hemosight.service.storage import sign_ins, users
from hemosight.service.storage.tables import SignedIn, User

_FOREVER = datetime.timedelta(days=36500)
_LOCAL_AGENT = "no login"


def cookie_name(settings: Settings) -> str:
    """The cookie's name; behind TLS the prefix makes browsers refuse one set by a neighbour or without TLS.

    Under a sub-path the name holds the path: two services of one host never take each other's cookie. Browsers accept
    the stronger prefix ``__Host-`` for the path ``/`` alone.
    """
    if not settings.root_path:
        return "__Host-hemosight" if settings.over_tls else "hemosight"
    return f"{'__Secure-' if settings.over_tls else ''}hemosight{settings.root_path.replace('/', '~')}"


def cookie_path(settings: Settings) -> str:
    """Where browsers send the cookie: to HemoSight alone, not to its neighbours on the same host."""
    return settings.root_path or "/"


def idle(settings: Settings) -> datetime.timedelta:
    """How long a session lasts without a request."""
    return datetime.timedelta(hours=settings.session_idle_hours)


def secret_of(request: Request, settings: Settings) -> str | None:
    """What the browser's cookie holds."""
    return request.cookies.get(cookie_name(settings))


def public_address(request: Request, settings: Settings) -> str:
    """Where browsers find HemoSight, without a slash at its end: as it is set, or as this request came."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.over_tls else request.url.scheme
    return f"{scheme}://{request.headers.get('host', '')}{settings.root_path}"


def begin(
    session: Session,
    request: Request,
    response: Response,
    user: User,
    settings: Settings,
    *,
    by_provider: bool = False,
) -> SignedIn:
    """Sign a browser in under a new secret; what it had before, it has no longer."""
    before = secret_of(request, settings)
    if before is not None:
        sign_ins.end(session, kept(before))
    secret = new_secret()
    lasts = datetime.timedelta(days=settings.session_days)
    agent = request.headers.get("user-agent", "")
    row = sign_ins.start(session, user.id, kept(secret), new_secret(), lasts, agent)
    row.by_provider = by_provider
    response.set_cookie(
        cookie_name(settings),
        secret,
        max_age=int(lasts.total_seconds()),
        path=cookie_path(settings),
        secure=settings.over_tls,
        httponly=True,
        samesite="lax",
    )
    return row


def forget(response: Response, settings: Settings) -> None:
    """Take the cookie back."""
    name, path = cookie_name(settings), cookie_path(settings)
    response.delete_cookie(name, path=path, secure=settings.over_tls, httponly=True, samesite="lax")


def local(session: Session) -> tuple[SignedIn, User]:
    """The standing session of a service without login; nobody knows its secret, so no cookie can claim it."""
    found = sign_ins.browser_of(session, users.LOCAL, _LOCAL_AGENT)
    if found is None:
        user = users.local(session)
        found = sign_ins.start(session, user.id, kept(new_secret()), new_secret(), _FOREVER, _LOCAL_AGENT), user
    return found
