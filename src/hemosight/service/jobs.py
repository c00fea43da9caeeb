"""The queue: which images are to be read, written in the transaction that adds them.

Jobs are rows of the procrastinate library in the same database. One job reads up to :data:`CHUNK` images with one
bundle, and each bundle has a queue of its own, so that a worker takes only what it can read. docs/ideas/jobs.md says
why, and what happens when a worker dies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

TASK = "hemosight.read"
CHUNK = 32
"""Images of a job: few enough that a lost one is soon done again, enough that the queue costs nothing."""
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
"""The advisory lock under which jobs of dead workers are handed on."""


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
    """Put images into the queue, when the caller's transaction commits; gives the number of jobs.

    Parameters
    ----------
    images
        Ids of images that no other job reads.
    done
        How many images of the same upload were put there before: the first :data:`FIRST` go ahead of others.
    """
    ahead = max(0, FIRST - done)
    jobs = [
        _job(project_id, bundle_id, part, upload_id, priority)
        for priority, some in ((INTERACTIVE, images[:ahead]), (BULK, images[ahead:]))
        for part in _batched(some)
    ]
    if jobs:
        session.execute(
            text("""
                SELECT procrastinate_defer_jobs_v1(array_agg(
                    ROW(job->>'queue', :task, (job->>'priority')::int, NULL, NULL, job->'args', NULL)
                        ::procrastinate_job_to_defer_v1 ORDER BY at))
                FROM jsonb_array_elements(CAST(:jobs AS jsonb)) WITH ORDINALITY AS given(job, at)
            """),
            {"task": TASK, "jobs": json.dumps(jobs)},
        )
    return len(jobs)


def _job(
    project_id: int, bundle_id: int, images: Sequence[int], upload_id: int | None, priority: int
) -> dict[str, Any]:
    args = {"project": project_id, "bundle": bundle_id, "images": list(images), "upload": upload_id}
    return {"queue": queue_of(bundle_id), "priority": priority, "args": args}


def _batched(images: Sequence[int]) -> list[Sequence[int]]:
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def cancel(session: Session, upload_id: int) -> None:
    """Take the waiting jobs of an upload out of the queue; one that runs looks for itself what is still there."""
    session.execute(
        text("""
            SELECT procrastinate_cancel_job_v1(id, false, true) FROM procrastinate_jobs
            WHERE task_name = :task AND status = 'todo' AND (args->>'upload')::bigint = :upload
        """),
        {"task": TASK, "upload": upload_id},
    )


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


def hand_on(session: Session) -> int:
    """Give the jobs of dead workers to the living; gives how many.

    A job that has been handed on before waits longer each time, a minute at most.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME}):
        return 0
    rows = session.execute(
        text("""
            WITH orphaned AS (
                SELECT job.id, job.queue_name, job.attempts FROM procrastinate_jobs AS job
                LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
                WHERE job.status = 'doing'
                    AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :stalled))
                FOR UPDATE OF job SKIP LOCKED
            )
            SELECT
                procrastinate_retry_job_v2(
                    id,
                    now() + make_interval(secs => CASE WHEN attempts = 0 THEN 0 ELSE least(60, 2 ^ attempts) END),
                    NULL, NULL, NULL),
                pg_notify('procrastinate_queue_v1#' || queue_name,
                    json_build_object('type', 'job_inserted', 'job_id', id)::text)
            FROM orphaned
        """),
        {"stalled": STALLED},
    )
    handed = len(rows.all())
    session.execute(
        text("DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :long)"),
        {"long": 10 * STALLED},
    )
    return handed


def sweep(session: Session, bundle_id: int) -> int:
    """Put every image into the queue that is neither read nor in a job; gives how many.

    Such images are left by jobs that failed for another reason than their images (a database that was away for
    long), and by a project that was given another bundle. Failed jobs are forgotten after five minutes, so
    that theirs are tried again.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME}):
        return 0
    facts = {"task": TASK, "bundle": bundle_id}
    session.execute(
        text("""
            DELETE FROM procrastinate_jobs AS job
            WHERE task_name = :task AND status IN ('failed', 'aborted', 'cancelled')
                AND NOT EXISTS (SELECT FROM procrastinate_events AS event
                                WHERE event.job_id = job.id AND event.at > now() - interval '5 minutes')
        """),
        facts,
    )
    rows = session.execute(
        text("""
            WITH queued AS MATERIALIZED (
                SELECT jsonb_array_elements_text(args->'images')::bigint AS id FROM procrastinate_jobs
                WHERE task_name = :task AND (args->>'bundle')::bigint = :bundle
            )
            SELECT image.project_id, array_agg(image.id ORDER BY image.id) FROM images AS image
            JOIN projects AS project ON project.id = image.project_id AND project.bundle_id = :bundle
            WHERE NOT EXISTS (SELECT FROM readings WHERE image_id = image.id AND bundle_id = :bundle)
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
