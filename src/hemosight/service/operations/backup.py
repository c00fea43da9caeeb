"""Backup and restore: one file each way, with the tools that come with the embedded PostgreSQL.

Everything a service has lies in its database, the pictures included, so a dump of it is the whole.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg.conninfo
from sqlalchemy import inspect

from hemosight.errors import PathMissing
from hemosight.service.errors import ServiceFault
from hemosight.service.storage.database import Database
from hemosight.service.storage.programs import program

_PLAIN = ("--no-owner", "--no-privileges")
"""A backup belongs to whoever restores it."""
AtWorst = Callable[[Callable[[], None]], None]
"""Takes what ends at once something that this process has started and that would outlive it."""


def backup(database: Database, file: Path, at_worst: AtWorst = lambda _: None) -> int:
    """Write everything into one compressed file, as it was at one moment, while the service runs; gives its bytes.

    The file is complete or not there at all, and nobody but its owner may read it. ``at_worst`` is given what ends
    pg_dump at once. Raises :class:`~hemosight.service.errors.ServiceFault`.
    """
    part = file.with_name(file.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(mode=0o600)
    part.chmod(0o600)
    held = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # whoever clears what a kill left sees that this one is being written
        words = ["--format=custom", "--compress=gzip:1", *_PLAIN, f"--file={part}"]
        _run("pg_dump", words, database, at_worst=at_worst)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
        os.close(held)
    return file.stat().st_size


def restore(database: Database, file: Path, at_worst: AtWorst = lambda _: None) -> None:
    """Fill an empty database from a backup, then bring its tables to this program's revision.

    All of it or nothing. ``at_worst`` is given what ends pg_restore at once. Raises
    :class:`~hemosight.errors.PathMissing`, and :class:`~hemosight.service.errors.ServiceFault` for a database that is
    not empty and where pg_restore fails.
    """
    if not file.is_file():
        raise PathMissing(path=file, cwd=Path.cwd(), what="a backup of the service")
    with database.engine.connect() as connection:
        if inspect(connection).get_table_names():
            raise ServiceFault(
                "database_not_empty",
                expected="an empty database to restore into",
                came="one that already holds the tables of a service",
                mend="Restore into another --data-dir (or an empty --database), then point the service at it.",
            )
    with file.open("rb") as held:
        _run("pg_restore", ["--single-transaction", "--exit-on-error", *_PLAIN], database, held.fileno(), at_worst)
    database.migrate()


def _run(
    tool: str,
    options: list[str],
    database: Database,
    read: int = subprocess.DEVNULL,
    at_worst: AtWorst = lambda _: None,
) -> None:
    # The address goes by the environment: everybody can read a command line.
    facts = psycopg.conninfo.conninfo_to_dict(database.dsn)
    name = str(facts.get("dbname", ""))
    variables = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "sslmode": "PGSSLMODE"}
    environment = {**os.environ, **{variables[key]: str(value) for key, value in facts.items() if key in variables}}
    command = [str(program(tool)), *options, f"--dbname={name}"]
    with subprocess.Popen(
        command, env=environment, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:

        def end() -> None:
            with suppress(OSError):
                process.kill()

        at_worst(end)
        _, said = process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or ["no word of why"]
        mend = {
            "pg_dump": "The server may be newer than this program; its own pg_dump makes a backup as well.",
            "pg_restore": "Nothing was restored. The file may be damaged, or come from a newer program.",
        }[tool]
        came = lines[-1] if tool == "pg_dump" else lines[0]
        raise ServiceFault("backup_failed", expected=f"{tool} to finish", came=came, mend=mend)
