"""The page: built files from ``static/``, and index.html for every address that the page itself understands."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

STATIC = Path(__file__).with_name("static")
_HASHED = re.compile(r"-[\w-]{8,}\.\w+(\.map)?$")
"""How the build names a file whose name changes with its content."""
_ROOT = re.compile(r'(<meta name="hemosight-root" content=")[^"]*')
"""Where the page is told the sub-path that all its addresses stand under."""
_RELATIVE = re.compile(r'(\b(?:href|src)=")\./')
"""How the build names the page's own files."""
_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>HemoSight</title>
<h1>The page is not built</h1>
<p>The service runs and its API answers; see <a href="{root}/api/openapi.json">{root}/api/openapi.json</a>.</p>
<p>An installed HemoSight brings the page along. In a checkout, build it:
<code>npm --prefix web ci &amp;&amp; npm --prefix web run build</code>, then load this page again.</p>
</html>
"""


def install(app: FastAPI, static: Path = STATIC, root_path: str = "") -> None:
    """Serve the built page under every address that no other route has taken.

    ``root_path`` is the sub-path that browsers see it under. The page is built without knowing it: its files are named
    relative to the root, which an address such as ``/projects/7`` could not find, so index.html gets their full paths.
    """
    root = static.resolve()

    @app.get("/{path:path}", include_in_schema=False)
    def page(request: Request, path: str) -> Response:
        """A file of the page, or the page."""
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404)
        file = _file(root, path)
        if file is not None:
            cached = _FOR_EVER if _HASHED.search(file.name) else "no-cache"
            return FileResponse(file, headers={"Cache-Control": cached})
        if path.startswith("assets/"):
            raise HTTPException(404)  # not the page: a stale script would be read as HTML
        index = root / "index.html"
        if index.is_file():
            text = _placed(index.read_text(encoding="utf-8"), root_path)
            return HTMLResponse(text, headers={"Cache-Control": "no-cache"})
        return HTMLResponse(_NOT_BUILT.replace("{root}", root_path), 503)


def _placed(index: str, root_path: str) -> str:
    """index.html with the addresses of its files, and the sub-path where the page reads it."""
    return _RELATIVE.sub(rf"\g<1>{root_path}/", _ROOT.sub(rf"\g<1>{root_path}", index))


def _file(root: Path, path: str) -> Path | None:
    """The file of that name inside the folder; None for anything that leads out of it."""
    try:
        file = (root / path).resolve()
        return file if path and file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None
