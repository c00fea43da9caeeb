"""Shapes of a search for a rare type."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hemosight.service.schemas.labels import ClassName, LabelAnswer, Number, SetName
from hemosight.service.schemas.people import Shape
from hemosight.service.security.permissions import BIGGEST


class NextCellShown(BaseModel):
    """A cell to look at."""

    image: int
    way: Literal["ranked", "random"]
    probability: float | None = Field(
        description="The model's, of the type; null where it says nothing, and where it is held back."
    )


class SearchShown(BaseModel):
    """Where a search stands, and what to look at next."""

    items: list[NextCellShown]
    next: None = None
    text: str = Field(description="Where it stands, in a sentence.")
    cells: int
    looked: int
    ranked: int
    ranked_found: int
    random: int
    random_found: int
    way: Literal["ranked", "random"] = Field(description="How the next cells are drawn.")
    estimate: float | None = Field(description="Cells of the type; null before a random look.")
    low: int = Field(description="Lower end of its 95 % interval, which holds wherever one stops.")
    high: int = Field(description="Upper end.")
    below: float = Field(description="The share that is asked about.")
    decided: bool | None = Field(description="Whether there is less than that share; null where it is open.")
    further: int | None = Field(description="Random looks that decide it if none finds one; null where none can.")
    labels: LabelAnswer | None = Field(None, description="Of a look that carried a label: what was stored of that.")


class LookLabel(Shape):
    """What makes a look that found something a label as well."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"request": "0b0f6bd4-8c5e-4c0a-9a39-6f4f0f0f1a11", "version": 0}]},
    )
    request: uuid.UUID = Field(description="A number of the sender's; the same number again is the same request.")
    version: Annotated[int, Field(ge=0, le=BIGGEST)] = Field(
        description="The label record that the person saw on the cell; 0 for none."
    )


class NewLook(Shape):
    """What was seen of one cell."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"case": 3, "target": "blast", "image": 17, "found": False}]},
    )
    case: Annotated[int, Field(ge=0, le=BIGGEST)] | None = None
    label_set: SetName = "cell_type"
    target: ClassName
    image: Number
    found: bool
    label: LookLabel | None = Field(
        None, description="Gives the cell the class that is sought, together with the look or not at all."
    )
    below: Annotated[float, Field(gt=0, lt=1)] = 0.01

    @model_validator(mode="after")
    def _found_what_it_labels(self) -> NewLook:
        if self.label is not None and not self.found:
            raise ValueError("a look that found nothing gives no label")
        return self
