"""Shapes of cases, and of what moves and deletes cells."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hemosight.images.names import composed
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Shape

Text = Annotated[str, StringConstraints(max_length=10_000)]
Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(composed)]
Accession = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Wbc = Annotated[float, Field(gt=0, le=2000, allow_inf_nan=False, description="Leukocytes, 10^9 per litre.")]
CaseState = Literal["new", "in_review", "signed", "amended"]
Cells = Annotated[list[Number], Field(min_length=1, max_length=10_000)]

_EXAMPLE = {
    "id": 7,
    "key": "24-1187",
    "note": "",
    "accession": "H26-004711",
    "collected_at": "2026-03-02T07:40:00Z",
    "received_at": "2026-03-02T08:55:00Z",
    "wbc": 11.4,
    "assigned_to": 2,
    "created_at": "2026-03-02T09:00:00Z",
    "images": 200,
    "read": 200,
    "counted": 200,
    "labelled": 29,
    "unsure": 6,
    "unusual": 2,
    "unreadable": 0,
    "blasts": 1,
    "held_back": False,
    "rules_fired": [
        {
            "level": "second",
            "count": 2,
            "says": "Blast 2 cells, 1.0%, rule: 1% or more",
            "measured": "Blast 2 cells, 1.0%",
        },
    ],
    "state": "in_review",
    "signed": False,
    "signed_at": None,
    "version": 0,
    "second_wanted": False,
}


class RuleFired(BaseModel):
    """A rule of signing that a case meets."""

    model_config = ConfigDict(from_attributes=True)
    level: Literal["warn", "reason", "second", "block"] = Field(
        description="What it asks of whoever signs: a look, a reason, a second signature; or it stands in the way."
    )
    count: int = Field(description="Cells that it found.")
    says: str = Field(description="The same in words, with what the rule asks.")
    measured: str = Field(description="The same without what the rule asks.")


class CaseShown(BaseModel):
    """A case: its specimen, how far its review is, and what in it wants a look."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    id: int
    key: str
    note: str = Field(description="The laboratory's remark.")
    accession: str
    collected_at: datetime.datetime | None
    received_at: datetime.datetime | None
    wbc: float | None = Field(description="Leukocytes of the specimen, 10^9 per litre.")
    assigned_to: int | None = Field(description="The account that is to review it.")
    created_at: datetime.datetime
    images: int
    read: int = Field(description="Cells the model has read, the unreadable ones included.")
    counted: int = Field(
        description="Cells that count: all, unless some were drawn. The numbers that follow are of these."
    )
    labelled: int = Field(description="Cells with a person's label in the first label set.")
    unsure: int = Field(description="Cells that a person left undecided.")
    unusual: int = Field(description="Cells beyond the novelty limit that nobody labelled.")
    unreadable: int = Field(description="Cells whose file cannot be read, and that nobody named.")
    blasts: int = Field(description="Cells labelled as blasts, or without a label and read as blasts.")
    held_back: bool = Field(
        description="Whether the model does not know its scanner: no probability is shown, and it cannot be signed yet."
    )
    rules_fired: list[RuleFired] = Field(
        description="Rules of signing on its numbers as they are now, the first in front; none of a signed case."
    )
    state: CaseState = Field(description="`amended`: signed, opened again for changes, and not signed since.")
    signed: bool
    signed_at: datetime.datetime | None
    version: int = Field(description="Of its newest signed record; 0 before the first signature.")
    second_wanted: bool = Field(description="Whether that record still waits for a second signature.")


class Cases(BaseModel):
    """A page of cases."""

    items: list[CaseShown]
    without_case: int = Field(description="Cells of the project that are of no case.")
    next: int | None


class NewCase(Shape):
    """A case under the key the laboratory gives it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "24-1187", "note": ""}]})
    key: Key
    note: Text = ""


class CaseChange(Shape):
    """What may be changed of a case; what is left away stays, null takes a value away."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"accession": "H26-004711", "wbc": 11.4, "assigned_to": 2}]}
    )
    key: Key | None = Field(None, description="Null leaves the key as it is.")
    note: Text | None = None
    accession: Accession | None = None
    collected_at: AwareDatetime | None = None
    received_at: AwareDatetime | None = None
    wbc: Wbc | None = None
    assigned_to: Number | None = None

    def changes(self) -> dict[str, object]:
        """Columns and values; texts that are taken away become empty."""
        given = self.model_dump(exclude_unset=True)
        if given.get("key", "") is None:
            del given["key"]
        return {name: "" if value is None and name in ("note", "accession") else value for name, value in given.items()}


class CellsMove(Shape):
    """Cells, and the case they belong to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"images": [143, 144], "case": 7}]})
    images: Cells
    case: Number | None = Field(description="Null: to no case.")


class CellsDeletion(Shape):
    """Cells to delete."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"images": [143, 144]}]})
    images: Cells


class CellChange(Shape):
    """What may be changed of a cell."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "slide-2/cell-143.png"}]})
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(composed)
    ]


class CellsChanged(BaseModel):
    """How many cells were moved or deleted."""

    cells: int
