"""What a laboratory's reports say besides counts: its name, zone, reference ranges and text blocks.

A setting of a project, kept as JSON beside it. A signature freezes what its report needs of it.
"""

from __future__ import annotations

import unicodedata
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.orm import Session

from hemosight.service.storage import events, projects
from hemosight.service.storage.live_events import SettingsEvent


def printable(text: str) -> str:
    """A text as a report can print it: accents composed, no control characters but line breaks.

    Marks that turn the direction of writing go too, so that nothing reads otherwise than it is stored.
    """
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return "".join(sign for sign in composed if sign == "\n" or not _unprinted(sign))


def _unprinted(sign: str) -> bool:
    turns = unicodedata.bidirectional(sign) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return turns or unicodedata.category(sign) in ("Cc", "Cs")


def _known_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone has this name; names are such as Europe/Berlin or UTC") from None
    return name


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(printable)]
Block = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(printable)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_known_zone)]
Percent = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Count = Annotated[float, Field(ge=0, le=2000, allow_inf_nan=False)]
_RANGE = {"label": "neutrophil", "low": 40, "high": 75, "absolute_low": 1.8, "absolute_high": 7.7}


class ReferenceRange(BaseModel):
    """Between which values a type is usual; null leaves a side open."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RANGE]})
    label: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(description="The type.")
    low: Percent | None = Field(
        default=None, description="Percent of the leukocytes; of erythroblasts for every 100 leukocytes."
    )
    high: Percent | None = None
    absolute_low: Count | None = Field(default=None, description="10^9 per litre.")
    absolute_high: Count | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ReferenceRange:
        for low, high in ((self.low, self.high), (self.absolute_low, self.absolute_high)):
            if low is not None and high is not None and low > high:
                raise ValueError("a range begins below its end")
        return self


class TextBlock(BaseModel):
    """A text with a key, to be put into remarks."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"key": "ls", "text": "Left shift with toxic granulation of the neutrophils."}]
        },
    )
    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20, pattern=r"^\S+$")]
    text: Annotated[Block, Field(min_length=1)]


class ReportSettings(BaseModel):
    """What the reports of a project say besides counts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "laboratory": "Hematology, Riverside Hospital",
                    "address": "4 Quay Road\n+49 30 1234",
                    "zone": "Europe/Berlin",
                    "ranges": [_RANGE],
                    "blocks": [{"key": "ls", "text": "Left shift."}],
                }
            ]
        },
    )
    laboratory: Line = Field(default="", description="Its name, at the head of a report.")
    address: Annotated[Block, Field(max_length=500)] = Field(default="", description="Lines under the name.")
    zone: Zone = Field(default="UTC", description="Time zone in which a report writes its times, by its IANA name.")
    ranges: Annotated[list[ReferenceRange], Field(max_length=60)] = []
    blocks: Annotated[list[TextBlock], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _once_each(self) -> ReportSettings:
        for what, names in (("range of a type", self.ranges), ("text block", self.blocks)):
            keys = [getattr(one, "label", None) or getattr(one, "key", "") for one in names]
            if len(set(keys)) < len(keys):
                raise ValueError(f"every {what} is given once")
        return self


def get(session: Session, project: int) -> ReportSettings:
    """The settings of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    return ReportSettings.model_validate(projects.get(session, project).report)


def put(session: Session, project: int, settings: ReportSettings) -> None:
    """Replace the settings of a project; what is signed already stays as it was signed."""
    events.take_turn(session, project)  # before the project is held: who deletes it has the turn, and waits for it
    projects.get(session, project).report = settings.model_dump(mode="json")
    session.flush()
    events.tell(session, project, SettingsEvent(changed=["report"]))
