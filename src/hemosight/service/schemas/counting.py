"""Shapes of which cells of a case are counted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape
from hemosight.service.storage.counting import Method


class NewCounting(Shape):
    """How many cells to count, and how they are drawn; the seed is the service's, so that nobody chooses it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"leukocytes": 200, "method": "random", "reason": ""}]}
    )
    leukocytes: Literal[100, 200, 400] | None = Field(
        description="Cells are taken in the order that was drawn until so many leukocytes are met. Null: all count."
    )
    method: Method = "random"
    same_order: bool = Field(
        False, description="Keep method, seed and first field of the draw that stands: go on in its order, or less far."
    )
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = Field(
        "", description="Needed where cells were drawn before and the case has labels."
    )
