"""Requests that another page sent in a person's name: told by their origin, and by the lack of a token.

A browser adds the session's cookie to every request, whoever made it. Only our own page can read the token, and only
it may set a header.
"""

from __future__ import annotations

from fastapi import Request

from hemosight.service.errors import Refusal
from hemosight.service.security.headers import host_name
from hemosight.service.security.secrets import same

HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_origin(request: Request) -> None:
    """Refuse a request whose browser says that it comes from elsewhere; programs say nothing.

    A page elsewhere may not even read: an export leaves its mark in the trail, and costs work. From another page of the
    same site reading is let through.

    Raises :class:`~hemosight.service.errors.Refusal`.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise _foreign("its Sec-Fetch-Site header", "one from another page")
    if request.method in SAFE:
        return
    origin = request.headers.get("origin")
    if origin is not None and _authority(origin) != _authority(f"//{request.headers.get('host', '')}"):
        raise _foreign("its Origin header", "one from another page")
    if request.headers.get("sec-fetch-site") == "same-site":
        raise _foreign("its Sec-Fetch-Site header", "one from another page")


def check_token(request: Request, expected: str) -> None:
    """Refuse an unsafe request without the token of its session.

    Raises :class:`~hemosight.service.errors.Refusal`.
    """
    if request.method in SAFE:
        return
    came = request.headers.get(HEADER)
    if came is None or not same(came, expected):
        raise _foreign(f"its {HEADER} header", "no token" if came is None else "another token")


def _foreign(part: str, came: str) -> Refusal:
    return Refusal(
        "foreign_request",
        expected=f"a request from HemoSight's own page ({part})",
        came=came,
        mend="Read the token from GET /api/v1/session and send it as X-CSRF-Token; programs use API tokens instead.",
    )


def _authority(origin: str) -> tuple[str, str]:
    """Host and port as written; a port left away stays away on both sides."""
    _, _, rest = origin.partition("//")
    _, colon, port = rest.rpartition(":")
    return host_name(origin), port if colon and port.isdigit() else ""
