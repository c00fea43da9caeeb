"""Shapes of labels: what is submitted, what was stored, the records in order."""

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


class NewLabel(Shape):
    """The label of one image."""

    model_config = ConfigDict(extra="forbid")
    image: Number
    label: ClassName | None = Field(description="A class of the label set, `?` for unsure, null to withdraw.")
    version: Version = Field(
        0, description="The version of the label that the person saw when giving this one; 0 for none."
    )


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
    items: list[NewLabel] = Field(min_length=1, max_length=MOST)
    kind: Literal["set", "agree", "clear"] = "set"

    @model_validator(mode="after")
    def _one_label_each(self) -> NewLabels:
        if len({item.image for item in self.items}) < len(self.items):
            raise ValueError("an image is named twice")
        if self.kind == "clear" and any(item.label is not None for item in self.items):
            raise ValueError("clearing gives no label")
        return self


class NewUndo(Shape):
    """Labels to undo, by their versions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"request": "4f7c1a0e-64a1-4a4e-8a53-8bd0d5d7a001", "labels": [231]}]},
    )
    request: uuid.UUID
    labels: list[Number] = Field(min_length=1, max_length=MOST, description="The `undo` of the answer to take back.")


class StoredLabel(BaseModel):
    """A label that was stored and is the current one now."""

    image: int
    version: int = Field(
        description="Id of the label record; send it back as the version when labelling the image again."
    )
    label: str | None


class LabelConflict(BaseModel):
    """An image that somebody else labelled meanwhile; it was left alone."""

    image: int
    version: int
    label: str | None = Field(description="What stands.")
    submitted: str | None = Field(description="What this request would have made of it.")
    by: int | None
    at: datetime.datetime | None


class LabelAnswer(BaseModel):
    """The labels that a request stored, and those it did not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "labels": [{"image": 17, "version": 231, "label": "neutrophil"}],
                    "conflicts": [],
                    "taught_until": 231,
                    "undo": [231],
                }
            ]
        }
    )
    labels: list[StoredLabel]
    conflicts: list[LabelConflict]
    taught_until: int = Field(description="The newest label of the request: the model is about to learn up to here.")
    undo: list[int] = Field(description="Send it to undo the request.")


class LabelRecordShown(BaseModel):
    """A label that somebody gave, and what the model said at that moment."""

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
                    "taught_until": 230,
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
    kind: Literal["set", "agree", "group", "undo", "clear"] = Field(
        description="`group`: of a group that was accepted on a sample; nobody looked at this cell alone."
    )
    undoes: int | None
    predicted: str | None
    probability: float | None = Field(
        description="Null where none was seen; while the image is held back; and where the service does not run the "
        "project's bundle."
    )
    taught_until: int = Field(description="The last label that the model had learnt when it said so; 0 for none.")
    bundle: int


class LabelRecords(BaseModel):
    """A page of label records."""

    items: list[LabelRecordShown]
    next: int | None
