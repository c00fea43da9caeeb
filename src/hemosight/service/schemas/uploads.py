"""Shapes of uploads and of the work that follows them."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.cases import Key
from hemosight.service.schemas.labels import Number

MOST_DRAWN = 500
"""Drawn cells of one request: half a minute of one core."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NewUpload(BaseModel):
    """What is about to be uploaded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"case": "S-2026-0412"}]})
    case: Key | None = Field(None, description="Key of the case the images belong to; made where there is none.")
    profile: Number | None = Field(
        None, description="Scanner profile of the case, where the upload makes it; one that is there keeps its own."
    )
    bits: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Bits that hold the values of samples deeper than 8 bits, where the files do not say.",
    )


class UploadBegun(BaseModel):
    """An upload that takes files."""

    id: int


class NewDrawing(BaseModel):
    """Which drawn cells are wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 200, "seed": 0}]})
    count: int = Field(200, ge=1, le=MOST_DRAWN, description="How many, in the shares of a smear.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="The same cells for the same seed; more extend fewer.")


class Drawn(BaseModel):
    """What became of drawn cells."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"upload": 3, "case": "drawn", "added": 200, "known": 0}]}
    )
    upload: int = Field(description="The upload they came by.")
    case: str = Field(description="Key of the case they are in.")
    added: int
    known: int = Field(description="Cells the project had already.")


class FileOutcome(BaseModel):
    """What became of one file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "S-0412/WBC_01.jpg", "state": "added", "image": 17, "reason": None, "file": 0}]
        }
    )
    name: str
    state: Literal["added", "known", "refused"]
    image: int | None = Field(description="Its number; that of the image already there, where it is known.")
    reason: str | None = Field(description="Why it was refused.")
    file: int = Field(description="Which of the request's files it is or, of a zip, lay in, from 0.")


class FileOutcomes(BaseModel):
    """What became of the files of a request, in their order; a zip gives an entry for each file in it."""

    items: list[FileOutcome]


class UploadShown(BaseModel):
    """How far an upload is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": 1, "total": 200, "read": 64, "refused": 1, "waiting": 136, "cancelled": False}]
        }
    )
    id: int
    total: int = Field(description="Images it added.")
    read: int = Field(description="Of these, those the model has read, the unreadable ones included.")
    refused: int = Field(description="Files that did not become images.")
    waiting: int
    cancelled: bool = Field(description="It takes no more files: somebody cancelled it, or deleted its case.")
    removed: int = Field(0, description="Images that were taken back when it was cancelled.")
    created_at: datetime.datetime


class FileChecksums(BaseModel):
    """Checksums of files that could be uploaded."""

    sha256: list[Sha256] = Field(
        max_length=20_000, examples=[["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]]
    )


class KnownFiles(BaseModel):
    """Which of them the project has: image numbers by sha256."""

    known: dict[str, int]


class WorkerShown(BaseModel):
    """A process that reads."""

    name: str
    seen_at: datetime.datetime
    rate: float = Field(description="Images a second in the last half minute.")


class JobsShown(BaseModel):
    """Images of the project that wait, are being read, or whose job failed and will be tried again; and who reads."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "waiting": 480,
                    "running": 64,
                    "failed": 0,
                    "workers": [{"name": "lab-pc-412", "seen_at": "2026-03-02T09:12:44Z", "rate": 88.2}],
                }
            ]
        }
    )
    waiting: int
    running: int
    failed: int
    workers: list[WorkerShown]


class FieldFound(BaseModel):
    """What was found in one field of view."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    cells: int = Field(description="White cells, marked ones too.")
    marked: int = Field(
        description="Those that something speaks against counting: cut by the border, touching, a smudge."
    )
    red_cell_px: float | None = Field(description="How wide red cells are in it, in pixels.")
    scale_from: str | None = Field(description="Where that is known from.")
    images: list[int] = Field(description="Numbers of the cells; of cells that were there before, too.")
    field: int | None = Field(description="Number of the field; null where it was refused.")
    fair: bool | None = Field(description="Whether counting is fair in it: a monolayer, in focus.")
    fairness: str | None = Field(description="Why, in words.")
    known: bool = Field(description="Whether the project had it: it was not searched again.")
    seen_again: int = Field(description="Cells more that another field of the case shows and counts.")
    placed: bool = Field(
        description="Whether its name says where on the film it lies; else overlapping fields count a cell twice."
    )
    same_place: bool = Field(
        description="Whether two fields of its film lie at one place by their names, as those of two slides that were "
        "exported alike do: of that film no place is known."
    )
    reason: str | None = Field(description="Why the field was refused.")


class FieldsFound(BaseModel):
    """What was found in the fields of one request."""

    items: list[FieldFound]
    next: None = None
