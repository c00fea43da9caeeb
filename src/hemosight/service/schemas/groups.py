"""Shapes of groups that get one label on the word of a random sample."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hemosight.service.schemas.labels import ClassName, Number, SetName
from hemosight.service.schemas.people import Shape

MOST_CELLS = 20_000
"""Cells of one group."""
MOST_SAMPLED = 1000
Images = Annotated[list[Number], Field(min_length=1, max_length=MOST_CELLS)]


class GroupCells(Shape):
    """Cells that somebody thinks of as a group."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"images": [17, 18, 21]}]})
    label_set: SetName = "cell_type"
    images: Images


class GroupOrder(BaseModel):
    """The cells of a group in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [18, 17], "left_out": 1}]})
    images: list[int] = Field(description="What is most like the group's middle first.")
    left_out: int = Field(description="Cells that have a label, were not read, are not asked, or are not there.")


class NewGroup(Shape):
    """A group to draw a random sample of."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"images": [17, 18, 21], "label": "neutrophil", "sample": 2}]},
    )
    label_set: SetName = "cell_type"
    label: ClassName = Field(description="What the cells are to be called: a class of the label set.")
    images: Images
    sample: int = Field(
        59,
        ge=1,
        le=MOST_SAMPLED,
        description="Cells to draw; all where the group has fewer. 59 right of 59: at least 95 % of any group are.",
    )


class AcceptedBound(Shape):
    """What whoever accepts a group was told of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"bound": 0.954}]})
    bound: float = Field(ge=0, le=1, description="`bound` of the group as it was shown. Where it is lower now: 409.")


class SampledCell(BaseModel):
    """A cell of the sample, and what the person who drew it called it since."""

    image: int
    answer: str | None = Field(
        description="Null: not answered yet, or somebody called it otherwise since; `?`: unsure, which is not right."
    )


class GroupShown(BaseModel):
    """A group, its sample, the answers, and what they warrant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 4,
                    "label_set": "cell_type",
                    "label": "neutrophil",
                    "user": 3,
                    "at": "2026-03-02T09:12:44Z",
                    "cells": 420,
                    "seed": 2881903417,
                    "sample": [{"image": 17, "answer": "neutrophil"}, {"image": 21, "answer": None}],
                    "right": 1,
                    "bound": None,
                    "best": [0.954, 0.926],
                    "drawn_before": 0,
                    "ended_at": None,
                    "accepted": None,
                    "labelled": None,
                    "left": None,
                    "undo": [],
                }
            ]
        }
    )
    id: int
    label_set: str
    label: str
    user: int = Field(description="Who drew the sample; nobody else answers it.")
    at: datetime.datetime
    cells: int = Field(description="Cells of the group as it was drawn from.")
    seed: int = Field(description="The sample is the cells with the least SHA-256 of `<seed> <image>`.")
    sample: list[SampledCell] = Field(description="In the order in which they are asked. Answer by labelling each.")
    right: int = Field(description="Cells of the sample that were called as the group is.")
    bound: float | None = Field(
        description="Once all are answered: with 95 % confidence at least this share of the labels that the group gets "
        "is right. Exact, of a finite group."
    )
    best: list[float] = Field(
        description="While it is open: the bound where none, one, two ... cells of the sample are not called as the "
        "group is, the first eleven; so that nobody answers on where it cannot be what they want."
    )
    drawn_before: int = Field(
        description="Earlier draws for this label that share cells with it, by anybody, whatever became of them."
    )
    ended_at: datetime.datetime | None
    accepted: bool | None
    labelled: int | None = Field(description="Cells outside the sample that got the label.")
    left: int | None = Field(description="Cells that somebody labelled meanwhile, or that are gone: left alone.")
    undo: list[int] = Field([], description="Of the answer to accepting alone: send it, in parts, to undo it.")


class Groups(BaseModel):
    """A page of groups, in the order in which they were drawn."""

    items: list[GroupShown]
    next: int | None
