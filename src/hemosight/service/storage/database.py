"""The way to PostgreSQL: an engine with a pool, sessions, migrations, notifications; and a server of its own.

Nothing here happens at import; a process may hold several databases (tests do).
"""

from __future__ import annotations

import select
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import psycopg.conninfo
import psycopg.sql
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ARRAY, ColumnElement, Engine, Select, any_, bindparam, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.pool import ConnectionPoolEntry

from hemosight.service.errors import ServiceFault

MIGRATIONS = Path(__file__).parent / "migrations"
ASKED_AFTER = 5.0
"""Seconds without use after which a connection is asked whether it still lives."""
_MIGRATING = 0x48534D47
"""The advisory lock that makes several processes migrate one after another."""
K = TypeVar("K")
V = TypeVar("V")


def pairs(session: Session, query: Select[K, V]) -> dict[K, V]:
    """What a query of two columns finds, the first -> the second."""
    return dict(session.execute(query).all())


def one_of(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that a column has one of these values, however many they are.

    They go as one parameter: ``column.in_`` sends one for each, and a query takes 65,535 of them at most.
    """
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))


class Database:
    """One PostgreSQL database.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/name``, or the keywords libpq understands.
    pool
        Connections kept open by this process; twice as many under load.
    """

    def __init__(self, dsn: str, pool: int = 10) -> None:
        self.dsn = dsn
        self._pool = pool

    @cached_property
    def engine(self) -> Engine:
        """The engine, made at first use. Connections that died are replaced unnoticed."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            pool_size=self._pool,
            max_overflow=self._pool,
            pool_timeout=30,
        )
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_require_alive, engine))
        return engine

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """One connection of its own, outside the pool.

        Raises :class:`~hemosight.service.errors.ServiceFault`.
        """
        try:
            made = psycopg.connect(self.dsn, autocommit=autocommit, connect_timeout=10, application_name="hemosight")
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from error
        if (encoding := made.info.parameter_status("server_encoding")) != "UTF8":
            made.close()
            raise ServiceFault(
                "database_encoding",
                expected=f"a database of encoding UTF8 at {self.where}",
                came=f"{encoding}",
                mend="Make it anew: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
            )
        return made

    def _unreachable(self, error: Exception) -> ServiceFault:
        return ServiceFault(
            "database_unreachable",
            expected=f"a PostgreSQL that answers at {self.where}",
            came=" ".join(str(error).split()),
            mend="Start it, or give another --database; without one, HemoSight brings its own.",
        )

    @property
    def where(self) -> str:
        """The address without user and password, for messages."""
        facts = psycopg.conninfo.conninfo_to_dict(self.dsn)
        return f"{facts.get('host', 'localhost')}:{facts.get('port', 5432)}/{facts.get('dbname', '')}"

    @contextmanager
    def session(self) -> Generator[Session]:
        """A transaction: committed where the block ends, rolled back where it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a revision; safe to call from several processes at once.

        Killed at any moment, it leaves whole revisions, from which the next call goes on. Raises
        :class:`~hemosight.service.errors.ServiceFault` for tables of a newer program.
        """
        with self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_MIGRATING,))
            try:
                came = MigrationContext.configure(connection).get_current_revision()
                if came is not None and came not in revisions():
                    raise _ahead(came)
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_MIGRATING,))
                connection.commit()

    def is_migrated(self) -> bool:
        """Whether the tables are this program's."""
        return self.revision() == newest_revision()

    def revision(self) -> str | None:
        """The revision the tables are at; None in an empty database."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def require_current(self) -> None:
        """Raise :class:`~hemosight.service.errors.ServiceFault` unless the tables are those of this program."""
        came, head = self.revision(), newest_revision()
        if came is not None and came not in revisions():
            raise _ahead(came)
        if came != head:
            raise ServiceFault(
                "database_behind",
                expected=f"tables at revision {head}",
                came=f"revision {came}",
                mend="Start `hemosight serve` of this version once, which migrates, or run the program of the tables.",
            )

    def listen(self, channel: str, stop: float | None = None) -> Generator[str | None]:
        """Payloads notified on a channel, on a connection of its own.

        The first is empty and says that nothing is missed from here on; None comes after each ``stop`` seconds of
        silence. Raises :class:`~hemosight.service.errors.ServiceFault` where the connection is lost.
        """
        with self.connect(autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            yield ""
            while True:
                heard = False
                try:
                    for notice in connection.notifies(timeout=stop, stop_after=1):
                        heard = True
                        yield notice.payload
                except psycopg.OperationalError as error:
                    raise self._unreachable(error) from error
                if not heard:
                    yield None

    def close(self) -> None:
        """Close the pool."""
        if "engine" in self.__dict__:
            self.engine.dispose()


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _require_alive(engine: Engine, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Have a connection replaced that died, before anything is asked through it.

    A query that asks whether it lives, before every other, would cost as much as the other. A PostgreSQL that ended
    has closed the socket, which can be seen here; one that a network has lost cannot, so that it is asked after a
    pause.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if not poll.poll(0) and time.monotonic() - record.info.get("used", 0.0) < ASKED_AFTER:
        return
    try:
        alive = engine.dialect.do_ping(connection)
    except psycopg.Error:
        alive = False
    if not alive:
        raise DisconnectionError("the connection was closed")


@cache
def newest_revision() -> str:
    """The revision this program's tables are at; read once, since strangers make `/readyz` ask for it."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


@cache
def revisions() -> frozenset[str]:
    """Every revision that this program knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _ahead(came: str) -> ServiceFault:
    return ServiceFault(
        "database_ahead",
        expected=f"tables at revision {newest_revision()} or older",
        came=f"revision {came}, of a newer HemoSight",
        mend="Start the HemoSight that last used these data or a newer one, or restore the backup made before it.",
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
