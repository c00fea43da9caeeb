"""The queue: which images are to be read, written in the transaction that adds them.

Jobs are rows of the procrastinate library in the same database. One job reads up to :data:`CHUNK` images with one
bundle, and each bundle has a queue of its own, so that a worker takes only what it can read.
docs/decisions/0007-jobs.md says why, and what happens when a worker dies.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import procrastinate
from procrastinate.manager import JobManager
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

TASK = "hemosight.read"
RECROP = "hemosight.count"
"""The task that recrops a project's uncounted cells (:mod:`hemosight.service.work.recrops`); so called in queues that
there are."""
CHUNK = 32
"""Images of a job: few enough that a lost one is soon done again, enough that the queue costs nothing."""
LONG = 2000
"""Images in a queue that are looked up one by one."""
INTERACTIVE = 10
"""Priority of what somebody waits for."""
BULK = 0
FIRST = 64
"""Images of an upload that go ahead of what remains of larger ones."""
HEARTBEAT = 1.0
"""Seconds between a worker's signs of life."""
STALLED = 5.0
"""Seconds without one after which its jobs are given to others."""
_ONE_AT_A_TIME = 0x48534A42
"""The advisory lock under which one worker at a time looks after what others left."""
_AT_ONCE = datetime.datetime.fromtimestamp(0, datetime.UTC)
"""In the past by every clock: a worker's may be ahead of the database's."""
_DEFERRING = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
"""Never opened: it writes jobs on the caller's connection only."""


@dataclass(frozen=True)
class Waiting:
    """Images of a project in the queue, by what happens to their jobs."""

    waiting: int = 0
    running: int = 0
    failed: int = 0


def queue_of(bundle_id: int) -> str:
    """The queue of a bundle."""
    return f"read-{bundle_id}"


def enqueue(
    session: Session,
    *,
    project_id: int,
    bundle_id: int,
    images: Sequence[int],
    upload_id: int | None = None,
    done: int = 0,
) -> int:
    """Put images into the queue when the caller's transaction commits. Returns the number of jobs.

    Parameters
    ----------
    images
        Ids of images that no other job reads.
    done
        How many images of the same upload were put there before: the first :data:`FIRST` go ahead of others.
    """
    ahead = max(0, FIRST - done)
    queued = 0
    for priority, some in ((INTERACTIVE, images[:ahead]), (BULK, images[ahead:])):
        parts = [
            {"project": project_id, "bundle": bundle_id, "images": list(part), "upload": upload_id}
            for part in _batched(some)
        ]
        if parts:
            task = _DEFERRING.configure_task(
                TASK, queue=queue_of(bundle_id), priority=priority, connection=_connection(session)
            )
            queued += len(task.batch_defer(*parts))
    return queued


def enqueue_recrop(session: Session, project_id: int, bundle_id: int) -> None:
    """Have a worker recrop a project's uncounted cells, when the caller's transaction commits."""
    task = _DEFERRING.configure_task(
        RECROP, queue=queue_of(bundle_id), priority=INTERACTIVE, connection=_connection(session)
    )
    task.defer(project=project_id, bundle=bundle_id)


def _connection(session: Session) -> Any:
    """The driver's connection, in the session's transaction."""
    return session.connection().connection.driver_connection


def _batched(images: Sequence[int]) -> list[Sequence[int]]:
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def cancel(session: Session, upload_id: int) -> None:
    """Take the waiting jobs of an upload out of the queue; one that runs looks for itself what is still there."""
    query = text("""
        SELECT id FROM procrastinate_jobs
        WHERE task_name = :task AND status = 'todo' AND (args->>'upload')::bigint = :upload
    """)
    _take_out(session, query.bindparams(task=TASK, upload=upload_id))


def drop_others(session: Session, project_id: int, bundle_id: int) -> None:
    """Take the waiting jobs of a project for other bundles than this one out of the queue."""
    query = text("""
        SELECT id FROM procrastinate_jobs
        WHERE task_name = ANY(:tasks) AND status = 'todo' AND (args->>'project')::bigint = :project
            AND (args->>'bundle')::bigint <> :bundle
    """)
    _take_out(session, query.bindparams(tasks=[TASK, RECROP], project=project_id, bundle=bundle_id))


def _take_out(session: Session, jobs: TextClause) -> None:
    """Take the jobs out of the queue whose numbers a query finds."""
    for job in session.scalars(jobs).all():
        _DEFERRING.job_manager.cancel_job_by_id(job, delete_job=True, connection=_connection(session))


def of_project(session: Session, project_id: int) -> Waiting:
    """How many images of a project are in the queue."""
    rows = session.execute(
        text("""
            SELECT status::text, sum(jsonb_array_length(args->'images'))::int FROM procrastinate_jobs
            WHERE task_name = :task AND (args->>'project')::bigint = :project GROUP BY status
        """),
        {"task": TASK, "project": project_id},
    )
    counts = dict(rows.all())
    return Waiting(counts.get("todo", 0), counts.get("doing", 0), counts.get("failed", 0))


