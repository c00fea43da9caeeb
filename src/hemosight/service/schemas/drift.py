"""Shapes of control charts: how far a scanner's cases still look as they did."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hemosight.service.schemas.people import Shape

Kind = Literal["novelty", "agreement", "scale", "stain", "brightness", "type"]
AnswerKind = Literal["explained", "validated"]


class DriftPointShown(BaseModel):
    """A case on a chart."""

    value: float | None = Field(description="Null where the case says nothing of it.")
    z: float | None = Field(description="In standard deviations from what is usual; null while that is not known.")
    usual: bool = Field(description="Whether it is one of those that say what is usual; they are not judged.")
    rules: list[str] = Field(description="Rules that it completes: `1_3s`, `2_2s`, `R_4s`, `4_1s`.")


class DriftChartShown(BaseModel):
    """A measure, case by case."""

    name: str
    kind: Kind = Field(description="`novelty`, `agreement` and `type` are shares; `scale` is in pixels.")
    title: str
    centre: float | None = Field(description="What is usual; null while it is being learnt.")
    deviation: float | None
    points: list[DriftPointShown] = Field(description="One for each case, in their order.")


class DriftCase(BaseModel):
    """A signed case on the charts of its scanner."""

    id: int
    key: str
    signature: int = Field(description="The first signature of its newest version, which the points are of.")
    at: datetime.datetime


class DriftFlag(BaseModel):
    """A rule that a case broke and to which nobody has said anything."""

    case: int
    key: str
    chart: str
    title: str
    z: float
    rules: list[str]


class DriftAnswerShown(BaseModel):
    """What somebody said to the flags of a scanner."""

    kind: AnswerKind
    note: str
    user: int
    name: str
    at: datetime.datetime


class DriftPromise(BaseModel):
    """What the charts of a scanner promise together, by simulation."""

    false: float = Field(description="Share of scanners flagged within 100 cases though nothing changes.")
    shift: float = Field(description="Standard deviations of the drift that the next two are of.")
    median: float = Field(description="Half of such drifts are flagged by this case after they began.")
    most: float = Field(description="95 in a hundred are.")
    stretch: float = Field(description="By how much the limits of the rules are wider than of one chart alone.")


class ScannerDriftShown(BaseModel):
    """The control charts of a scanner profile."""

    profile: int
    name: str
    cases: list[DriftCase]
    charts: list[DriftChartShown]
    flags: list[DriftFlag] = Field(description="Flags that ask for a new validation.")
    asks: bool = Field(description="Whether the scanner is to be validated anew.")
    learnt: int = Field(description="Cases since what is usual was last learnt anew.")
    learnt_readings: int = Field(
        description="The same of `novelty` and `agreement`, which are learnt anew under another bundle as well."
    )
    baseline: int = Field(description="Cases that say what is usual.")
    promise: DriftPromise | None
    answers: list[DriftAnswerShown] = Field(description="The newest first.")


class Drifts(BaseModel):
    """The scanners of a project, the oldest first."""

    items: list[ScannerDriftShown]
    next: None = None


class NewDriftAnswer(Shape):
    """What is said to the flags of a scanner."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "explained", "note": "New batch of stain, 2 March", "seen": 41}]},
    )
    kind: AnswerKind = Field(
        description="`explained`: the cause is known and gone, what is usual stays. `validated`: it was validated "
        "anew, and the cases that follow say what is usual."
    )
    note: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    seen: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(
        description="The greatest `signature` among the cases on the charts that were looked at, 0 where there was "
        "none. An answer is refused where another one is the newest now: it would cover what nobody saw."
    )
