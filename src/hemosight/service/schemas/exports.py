"""Shapes of exports."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape

Format = Literal["csv", "labels", "parquet", "json", "folder", "coco", "fiftyone", "label-studio"]


class NewExport(Shape):
    """What is to be taken away."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"format": "csv", "case": 3, "label_set": "cell_type"}]}
    )
    format: Format = "csv"
    case: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        None, description="One case by its number, 0 for the cells of none; all where null."
    )
    label_set: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        "cell_type", description="Whose labels and readings."
    )
    bom: bool = Field(False, description="Begin CSV with UTF-8's byte order mark, for Excel.")


class ExportMade(BaseModel):
    """An export that is noted in the audit trail, and ready to be fetched."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 2041,
                    "format": "csv",
                    "case": 3,
                    "label_set": "cell_type",
                    "bom": False,
                    "until": "2026-11-27T16:00:00Z",
                }
            ]
        }
    )
    id: int = Field(description="Its row in the audit trail.")
    format: Format
    case: int | None
    label_set: str
    bom: bool
    until: datetime.datetime = Field(description="Until when whoever asked for it may fetch it.")
