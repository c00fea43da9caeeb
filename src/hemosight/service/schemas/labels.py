"""Shapes of labels: what is said, what became of it, the facts in order."""

from __future__ import annotations

import datetime
import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hemosight.service.schemas.people import Shape
from hemosight.service.security.permissions import BIGGEST

MOST = 1000
"""Images that one request may label."""
SetName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ClassName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=1, le=BIGGEST)]
Version = Annotated[int, Field(ge=0, le=BIGGEST)]


class SaidOf(Shape):
    """What an image is."""

    model_config = ConfigDict(extra="forbid")
    image: Number
    label: ClassName | None = Field(description="A class of the label set, `?` for unsure, null to withdraw.")
    version: Version = Field(0, description="The fact that stands as far as the page knows; 0 for none.")


class NewLabels(Shape):
    """Labels for one or many images, in one step."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "request": "0b0f6bd4-8c5e-4c0a-9a39-6f4f0f0f1a11",
                    "label_set": "cell_type",
                    "items": [{"image": 17, "label": "neutrophil", "version": 0}],
                    "kind": "set",
                }
            ]
        },
    )
    request: uuid.UUID = Field(description="A number of the sender's; the same number again is the same request.")
    label_set: SetName = "cell_type"
    items: list[SaidOf] = Field(min_length=1, max_length=MOST)
    kind: Literal["set", "agree", "clear"] = "set"

    @model_validator(mode="after")
    def _one_word_each(self) -> NewLabels:
        if len({item.image for item in self.items}) < len(self.items):
            raise ValueError("an image is named twice")
        if self.kind == "clear" and any(item.label is not None for item in self.items):
            raise ValueError("clearing gives no label")
        return self


class NewUndo(Shape):
    """Facts to take back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"request": "4f7c1a0e-64a1-4a4e-8a53-8bd0d5d7a001", "facts": [231]}]},
    )
    request: uuid.UUID
    facts: list[Number] = Field(min_length=1, max_length=MOST, description="The `undo` of the answer to take back.")


class FactMade(BaseModel):
    """A label that stands now."""

    image: int
    version: int = Field(description="The fact; send it back as the version when labelling the image again.")
    label: str | None


class LabelConflict(BaseModel):
    """An image of which somebody else said something meanwhile; it was left alone."""

    image: int
    version: int
    label: str | None
    by: int | None
    at: datetime.datetime | None


class LabelAnswer(BaseModel):
    """What became of a request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "facts": [{"image": 17, "version": 231, "label": "neutrophil"}],
                    "conflicts": [],
                    "revision": 231,
                    "undo": [231],
                }
            ]
        }
    )
    facts: list[FactMade]
    conflicts: list[LabelConflict]
    revision: int = Field(description="The newest fact: the model is about to learn up to here.")
    undo: list[int] = Field(description="Send it to undo the request.")


class FactShown(BaseModel):
    """Something somebody said of an image, and what the model said at that moment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 231,
                    "image": 17,
                    "label_set": "cell_type",
                    "label": "neutrophil",
                    "user": 3,
                    "at": "2026-03-02T09:12:44Z",
                    "kind": "set",
                    "undoes": None,
                    "predicted": "ig",
                    "probability": 0.61,
                    "revision": 230,
                    "bundle": 1,
                }
            ]
        }
    )
    id: int
    image: int
    label_set: str
    label: str | None
    user: int
    at: datetime.datetime
    kind: Literal["set", "agree", "undo", "clear"]
    undoes: int | None
    predicted: str | None
    probability: float | None
    revision: int
    bundle: int


class Facts(BaseModel):
    """A page of facts."""

    items: list[FactShown]
    next: int | None
