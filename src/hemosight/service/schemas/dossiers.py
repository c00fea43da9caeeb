"""Shapes of dossiers: validations that were asked for, and what came of them."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape

_EXAMPLE = 'title = "Validation"\nwritten_by = "A. Reviewer"\nwritten_on = 2026-03-02\n'
State = Literal["waiting", "running", "made", "failed"]


class DossierVerdict(BaseModel):
    """A limit of the protocol, what was found, and whether it is met."""

    name: str
    found: str
    asked: str
    judged: str = Field(description="`met`, `not shown` (its interval is too wide) or `not met`.")


class DossierSummary(BaseModel):
    """A dossier in a few lines."""

    cells: int
    cases: int
    bundle: str = Field(description="Name and version of the bundle that was validated.")
    verdicts: list[DossierVerdict]
    changes: list[str] = Field(description="What is other than in the project's dossier before.")


class DossierShown(BaseModel):
    """A validation that somebody asked for."""

    id: int
    title: str = Field(description="The protocol's.")
    protocol_sha256: str = Field(description="Of the protocol, as the dossier bears it.")
    protocol: str
    asked_by: int
    name: str = Field(description="Who asked.")
    asked_at: datetime.datetime
    state: State = Field(description="`waiting` for a worker, `running`, `made`, or `failed` (`said` says why).")
    ended_at: datetime.datetime | None
    said: str = Field(description="What the command said.")
    summary: DossierSummary | None
    archive_sha256: str | None = Field(description="Fingerprint of the zip of every file, once it is made.")
    dropped_at: datetime.datetime | None = Field(
        description="When its files were dropped, since newer ones were made; the fingerprint stays."
    )


class Dossiers(BaseModel):
    """The dossiers of a project, the newest first."""

    items: list[DossierShown]
    next: int | None = None


class NewDossier(Shape):
    """A validation to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"protocol": _EXAMPLE}]})
    protocol: Annotated[str, StringConstraints(min_length=1, max_length=50_000)] = Field(
        description="The protocol as TOML, written before looking."
    )
