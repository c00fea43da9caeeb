"""The application: every router under ``/api/v1``, the built page beside it, the same fences around all of it."""

from __future__ import annotations

from importlib.metadata import version
from types import ModuleType

from fastapi import FastAPI

from hemosight.bundle import NOTICE
from hemosight.service import faults, page
from hemosight.service.bundles import Shelf
from hemosight.service.desk.desks import Desks
from hemosight.service.desk.forecasts import Forecasts
from hemosight.service.events import Hub
from hemosight.service.operations.logs import RequestLog
from hemosight.service.operations.metrics import Metrics, RequestMetrics
from hemosight.service.routes import (
    account,
    audit,
    columns,
    differential,
    events,
    exports,
    health,
    images,
    jobs,
    label_sets,
    labels,
    model,
    pictures,
    projects,
    queue,
    session,
    signatures,
    uploads,
    users,
)
from hemosight.service.security.headers import Guard
from hemosight.service.security.limits import BodyLimit
from hemosight.service.security.permissions import SCHEMES
from hemosight.service.settings import Settings
from hemosight.service.state import State
from hemosight.service.storage.database import Database

API = "/api/v1"
ROUTES: tuple[ModuleType, ...] = (
    session,
    account,
    users,
    projects,
    uploads,
    jobs,
    images,
    pictures,
    events,
    audit,
    labels,
    label_sets,
    columns,
    queue,
    differential,
    signatures,
    exports,
    model,
)
"""Modules with a ``router``; a new noun is one import and one line here."""
_ABOUT = f"""\
Everything the page does, programs can do. {NOTICE}

Every fault has the shape `{{"error": {{code, message, expected, came, mend, fields}}}}`. Lists are
`{{"items": [...], "next": cursor or null}}`: send `next` back as `after`.
"""


def create_app(settings: Settings, database: Database, *, shelf: Shelf | None = None) -> FastAPI:
    """The application on a migrated database.

    Parameters
    ----------
    settings
        What it was told.
    database
        Where everything lies; it stays open when the app ends.
    shelf
        The bundle it reads with; the settings' one where None.
    """
    shelf = shelf or Shelf(settings.bundle, settings.threads)
    state = State(
        settings=settings,
        database=database,
        metrics=Metrics(),
        shelf=shelf,
        desks=Desks(database, lambda session, bundle_id: shelf.engine_of(session, bundle_id).bundle),
        forecasts=Forecasts(),
        hub=Hub(database),
    )
    app = FastAPI(
        title="HemoSight",
        version=version("hemosight"),
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    state.install(app.state)
    faults.install(app)
    for module in ROUTES:
        app.include_router(module.router, prefix=API, dependencies=SCHEMES, responses=faults.RESPONSES)
    app.include_router(health.router, dependencies=SCHEMES, responses=faults.RESPONSES)
    page.install(app)
    # The last one added is met first: figures and log see what the fences refuse.
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(RequestMetrics, metrics=state.metrics)
    app.add_middleware(RequestLog)
    return app
