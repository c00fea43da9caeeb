"""Shapes of fields of view: in a list, and one with the cells in it."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hemosight.service.schemas.people import Shape

_EXAMPLE = {
    "id": 3,
    "name": "film/field-003.png",
    "case": 7,
    "width": 1440,
    "height": 900,
    "red_cell_px": 76.2,
    "scale_from": "red cells",
    "cells": 4,
    "added": 1,
    "removed": 0,
    "seen_again": 0,
    "uncounted": 0,
    "covered": 0.58,
    "fair": True,
    "fairness": "Fair to count in: red cells cover 58% of it and it is in focus.",
    "reasons": [],
    "film": None,
    "x": None,
    "y": None,
    "checked_by": 2,
    "checked_at": "2026-03-02T09:21:10Z",
    "uploaded_at": "2026-03-02T09:12:44Z",
}
Place = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class FieldShown(BaseModel):
    """A field of view that was searched for white cells."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    id: int
    name: str
    case: int | None = Field(description="Number of its case.")
    width: int = Field(description="Pixels.")
    height: int
    red_cell_px: float = Field(description="How wide red cells are in it, in pixels.")
    scale_from: str = Field(description="Where that is known from.")
    cells: int = Field(description="White cells in it.")
    added: int = Field(description="Of these, cells that the search missed and people added.")
    removed: int = Field(description="What the search found and people removed as no white cell.")
    seen_again: int = Field(description="Cells more that another field of the case shows and counts.")
    uncounted: int = Field(
        description="Cells more that count nowhere: the cell of another field that stood for them was deleted."
    )
    covered: float = Field(description="Share of the field that red cells cover.")
    fair: bool = Field(description="Whether counting is fair in it: a monolayer, in focus.")
    fairness: str = Field(description="Why, in words.")
    reasons: list[str] = Field(description="What speaks against counting in it: thick, thin, blurred.")
    film: str | None = Field(description="What fields of one film share; null where the place is not known.")
    x: float | None = Field(description="Where its left side lies on the film, in its pixels.")
    y: float | None = Field(description="Where its upper side lies.")
    checked_by: int | None = Field(description="Who said that the whole field was looked at.")
    checked_at: datetime.datetime | None
    uploaded_at: datetime.datetime


class Fields(BaseModel):
    """Fields in the order they came."""

    items: list[FieldShown]
    next: int | None = None


class FieldCellShown(BaseModel):
    """A white cell in a field: its box in the field's pixels, and the image that was cut out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 11,
                    "image": 143,
                    "x": 402.5,
                    "y": 310.0,
                    "width": 148.0,
                    "height": 141.5,
                    "score": 0.98,
                    "marks": [],
                    "seen_in": None,
                    "added_by": None,
                    "removed_by": None,
                    "removed_at": None,
                }
            ]
        }
    )
    id: int
    image: int | None = Field(
        description="Null of one that was removed as no white cell, of one that another field counts, and of one that "
        "counts nowhere, because the cell of another field that stood for it was deleted (neither `seen_in` nor "
        "`removed_at`)."
    )
    x: float = Field(description="Left side of the box.")
    y: float = Field(description="Upper side of the box.")
    width: float
    height: float
    score: float | None = Field(description="How likely the search takes it for a white cell; null where it saw none.")
    marks: list[str] = Field(description="What speaks against counting it: border, smudge, touching, clump.")
    seen_in: int | None = Field(description="Number of the field that shows it as well, and counts it.")
    added_by: int | None = Field(description="Who added it; null where the search found it.")
    removed_by: int | None
    removed_at: datetime.datetime | None


class FieldDetail(FieldShown):
    """A field with its cells, and the fields before and after it in its case."""

    boxes: list[FieldCellShown] = Field(description="Removed ones too.")
    before: int | None
    after: int | None


class NewFieldCell(Shape):
    """Where a cell lies that the search missed, in the field's pixels."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"x": 812, "y": 455}]})
    x: Place
    y: Place


class FieldChecked(Shape):
    """Whether somebody looked at the whole field."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"checked": True}]})
    checked: bool
