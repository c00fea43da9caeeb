"""Shapes of the classes of a label set as a laboratory makes them: adding, changing, what is offered, history."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hemosight.service.schemas.audit import AuditedUser
from hemosight.service.schemas.label_sets import OwnClass
from hemosight.service.schemas.people import Shape, Title

Counts = Literal["in", "apart", "excluded"]
Key = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z0-9]$")]
Colour = Annotated[str, StringConstraints(to_lower=True, pattern=r"^#[0-9a-f]{6}$")]


class ColourPair(BaseModel):
    """One colour as it stands on a light and on a dark page."""

    light: Colour
    dark: Colour


class NewType(Shape):
    """A class to add to a label set; what is left away is chosen, and is never another class's."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"title": "Band neutrophil", "key": "A", "counts": "in"}]},
    )
    title: Title
    name: OwnClass | None = Field(None, description="What records and exports call it.")
    key: Key | None = None
    colour: ColourPair | None = None
    counts: Counts | None = Field(
        None, description="In the hundred, apart for every 100 leukocytes, or nowhere. Of the vocabulary where null."
    )
    parent: OwnClass | None = Field(None, description="The type above it.")


class TypeChange(Shape):
    """What may be changed of a class; what is left away stays. Its name in records stays always."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"title": "Stab", "counts": "in"}]})
    title: Title | None = None
    key: Key | None = None
    colour: ColourPair | None = None
    counts: Counts | None = None
    parent: OwnClass | None = Field(None, description="Null takes it out from under another type.")
    retired: bool | None = Field(None, description="Offered and read no more; its labels stand and count.")
    merged_into: OwnClass | None = Field(
        None, description="Its labels mean that class from now on; null takes them apart again."
    )

    @model_validator(mode="after")
    def _says_something(self) -> TypeChange:
        if not self.model_fields_set:
            raise ValueError("nothing to change")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """What was given, as the facts of a class."""
        given = self.model_dump(exclude_unset=True)
        colour = given.pop("colour", None)
        nothing = {name for name, value in given.items() if value is None and name not in ("parent", "merged_into")}
        return {**{name: value for name, value in given.items() if name not in nothing}, **(colour or {})}


class OfferedType(BaseModel):
    """A type that a laboratory may take up, as it would be added."""

    name: str
    title: str
    key: str
    light: str
    dark: str
    counts: Counts
    parent: str | None


class OfferedTypes(BaseModel):
    """What the form of a new type begins with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "types": [
                        {
                            "name": "band_neutrophil",
                            "title": "Band neutrophil",
                            "key": "A",
                            "light": "#304818",
                            "dark": "#90a878",
                            "counts": "in",
                            "parent": "neutrophil",
                        }
                    ],
                    "colours": [{"light": "#304818", "dark": "#90a878"}],
                    "keys": ["A", "C"],
                }
            ]
        }
    )
    types: list[OfferedType]
    colours: list[ColourPair] = Field(description="Free ones, the farthest from those in use first.")
    keys: list[str] = Field(description="Free ones.")


class TypeEdit(BaseModel):
    """One change of a label set, as the audit trail has it."""

    id: int
    at: datetime.datetime
    user: AuditedUser | None
    action: str
    subject: dict[str, Any]


class TypeHistory(BaseModel):
    """What was changed in a label set, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": 118,
                            "at": "2026-03-02T09:12:44Z",
                            "user": {"id": 3, "name": "amina"},
                            "action": "type.add",
                            "subject": {"label_set": 1, "type": "band_neutrophil", "title": "Band neutrophil"},
                        }
                    ]
                }
            ]
        }
    )
    items: list[TypeEdit]
