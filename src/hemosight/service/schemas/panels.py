"""Shapes of panels: sessions, what a reader meets, what was read, and what it comes to."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.labels import ClassName, Number
from hemosight.service.schemas.people import Shape

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Choice = Literal["random", "stratified", "differing"]
Kind = Literal["panel", "proficiency"]


class NewPanel(Shape):
    """A session to be read by several people."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"title": "Blasts of March", "cells": 100, "readers": [2, 3, 4]}]},
    )
    title: Title
    kind: Kind = Field("panel", description="`proficiency`: cells with a label that stands are the marked set.")
    cells: int = Field(ge=2, le=2000, description="How many cells are read.")
    choice: Choice = Field(
        "random",
        description="Any cells, evenly by the model's reading, or first those whose label and reading differ.",
    )
    case: Number | None = Field(None, description="Of this case alone.")
    readers: Annotated[list[Number], Field(min_length=1, max_length=50)] = Field(
        description="Accounts that read; each a reviewer of the project."
    )
    repeated: float = Field(0.1, ge=0, le=0.5, description="Share of the cells that each reader meets twice.")
    aided: bool = Field(False, description="After the blind readings once more with the model's reading shown.")
    planted: float = Field(
        0, ge=0, le=0.5, description="Share of the shown readings that are wrong on purpose; readers are told so."
    )
    timed: bool = Field(False, description="Keep how long readers look at each cell; readers are told so.")


class ReaderShown(BaseModel):
    """A reader, and how far they are."""

    user: int
    name: str
    done: int


class PanelShown(BaseModel):
    """A session."""

    id: int
    title: str
    kind: Kind
    choice: Choice
    cells: int
    total: int = Field(description="Readings that each reader gives, repeated and aided ones included.")
    repeated: float
    aided: bool
    planted: float
    timed: bool
    teaches: bool = Field(description="Whether its consensus teaches the project's classifier.")
    created_at: datetime.datetime
    closed_at: datetime.datetime | None
    readers: list[ReaderShown]
    reads: bool = Field(description="Whether whoever asks is one of the readers.")


class Panels(BaseModel):
    """Sessions of a project, the newest first."""

    items: list[PanelShown]
    next: None = None


class PanelNext(BaseModel):
    """What a reader meets next."""

    image: int | None = Field(description="Null where everything is read.")
    turn: int | None
    shown: str | None = Field(description="The model's reading, in the aided turn alone; it may be a planted one.")
    done: int
    total: int


class NewReading(Shape):
    """What a reader calls the cell that they were shown."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"image": 17, "turn": 1, "label": "blast", "ms": 1800}]}
    )
    image: Number
    turn: int = Field(ge=1, le=3)
    label: ClassName = Field(description="A class of the label set, or `?` for unsure.")
    ms: int | None = Field(None, ge=0, le=86_400_000, description="How long they looked; kept in timed ones alone.")


class PanelTeaching(Shape):
    """Whether what a session agreed on teaches."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"teaches": True}]})
    teaches: bool


class NewDecision(Shape):
    """What was agreed on for a cell on which readers differed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"image": 17, "label": "blast", "note": ""}]}
    )
    image: Number
    label: ClassName
    note: Annotated[str, StringConstraints(max_length=10_000)] = ""


class Bounded(BaseModel):
    """A figure with its 95% interval."""

    model_config = ConfigDict(from_attributes=True)
    value: float
    low: float
    high: float


class CoefficientShown(BaseModel):
    """Agreement beyond chance; null where it says nothing."""

    value: float | None
    low: float | None
    high: float | None


class TogetherShown(BaseModel):
    """Agreement of all readers on one type against the rest, or on `all` types."""

    what: str
    cells: int
    share: float | None
    ac1: CoefficientShown
    fleiss: CoefficientShown


class PairShown(BaseModel):
    """Cohen's kappa of two readers."""

    a: int
    b: int
    n: int
    share: float | None
    kappa: CoefficientShown


class ConfusionShown(BaseModel):
    """Cells that are one type by the reference and were called another."""

    reference: str = Field(description="The mark; in a panel without marks the consensus.")
    said: str
    count: int


class ReaderResultShown(BaseModel):
    """A reader's figures."""

    user: int
    name: str
    read: int
    unsure: int
    own: CoefficientShown | None = Field(description="Agreement with themselves on the repeated cells.")
    own_cells: int
    accuracy: Bounded | None = Field(description="By the consensus' model of readers (Dawid and Skene).")
    score: Bounded | None = Field(description="Share of the marked cells named right.")
    aided_score: Bounded | None
    followed: Bounded | None = Field(description="Share of planted wrong readings that were kept.")
    misled: Bounded | None = Field(description="Share of those that the reader had given blind already.")
    median_ms: float | None = Field(description="Of a cell, in the blind readings.")
    aided_ms: float | None
    case_ms: float | None = Field(description="Of the cells of a case together, median over cases.")
    aided_case_ms: float | None
    confusion: list[ConfusionShown]


class SaidShown(BaseModel):
    """What one reader called a cell."""

    user: int | None = Field(description="Null of somebody else, to whoever does not administer the project.")
    label: str
    suspect: bool


class DecisionShown(BaseModel):
    """What was agreed on."""

    label: str
    note: str
    user: int
    at: datetime.datetime


class CellResultShown(BaseModel):
    """A cell, side by side."""

    image: int
    said: list[SaidShown]
    consensus: str | None
    probability: float | None
    differing: bool
    decision: DecisionShown | None
    predicted: str | None


class CaseTimeShown(BaseModel):
    """How long a reader took over the cells of a case, milliseconds; both turns are of the same cells."""

    user: int
    case: int
    key: str
    cells: int
    blind_ms: int
    aided_ms: int | None


class PanelResults(BaseModel):
    """What a session came to.

    How each person reads is for administrators of the project; others find themselves alone in `pairs`, `readers` and
    `times`.
    """

    together: list[TogetherShown]
    pairs: list[PairShown]
    readers: list[ReaderResultShown]
    cells: list[CellResultShown] = Field(description="Cells on which readers differ first.")
    times: list[CaseTimeShown] = Field(description="By reader and case; empty of a session that was not timed.")
