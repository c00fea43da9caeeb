"""Shapes of images: in a list, alone, and near one another."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.desk import TagShown
from hemosight.service.schemas.labels import LabelRecordShown

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
    "unfamiliar": False,
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
    probability: float | None = Field(description="Null in a case of a scanner that the model does not know yet.")
    uncertainty: float | None = Field(description="1 less the distance of the two most probable classes.")
    novelty: float | None
    unfamiliar: bool = Field(description="Whether it lies beyond everything known, and nobody has labelled it.")
    version: int = Field(description="Id of the current label record, 0 for none; to be sent with a new label.")


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
    taught_until: int = Field(description="The last label that the model has learnt; 0 for none.")


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


class CellInField(BaseModel):
    """Where a cell lies in the field of view that it was cut out of, in the field's pixels."""

    field: int = Field(description="Number of the field.")
    x: float = Field(description="Left side of its box.")
    y: float = Field(description="Upper side of its box.")
    width: float
    height: float
    left: int = Field(description="Left side of the square that its surroundings show.")
    top: int = Field(description="Upper side of that square.")
    side: int = Field(description="Its width.")


class ImageShown(ImageListed):
    """All that is known of an image; the fields of a list are those of the first label set."""

    width: int
    height: int
    sha256: str
    in_field: CellInField | None = Field(None, description="Null of an image that came as a crop.")
    x: float | None
    y: float | None
    sets: dict[str, SetAnswer]
    comments: list[CommentShown]
    tags: list[TagShown]
    history: list[LabelRecordShown]


class Neighbour(BaseModel):
    """A cell nearby: an image of the project, or a row of the reference."""

    image: int | None
    reference: int | None
    label: str | None = Field(description="A person's label; of an image without one, the prediction.")
    distance: float = Field(description="Euclidean, between unit vectors: 0 to 2.")


class Neighbours(BaseModel):
    """The nearest cells, nearest first."""

    items: list[Neighbour]
