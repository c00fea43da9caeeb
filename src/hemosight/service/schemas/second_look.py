"""Shapes of what wants a second look: labels that look wrong, comments."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hemosight.service.schemas.people import Shape
from hemosight.service.security.permissions import BIGGEST


class DoubtShown(BaseModel):
    """A label that looks wrong beside all others."""

    image: int
    case: int | None
    label: str
    by: int
    version: int
    read: str = Field(description="By a classifier that learnt every label but this one.")
    own: float | None = Field(description="Probability of the label, without it; null where it is held back.")
    other: float | None = Field(description="Probability of `read`, without the label; null where it is held back.")
    repeated: bool = Field(description="Whether somebody was asked again and said the same.")


class Doubts(BaseModel):
    """Labels that look wrong, the most doubtful first."""

    items: list[DoubtShown]
    doubted: int = Field(description="Labels that look wrong, also those that `limit` leaves away.")
    labelled: int = Field(description="Labelled cells among those that were asked for.")
    next: None = None


class CommentListed(BaseModel):
    """A comment, where it stands, and whether it is dealt with."""

    id: int
    image: int
    name: str
    case: int | None
    case_key: str | None
    user: int
    at: datetime.datetime
    text: str
    resolved: bool
    resolved_by: int | None
    resolved_at: datetime.datetime | None
    assigned_to: int | None = Field(description="Who is to see to it; null where nobody was named.")
    assigned_by: int | None
    assigned_at: datetime.datetime | None


class Comments(BaseModel):
    """A page of comments, the newest first."""

    items: list[CommentListed]
    open: int = Field(description="Comments of the project that are not dealt with.")
    next: int | None


class CommentChange(Shape):
    """Whether a comment is dealt with, and who is to see to it; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"resolved": True}, {"assigned_to": 3}]})
    resolved: bool | None = None
    assigned_to: Annotated[int, Field(ge=1, le=BIGGEST)] | None = Field(
        None, description="An account that may review in the project; null for nobody."
    )

    @model_validator(mode="after")
    def _something(self) -> CommentChange:
        if self.resolved is None and "assigned_to" not in self.model_fields_set:
            raise ValueError("nothing to change: give resolved or assigned_to")
        return self
