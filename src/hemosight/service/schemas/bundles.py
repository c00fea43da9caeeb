"""Shapes of the bundles that the service knows, and of moving a project to the one that it runs."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hemosight.service.schemas.model import Calibration, Confusion, Source, Step


class BundleNamed(BaseModel):
    """A bundle, by name."""

    name: str
    version: str
    identity: str = Field(description="sha256 of the whole: two of one name and version may differ.")


class ClassesOfSet(BaseModel):
    """Classes of a label set, as people read them."""

    label_set: str = Field(description="Its title.")
    classes: list[str]


class BundleChange(BaseModel):
    """Whether the service runs the bundle that a project is read with, and what a move to the service's one changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "here": False,
                    "project": {"name": "lite0-laboratories", "version": "0.3.0", "identity": "5b1d…"},
                    "service": {"name": "lite0-laboratories", "version": "0.4.0", "identity": "9c07…"},
                    "cells": 1200,
                    "to_read": 1200,
                    "labelled": 340,
                    "signed": 12,
                    "panels": 1,
                    "new_sets": [],
                    "new_classes": [],
                    "again": [],
                    "unread_sets": [],
                    "unread_classes": [],
                    "own_sets": [],
                }
            ]
        }
    )
    here: bool = Field(description="Whether they are the same: the project can be opened, and nothing would change.")
    project: BundleNamed = Field(description="The bundle that the project is read with.")
    service: BundleNamed = Field(description="The bundle that this service runs.")
    cells: int
    to_read: int = Field(description="Of these, cells that the service's bundle has not read yet.")
    labelled: int = Field(description="Cells with a person's label in the first label set: they teach the new one too.")
    signed: int = Field(description="Signed cases: their records stay as they are.")
    panels: int = Field(description="Open panels: they go on with the readings that they were made with.")
    new_sets: list[str] = Field(description="Titles of label sets that are added.")
    new_classes: list[ClassesOfSet] = Field(description="Classes that are added to label sets.")
    again: list[ClassesOfSet] = Field(description="Retired or merged classes that are in use again, as they are read.")
    unread_sets: list[str] = Field(description="Titles of label sets that are read from the project's labels alone.")
    unread_classes: list[ClassesOfSet] = Field(description="Classes that stay as the laboratory's own.")
    own_sets: list[str] = Field(description="Titles of the project's own label sets whose name the bundle uses too.")


class ProjectNamed(BaseModel):
    """A project, by name."""

    id: int
    name: str


class KnownBundleShown(BaseModel):
    """A bundle that has read something here, by its manifest."""

    id: int
    name: str
    version: str
    identity: str
    loaded: bool = Field(description="Whether it is the one that this service runs.")
    added_at: datetime.datetime = Field(description="When it first came here.")
    created: str
    backbone: str
    notice: str
    projects: list[ProjectNamed] = Field(description="Projects that it reads now, of those one may see.")
    sources: list[Source] = Field(description="Data sets that its labels come from.")
    classes: list[str] = Field(description="Cell types that it reads.")
    label_sets: list[str] = Field(description="Titles of the other label sets that it reads.")
    figures: dict[str, Any] = Field(description="Measured figures, each with the data it was measured on.")
    confusion: Confusion | None
    calibration: Calibration | None
    training: list[Step] | None
    provenance: dict[str, Any] = Field(description="How the encoder was trained.")
    commands: list[str] = Field(description="What was typed to make it.")


class Models(BaseModel):
    """Every bundle that the database knows, the newest first."""

    items: list[KnownBundleShown]
    next: None = None
