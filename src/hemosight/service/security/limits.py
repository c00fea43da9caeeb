"""How many bytes a request may have: few from strangers, many from those who may upload."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hemosight.service import faults
from hemosight.service.errors import TooMuch
from hemosight.service.security.sessions import cookie_name
from hemosight.service.settings import Settings

STRANGERS = 64 << 10
"""Bytes a request without cookie or token may have: enough to sign in."""
_JSON = 32 << 20
"""Bytes of a request that is no upload of files."""


class BodyLimit:
    """ASGI middleware: ends a request as soon as it is larger than it may be, before anything is kept of it.

    The web framework reads a whole form before it asks who sent it. Whoever shows no credentials at all is stopped
    early here; whether credentials are good is decided later.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._cookie = cookie_name(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, limit = Headers(scope=scope), self._limit(Headers(scope=scope))
        refusal = faults.answer(TooMuch(limit=f"{limit:,} bytes in this request"))
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            await refusal(scope, receive, send)
            return
        came, over, begun = 0, False, False

        async def counting() -> Message:
            nonlocal came, over
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:
                over = True
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
            await refusal(scope, receive, send)

    def _limit(self, headers: Headers) -> int:
        known = "authorization" in headers or f"{self._cookie}=" in headers.get("cookie", "")
        if self._settings.login and not known:
            return STRANGERS
        files = headers.get("content-type", "").startswith("multipart/form-data")
        return self._settings.max_request_bytes if files else min(_JSON, self._settings.max_request_bytes)


class _TooMany(Exception):
    """More came than may."""
