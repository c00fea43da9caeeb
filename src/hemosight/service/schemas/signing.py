"""Shapes of signing: how a case stands, amendments, records as they were signed."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.blood.morphology import Grade, PlateletEstimate
from hemosight.service.schemas.differential import CheckShown, SignatureShown
from hemosight.service.schemas.people import Shape
from hemosight.service.storage.report_settings import ReferenceRange
from hemosight.service.storage.signing_rules import Confirmation

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class NewAmendment(Shape):
    """Why a signed case is to be changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "Two blasts were called monocytes."}]}
    )
    reason: Reason


class AmendmentShown(BaseModel):
    """A signed case that is open for changes."""

    model_config = ConfigDict(from_attributes=True)
    reason: str
    user: int
    name: str
    at: datetime.datetime


class SpecimenOfRecord(BaseModel):
    """A case and its specimen: as a record holds them, or would if it were signed now."""

    key: str
    accession: str
    collected_at: datetime.datetime | None
    received_at: datetime.datetime | None
    wbc: float | None = Field(description="Leukocytes, 10^9 per litre.")
    note: str


class ProfileOfRecord(BaseModel):
    """A scanner profile: as a record holds it, or would if a case of it were signed now."""

    id: int
    name: str
    scale: float = Field(description="Factor that brought the pixels to the reference scale.")
    scale_from: str = Field(description="Where that was known from: `default`, `measured` or `person`.")


class SettingsOfRecord(BaseModel):
    """What every report of a project says: as a record holds it, or would if a case were signed now."""

    project: str
    laboratory: str
    address: str
    zone: str
    ranges: list[ReferenceRange]


class SigningShown(BaseModel):
    """How a case stands: what is checked before it is signed, what its record would say, and how it is signed."""

    case: int
    locked: bool = Field(description="Whether its cells take no label: it is signed, and nobody amends it.")
    version: int = Field(description="Of the newest record; 0 before the first signature.")
    second_wanted: bool = Field(description="Whether the newest record still waits for a second signature.")
    amendment: AmendmentShown | None
    confirm: Confirmation
    checks: list[CheckShown] = Field(description="As they are now; a signed record keeps its own.")
    specimen: SpecimenOfRecord = Field(description="As it is now; a signed record keeps its own.")
    profile: ProfileOfRecord = Field(description="The scanner profile that it is read by, as it is now.")
    settings: SettingsOfRecord = Field(description="What the report would say, as it is now.")
    facts: str = Field(
        description="Of `specimen`, `profile` and `settings`: equal where they are. Send it to sign what was seen."
    )


class TypeOfRecord(BaseModel):
    """A type as it looked when the record was signed."""

    name: str
    title: str
    key: str
    light: str


class ReportOfRecord(SettingsOfRecord):
    """What the report says besides counts, as it was when it was signed."""

    types: list[TypeOfRecord]
    remark: str
    grades: dict[str, Grade]
    platelets: PlateletEstimate | None
    cells: list[int] = Field(description="Images that the report shows.")


class CellOfRecord(BaseModel):
    """A cell as it was signed."""

    image: int
    name: str
    sha256: str = Field(description="Of its file.")
    status: str = Field(description="`read`, `waiting`, or `unreadable`.")
    counted: str | None = Field(description="The type it counts as, if it counts; null for none.")
    outside: bool = Field(
        default=False,
        description="Other cells of the case were drawn to be counted, so it counts nowhere; else left away.",
        exclude_if=lambda value: not value,
    )
    label: str | None = Field(description="What a person said; `?` is unsure.")
    labelled_by: int | None
    version: int = Field(description="Of the label; 0 for none.")
    predicted: str | None
    probability: float | None
    novelty: float | None


class SignedRecord(SignatureShown):
    """A signature with all that was signed."""

    specimen: SpecimenOfRecord | None = Field(description="Null in old records, as are profile and cells.")
    profile: ProfileOfRecord | None = Field(description="The scanner profile that the case was read by.")
    cells: list[CellOfRecord] | None
    report: ReportOfRecord | None = Field(None, description="Null in records of versions that had no such report.")
