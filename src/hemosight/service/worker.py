"""A worker: takes jobs, reads their images with its bundle, stores the readings, tells the browsers.

Any number of workers may run, on any machine that reaches the database. A worker may be killed at any moment: what it
had not stored is read by another within seconds, and what it had stored is not read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
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

from hemosight.engine import Engine
from hemosight.errors import HemoSightError
from hemosight.network import Point
from hemosight.readings import OK
from hemosight.service import jobs
from hemosight.service.bundles import Shelf
from hemosight.service.storage import events, readings, uploads, workers
from hemosight.service.storage.database import Database
from hemosight.service.storage.readings import Read, Unread

log = structlog.get_logger()

TOGETHER = 2
"""Jobs a worker has in hand at once: while the network computes for one, the other decodes or is stored."""
TRIES = 3
"""How often an image may end its worker before it counts as unreadable."""
_TEND = 2.0
"""Seconds between looks at what dead workers left."""
_SWEEP = 60.0
"""Seconds between looks for images that no job reads, and for pictures that no image needs."""
_RETRY = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=2)


def worker_name() -> str:
    """Machine and process: what tells workers apart where nobody named them."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Reader:
    """Reads the images of a job, and stores what it read.

    Parameters
    ----------
    database, engine
        Where images and readings lie, and what reads them.
    bundle_id
        The number by which the database knows the engine's bundle.
    name
        Stands in every reading.
    """

    def __init__(self, database: Database, engine: Engine, bundle_id: int, name: str) -> None:
        self._database = database
        self._engine = engine
        self._bundle = bundle_id
        self.name = name
        self._done: deque[tuple[float, int]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def read(self, project_id: int, images: Sequence[int], *, again: bool = False) -> int:
        """Read those of some images that nobody has read; gives how many.

        The images go through the network together. Where that fails, or a job comes ``again`` because its worker
        died over it, they go one by one, and an image that ends its worker :data:`TRIES` times is called
        unreadable.
        """
        with self._database.session() as session:
            todo = readings.unread(session, project_id, self._bundle, images)
        if not todo:
            return 0
        if not again:
            try:
                return self._store(project_id, self._through(todo))
            except (DBAPIError, HemoSightError):
                raise
            except Exception as error:  # one of the images, and no decoder foresaw it: find out which
                log.warning("batch_failed", project=project_id, kind=type(error).__name__)
        return sum(self._alone(project_id, image, again) for image in todo)

    def rate(self, seconds: float = 30.0) -> float:
        """Images read a second, lately."""
        since = time.monotonic() - seconds
        with self._lock:
            return sum(count for at, count in self._done if at > since) / seconds

    def _alone(self, project_id: int, image: Unread, again: bool) -> int:
        if again:
            with self._database.session() as session:
                tries = readings.begin_try(session, image.id, self._bundle)
            if tries > TRIES:
                log.error("image_given_up", project=project_id, image=image.id, tries=TRIES)
                return self._store(project_id, [Read(image.id, None, f"reading it ended the worker {TRIES} times")])
        try:
            read = self._through([image])
        except (DBAPIError, HemoSightError):
            raise
        except Exception as error:
            log.warning("image_failed", project=project_id, image=image.id, kind=type(error).__name__)
            read = [Read(image.id, None, f"reading it failed ({type(error).__name__})")]
        return self._store(project_id, read)

    def _through(self, todo: Sequence[Unread]) -> list[Read]:
        """Images of one project through the network, and onto the map."""
        points = list(self._engine.network.points((image.data for image in todo), todo[0].scale))
        vectors = [point.vector for point in points if point.vector is not None]
        if not vectors:
            return [_unreadable(image.id, point) for image, point in zip(todo, points, strict=True)]
        stacked = np.stack(vectors)
        novelties = iter(self._engine.bundle.novelty.score(stacked).tolist())
        places = iter(self._places(stacked))
        return [
            _unreadable(image.id, point)
            if point.vector is None
            else Read(image.id, point.vector, OK, next(novelties), *next(places))
            for image, point in zip(todo, points, strict=True)
        ]

    def _places(self, vectors: np.ndarray) -> list[tuple[float, float]] | list[tuple[None, None]]:
        landscape = self._engine.bundle.landscape
        if landscape is None:
            return [(None, None)] * len(vectors)
        return [(float(x), float(y)) for x, y in landscape.place(vectors)]

    def _store(self, project_id: int, read: Sequence[Read]) -> int:
        with self._database.session() as session:
            new = readings.add(session, self._bundle, self.name, read)
            readings.end_tries(session, self._bundle, [row.id for row in read])
            if new:
                waiting = readings.waiting(session, project_id, self._bundle)
                events.tell(session, project_id, "readings", {"read": len(new), "waiting": waiting, "images": new})
        with self._lock:
            self._done.append((time.monotonic(), len(new)))
        return len(new)


def _unreadable(image_id: int, point: Point) -> Read:
    return Read(image_id, None, str(point.fault))


# --- the process ------------------------------------------------------------------------------------------


def run(database: Database, shelf: Shelf, name: str | None = None) -> None:
    """Work until the process is told to stop (SIGTERM, SIGINT): what is in hand is finished first."""
    asyncio.run(work(database, shelf, name or worker_name()))


async def work(database: Database, shelf: Shelf, name: str, stop: asyncio.Event | None = None) -> None:
    """Work until ``stop`` is set or a signal comes; a database that goes away is waited for."""
    stop = stop or asyncio.Event()
    _stop_on_signals(stop)
    engine = await asyncio.to_thread(lambda: shelf.engine)
    bundle_id = await asyncio.to_thread(_register, database, shelf)
    reader = Reader(database, engine, bundle_id, name)
    log.info("worker_started", worker=name, bundle=bundle_id, threads=engine.network.threads)
    pause = 1.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _work_while_connected(database, reader, bundle_id, stop)
        except (ConnectorException, psycopg.Error, DBAPIError, HemoSightError) as error:
            log.warning("database_lost", worker=name, kind=type(error).__name__)
        pause = 1.0 if time.monotonic() - began > 30 else min(30.0, 2 * pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.0 if stop.is_set() else pause)
    with contextlib.suppress(DBAPIError, HemoSightError):
        await asyncio.to_thread(_gone, database, name)
    log.info("worker_stopped", worker=name)


async def _work_while_connected(database: Database, reader: Reader, bundle_id: int, stop: asyncio.Event) -> None:
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=database.dsn, min_size=1, max_size=4, timeout=10, kwargs={"application_name": "hemosight worker"}
        )
    )

    @app.task(name=jobs.TASK, queue=jobs.queue_of(bundle_id), retry=_RETRY, pass_context=True)
    def read(context: procrastinate.JobContext, *, project: int, images: list[int], **_: Any) -> None:
        reader.read(project, images, again=context.job.attempts > 0)

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
        tending = asyncio.create_task(_tend(database, reader, bundle_id))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((working, tending, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (working, tending, stopping):
            task.cancel()
        ended = await asyncio.gather(working, tending, stopping, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


async def _tend(database: Database, reader: Reader, bundle_id: int) -> None:
    """Look after what is left over (jobs of dead workers, images without a job, pictures of no image, old events)."""
    swept = -_SWEEP
    while True:
        sweep = time.monotonic() - swept > _SWEEP
        await asyncio.to_thread(_tend_once, database, reader, bundle_id, sweep)
        swept = time.monotonic() if sweep else swept
        await asyncio.sleep(_TEND)


def _tend_once(database: Database, reader: Reader, bundle_id: int, sweep: bool) -> None:
    with database.session() as session:
        workers.seen(session, reader.name, bundle_id, reader.rate())
        if handed := jobs.hand_on(session):
            log.warning("jobs_handed_on", worker=reader.name, jobs=handed)
    if sweep:
        with database.session() as session:
            if found := jobs.sweep(session, bundle_id):
                log.warning("images_without_a_job", worker=reader.name, images=found)
            events.prune(session)
        with database.session() as session:
            if forgotten := uploads.forget_unused_pictures(session):
                log.info("pictures_forgotten", worker=reader.name, pictures=forgotten)


def _register(database: Database, shelf: Shelf) -> int:
    database.require_current()
    with database.session() as session:
        return shelf.register(session)


def _gone(database: Database, name: str) -> None:
    with database.session() as session:
        workers.gone(session, name)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not in threads (tests), and not on Windows, where ctrl-c ends the loop.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
