"""Shapes of what to review next."""

from __future__ import annotations

from pydantic import BaseModel


class NextShown(BaseModel):
    """An image worth a look."""

    image: int
    reason: str
    predicted: str | None
    probability: float | None


class CurvePoint(BaseModel):
    """How well the model read the last cells before it learnt from them."""

    labels: int
    macro_f1: float
    low: float
    high: float


class Forecast(BaseModel):
    """How many more labels a target takes."""

    target: float
    more: int
    low: int
    high: int
    by_class: dict[str, int]


class Queue(BaseModel):
    """What to review next, and how the review goes."""

    items: list[NextShown]
    next: None = None
    curve: list[CurvePoint]
    forecast: Forecast | None
