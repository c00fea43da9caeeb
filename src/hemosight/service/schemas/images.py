"""Shapes of images: in a list, alone, and near one another."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.labels import FactShown

WAITING = "waiting"
_EXAMPLE = {
    "id": 17,
    "name": "S-0412/WBC_01.jpg",
    "case": "S-2026-0412",
    "uploaded_at": "2026-03-02T09:12:44Z",
    "status": "ok",
    "label": None,
    "label_by": None,
    "predicted": "neutrophil",
    "probability": 0.91,
    "uncertainty": 0.13,
    "novelty": 0.4,
    "version": 0,
}


class ImageListed(BaseModel):
    """An image, what the model says of it and what people said, in one label set."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    id: int
    name: str
    case: str | None
    uploaded_at: datetime.datetime
    status: str = Field(description="`waiting`, `ok`, or why it could not be read.")
    label: str | None = Field(description="What a person said last; `?` is unsure.")
    label_by: int | None
    predicted: str | None
    probability: float | None
    uncertainty: float | None = Field(description="1 less the distance of the two most probable classes.")
    novelty: float | None
    version: int = Field(description="The fact that stands, 0 for none; to be sent with a new label.")


class Images(BaseModel):
    """A page of images."""

    items: list[ImageListed]
    next: str | None = None


class SetAnswer(BaseModel):
    """An image in one label set."""

    label: str | None
    version: int
    predicted: str | None
    probabilities: dict[str, float]
    revision: int = Field(description="The last fact the model had learnt; 0 for the bundle alone.")


class CommentShown(BaseModel):
    """What somebody wrote under an image."""

    id: int
    user: int
    at: datetime.datetime
    text: str


class NewComment(BaseModel):
    """What to write under an image."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)] = Field(
        examples=["a second look at the nucleus"]
    )


class ImageShown(ImageListed):
    """All that is known of an image; the fields of a list are those of the first label set."""

    width: int
    height: int
    sha256: str
    x: float | None
    y: float | None
    sets: dict[str, SetAnswer]
    comments: list[CommentShown]
    history: list[FactShown]


class Neighbour(BaseModel):
    """A cell nearby: an image of the project, or a row of the reference."""

    image: int | None
    reference: int | None
    label: str | None = Field(description="A person's label; of an image without one, the prediction.")
    distance: float = Field(description="Euclidean, between unit vectors: 0 to 2.")


class Neighbours(BaseModel):
    """The nearest cells, nearest first."""

    items: list[Neighbour]
