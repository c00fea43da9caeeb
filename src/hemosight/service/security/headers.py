"""What every answer tells the browser, and which hosts are answered at all."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hemosight.service import faults
from hemosight.service.errors import Refusal
from hemosight.service.settings import Settings, is_loopback

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Charts and WebGL canvases set style attributes; no style can run a program.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Scripts come from here and from files only: no inline script, no ``eval``, nothing from elsewhere."""

_FIXED = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_PROBES = {"/healthz", "/readyz"}


class Guard:
    """ASGI middleware: security headers on every answer; requests addressed to other hosts are refused.

    A page elsewhere can make a name of its own point at 127.0.0.1 (DNS rebinding) and then read what we answer; the
    Host header gives it away.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.fixed = dict(_FIXED)
        # Not for this machine alone: a browser would then ask every other service on "localhost" over https.
        if settings.over_tls and (settings.behind_tls or not settings.loopback):
            self.fixed["Strict-Transport-Security"] = "max-age=31536000"
        self._names = frozenset(name.lower() for name in settings.allowed_hosts)
        self._local = settings.loopback
        self._all = not self._local and not self._names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.fixed.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if not self.answers(Headers(scope=scope).get("host", "")) and scope["path"] not in _PROBES:
            refusal = Refusal(
                "foreign_host",
                expected=f"a request addressed to {', '.join(self._shown())}",
                came="one addressed to another host",
                mend="Open the address that `hemosight serve` printed, or add the name to HEMOSIGHT_ALLOWED_HOSTS.",
            )
            await faults.answer(refusal)(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def answers(self, host: str) -> bool:
        """Whether a request with this Host header is for us."""
        if self._all:
            return True
        name = host_name(host)
        return name in self._names or (self._local and is_loopback(name))

    def _shown(self) -> Iterable[str]:
        return [*sorted(self._names), *(["localhost", "127.0.0.1"] if self._local else [])]


def host_name(host: str) -> str:
    """The name in a Host header or an origin, without port and brackets, in small letters; empty where unreadable."""
    try:
        return urlsplit(host if "//" in host else f"//{host}").hostname or ""
    except ValueError:
        return ""
