"""One embedded PostgreSQL for the whole run; every test module, or test, gets a migrated database of its own."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import make_url

from hemosight.images.synthetic import DrawnCell, slide
from hemosight.service.security import passwords
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import NAME, embedded

HERE = Path(__file__).parent
# Accounts come and go by the hundred here; what a password costs in earnest is the attacks' and the sessions' to show.
passwords.HASHING = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
MakeDatabase = Callable[..., AbstractContextManager[Database]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a PostgreSQL, so that the quick run can leave it out."""
    for item in items:
        if HERE in item.path.parents and (
            "postgres" in getattr(item, "fixturenames", ()) or "embedded" in item.path.stem
        ):
            item.add_marker("service")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """DSN of a running server whose database is migrated and stays empty."""
    # A short path: PostgreSQL's socket lies in it, and sockets have short names.
    folder = Path(tempfile.mkdtemp(prefix="hemosight-"))
    try:
        with embedded(folder, after="stop") as dsn:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for setting in ("fsync", "full_page_writes"):  # these databases live for seconds
                    connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
                connection.execute("SELECT pg_reload_conf()")
            database = Database(dsn, pool=2)
            database.migrate()
            database.close()
            yield dsn
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(postgres: str) -> MakeDatabase:
    """Call it in a ``with`` block for a database of one's own; ``empty=True`` gives one without tables."""
    count = itertools.count()

    @contextmanager
    def make(*, empty: bool = False) -> Generator[Database]:
        name = f"test_{next(count)}"
        origin = "template0" if empty else make_url(postgres).database or NAME
        with psycopg.connect(_of(postgres, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(origin))
            )
        database = Database(_of(postgres, name))
        try:
            yield database
        finally:
            _wait_for_threads()
            database.close()
            with psycopg.connect(_of(postgres, "postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return make


@pytest.fixture
def database(new_database: MakeDatabase) -> Iterator[Database]:
    """A migrated, empty database for one test."""
    with new_database() as made:
        yield made


@pytest.fixture(scope="module")
def module_database(new_database: MakeDatabase) -> Iterator[Database]:
    """A migrated database that the tests of a module share."""
    with new_database() as made:
        yield made


@pytest.fixture(scope="module")
def quickly_drawn() -> Iterator[None]:
    """Cells are drawn in a thousandth of the time: here it matters what is asked, not what is seen."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slide, "draw_cell", lambda label, *_, **__: DrawnCell(pixels, label, {}))
        yield


def _wait_for_threads() -> None:
    """Let learners and forecasts end: a connection that one of them holds would outlive its pool, open."""
    for thread in threading.enumerate():
        if thread.name.startswith(("learner ", "forecast")):
            thread.join(60.0)


def _of(dsn: str, name: str) -> str:
    return make_url(dsn).set(database=name).render_as_string(hide_password=False)
