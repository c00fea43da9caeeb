"""Shapes of counts, agreement and signatures."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hemosight.service.desk.agreement import Agreement
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Shape
from hemosight.service.schemas.projects import Text


class ShareShown(BaseModel):
    """Cells of one type, and their share with its 95 % Wilson interval."""

    count: int
    share: float
    low: float
    high: float


class CountRow(BaseModel):
    """One type, as the model alone counts it and after review."""

    label: str
    title: str
    before: ShareShown
    after: ShareShown


class ApartRow(BaseModel):
    """A type that is counted beside the leukocytes."""

    before: int
    after: int


class MovedRow(BaseModel):
    """Cells that the review moved from one type to another; `?` is unsure."""

    model_config = ConfigDict(populate_by_name=True)
    from_: str = Field(alias="from")
    to: str
    count: int


class DifferentialShown(BaseModel):
    """The differential of a case or a project."""

    label_set: str
    total: int = Field(description="Cells that the shares after review are shares of: leukocytes, for cell types.")
    total_before: int
    rows: list[CountRow]
    apart: dict[str, ApartRow] = Field(description="Erythroblasts and platelets, which are no leukocytes.")
    erythroblasts_per_100: float | None = Field(description="For every 100 leukocytes, after review.")
    erythroblasts_per_100_before: float | None
    unsure: int = Field(description="Cells somebody could not decide; they are not counted after review.")
    unreviewed: int = Field(description="Cells that nobody has looked at; the model's word counts.")
    waiting: int = Field(description="Cells not read yet.")
    unreadable: int
    reclassified: list[MovedRow]
    revision: int = Field(description="The newest label among these cells.")
    bundle: str


class KappaShown(BaseModel):
    """Agreement beyond chance; null where it says nothing (no cell, or one class only)."""

    kappa: float | None
    low: float | None
    high: float | None
    agreement: float | None
    n: int

    @classmethod
    def facts(cls, found: Agreement) -> dict[str, float | int | None]:
        """An agreement as this shape's fields."""
        return {"kappa": found.kappa, "low": found.low, "high": found.high, "agreement": found.share, "n": found.n}


class CellOfTable(BaseModel):
    """How many cells were called one by people and the other by the model."""

    human: str
    model: str
    count: int


class WithModel(KappaShown):
    """People against the model, cell by cell, before the model could learn from them."""

    table: list[CellOfTable]


class TwoPeople(KappaShown):
    """Two people, on the cells that both labelled. The second saw what the first had said."""

    a: int
    b: int


class AgreementShown(BaseModel):
    """Agreement in one label set."""

    human_model: WithModel
    humans: list[TwoPeople]


class NewSignature(Shape):
    """A differential to sign."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"case": 7, "note": "", "role": "first"}]}
    )
    case: Number | None = Field(None, description="A case; the whole project where null.")
    note: Text = Field("", description="Needed while cells are unread or unsure: why it is signed all the same.")
    role: Literal["first", "second"] = "first"


class SignatureShown(BaseModel):
    """A signature, with the differential as it was signed."""

    id: int
    case: int | None
    user: int
    name: str
    at: datetime.datetime
    role: Literal["first", "second"]
    note: str
    revision: int
    bundle: int
    current: bool = Field(description="Whether nobody labelled any of its cells since.")
    differential: DifferentialShown


class Signatures(BaseModel):
    """All signatures of a project, in order."""

    items: list[SignatureShown]
    next: int | None = None
