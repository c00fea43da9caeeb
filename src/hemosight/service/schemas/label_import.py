"""Shapes of labels that come in a table."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.labels import ClassName, Number, SetName
from hemosight.service.schemas.people import Shape

LISTED = 50
"""Rows of each kind that an answer names."""


class NewLabelImport(Shape):
    """A table of labels: a column `path` or `sha256`, and a column `label`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "request": "0b0f6bd4-8c5e-4c0a-9a39-6f4f0f0f1a12",
                    "file": "labels.csv",
                    "content": "cGF0aCxsYWJlbApjZWxsLTAucG5nLGJsYXN0Cg==",
                    "case": 7,
                    "means": {"Segs": "neutrophil", "junk": None},
                    "check": True,
                }
            ]
        },
    )
    request: uuid.UUID = Field(description="A number of the sender's; the same number again is the same request.")
    file: Annotated[str, StringConstraints(min_length=1, max_length=255)] = Field(description="What it is called.")
    content: Base64Bytes = Field(description="The file, CSV or Excel, in base64.", max_length=4 << 20)
    label_set: SetName = "cell_type"
    case: Number | None = Field(None, description="Only cells of this case; of all cases where null.")
    means: dict[Annotated[str, StringConstraints(max_length=200)], ClassName | None] = Field(
        default={}, max_length=500, description="What a label of the table means here; null leaves its rows out."
    )
    overwrite: bool = Field(default=False, description="Replace labels that stand and say otherwise.")
    check: bool = Field(default=True, description="Only say what the table would do.")


class ProposalShown(BaseModel):
    """What an unknown label may mean."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    title: str
    add: bool = Field(description="A type that is not in use yet: add it first.")


class UnknownLabel(BaseModel):
    """A label that is no class of the label set."""

    label: str
    rows: int
    proposals: list[ProposalShown]


class RowShown(BaseModel):
    """A row that gives no label."""

    model_config = ConfigDict(from_attributes=True)
    line: int
    cell: str
    label: str


class RowsShown(BaseModel):
    """Such rows: how many, and the first of them."""

    count: int
    first: list[RowShown]


class LabelImportShown(BaseModel):
    """What a table does, or did."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "written": False,
                    "rows": 3,
                    "blank": 0,
                    "same": 0,
                    "labels": {"blast": 2},
                    "unknown": [{"label": "Stabs", "rows": 1, "proposals": []}],
                    "unmatched": {"count": 0, "first": []},
                    "clashing": {"count": 0, "first": []},
                    "kept": {"count": 0, "first": []},
                    "locked": {"count": 0, "first": []},
                    "undo": [],
                }
            ]
        }
    )
    written: bool
    rows: int = Field(description="Rows with a label.")
    blank: int = Field(description="Rows without one.")
    same: int = Field(description="Cells that have that label already.")
    labels: dict[str, int] = Field(description="Cells that are labelled so by the table.")
    unknown: list[UnknownLabel] = Field(description="Labels that are no class: nothing is written while there are any.")
    unmatched: RowsShown = Field(description="Rows of no cell here.")
    clashing: RowsShown = Field(description="Rows of one cell with different labels.")
    kept: RowsShown = Field(description="Rows of cells that somebody labelled otherwise; their labels stand.")
    locked: RowsShown = Field(description="Rows of signed cases.")
    undo: list[int] = Field(description="Label records that were written; send them to undo the import.")
