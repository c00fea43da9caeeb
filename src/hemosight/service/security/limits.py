"""How much a request may hold: little from strangers, much from those who may upload; counted before it is parsed."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hemosight.errors import HemoSightError
from hemosight.service import faults
from hemosight.service.errors import Refusal
from hemosight.service.security import sessions
from hemosight.service.security.secrets import kept
from hemosight.service.settings import Settings
from hemosight.service.storage import sign_ins
from hemosight.service.storage.database import Database

STRANGERS = 64 << 10
"""Bytes a request may have before anybody looks who sent it: enough to sign in, and for a day's labels."""
_JSON = 4 << 20
"""Bytes of a request that is no upload of files: a hundred times what the page ever sends."""
OPENINGS = 100_000
"""Brackets that such a request may open: each costs the parser an object of a hundred bytes, and its time."""
_FILES = re.compile(r"/api/v1/projects/\d+/uploads/\d+/(files|fields)/?$")
"""The addresses that take files."""


class BodyLimit:
    """ASGI middleware: ends a request as soon as it holds more than it may, before anything is kept of it.

    The web framework reads a whole body, and parses it, before it asks who sent it. So whoever sends more than a
    stranger may is asked here: a cookie or a token that nobody was given is worth nothing.
    """

    def __init__(self, app: ASGIApp, settings: Settings, database: Database) -> None:
        self.app = app
        self._settings = settings
        self._database = database
        self._cookie = sessions.cookie_name(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        files = bool(_FILES.search(scope["path"])) and headers.get("content-type", "").startswith("multipart/form-data")
        most = self._settings.max_request_bytes if files else min(_JSON, self._settings.max_request_bytes)
        declared = headers.get("content-length", "0")
        limit = min(STRANGERS, most)
        if not (declared.isascii() and declared.isdigit()) or int(declared) > most:
            await _refusal(most)(scope, receive, send)
            return
        if int(declared) > limit:
            if not await self._known(headers):
                await _refusal(limit)(scope, receive, send)
                return
            limit = most
        came, opened, over, begun = 0, 0, "", False

        async def counting() -> Message:
            nonlocal came, opened, over, limit
            message = await receive()
            body = message.get("body", b"")
            came += len(body)
            if came > limit and limit < most and await self._known(headers):
                limit = most
            if came > limit:
                over = f"at most {limit:,} bytes in this request"
                raise _TooMany
            if not files:
                opened += body.count(b"[") + body.count(b"{")
                if opened > OPENINGS:
                    over = f"at most {OPENINGS:,} lists and objects in this request"
                    raise _TooMany
            return message

        async def noting(message: Message) -> None:
            nonlocal begun
            # Whatever the application makes of a body that broke off, the answer is ours, unless one was under way.
            if begun or not over:
                begun = True
                await send(message)

        try:
            await self.app(scope, counting, noting)
        except _TooMany:
            if begun:
                raise
        if over and not begun:
            await faults.answer(_too_much(over))(scope, receive, send)

    async def _known(self, headers: Headers) -> bool:
        """Whether somebody who is known sends it."""
        if not self._settings.login:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        secret = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        if not token and not secret:
            return False
        return await run_in_threadpool(self._look_up, token.strip() if scheme.lower() == "bearer" else "", secret)

    def _look_up(self, token: str, secret: str | None) -> bool:
        try:
            with self._database.session() as session:
                if token:
                    return sign_ins.program(session, kept(token)) is not None
                idle = sessions.idle(self._settings)
                return secret is not None and sign_ins.browser(session, kept(secret), idle) is not None
        except HemoSightError:
            return True  # the database is away: the route says so, and keeps nothing


def _refusal(limit: int) -> ASGIApp:
    return faults.answer(_too_much(f"at most {limit:,} bytes in this request"))


def _too_much(expected: str) -> Refusal:
    return Refusal("too_much", expected=expected, came="more", mend="Send less at a time; large ones after signing in.")


class _TooMany(Exception):
    """More came than may."""
