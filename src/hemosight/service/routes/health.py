"""Whether the service lives, whether it is ready, and its figures; outside of the API's version."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from hemosight.service.operations.logs import trace
from hemosight.service.security.permissions import administrator, signed_in
from hemosight.service.state import Service
from hemosight.service.storage import vitals

router = APIRouter(tags=["health"])
log = structlog.get_logger()


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


class Ready(BaseModel):
    """What has to hold before the service is of use."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ready": True, "database": True, "migrated": True, "worker": True}]}
    )
    ready: bool
    database: bool
    migrated: bool
    worker: bool


@router.get("/healthz", operation_id="healthz")
async def healthz() -> Alive:
    """Whether the process answers."""
    return Alive()


@router.get(
    "/readyz", operation_id="readyz", responses={503: {"model": Ready, "description": "Not ready; what lacks."}}
)
def readyz(service: Service, response: Response) -> Ready:
    """Whether the database answers, its tables are those of this program, and a worker gave a sign of life."""
    found = {"database": False, "migrated": False, "worker": False}
    try:
        found["migrated"] = service.database.is_migrated()
        found["database"] = True
        with service.database.session() as session:
            found["worker"] = found["migrated"] and vitals.workers(session) > 0
    except Exception as error:  # whatever it is, the answer is no
        log.warning("not_ready", **trace(error))
    ready = all(found.values())
    response.status_code = 200 if ready else 503
    return Ready(ready=ready, **found)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
)
def metrics(request: Request, service: Service) -> Response:
    """Figures for Prometheus; for administrators (a token with the scope `admin` will do) unless set open."""
    if not service.settings.open_metrics:
        administrator(request, signed_in(request, service))
    with service.database.session() as session:
        work = vitals.work(session)
        service.metrics.workers.set(vitals.workers(session))
    service.metrics.waiting.set(work.waiting)
    service.metrics.read.set(work.read)
    service.metrics.unreadable.set(work.unreadable)
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
