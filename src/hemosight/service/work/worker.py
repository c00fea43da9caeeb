"""A worker: takes jobs, embeds their images with its bundle, stores the embeddings, tells the browsers.

Any number of workers may run, on any machine that reaches the database. A worker may be killed at any moment: what it
had not stored is embedded by another within seconds, and what it had stored is not embedded again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import DBAPIError

from hemosight.engine.engine import Engine
from hemosight.engine.network import CropEmbedding
from hemosight.engine.readings import OK
from hemosight.errors import HemoSightError
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage import embeddings, events, uploads, workers
from hemosight.service.storage.audit_chain import Sealer
from hemosight.service.storage.database import Database
from hemosight.service.storage.embeddings import StoredEmbedding, Unembedded
from hemosight.service.storage.live_events import ReadingsEvent
from hemosight.service.work import dossiers, jobs, scales
from hemosight.service.work.heartbeat import Heartbeat
from hemosight.service.work.recounts import Recounts

log = structlog.get_logger()

TOGETHER = 2
"""Jobs a worker has in hand at once: while the network computes for one, the other decodes or is stored."""
ATTEMPTS = 3
"""How often an image may end its worker before it counts as unreadable."""
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


class EmbeddingWorker:
    """Embeds the images of a job, and stores the embeddings.

    Parameters
    ----------
    database, engine
        Where images and embeddings lie, and the network, novelty and landscape of a bundle.
    bundle_id
        The number by which the database knows the engine's bundle.
    name
        Stored with every embedding.
    heartbeat
        Told of what may hang.
    """

    def __init__(
        self, database: Database, engine: Engine, bundle_id: int, name: str, heartbeat: Heartbeat | None = None
    ) -> None:
        self._database = database
        self._engine = engine
        self._bundle = bundle_id
        self.name = name
        self.heartbeat = heartbeat or Heartbeat()
        self._done: deque[tuple[float, int]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def read(self, project_id: int, images: Sequence[int], *, again: bool = False) -> int:
        """Embed those of some images that have no embedding. Returns how many were stored.

        The images go through the network together. Where that fails, or a job comes ``again`` because its worker
        died over it, they go one by one, and an image that ends its worker :data:`ATTEMPTS` times is stored
        as unreadable.
        """
        with self._database.session() as session:
            todo = embeddings.unembedded(session, project_id, self._bundle, images)
        if not todo:
            return 0
        if not again:
            try:
                return self._store(project_id, self.embed(todo))
            except (DBAPIError, HemoSightError):
                raise
            except Exception as error:  # one of the images, and no decoder foresaw it: find out which
                log.warning("batch_failed", project=project_id, kind=type(error).__name__)
        return sum(self._alone(project_id, image, again) for image in todo)

    def rate(self, seconds: float = 30.0) -> float:
        """Images embedded a second, over the last ``seconds``."""
        since = time.monotonic() - seconds
        with self._lock:
            return sum(count for at, count in self._done if at > since) / seconds

    def _alone(self, project_id: int, image: Unembedded, again: bool) -> int:
        if again:
            with self._database.session() as session:
                attempts = embeddings.begin_attempt(session, image.id, self._bundle)
            if attempts > ATTEMPTS:
                log.error("image_given_up", project=project_id, image=image.id, attempts=ATTEMPTS)
                why = f"reading it ended the worker {ATTEMPTS} times"
                return self._store(project_id, [StoredEmbedding(image.id, None, why)])
        try:
            read = self.embed([image])
        except (DBAPIError, HemoSightError):
            raise
        except Exception as error:
            log.warning("image_failed", project=project_id, image=image.id, kind=type(error).__name__)
            read = [StoredEmbedding(image.id, None, f"reading it failed ({type(error).__name__})")]
        return self._store(project_id, read)

    def embed(self, todo: Sequence[Unembedded]) -> list[StoredEmbedding]:
        """Embed images of one project: vector, novelty and position of each, or why it cannot be read."""
        scales, bits = [image.scale for image in todo], [image.bits for image in todo]
        with self.heartbeat.at_work():
            points = list(self._engine.network.points((image.data for image in todo), scales, bits=bits))
        vectors = [point.vector for point in points if point.vector is not None]
        if not vectors:
            return [_unreadable(image, point) for image, point in zip(todo, points, strict=True)]
        around = self._engine.surveyor.look(np.stack(vectors))
        places = [(None, None)] * len(vectors) if around.places is None else around.places.tolist()
        read = iter(zip(vectors, around.novelties.tolist(), places, strict=True))
        stored = []
        for image, point in zip(todo, points, strict=True):
            if point.vector is None:
                stored.append(_unreadable(image, point))
            else:
                vector, novelty, place = next(read)
                stored.append(StoredEmbedding(image.id, vector, OK, novelty, *place, scale=image.scale))
        return stored

    def _store(self, project_id: int, read: Sequence[StoredEmbedding]) -> int:
        with self._database.session() as session:
            new = embeddings.add(session, project_id, self._bundle, self.name, read)
            embeddings.end_attempts(session, self._bundle, [row.id for row in read])
            if new:
                waiting = embeddings.waiting(session, project_id, self._bundle)
                events.tell(session, project_id, ReadingsEvent(read=len(new), waiting=waiting, images=new))
            else:
                waiting = 1
        with self._lock:
            self._done.append((time.monotonic(), len(new)))
        if not waiting:
            self._measure(project_id)
        return len(new)

    def _measure(self, project_id: int) -> None:
        """Measure new scanners; what goes wrong there is no fault of the cells that were read."""
        try:
            scales.of_new_profiles(self._database, project_id, self._bundle)
        except (DBAPIError, HemoSightError):
            raise
        except Exception as error:
            log.warning("measuring_failed", project=project_id, kind=type(error).__name__)


def _unreadable(image: Unembedded, point: CropEmbedding) -> StoredEmbedding:
    return StoredEmbedding(image.id, None, str(point.fault), scale=image.scale)


# --- the process ------------------------------------------------------------------------------------------


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

    recounts = Recounts(database)

    @app.task(name=jobs.COUNT, queue=jobs.queue_of(bundle_id), retry=_RETRY)
    async def count(**_: Any) -> None:
        recounts.ask()  # counting holds no place of a job that reads

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
        recounting = asyncio.create_task(recounts.go_on(bundle_id))
        validating = asyncio.create_task(dossiers.go_on(database, registry.bundle, bundle_id, registry.threads))
        stopping = asyncio.create_task(stop.wait())
        tasks = (working, tending, recounting, validating, stopping)
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
