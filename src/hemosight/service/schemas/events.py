"""The live events of a project as the API describes them: a union told apart by ``kind``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, RootModel

from hemosight.service.storage.live_events import MissedEvent, PingEvent, StoredEvent


class LiveEvent(RootModel[Annotated[StoredEvent | PingEvent | MissedEvent, Field(discriminator="kind")]]):
    """What `data:` of a server-sent event holds."""


REFERENCE = {"$ref": f"#/components/schemas/{LiveEvent.__name__}"}
"""How a route refers to it."""


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add the events' shapes to an OpenAPI document.

    FastAPI collects the shapes of JSON bodies alone, and a stream of events is none.
    """
    shape = LiveEvent.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    shapes = document.setdefault("components", {}).setdefault("schemas", {})
    shapes.update(shape.pop("$defs"))
    shapes[LiveEvent.__name__] = shape
    return document
