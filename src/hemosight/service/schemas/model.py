"""Shapes of the model page."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Source(BaseModel):
    """A data set that labels came from."""

    name: str
    title: str
    licence: str
    citation: str
    page: str
    cells: int


class BundleShown(BaseModel):
    """What a bundle says of itself."""

    name: str
    version: str
    created: str
    notice: str
    backbone: str
    identity: str = Field(description="sha256 of the whole.")
    cells: int = Field(description="Labelled cells in it.")
    dimensions: int
    preprocessing: dict[str, Any]
    provenance: dict[str, Any] = Field(description="How the encoder was trained.")
    sources: list[Source]
    commands: list[str] = Field(description="What was typed to make it.")


class SetFacts(BaseModel):
    """A label set the bundle reads: classes, cells of each, and the classifier."""

    name: str
    title: str
    classes: list[str]
    counts: dict[str, int]
    classifier: str
    temperature: float = Field(description="What scores are divided by to be probabilities.")


class Confusion(BaseModel):
    """Held-out cells by true class (rows) and read class (columns)."""

    classes: list[str]
    counts: list[list[int]]
    precision: list[float]
    recall: list[float]
    f1: list[float]


class CalibrationBin(BaseModel):
    """Held-out cells that the model was about as sure of."""

    confidence: float = Field(description="Their mean probability.")
    accuracy: float = Field(description="Share of them that was right.")
    cells: int


class Calibration(BaseModel):
    """How far probabilities are from how often they are right."""

    error: float = Field(description="Expected calibration error on held-out cells.")
    bins: list[CalibrationBin] = Field(description="Bins of confidence that have cells; empty where none were kept.")


class Efficiency(BaseModel):
    """Score by number of labels, on folds of the cells the bundle was packed from; one standard deviation about it."""

    labels: int
    macro_f1: float
    low: float | None = None
    high: float | None = None


class Step(BaseModel):
    """A step of training."""

    step: int
    loss: float


class ModelShown(BaseModel):
    """Everything the model page shows."""

    bundle: BundleShown
    label_sets: list[SetFacts]
    figures: dict[str, Any] = Field(description="Measured figures, each with the data it was measured on.")
    confusion: Confusion | None
    calibration: Calibration | None
    label_efficiency: list[Efficiency] | None
    training: list[Step] | None
    classes: list[str]
    limits: list[str]
