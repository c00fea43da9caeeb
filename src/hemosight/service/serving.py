"""``hemosight serve``: a database, workers and the application, started in this order and stopped in the other."""

from __future__ import annotations

import asyncio
import signal
import socket
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn

from hemosight.service import connections
from hemosight.service.allocator import return_large_blocks
from hemosight.service.app import create_app
from hemosight.service.errors import ServiceFault
from hemosight.service.operations import logs
from hemosight.service.operations.backups import Schedule
from hemosight.service.security.secrets import kept, new_secret
from hemosight.service.settings import Settings
from hemosight.service.stopping import Stopping
from hemosight.service.storage import sign_ins, users
from hemosight.service.storage.database import Database
from hemosight.service.storage.embedded import embedded
from hemosight.service.tls import CIPHERS, require_certificate
from hemosight.service.work.worker_pool import WorkerPool

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger()
_KEPT_OPEN = 75
"""Seconds that a connection stays open without a request: longer than people look at a cell, and than a proxy keeps
its own (nginx: 60). Who asks just as it is closed gets no answer."""
_COMMAND_STOPS = 60.0
"""Seconds the server may take to stop after a command that nobody waits for to end at once."""
Say = Callable[[str], None]


def serve(settings: Settings, say: Say, *, open_page: bool = False) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    settings
        What to serve, and to whom.
    say
        Called with the address, and on a first run the link that makes the first administrator.
    open_page
        Whether to open the page in a browser.

    Raises :class:`~hemosight.service.errors.ServiceFault` where others could reach a service without accounts, and
    :class:`~hemosight.service.errors.ServiceFault`.
    """
    return_large_blocks()
    logs.configure_from(settings)
    require_certificate(settings)
    stopping = Stopping(settings.stop_seconds)
    with (
        stopping.on_signals(),
        _listening(settings) as listener,
        open_database(settings, stopping=stopping) as database,
    ):
        _require_accounts(settings, database)
        app = create_app(settings, database)
        with WorkerPool(settings, database.dsn, seconds=lambda: 0.7 * stopping.remaining()) as workers:
            stopping.at_worst(workers.kill)
            address = url(settings, listener)

            def ready() -> None:
                say(f"HemoSight is at {address}")
                if (link := first_link(settings, database, address)) is not None:
                    say(f"Nobody has an account yet. Make the first, within a day, at\n  {link}")
                if open_page:
                    webbrowser.open(link or address)

            schedule = Schedule(database, settings)
            schedule.start()

            def ending() -> None:
                schedule.end()
                workers.terminate()
                app.state.broker.close()

            stopping.at_worst(schedule.end_at_once)
            try:
                _Server(_config(app, settings), ready, stopping.begin, ending).run(sockets=[listener])
            finally:
                schedule.end_at_once(min(3.0, 0.5 * stopping.remaining()))


@contextmanager
def open_database(settings: Settings, *, migrate: bool = True, stopping: Stopping | None = None) -> Generator[Database]:
    """The database of the settings, migrated: another PostgreSQL's where an address is given, else our own."""
    given = settings.database
    stopping = stopping or Stopping(_COMMAND_STOPS)
    own = embedded(settings.data_dir, stop_seconds=stopping.remaining, at_worst=stopping.at_worst)
    with own if given is None else nullcontext(given.get_secret_value()) as dsn:
        database = Database(dsn, settings.pool)
        try:
            if migrate:
                database.migrate()
            yield database
        finally:
            database.close()


def first_link(settings: Settings, database: Database, address: str) -> str | None:
    """A new one-time link that makes the first administrator; None where there is one, or nobody signs in."""
    if not settings.login or not settings.local_accounts:
        return None
    with database.session() as session:
        if users.an_administrator(session):
            return None
        secret = new_secret()
        sign_ins.offer_first_run(session, kept(secret))
    return f"{address}/first-run?token={secret}"


def url(settings: Settings, listener: socket.socket | None = None) -> str:
    """The address a person on this machine can open, the sub-path included."""
    port = settings.port if listener is None else listener.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 -- compared, not bound
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host and '[' not in host else host}:{port}{settings.root_path}"


def _require_accounts(settings: Settings, database: Database) -> None:
    if settings.loopback or settings.oidc_issuer is not None:
        return
    with database.session() as session:
        if not users.anybody_with_password(session):
            raise ServiceFault(
                "open_to_all",
                expected=f"an account with a password before listening on {settings.host}",
                came="none",
                mend="Make one: `hemosight service admin NAME`, or start once on 127.0.0.1 and follow its link.",
            )


@contextmanager
def _listening(settings: Settings) -> Generator[socket.socket]:
    """A socket on the port, before anything is started that would have to be stopped again."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise ServiceFault(
                "port_taken",
                expected=f"a free port {settings.port} on {settings.host}",
                came=error.strerror or str(error),
                mend="Stop what listens there, or choose another with --port (0 takes any).",
            ) from error
        listener.set_inheritable(True)
        yield listener


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=connections.of(settings),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=connections.proxies(settings),
        timeout_keep_alive=_KEPT_OPEN,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ciphers=CIPHERS,
        timeout_graceful_shutdown=max(1, int(0.4 * settings.stop_seconds)),
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """Says when it is ready; ends event streams when it is told to stop, which else would never end."""

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        begin_stop: Callable[[], None],
        ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._begin_stop = begin_stop
        self._ending = ending
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        super().handle_exit(sig, frame)
        self._begin_stop()
        # The rest in the loop, not here: what a signal interrupts may hold the very locks this takes.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop, signal.Signals(sig).name)

    def _stop(self, name: str) -> None:
        log.info("stopping", signal=name)
        self._ending()
