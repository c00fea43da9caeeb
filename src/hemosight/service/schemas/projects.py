"""Shapes of projects, members and cases."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape, Title, UserShown

RoleName = Literal["viewer", "reviewer", "admin"]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Scale = Annotated[float, Field(ge=0.05, le=20, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.1, le=1000, allow_inf_nan=False)]


class ProjectListed(BaseModel):
    """A project and how far it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 1,
                    "name": "Residents' teaching slides",
                    "description": "",
                    "role": "reviewer",
                    "images": 200,
                    "read": 200,
                    "labelled": 29,
                    "unsure": 6,
                    "members": 3,
                    "last_review": "2026-03-02T09:12:44Z",
                    "archived": False,
                }
            ]
        }
    )
    id: int
    name: str
    description: str
    role: RoleName
    images: int
    read: int = Field(description="Images the model has read, the unreadable ones included.")
    labelled: int = Field(description="Images with a person's label in the first label set.")
    unsure: int
    members: int
    last_review: datetime.datetime | None
    archived: bool


class ProjectShown(ProjectListed):
    """A project with its settings."""

    scale: float
    teaching: bool
    teaching_weight: float
    second_signer: bool
    bundle: str = Field(description="Name and version of the bundle it is read with.")
    created_at: datetime.datetime


class Projects(BaseModel):
    """A page of projects."""

    items: list[ProjectListed]
    next: int | None


class NewProject(Shape):
    """A project to begin."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Residents' teaching slides", "scale": 1.0}]}
    )
    name: Title
    description: Text = ""
    scale: Scale = Field(1.0, description="Factor that brings the crops' pixels to the reference scale (0.1 um/px).")


class ProjectChange(Shape):
    """What may be changed of a project; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"teaching": False}]})
    name: Title | None = None
    description: Text | None = None
    scale: Scale | None = Field(None, description="Only before the first image: a reading is made once.")
    teaching: bool | None = Field(None, description="Whether the model learns from the project's labels.")
    teaching_weight: Weight | None = Field(None, description="How many of the bundle's labels one of yours outweighs.")
    second_signer: bool | None = Field(None, description="Whether a report needs a second person's signature.")
    archived: bool | None = None


class MemberShown(BaseModel):
    """A person and its role."""

    user: UserShown
    role: RoleName


class Members(BaseModel):
    """The members of a project."""

    items: list[MemberShown]
    next: int | None = None


class MemberRole(Shape):
    """The role a person is given."""

    role: RoleName = Field(examples=["reviewer"])


class CaseShown(BaseModel):
    """A case and how far it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 7,
                    "key": "24-1187",
                    "note": "",
                    "created_at": "2026-03-02T09:00:00Z",
                    "images": 200,
                    "read": 200,
                    "labelled": 29,
                    "unsure": 6,
                    "signed": False,
                }
            ]
        }
    )
    id: int
    key: str
    note: str
    created_at: datetime.datetime
    images: int
    read: int
    labelled: int
    unsure: int
    signed: bool


class Cases(BaseModel):
    """A page of cases."""

    items: list[CaseShown]
    next: int | None


class NewCase(Shape):
    """A case under the key the laboratory gives it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "24-1187", "note": ""}]})
    key: Key
    note: Text = ""


class CaseChange(Shape):
    """What may be changed of a case; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "repeat smear"}]})
    key: Key | None = None
    note: Text | None = None
