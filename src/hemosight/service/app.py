"""The application: every router under ``/api/v1``, the built page beside it, the same fences around all of it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from hemosight.engine.bundle import NOTICE
from hemosight.service import faults, page
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.forecasts import Forecasts
from hemosight.service.desk.project_states import ProjectStates
from hemosight.service.events import EventBroker
from hemosight.service.oidc import OidcClient
from hemosight.service.operations.logs import RequestLog
from hemosight.service.operations.metrics import Metrics, RequestMetrics
from hemosight.service.routes import (
    account,
    audit,
    bundles,
    cases,
    columns,
    counting,
    differential,
    dossiers,
    drift,
    events,
    exports,
    familiarity,
    fields,
    groups,
    health,
    images,
    jobs,
    known,
    label_import,
    label_sets,
    labels,
    model,
    oidc,
    original_names,
    panel_exports,
    panel_results,
    panels,
    pictures,
    profiles,
    projects,
    queue,
    reports,
    reviews,
    saved_views,
    search,
    second_look,
    session,
    sign,
    signatures,
    signing,
    system,
    tags,
    teaching,
    types,
    uploads,
    users,
)
from hemosight.service.schemas.events import describe
from hemosight.service.security.headers import Guard
from hemosight.service.security.limits import BodyLimit
from hemosight.service.security.permissions import SCHEMES
from hemosight.service.settings import Settings
from hemosight.service.state import State
from hemosight.service.storage.database import Database
from hemosight.service.sub_path import SubPath

API = "/api/v1"
ROUTES: tuple[ModuleType, ...] = (
    session,
    oidc,
    account,
    users,
    projects,
    bundles,
    original_names,
    cases,
    profiles,
    dossiers,
    drift,
    uploads,
    fields,
    groups,
    jobs,
    images,
    pictures,
    events,
    audit,
    labels,
    label_import,
    label_sets,
    types,
    columns,
    tags,
    saved_views,
    queue,
    search,
    counting,
    differential,
    signatures,
    sign,
    signing,
    reports,
    second_look,
    reviews,
    known,
    teaching,
    exports,
    familiarity,
    panels,
    panel_results,
    panel_exports,
    model,
    system,
)
"""Modules with a ``router``; a new noun is one import and one line here."""
_ABOUT = f"""\
Everything the page does, programs can do. {NOTICE}

Every fault has the shape `{{"error": {{code, message, expected, came, mend, fields}}}}`. Lists are
`{{"items": [...], "next": cursor or null}}`: send `next` back as `after`.
"""


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Every route, for all apps of a process: working out what each takes and gives costs a fifth of a second."""
    router = APIRouter()
    for module in ROUTES:
        router.include_router(module.router, prefix=API, dependencies=SCHEMES, responses=faults.RESPONSES)
    router.include_router(health.router, dependencies=SCHEMES, responses=faults.RESPONSES)
    return tuple(router.routes)


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        return describe(super().openapi())


def create_app(settings: Settings, database: Database, *, registry: BundleRegistry | None = None) -> FastAPI:
    """The application on a migrated database.

    Parameters
    ----------
    settings
        The service's settings.
    database
        Where everything lies; it stays open when the app ends.
    registry
        The bundle it reads with; the settings' one where None.
    """
    registry = registry or BundleRegistry(settings.bundle, settings.threads, settings.backend)
    state = State(
        settings=settings,
        database=database,
        metrics=Metrics(),
        registry=registry,
        project_states=ProjectStates(
            database, lambda session, bundle_id: registry.engine_of(session, bundle_id).bundle
        ),
        forecasts=Forecasts(),
        broker=EventBroker(database),
        provider=None if settings.oidc_issuer is None else OidcClient(settings),
    )
    app = _App(
        title="HemoSight",
        version=version("hemosight"),
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        routes=list(_routes()),
    )
    state.install(app.state)
    faults.install(app)
    page.install(app, root_path=settings.root_path)
    # The last one added is met first: figures and log see what the fences refuse.
    app.add_middleware(BodyLimit, settings=settings, database=database)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(RequestMetrics, metrics=state.metrics)
    app.add_middleware(RequestLog)
    if settings.root_path:
        app.add_middleware(SubPath, root_path=settings.root_path)
    return app
