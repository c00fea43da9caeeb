"""Jobs: what waits to be read, and who reads."""

from __future__ import annotations

from fastapi import APIRouter

from hemosight.service.schemas.uploads import JobsShown, WorkerShown
from hemosight.service.security.permissions import Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import projects, workers
from hemosight.service.work import jobs

router = APIRouter(prefix="/projects/{project}", tags=["uploads"])


@router.get("/jobs", operation_id="get_jobs")
def get_jobs(seat: Viewer, session: Transaction) -> JobsShown:
    """What of the project is in the queue, and the workers that could read it."""
    counts = jobs.of_project(session, seat.project)
    living = workers.living(session, projects.get(session, seat.project).bundle_id)
    return JobsShown(**vars(counts), workers=[WorkerShown.model_validate(row, from_attributes=True) for row in living])
