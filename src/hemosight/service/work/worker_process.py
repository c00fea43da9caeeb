"""The process of a worker: it takes jobs until it is told to stop, and looks after what other workers left.

It waits for a database that goes away. Beside its jobs it recrops uncounted cells, runs validations and seals the audit
trail, each in a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import DBAPIError

from hemosight.engine.engine import Engine
from hemosight.errors import HemoSightError
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage import events, uploads, workers
from hemosight.service.storage.audit_chain import Sealer
from hemosight.service.storage.database import Database
from hemosight.service.work import dossiers, jobs
from hemosight.service.work.heartbeat import Heartbeat
from hemosight.service.work.recrops import Recropper
from hemosight.service.work.worker import EmbeddingWorker

log = structlog.get_logger()

TOGETHER = 2
"""Jobs a worker has in hand at once: while the network computes for one, the other decodes or is stored."""
_AGAIN = 3.0
"""Seconds after which a worker without a job that has not ended is told to again."""
_TEND = 2.0
"""Seconds between looks at what dead workers left."""
_SWEEP = 60.0
"""Seconds between looks for images that no job reads, and pictures that nothing needs."""
_RETRY = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=2)


def worker_name() -> str:
    """Machine, process and a random end: what tells workers apart where nobody named them.

    In containers on their machine's network, machine and process are the same for all.
    """
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def run(database: Database, registry: BundleRegistry, name: str | None = None) -> None:
    """Work until the process is told to stop (SIGTERM, SIGINT): the jobs it has begun are finished first."""
    asyncio.run(work(database, registry, name or worker_name()))


async def work(database: Database, registry: BundleRegistry, name: str, stop: asyncio.Event | None = None) -> None:
    """Work until ``stop`` is set or a signal comes; a database that goes away is waited for."""
    stop = stop or asyncio.Event()
    _stop_on_signals(stop)
    heartbeat = Heartbeat.of_environment()
    beating = asyncio.create_task(heartbeat.go_on())
    await asyncio.to_thread(database.require_current)  # before the network is loaded, which takes its time
    engine = await asyncio.to_thread(lambda: registry.engine)
    bundle_id = await asyncio.to_thread(_register, database, registry)
    reader = EmbeddingWorker(database, engine, bundle_id, name, heartbeat)
    log.info("worker_started", worker=name, bundle=bundle_id, threads=engine.network.threads)
    choosing = asyncio.create_task(asyncio.to_thread(_choose, engine, name))
    pause = 1.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _work_while_connected(database, reader, registry, bundle_id, stop)
        except (ConnectorException, psycopg.Error, DBAPIError, HemoSightError) as error:
            log.warning("database_lost", worker=name, kind=type(error).__name__)
        pause = 1.0 if time.monotonic() - began > 30 else min(30.0, 2 * pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.0 if stop.is_set() else pause)
    with contextlib.suppress(DBAPIError, HemoSightError):
        await asyncio.to_thread(_gone, database, name)
    await choosing
    beating.cancel()
    log.info("worker_stopped", worker=name)


def _choose(engine: Engine, name: str) -> None:
    """Read with the backend that is the quickest here; what comes until that is known is read by the reference."""
    try:
        choice = engine.network.choose()
    except Exception as error:  # the reference reads on
        log.warning("backend_not_measured", worker=name, kind=type(error).__name__)
        return
    if choice is not None:
        measured = {one.name: round(one.per_second) for one in choice.candidates}
        log.info("backend_chosen", worker=name, backend=choice.name, crops_per_second=measured)


async def _work_while_connected(
    database: Database, reader: EmbeddingWorker, registry: BundleRegistry, bundle_id: int, stop: asyncio.Event
) -> None:
    connector = procrastinate.PsycopgConnector(
        conninfo=database.dsn, min_size=1, max_size=6, timeout=10, kwargs={"application_name": "hemosight worker"}
    )
    app = procrastinate.App(connector=connector)

    at_work: set[int | None] = set()

    @app.task(name=jobs.TASK, queue=jobs.queue_of(bundle_id), retry=_RETRY, pass_context=True)
    def read(context: procrastinate.JobContext, *, project: int, images: list[int], **_: Any) -> None:
        at_work.add(context.job.id)
        try:
            reader.read(project, images, again=context.job.attempts > 0)
        finally:
            at_work.discard(context.job.id)

    recropper = Recropper(database)

    @app.task(name=jobs.RECROP, queue=jobs.queue_of(bundle_id), retry=_RETRY)
    async def recrop(**_: Any) -> None:
        recropper.ask()  # it holds no place of a job that reads

    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[jobs.queue_of(bundle_id)],
                name=reader.name,
                concurrency=TOGETHER,
                fetch_job_polling_interval=_TEND,
                delete_jobs="successful",
                install_signal_handlers=False,
                update_heartbeat_interval=jobs.HEARTBEAT,
                stalled_worker_timeout=10 * jobs.STALLED,
            )
        )
        over = asyncio.Event()
        tending = asyncio.create_task(_tend(database, connector, reader, bundle_id, over))
        recropping = asyncio.create_task(recropper.go_on(bundle_id))
        validating = asyncio.create_task(dossiers.go_on(database, registry.bundle, bundle_id, registry.threads))
        stopping = asyncio.create_task(stop.wait())
        tasks = (working, tending, recropping, validating, stopping)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        for task in tasks:
            task.cancel()
        # A cancellation is lost where the worker was just asking for a connection (asyncio.wait_for of Python 3.11).
        while not (await asyncio.wait((working,), timeout=_AGAIN))[0]:
            if not at_work:  # a second one breaks off jobs, which the first lets end
                working.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


async def _tend(
    database: Database,
    connector: procrastinate.PsycopgConnector,
    reader: EmbeddingWorker,
    bundle_id: int,
    over: asyncio.Event,
) -> None:
    """Look after what is left over, until it is ``over``: jobs of dead workers, images without a job, pictures, events.

    A cancellation alone may be lost in the connector's pool, and the worker would not end.
    """
    swept, sealer = -_SWEEP, Sealer()
    while not over.is_set():
        await asyncio.to_thread(_show_alive, database, reader, bundle_id)
        if retried := await jobs.retry_stalled(connector):
            log.warning("jobs_handed_on", worker=reader.name, jobs=retried)
        if time.monotonic() - swept > _SWEEP:
            swept = time.monotonic()
            await jobs.forget_failed(connector, bundle_id)
            await asyncio.to_thread(sweep, database, reader.name, bundle_id)
            await asyncio.to_thread(_seal, database, sealer)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _TEND)


def _show_alive(database: Database, reader: EmbeddingWorker, bundle_id: int) -> None:
    with database.session() as session:
        workers.seen(session, reader.name, bundle_id, reader.rate())


def sweep(database: Database, name: str, bundle_id: int) -> None:
    """Queue images without a job again; forget old events, and pictures that no image needs."""
    with database.session() as session:
        if found := jobs.sweep(session, bundle_id):
            log.warning("images_without_a_job", worker=name, images=found)
        events.prune(session)
    with database.session() as session:
        if forgotten := uploads.forget_unused_pictures(session):
            log.info("pictures_forgotten", worker=name, pictures=forgotten)


def _seal(database: Database, sealer: Sealer) -> None:
    with database.session() as session:
        sealed = sealer.seal(session)
        if sealed is not None:
            # In the log it also lies outside of the database.
            log.info("audit_sealed", until=sealed.last, rows=sealed.rows, hash=sealed.hash.hex())


def _register(database: Database, registry: BundleRegistry) -> int:
    database.require_current()
    with database.session() as session:
        return registry.register(session)


def _gone(database: Database, name: str) -> None:
    with database.session() as session:
        workers.gone(session, name)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not in threads (tests), and not on Windows, where ctrl-c ends the loop.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
