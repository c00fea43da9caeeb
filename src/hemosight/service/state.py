"""What a running service holds, and how a route reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from hemosight.engine.engine import Engine
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.forecasts import Forecasts
from hemosight.service.desk.project_states import ProjectStates
from hemosight.service.events import EventBroker
from hemosight.service.oidc import OidcClient
from hemosight.service.operations.metrics import Metrics
from hemosight.service.settings import Settings
from hemosight.service.storage.database import Database

if TYPE_CHECKING:
    from starlette.datastructures import State as AppState


@dataclass
class State:
    """What ``request.app.state`` holds: one for each app, made by :func:`hemosight.service.app.create_app`."""

    settings: Settings
    database: Database
    metrics: Metrics
    registry: BundleRegistry
    project_states: ProjectStates
    forecasts: Forecasts
    broker: EventBroker
    provider: OidcClient | None = None
    """Whom people sign in by, besides or instead of names and passwords."""
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while cells are drawn: one request at a time takes a core for it."""

    def engine_of(self, session: Session, bundle_id: int) -> Engine:
        """The engine of a project's bundle; see :meth:`hemosight.service.bundle_registry.BundleRegistry.engine_of`."""
        return self.registry.engine_of(session, bundle_id)

    def install(self, target: AppState) -> None:
        """Put every part on the app, and the whole as ``whole``."""
        for name, part in vars(self).items():
            setattr(target, name, part)
        target.whole = self


def state(request: Request) -> State:
    """The service that is asked."""
    return request.app.state.whole


Service = Annotated[State, Depends(state)]
"""Dependency: what the running service holds."""


def transaction(service: Service) -> Iterator[Session]:
    """A transaction that commits when the route has returned and before its answer is sent."""
    with service.database.session() as session:
        yield session


Transaction = Annotated[Session, Depends(transaction, scope="function")]
"""Dependency: a database session in a transaction; committed before the answer leaves, rolled back on a fault."""
