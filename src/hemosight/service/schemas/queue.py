"""Shapes of what to review next."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
    """How many more labels a target takes, by the project's own labels alone, of types with at least five.

    It is of a reader taught by nothing but the labels that stand in this project and label set, each cell read by fits
    that never saw its label. The project's reader also knows the bundle's cells: where the bundle has the label set,
    it mostly needs fewer labels than this says. A forecast holds as long as labels come in the shares they came in.
    """

    model_config = ConfigDict(from_attributes=True)

    target: float = Field(description="Macro-F1 to go for next.")
    score: float = Field(description="Macro-F1 that these labels reach by themselves now, by the fitted curve.")
    labels: int = Field(description="Labels it was made from; it is made anew after ten more, or a tenth more.")
    more: int = Field(description="Labels that reach the target, beyond those.")
    low: int = Field(description="Lower end of the 95 % interval of `more`.")
    high: int = Field(description="Its upper end; nine times `labels` where it is beyond that.")
    by_class: dict[str, int] = Field(description="How they are best shared out among the types.")


class Queue(BaseModel):
    """What to review next, and how the review goes."""

    items: list[NextShown]
    next: None = None
    curve: list[CurvePoint]
    forecast: Forecast | None = Field(
        description="Null with fewer than 20 labels in two types of five each, where no higher score is in reach, and "
        "until it is worked out, a few seconds after it was first asked for."
    )
