"""Shapes of what people keep at the desk beside labels: tags on cells, and saved views of the table."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hemosight.service.schemas.labels import Number, SetName
from hemosight.service.schemas.people import Shape

TagName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^;\x00-\x1f\x7f]+$")
]
"""Tables give the tags of a cell in one column, with semicolons between them."""
ViewName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")
]

FOLDED = 4000
"""Characters of the names of all bins that a view folds away: of a hundred types, the most that a label set has."""


class TagListed(BaseModel):
    """A tag, and the cells that have it."""

    name: str
    images: list[int]


class Tags(BaseModel):
    """Every tag of a project, in the order of the alphabet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [{"name": "ask Amina", "images": [17, 42]}]}]})
    items: list[TagListed]


class NewTags(Shape):
    """A tag to put on cells, or to take off."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tag": "ask Amina", "images": [17, 42], "on": True}]}
    )
    tag: TagName
    images: list[Number] = Field(min_length=1, max_length=10_000)
    on: bool = Field(default=True, description="False takes the tag off.")


class TagsChanged(BaseModel):
    """What that changed; undone by sending these cells with the other `on`."""

    tag: str = Field(description="As the project spells it: letters' case does not make another tag.")
    on: bool
    images: list[int]


class TagShown(BaseModel):
    """A tag of a cell, and who put it there."""

    name: str
    user: int
    at: datetime.datetime


class ViewFilter(Shape):
    """Which cells a view shows."""

    who: Literal["all", "model", "people"] = "all"
    certainty: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=1, description="Only cells whose reading is at most this certain."
    )
    unusual: bool = False
    counted: Literal["all", "in", "out"] = "all"
    tag: TagName | None = None


class View(Shape):
    """How the table is sorted, filtered and laid out."""

    sort: Literal["uncertain", "confident", "novel", "arrival"] = "uncertain"
    filter: ViewFilter = ViewFilter()
    unusual_apart: bool = Field(default=True, description="Whether unusual cells lie in a bin of their own.")
    size: Annotated[int, Field(ge=16, le=400)] = Field(default=88, description="Pixels of a crop's side.")
    folded: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[], max_length=200, description="Bins that are folded away: names of classes, or `?` for unsure."
    )
    label_set: SetName = "cell_type"


class NewView(Shape):
    """A view under a name; one's own of the same name is replaced."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "to be asked", "shared": True, "view": {"filter": {"who": "model"}}}]},
    )
    name: ViewName
    shared: bool = Field(default=False, description="Whether the other members of the project see it.")
    view: View

    @model_validator(mode="after")
    def _short(self) -> NewView:
        # Everybody gets all of a project's views with the table. Asked of new ones alone: those that are kept are read.
        if (came := sum(map(len, self.view.folded))) > FOLDED:
            raise ValueError(f"the names in folded are {came} characters together, and may be {FOLDED}")
        return self


class ViewShown(BaseModel):
    """A saved view, and whose it is."""

    id: int
    user: int
    by: str
    name: str
    shared: bool
    view: View
    at: datetime.datetime


class Views(BaseModel):
    """One's own views, then what others share."""

    items: list[ViewShown]
