"""Builds the review desk's page into the wheel and the source distribution; a wheel without it is never made.

Run by hatchling for every build but an editable one: a checkout works without npm, and says so when the page is asked
for. Where `web/` lies beside it, the page is built anew unless it is newer than all it is made of; where `web/` is
missing (a container's stage that received the built page), the page at hand is taken.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "src/hemosight/service/static"
"""Where vite puts the page, and where the service serves it from."""
_NOT_SOURCES = {"node_modules", "openapi.json", "coverage"}
"""What lies in `web/` and does not make the page."""
_OWN = re.compile(r"""(?:src|href)=["']/([^"']+)""")
"""Files of its own that the page asks for."""
_LAST_LINES = 15


class PageNotBuilt(Exception):
    """The page cannot be built, or is not whole; the build stops."""

    def __init__(self, expected: str, came: str, mend: str) -> None:
        super().__init__(f"a HemoSight wheel holds the review desk's page: expected {expected}; {came}. {mend}")


class PageHook(BuildHookInterface):
    """The hook that `[tool.hatch.build.hooks.custom]` names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page before its files are collected."""
        if version == "editable":
            return
        try:
            ensure_page(Path(self.root))
        except PageNotBuilt as reason:
            self.app.abort(str(reason))


def ensure_page(root: Path) -> None:
    """Leave a whole page of the present sources in ``root / PAGE``, or raise :class:`PageNotBuilt`.

    A source distribution (recognised by its ``PKG-INFO``) brings the page that its release built: no npm is needed.
    """
    web, page = root / "web", root / PAGE
    if (web / "package.json").is_file() and not (_is_whole(page) and _is_newer(page, web, root)):
        _build(web)
    if missing := _missing(page):
        raise PageNotBuilt(
            expected=f"{missing[0]} in {page}",
            came=f"it is not there ({len(missing)} missing)",
            mend="Build it in a checkout, which holds web/: make page. Then build the wheel again.",
        )


def _is_newer(page: Path, web: Path, root: Path) -> bool:
    """Whether the page is of the present sources, by time of change; in a source distribution it always is."""
    if (root / "PKG-INFO").is_file():
        return True
    built = (page / "index.html").stat().st_mtime
    return all(source.stat().st_mtime <= built for source in _sources(web))


def _sources(web: Path) -> Iterator[Path]:
    """What the page is made of, with the folders: one that lost a file has changed as well."""
    for entry in web.iterdir():
        if entry.name in _NOT_SOURCES or entry.name.startswith("."):
            continue
        yield entry
        if entry.is_dir():
            yield from entry.rglob("*")


def _is_whole(page: Path) -> bool:
    return not _missing(page)


def _missing(page: Path) -> list[str]:
    """Files of the page that are not there, index.html first."""
    index = page / "index.html"
    if not index.is_file():
        return [index.name]
    return [name for name in _OWN.findall(index.read_text(encoding="utf-8")) if not (page / name).is_file()]


def _build(web: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PageNotBuilt(
            expected="npm, which builds it from web/",
            came="none is on PATH",
            mend="Install Node.js 20.19 or newer (it brings npm), or build from a source distribution.",
        )
    # The marker that npm leaves tells which lock file its modules are of.
    installed, lock = web / "node_modules" / ".package-lock.json", web / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run([npm, "ci"], web)
        os.utime(installed)
    _run([npm, "run", "build"], web)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise PageNotBuilt(
            expected=f"`npm {' '.join(command[1:])}` in {folder} to end well",
            came=f"it ended with {done.returncode}:\n"
            + "\n".join(done.stdout.strip().splitlines()[-_LAST_LINES:])
            + "\n",
            mend="Mend what it says and build again.",
        )
