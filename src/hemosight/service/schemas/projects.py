"""Shapes of projects and members."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape, Title, UserShown

Names = Literal["kept", "mapped", "dropped"]
RoleName = Literal["viewer", "reviewer", "admin"]
Text = Annotated[str, StringConstraints(max_length=10_000)]
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
                    "bundle": "lite0-laboratories 0.4.0",
                    "bundle_here": True,
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
    bundle: str = Field(description="Name and version of the bundle that it is read with.")
    bundle_here: bool = Field(description="Whether this service runs that bundle: without it no cell can be shown.")


class ProjectShown(ProjectListed):
    """A project with its settings."""

    teaching: bool
    teaching_weight: float
    second_signer: bool
    names: Names = Field(description="Whether names are kept as they come, or numbers given, with or without a map.")
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
    scale: Scale = Field(
        1.0, description="Of its first scanner profile: brings the crops' pixels to the reference scale (0.1 um/px)."
    )
    names: Names = Field(
        "kept",
        description="`mapped` and `dropped`: files and cases get running numbers, and files lose their metadata; what "
        "they were called is kept apart for administrators of the service, or nowhere.",
    )


class ProjectChange(Shape):
    """What may be changed of a project; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"teaching": False}]})
    name: Title | None = None
    description: Text | None = None
    teaching: bool | None = Field(None, description="Whether the model learns from the project's labels.")
    teaching_weight: Weight | None = Field(None, description="How many of the bundle's labels one of yours outweighs.")
    second_signer: bool | None = Field(None, description="Whether a report needs a second person's signature.")
    archived: bool | None = None
    names: Names | None = Field(None, description="As of a new project; only while it has neither cells nor cases.")


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
    name: str | None = Field(
        None,
        max_length=200,
        description="The sign-in name of who is no member yet; an administrator need not know it.",
        examples=["lee"],
    )
