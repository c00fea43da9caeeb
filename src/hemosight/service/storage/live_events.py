"""What a project's browsers are told: one model for every kind of event, and no other way to make one.

The table ``events`` holds each as JSON, its ``kind`` included; the stream sends it unchanged, and the page's types are
generated from the same models (:mod:`hemosight.service.schemas.events`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class ImagesEvent(_Event):
    """Images were uploaded, deleted, moved to another case or renamed."""

    kind: Literal["images"] = "images"
    added: int = 0
    removed: int = Field(default=0, description="How many were deleted, or taken back with a cancelled upload.")
    moved: int = Field(default=0, description="How many changed their case.")
    renamed: int = 0
    upload: int | None = None


class CaseEvent(_Event):
    """A case was made, changed or deleted."""

    kind: Literal["case"] = "case"
    case: int
    deleted: bool = False


class ProfileEvent(_Event):
    """A scanner profile was made, changed or merged into another, or given to a case."""

    kind: Literal["profile"] = "profile"
    profile: int
    merged_into: int | None = None
    again: int = Field(default=0, description="Cells that are read again, at another scale.")
    measured: bool = Field(default=False, description="Whether only its scale was measured; nothing is read otherwise.")


class ReadingsEvent(_Event):
    """The model has read images."""

    kind: Literal["readings"] = "readings"
    read: int = Field(description="How many with this event.")
    waiting: int = Field(description="Images of the project that are not read yet; above 2,000 about so many.")
    images: list[int] = []


class LabelOfEvent(BaseModel):
    """A label that stands now."""

    image: int
    label_set: str
    label: str | None = Field(description="A class of the label set, `?` for unsure, null where it was withdrawn.")
    version: int
    user: int


class LabelsEvent(_Event):
    """People gave labels or took them back."""

    kind: Literal["labels"] = "labels"
    labels: list[LabelOfEvent]
    by: int = Field(description="The account that gave them.")


class TaughtEvent(_Event):
    """The classifier of a label set has learnt labels; predictions may have moved."""

    kind: Literal["taught"] = "taught"
    label_set: str
    taught_until: int = Field(description="The last label that it has learnt.")
    moved: list[tuple[int, str | None, str | None]] = Field(
        description="Image, its class before and now; the first few hundred of them."
    )
    moved_count: int


class CommentEvent(_Event):
    """Somebody commented on an image."""

    kind: Literal["comment"] = "comment"
    image: int


class TeachingEvent(_Event):
    """A cell was put into the library of teaching cells or taken out of it, or its note was changed."""

    kind: Literal["teaching"] = "teaching"
    image: int


class TagsEvent(_Event):
    """A tag was put on cells, or taken off."""

    kind: Literal["tags"] = "tags"
    tag: str
    cells: int


class LabelSetEvent(_Event):
    """A label set was made or changed."""

    kind: Literal["label_set"] = "label_set"
    name: str


class SettingsEvent(_Event):
    """The project's settings were changed."""

    kind: Literal["settings"] = "settings"
    changed: list[str]


class ProjectDeletedEvent(_Event):
    """The project was deleted; nothing more will come."""

    kind: Literal["project_deleted"] = "project_deleted"


class SignatureEvent(_Event):
    """A differential was signed."""

    kind: Literal["signature"] = "signature"
    case: int | None


StoredEvent = (
    ImagesEvent
    | CaseEvent
    | ProfileEvent
    | ReadingsEvent
    | LabelsEvent
    | TaughtEvent
    | CommentEvent
    | TeachingEvent
    | TagsEvent
    | LabelSetEvent
    | SettingsEvent
    | ProjectDeletedEvent
    | SignatureEvent
)
"""An event that is kept for a day, so that a browser can resume after a break."""


class PingEvent(_Event):
    """The connection lives; sent at the beginning and in silence."""

    kind: Literal["ping"] = "ping"


class MissedEvent(_Event):
    """Events that were asked for are forgotten: load anew what is shown."""

    kind: Literal["missed"] = "missed"
