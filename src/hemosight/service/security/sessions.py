"""A browser's session: a random secret in a cookie, its hash and its facts in the database."""

from __future__ import annotations

import datetime

from fastapi import Request, Response
from sqlalchemy.orm import Session

from hemosight.service.security.secrets import kept, new_secret
from hemosight.service.settings import Settings
from hemosight.service.storage import sign_ins
from hemosight.service.storage.tables import SignedIn, User

_FOREVER = datetime.timedelta(days=36500)
_LOCAL_AGENT = "no login"


def cookie_name(settings: Settings) -> str:
    """The cookie's name; behind TLS the prefix makes browsers refuse one set by a neighbour or without TLS."""
    return "__Host-hemosight" if settings.behind_tls else "hemosight"


def idle(settings: Settings) -> datetime.timedelta:
    """How long a session lasts without a request."""
    return datetime.timedelta(hours=settings.session_idle_hours)


def secret_of(request: Request, settings: Settings) -> str | None:
    """What the browser's cookie holds."""
    return request.cookies.get(cookie_name(settings))


def begin(session: Session, request: Request, response: Response, user: User, settings: Settings) -> SignedIn:
    """Sign a browser in under a new secret; what it had before, it has no longer."""
    before = secret_of(request, settings)
    if before is not None:
        sign_ins.end(session, kept(before))
    secret = new_secret()
    lasts = datetime.timedelta(days=settings.session_days)
    agent = request.headers.get("user-agent", "")
    row = sign_ins.start(session, user.id, kept(secret), new_secret(), lasts, agent)
    response.set_cookie(
        cookie_name(settings),
        secret,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=settings.behind_tls,
        httponly=True,
        samesite="lax",
    )
    return row


def forget(response: Response, settings: Settings) -> None:
    """Take the cookie back."""
    response.delete_cookie(cookie_name(settings), path="/", secure=settings.behind_tls, httponly=True, samesite="lax")


def local(session: Session, user: User) -> SignedIn:
    """The standing session of a service without login; nobody knows its secret, so no cookie can claim it."""
    for row in sign_ins.browsers(session, user.id):
        if row.agent == _LOCAL_AGENT:
            return row
    return sign_ins.start(session, user.id, kept(new_secret()), new_secret(), _FOREVER, _LOCAL_AGENT)
