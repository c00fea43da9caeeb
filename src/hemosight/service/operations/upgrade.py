"""From an older PostgreSQL to the one that comes with this program: dump, restore, compare, change places.

The old folder is read and kept. Killed at any moment, the data directory holds either the old cluster in its place or
the new one, proven; one rename between them is finished by whoever starts next.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import psycopg.sql

from hemosight.service.errors import ServiceFault
from hemosight.service.storage.cluster import PORT, Cluster, dsn
from hemosight.service.storage.embedded import FOLDER, JOURNAL, NAME, default_data_dir, finish_upgrade
from hemosight.service.storage.holding import Holding, turn, usable
from hemosight.service.storage.programs import VERSION, VERSIONS, program

UPGRADED = f"{FOLDER}.upgraded"
"""Where the new cluster is made."""
DUMP = f"{FOLDER}.upgrade.dump"
_PATIENCE = 600.0
Say = Callable[[str], None]
Contents = dict[str, tuple[int, str]]
"""Of every table: its rows, and a sum over their contents; of every sequence: its last value."""


def upgrade(data_dir: Path | None, say: Say) -> Path | None:
    """Move a data directory to the PostgreSQL of this program; gives where the old cluster is kept, if it moved one.

    Raises :class:`~hemosight.service.errors.ServiceFault` where a process uses it, where its PostgreSQL did not come
    with any HemoSight, where there is no room, and where the copy is not the same as the original.
    """
    folder = usable(data_dir or default_data_dir())
    with turn(folder), _alone(folder):
        found = Cluster(folder / FOLDER).found_version()
        if found is None and (folder / JOURNAL).exists():
            finish_upgrade(folder)
            found = Cluster(folder / FOLDER).found_version()
        if found == VERSION:
            _tidy(folder)
            say(f"{folder} is one of PostgreSQL {VERSION}: nothing to do")
            return None
        if found not in VERSIONS:
            raise _failed(
                f"a data folder of PostgreSQL {' or '.join(map(str, VERSIONS))} in {folder / FOLDER}",
                "none" if found is None else f"one of PostgreSQL {found}",
                "Check --data-dir.",
            )
        return _upgrade(folder, found, say)


def _upgrade(folder: Path, version: int, say: Say) -> Path:
    old, new = Cluster(folder / FOLDER, version), Cluster(folder / UPGRADED)
    _tidy(folder)
    _room(folder, old)
    with _running(old) as source:
        before = contents(source)
        say(f"PostgreSQL {version}: {sum(rows for rows, _ in before.values()):,} rows in {len(before)} tables")
        dump = folder / DUMP
        dump.touch(mode=0o600)
        _run("pg_dump", "--format=custom", "--compress=gzip:1", f"--file={dump}", f"--dbname={source}")
    new.make()
    with _running(new) as server:
        with psycopg.connect(server.replace(f"/{NAME}?", "/postgres?"), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(NAME)))
        _run("pg_restore", "--single-transaction", "--exit-on-error", f"--dbname={server}", f"{dump}")
        after = contents(server)
    if differing := sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
        raise _failed(
            f"the same rows in PostgreSQL {VERSION} as in {version}",
            f"others in {', '.join(differing)}",
            f"Nothing was changed; {folder / UPGRADED} may be removed. Report it with the tables' names.",
        )
    kept = _free_name(folder, version)
    journal = folder / JOURNAL
    with journal.open("w") as file:
        json.dump({"new": UPGRADED, "kept": kept.name}, file)
        file.flush()
        os.fsync(file.fileno())
    old.folder.rename(kept)
    finish_upgrade(folder)
    _tidy(folder)
    say(f"PostgreSQL {VERSION}: the same rows; the old folder is kept as {kept}")
    return kept


def _tidy(folder: Path) -> None:
    """Remove what an upgrade that was killed, or has ended, leaves."""
    Cluster(folder / UPGRADED).stop(5.0)
    shutil.rmtree(folder / UPGRADED, ignore_errors=True)
    for name in (JOURNAL, DUMP):
        (folder / name).unlink(missing_ok=True)


def contents(address: str) -> Contents:
    """What a database holds: of every table the number of rows and a sum over all of their values."""
    found: Contents = {}
    with psycopg.connect(address) as connection:
        # Texts of values must be the same on both sides.
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET bytea_output = 'hex'")
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            query = psycopg.sql.SQL(
                "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t"
            ).format(psycopg.sql.Identifier(schema, table))
            row = connection.execute(query).fetchone()
            assert row is not None  # noqa: S101 -- an aggregate has a row
            found[f"{schema}.{table}"] = (row[0], row[1])
        for name, last in connection.execute("SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences"):
            found[f"sequence {name}"] = (0, str(last))
    return found


@contextmanager
def _running(cluster: Cluster) -> Generator[str]:
    server = cluster.start(_PATIENCE)
    try:
        yield dsn(server.sockets, NAME)
    finally:
        cluster.stop(120.0)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    holding = Holding(folder)
    holding.take()
    if not holding.leave():
        raise _failed(
            f"nobody to use {folder}",
            "a running HemoSight",
            "Stop `hemosight serve` and its workers first (Ctrl-C, or SIGTERM).",
        )
    yield


def _room(folder: Path, old: Cluster) -> None:
    size = sum(file.stat().st_size for file in (old.folder / "base").rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free
    if free < 2 * size:
        raise _failed(
            f"{2 * size / 1e6:,.0f} MB free at {folder}, twice what the data take",
            f"{free / 1e6:,.0f} MB",
            "Make room, then run it again.",
        )


def _free_name(folder: Path, version: int) -> Path:
    for number in range(1, 1000):
        kept = folder / (f"{FOLDER}-{version}" + (f"-{number}" if number > 1 else ""))
        if not kept.exists():
            return kept
    raise _failed("a free name for the old folder", "a thousand of them", f"Remove some of {folder / FOLDER}-*.")


def _run(tool: str, *words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["PGPORT"] = str(PORT)
    done = subprocess.run(
        [str(program(tool)), *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no word of why"]
        raise _failed(
            f"{tool} to finish", said[0], "Nothing was changed. Where the disk is full, make room; then run it again."
        )


def _failed(expected: str, came: str, mend: str) -> ServiceFault:
    return ServiceFault("upgrade_failed", expected=expected, came=came, mend=mend)
