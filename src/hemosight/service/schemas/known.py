"""Shapes of the known cells beside a cell."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, Field


class KnownCellShown(BaseModel):
    """A cell of the laboratory's own: a person gave it its type, and its case is signed."""

    image: int
    label: str
    case: int
    case_key: str
    signed_by: list[str] = Field(description="Who signed the case, the first signer first.")
    signed_at: datetime.datetime
    labelled_by: int
    distance: float = Field(description="Euclidean, between unit vectors: 0 to 2.")
    same_profile: bool = Field(description="Whether its case is of the same scanner profile.")
    teaching: bool = Field(description="Whether it is in the library of teaching cells.")


class DrawnType(BaseModel):
    """A type of which drawn cells stand in for known ones: numbers 1 to `count` of `/drawn-cells/{number}`."""

    label: str
    count: int


class ReferenceType(BaseModel):
    """How many of the nearest cells that the model learnt from are of a type."""

    label: str | None
    cells: int


class KnownCellsShown(BaseModel):
    """What can stand beside a cell: known cells nearest first, those of its own scanner profile before others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "signed": [
                        {
                            "image": 41,
                            "label": "blast",
                            "case": 3,
                            "case_key": "S-2026-0398",
                            "signed_by": ["Dr. Amina Diallo"],
                            "signed_at": "2026-03-02T09:12:44Z",
                            "labelled_by": 3,
                            "distance": 0.41,
                            "same_profile": True,
                            "teaching": False,
                        }
                    ],
                    "signed_cells": 812,
                    "drawn": [{"label": "basophil", "count": 2}],
                    "undrawn": [],
                    "reference": [{"label": "blast", "cells": 11}, {"label": "lymphocyte", "cells": 1}],
                    "reference_cells": 3000,
                }
            ]
        }
    )
    signed: list[KnownCellShown]
    signed_cells: int = Field(description="Known cells of the project.")
    drawn: list[DrawnType] = Field(description="Types that the cell may be of and the project has no known cell of.")
    undrawn: list[str] = Field(description="Such types that cannot be drawn either.")
    reference: list[ReferenceType] = Field(description="Of the twelve nearest; they have no pictures anywhere.")
    reference_cells: int = Field(description="Labelled cells that the model learnt from.")
