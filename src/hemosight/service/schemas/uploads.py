"""Shapes of uploads and of the work that follows them."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.projects import Key

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NewUpload(BaseModel):
    """What is about to be uploaded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"case": "S-2026-0412"}]})
    case: Key | None = Field(None, description="Key of the case the images belong to; made where there is none.")


class UploadBegun(BaseModel):
    """An upload that takes files."""

    id: int


class FileOutcome(BaseModel):
    """What became of one file."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "S-0412/WBC_01.jpg", "state": "added", "image": 17, "reason": None}]}
    )
    name: str
    state: Literal["added", "known", "refused"]
    image: int | None = Field(description="Its number; that of the image already there, where it is known.")
    reason: str | None = Field(description="Why it was refused.")


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
    cancelled: bool
    removed: int = Field(0, description="Images that were taken back when it was cancelled.")
    created_at: datetime.datetime


class Asked(BaseModel):
    """Checksums of files that could be uploaded."""

    sha256: list[Sha256] = Field(
        max_length=20_000, examples=[["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]]
    )


class Known(BaseModel):
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
