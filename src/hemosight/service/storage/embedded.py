"""PostgreSQL without an installation: the server inside the wheel, in a data directory of ours, kept alive.

The server outlives a process that is killed: whoever starts next finds it running and goes on. It stops when the last
process that holds it ends in good order. When the server itself ends, by a kill or a full disk, those who hold it
start it again until that works.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import structlog

from hemosight.service.errors import ServiceFault
from hemosight.service.storage.cluster import Cluster, dsn, will_not_start
from hemosight.service.storage.holding import Holding, turn, usable
from hemosight.service.storage.programs import VERSION, VERSIONS

log = structlog.get_logger()
NAME = "hemosight"
"""The database in it."""
FOLDER = "postgres"
"""The cluster's folder in the data directory."""
JOURNAL = "postgres.upgrade"
"""A file that says, while an upgrade changes folders, which new cluster takes the place."""
_PATIENCE = 120.0
"""Seconds a server may take to recover from a crash before we give up on it."""
_LOOK = 0.5
"""Seconds between two looks at the server; up to :data:`_LONGEST` while it does not start."""
_LONGEST = 5.0


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/hemosight``; where nobody chose ``~/.local/share/hemosight``, and root's ``/var/lib/hemosight``.

    Started by root, the server runs as another account, which must be able to pass every folder above its data: that
    must not happen to root's home.
    """
    home = os.environ.get("XDG_DATA_HOME")
    if not home and hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/hemosight")
    return (Path(home) if home else Path.home() / ".local" / "share") / "hemosight"


@contextmanager
def embedded(
    data_dir: Path | None = None,
    *,
    after: Literal["stop", "delete"] | None = "stop",
    stop_seconds: Callable[[], float] = lambda: 60.0,
    at_worst: Callable[[Callable[[], None]], None] = lambda _: None,
) -> Generator[str]:
    """Start (or find) the server of a data directory; gives the DSN of its database ``hemosight``.

    Parameters
    ----------
    data_dir
        Where the cluster lies, in its folder ``postgres``; :func:`default_data_dir` where None.
    after
        What happens to the server when the last holder leaves; None lets it run.
    stop_seconds
        Asked when the last holder leaves: how long the server may take to stop in good order.
    at_worst
        Given a function that stops the server within two seconds, for a process that is about to end itself.

    Raises :class:`~hemosight.service.errors.ServiceFault`.
    """
    folder = usable(data_dir or default_data_dir())
    cluster, holding = Cluster(folder / FOLDER), Holding(folder)
    with turn(folder):
        _settle(folder, cluster)
        cluster.make()
        holding.take()
        try:
            sockets = _answering(cluster)
        except BaseException:
            _leave(cluster, holding, after, stop_seconds())
            raise
    keeper = Keeper(folder, cluster, sockets)
    keeper.start()

    def end_by_force() -> None:
        # Stopping in order may have begun already, and not come to an end.
        if (holding.leave() or holding.was_last) and after is not None:
            cluster.stop(1.5, at_once=True)

    at_worst(end_by_force)
    try:
        yield dsn(sockets, NAME)
    finally:
        keeper.end()
        with turn(folder):
            _leave(cluster, holding, after, stop_seconds())


def _leave(cluster: Cluster, holding: Holding, after: str | None, seconds: float) -> None:
    if not holding.leave() or after is None:
        return
    cluster.stop(seconds)
    if after == "delete":
        shutil.rmtree(cluster.folder, ignore_errors=True)


def finish_upgrade(folder: Path) -> None:
    """Put the upgraded cluster that the journal of a data directory names in the old one's place, if that is free.

    Raises ``OSError``, ``ValueError`` or ``KeyError`` where there is no journal that can be read.
    """
    new = folder / json.loads((folder / JOURNAL).read_text())["new"]
    if not (folder / FOLDER).exists() and new.is_dir():
        new.rename(folder / FOLDER)


def _settle(folder: Path, cluster: Cluster) -> None:
    """End an upgrade that was killed between two folders; refuse a cluster of another version."""
    with suppress(OSError, ValueError, KeyError):
        finish_upgrade(folder)
    if cluster.folder.exists() and not cluster.folder.is_dir():
        raise ServiceFault(
            "data_dir_unusable",
            expected=f"a folder {cluster.folder}",
            came="a file in its place",
            mend="Move the file away, or choose another --data-dir.",
        )
    found = cluster.found_version()
    if found is None or found == VERSION:
        return
    if found in VERSIONS:
        raise ServiceFault(
            "database_older",
            expected=f"a data folder of PostgreSQL {VERSION} in {cluster.folder}",
            came=f"one of PostgreSQL {found}",
            mend=f"Run `hemosight service upgrade --data-dir {folder}` once; the old folder is kept.",
        )
    way = (
        "Update HemoSight: a newer one has used this folder."
        if found > VERSION
        else "Start it with the HemoSight that made it, `hemosight service backup`, then restore that with this one."
    )
    raise ServiceFault(
        "database_newer" if found > VERSION else "database_older",
        expected=f"a data folder of PostgreSQL {VERSION} in {cluster.folder}",
        came=f"one of PostgreSQL {found}",
        mend=way,
    )


def _answering(cluster: Cluster) -> Path:
    """Start the server, or find it, until its database answers; gives the folder of its socket.

    A server that was told to stop a moment ago still says that it is ready: then it is waited for, and started.
    """
    import psycopg

    deadline = time.monotonic() + _PATIENCE
    while True:
        sockets = cluster.start(_PATIENCE).sockets
        try:
            _ensure_database(dsn(sockets, "postgres"))
            return sockets
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise will_not_start(cluster.folder, " ".join(str(error).split())) from error
            time.sleep(0.2)


def _ensure_database(address: str) -> None:
    import psycopg
    import psycopg.sql

    with psycopg.connect(address, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
        if known is None:
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(NAME)))


class Keeper(threading.Thread):
    """Looks after the server while this process holds it, and starts it again where it has ended."""

    def __init__(self, folder: Path, cluster: Cluster, sockets: Path) -> None:
        super().__init__(name="postgres-keeper", daemon=True)
        self._folder = folder
        self._cluster = cluster
        self._sockets = sockets
        self._ended = threading.Event()

    def run(self) -> None:
        """Look, and start, until told to end."""
        pause = _LOOK
        while not self._ended.wait(pause):
            if self._cluster.postmaster() is not None:
                pause = _LOOK
                continue
            try:
                with turn(self._folder):
                    if self._ended.is_set():
                        return
                    self._cluster.start(_PATIENCE, self._sockets)
                log.warning("database_restarted")
                pause = _LOOK
            except Exception as error:  # whatever it is, the next try may find it mended
                log.error("database_does_not_start", again_in=pause, kind=type(error).__name__)
                pause = min(2 * pause, _LONGEST)

    def end(self) -> None:
        """Look no more. A start that is under way is waited for by whoever stops the server: it has the turn."""
        self._ended.set()
