"""Shapes of the library of teaching cells."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.labels import Number, SetName
from hemosight.service.schemas.people import Shape

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class TeachingCellShown(BaseModel):
    """A cell of the library, and who added it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 4,
                    "image": 17,
                    "name": "WBC_01.jpg",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "case": 3,
                    "case_key": "S-2026-0412",
                    "label": "blast",
                    "label_now": "blast",
                    "note": "Two nucleoli, no granules.",
                    "user": 3,
                    "by": "Dr. Amina Diallo",
                    "at": "2026-03-02T09:12:44Z",
                }
            ]
        }
    )
    id: int
    image: int
    name: str
    sha256: str
    case: int | None
    case_key: str | None
    label: str = Field(description="The type that it was added for.")
    label_now: str | None = Field(description="The label that stands now; another one means that somebody disagrees.")
    note: str
    user: int
    by: str
    at: datetime.datetime


class TeachingCells(BaseModel):
    """A page of the library, in the order in which cells were added."""

    items: list[TeachingCellShown]
    counts: dict[str, int] = Field(description="Teaching cells of each type, of the whole label set.")
    next: int | None


class NewTeachingCell(Shape):
    """A cell for the library of the type that a person labelled it with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"image": 17, "note": "Two nucleoli, no granules."}]}
    )
    image: Number
    label_set: SetName = "cell_type"
    note: Note = ""


class TeachingCellChange(Shape):
    """Another note."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "Auer rod at the edge."}]})
    note: Note
