"""Browsers on which a person signed in before: a random secret in a cookie that outlives the session.

It opens nothing. Whoever has it is judged by their own wrong passwords, and not by those of strangers.
"""

from __future__ import annotations

import datetime

from fastapi import Request, Response
from sqlalchemy.orm import Session

from hemosight.service.security import sessions
from hemosight.service.security.secrets import kept, new_secret
from hemosight.service.settings import Settings
from hemosight.service.storage import tries
from hemosight.service.storage.tables import User

_LASTS = datetime.timedelta(days=180)


def _name(settings: Settings) -> str:
    return f"{sessions.cookie_name(settings)}-device"


def secret_of(request: Request, settings: Settings) -> bytes | None:
    """What the database would hold of the browser's secret."""
    secret = request.cookies.get(_name(settings))
    return None if secret is None else kept(secret)


def remember(session: Session, request: Request, response: Response, user: User, settings: Settings) -> None:
    """Note that a person has signed in on this browser. One that several people use keeps its secret."""
    secret = request.cookies.get(_name(settings), "")
    if not tries.is_device(session, kept(secret)):
        secret = new_secret()  # not one that somebody else may have put there
    tries.remember(session, user.id, kept(secret))
    response.set_cookie(
        _name(settings),
        secret,
        max_age=int(_LASTS.total_seconds()),
        path=sessions.cookie_path(settings),
        secure=settings.over_tls,
        httponly=True,
        samesite="lax",
    )
