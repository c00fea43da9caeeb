"""Under a sub-path: what a proxy serves as ``/hemosight/...`` is answered as if it stood at the root."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class SubPath:
    """ASGI middleware, met first: takes the sub-path off a request's path.

    Proxies either pass the sub-path on or take it off themselves (nginx: ``proxy_pass`` without or with a path). Both
    are answered, as are probes that come without a proxy. Everything behind sees one form, and nothing there redirects.

    Parameters
    ----------
    app
        What answers.
    root_path
        The sub-path, with a slash before and none behind.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self._root = root_path
        self._raw = root_path.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its path taken from behind the sub-path."""
        path: str = scope.get("path", "")
        if scope["type"] == "http" and (path == self._root or path.startswith(f"{self._root}/")):
            raw: bytes = scope.get("raw_path") or b""
            # As it was sent, a part of the path may be escaped where the sub-path needs none: then only `path` counts.
            rest = raw.removeprefix(self._raw) if raw.startswith(self._raw) else None
            scope = {**scope, "path": path.removeprefix(self._root) or "/", "raw_path": rest or None}
        await self.app(scope, receive, send)