def unread(session: Session, project_id: int, bundle_id: int) -> int:
    """Images of a project in a bundle's queue that have no embedding; of a queue above :data:`LONG` all that are in it.

    Looked up one by one, and only where they are few: to go through a project of a million cells takes a third of a
    second, and workers ask after every job, while whoever labels waits for them.
    """
    facts = {"task": TASK, "project": project_id, "bundle": bundle_id}
    queued = session.scalar(
        text("""
            SELECT sum(jsonb_array_length(args->'images'))::int FROM procrastinate_jobs WHERE task_name = :task
                AND (args->>'project')::bigint = :project AND (args->>'bundle')::bigint = :bundle
        """),
        facts,
    )
    if queued is None or queued > LONG:
        return queued or 0
    query = text("""
        WITH queued AS (
            SELECT DISTINCT jsonb_array_elements_text(args->'images')::bigint AS id FROM procrastinate_jobs
            WHERE task_name = :task
                AND (args->>'project')::bigint = :project AND (args->>'bundle')::bigint = :bundle
        )
        SELECT count(*) FROM queued JOIN images AS image ON image.id = queued.id AND image.project_id = :project
        WHERE NOT EXISTS (SELECT FROM embeddings WHERE image_id = image.id AND bundle_id = :bundle)
    """)
    return session.scalar(query, facts) or 0


async def retry_stalled(connector: procrastinate.PsycopgConnector) -> int:
    """Give the jobs of dead workers to the living. Returns how many jobs.

    A job that has lost a worker before waits longer each time, a minute at most. ``connector`` is an open app's.
    """
    manager, retried = JobManager(connector), 0
    async with _in_turn(connector) as acquired:
        if not acquired:
            return 0
        await _heed_clock(connector)
        for task in (TASK, RECROP):
            for job in await manager.get_stalled_jobs(task_name=task, seconds_since_heartbeat=STALLED):
                later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=min(60, 2**job.attempts))
                await manager.retry_job(job, _AT_ONCE if job.attempts == 0 else later)
                retried += 1
        await manager.prune_stalled_workers(10 * STALLED)
    return retried


async def _heed_clock(connector: procrastinate.PsycopgConnector) -> None:
    """Where the clock was set back, signs of life and waits lie in its future: count them from now on.

    Dead workers would seem alive, and jobs would wait, until the clock has caught up.
    """
    await connector.execute_query_async(
        "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE last_heartbeat > now() + interval '2 seconds'"
    )
    await connector.execute_query_async(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND task_name = ANY(%(tasks)s)"
        " AND scheduled_at > now() + interval '10 minutes'",
        tasks=[TASK, RECROP],
    )


async def forget_failed(connector: procrastinate.PsycopgConnector, bundle_id: int) -> None:
    """Delete the failed jobs of a bundle, so that :func:`sweep` queues their images again."""
    await JobManager(connector).delete_old_jobs(
        0, queue=queue_of(bundle_id), include_failed=True, include_cancelled=True, include_aborted=True
    )


@asynccontextmanager
async def _in_turn(connector: procrastinate.PsycopgConnector) -> AsyncGenerator[bool]:
    """Whether no other process holds the turn; held until the block ends, also by a process that dies in it."""
    async with connector.pool.connection() as connection, connection.transaction():
        row = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))).fetchone()
        yield bool(row and row[0])


def sweep(session: Session, bundle_id: int) -> int:
    """Put every image into the queue that has neither an embedding nor a job. Returns how many images.

    Such images are left by jobs that failed for another reason than their images (a database that was away for long;
    see :func:`forget_failed`), and by a project that was given another bundle.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME}):
        return 0
    facts = {"task": TASK, "bundle": bundle_id}
    rows = session.execute(
        text("""
            WITH queued AS MATERIALIZED (
                SELECT jsonb_array_elements_text(args->'images')::bigint AS id FROM procrastinate_jobs
                WHERE task_name = :task AND (args->>'bundle')::bigint = :bundle
            )
            SELECT image.project_id, array_agg(image.id ORDER BY image.id) FROM images AS image
            JOIN projects AS project ON project.id = image.project_id AND project.bundle_id = :bundle
            WHERE NOT EXISTS (SELECT FROM embeddings WHERE image_id = image.id AND bundle_id = :bundle)
                AND NOT EXISTS (SELECT FROM queued WHERE queued.id = image.id)
            GROUP BY image.project_id
        """),
        facts,
    )
    found = 0
    for project_id, images in rows.all():
        enqueue(session, project_id=project_id, bundle_id=bundle_id, images=images, done=FIRST)
        found += len(images)
    return found
