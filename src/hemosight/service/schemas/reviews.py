"""Shapes of the review of reviews."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

GroupBy = Literal["person", "type", "case"]


class ReviewCounts(BaseModel):
    """Labels of a group, and what became of them. A label that the same person repeats counts once."""

    cells: int
    labels: int
    unsure: int
    bulk: int = Field(description="Given to many cells at once.")
    read: int = Field(description="Sure labels of cells that the model had read.")
    changed: int = Field(description="Of these, those that say otherwise than the model.")
    confirmed: int = Field(description="Another person gave the same label after it, and nobody another.")
    overturned: int = Field(description="Another person gave another label after it.")
    revised: int = Field(description="The same person gave another label later.")
    by_panel: int = Field(description="It stands, but a panel decided on another type later.")
    second: int = Field(description="Confirmed or overturned.")
    agreed: float | None = Field(description="Share of `second` that was confirmed; null where there is none.")
    low: float | None = Field(description="Of its 95% interval (Wilson).")
    high: float | None


class ReviewRow(ReviewCounts):
    """One person; of one type or of one case, where it is asked so."""

    user: int
    label: str | None = Field(description="Of a table by type: `?` is unsure.")
    case: int | None = Field(description="Of a table by case; null for cells without one.")
    case_key: str | None


class OverturnedShown(BaseModel):
    """A label that another one has replaced."""

    image: int
    case: int | None
    case_key: str | None
    user: int
    label: str
    at: datetime.datetime
    fate: Literal["overturned", "revised", "by_panel"]
    other: str
    other_by: int | None = Field(description="Null where a panel decided it.")
    other_at: datetime.datetime


class BlindPairShown(BaseModel):
    """Two readers who read the same cells blind, in panels that are closed."""

    one: int
    other: int
    cells: int
    share: float | None
    kappa: float | None = Field(description="Cohen's, with its 95% interval (Fleiss, Cohen and Everitt 1969).")
    low: float | None
    high: float | None


class Reviews(BaseModel):
    """Who labelled what, and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "user": 3,
                            "label": None,
                            "case": None,
                            "case_key": None,
                            "cells": 120,
                            "labels": 121,
                            "unsure": 2,
                            "bulk": 40,
                            "read": 118,
                            "changed": 9,
                            "confirmed": 18,
                            "overturned": 2,
                            "revised": 1,
                            "by_panel": 0,
                            "second": 20,
                            "agreed": 0.9,
                            "low": 0.699,
                            "high": 0.972,
                        }
                    ],
                    "overturned": [],
                    "overturned_count": 3,
                    "blind": [],
                    "panels": 0,
                }
            ]
        }
    )
    rows: list[ReviewRow]
    overturned: list[OverturnedShown] = Field(description="The newest hundred of them.")
    overturned_count: int
    blind: list[BlindPairShown]
    panels: int = Field(description="Closed panels among those readings.")
