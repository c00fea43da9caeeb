"""Shapes of what a report says besides counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from hemosight.blood.morphology import Grade, PlateletEstimate
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Shape
from hemosight.service.storage.findings import MOST_CELLS
from hemosight.service.storage.report_settings import printable

ReportForm = Literal["pdf", "csv", "hl7", "fhir"]
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000), AfterValidator(printable)]
FindingName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Cells = Annotated[list[Number], Field(max_length=MOST_CELLS)]


class FindingsChange(Shape):
    """What may be changed of the findings of a case; what is left away stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "version": 3,
                    "remark": "Left shift with toxic granulation.",
                    "grades": {"anisocytosis": "+", "schistocytes": "0"},
                    "platelets": "adequate",
                    "add_cells": [143],
                }
            ]
        },
    )
    version: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Of the findings that were on the screen; others by now are answered with 409."
    )
    remark: Remark | None = Field(None, description="Null leaves it as it is.")
    grades: dict[FindingName, Grade] | None = Field(None, description="All that are graded; null leaves them.")
    platelets: PlateletEstimate | Literal["none"] | None = Field(
        None, description="`none` takes the estimate away; null leaves it."
    )
    add_cells: Cells = Field([], description="Images of the case that the report is to show.")
    remove_cells: Cells = Field([], description="Images that it is to show no more.")

    def changes(self) -> dict[str, Any]:
        """Fields and values of the findings."""
        given = self.model_dump(include={"remark", "grades", "platelets"}, exclude_none=True)
        if given.get("platelets") == "none":
            given["platelets"] = None
        return given
