"""Shapes of label sets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Shape, Title

MOST_CLASSES = 100
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
"""What programs call a label set."""
OwnClass = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f/\\?]+$")
]
"""A class: no slash, for it names folders, and not ``?``, which is unsure."""


class ClassGiven(Shape):
    """A class of an own label set."""

    name: OwnClass
    title: Title | None = None


class ClassShown(BaseModel):
    """A class with the mark it has on every page."""

    name: str
    title: str
    key: str
    light: str
    dark: str
    counts: Literal["in", "apart", "excluded"] = Field(
        "in", description="In the hundred, apart for every 100 leukocytes, or nowhere."
    )
    parent: str | None = Field(None, description="The type above it, where it is a finer one.")
    retired: bool = Field(default=False, description="Offered and read no more; its labels stand.")
    merged_into: str | None = Field(None, description="The class that its labels mean.")


class Score(BaseModel):
    """How well the labelled cells are read by readers that learnt from all others (each cell a fold of its own)."""

    macro_f1: float
    low: float
    high: float
    n: int
    folds: int


class LabelSetShown(BaseModel):
    """A question asked of every cell."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 1,
                    "name": "cell_type",
                    "title": "Cell type",
                    "kind": "bundle",
                    "classes": [
                        {"name": "blast", "title": "Blast", "key": "X", "light": "#7e5b00", "dark": "#f3af1d"},
                    ],
                    "labelled": {"blast": 12},
                    "score": None,
                    "taught_until": 231,
                }
            ]
        }
    )
    id: int
    name: str
    title: str
    kind: Literal["bundle", "own"]
    classes: list[ClassShown]
    level: Literal["type", "subtype"] = Field(
        "subtype", description="How finely the differential tells types: as the upper ones, or each by itself."
    )
    asked_of: str | None = Field(None, description="The cell type that it is asked of; null for every cell.")
    labelled: dict[str, int]
    score: Score | None = Field(description="Null until two classes have two labelled cells.")
    taught_until: int = Field(description="The last label that its classifier has learnt; 0 for none.")


class LabelSets(BaseModel):
    """The label sets of a project."""

    items: list[LabelSetShown]
    next: int | None = None


class Example(Shape):
    """An image that shows a class."""

    image: Number
    label: OwnClass


class NewLabelSet(Shape):
    """A label set that a laboratory defines later, from a few examples."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "auer_rods",
                    "title": "Auer rods",
                    "classes": [{"name": "present"}, {"name": "absent"}],
                    "examples": [{"image": 17, "label": "present"}, {"image": 18, "label": "absent"}],
                }
            ]
        },
    )
    name: Slug
    title: Title
    classes: list[ClassGiven] = Field(min_length=2, max_length=MOST_CLASSES)
    examples: list[Example] = Field(default=[], max_length=1000)
    asked_of: OwnClass | None = Field(None, description="The cell type that it is asked of; null for every cell.")

    @model_validator(mode="after")
    def _fits_together(self) -> NewLabelSet:
        names = [facts.name for facts in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("a class is named twice")
        if strangers := {example.label for example in self.examples} - set(names):
            raise ValueError(f"examples of {', '.join(sorted(strangers))}, which is no class")
        if len({example.image for example in self.examples}) < len(self.examples):
            raise ValueError("an image is an example twice")
        return self


class LabelSetChange(Shape):
    """What may be changed; what is left away stays. Classes are added or get another title, never taken away."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"title": "Auer rods (any)"}]})
    title: Title | None = None
    classes: list[ClassGiven] | None = Field(None, min_length=1, max_length=MOST_CLASSES)
    archived: bool | None = None
    level: Literal["type", "subtype"] | None = Field(None, description="How finely the differential tells types.")
    asked_of: OwnClass | None = Field(None, description="The cell type that it is asked of; null for every cell.")


def as_classes(facts: list[dict[str, Any]]) -> list[ClassShown]:
    """What the table holds, as the API shows it."""
    return [ClassShown.model_validate(one) for one in facts]
