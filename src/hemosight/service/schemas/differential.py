"""Shapes of counts, agreement and signatures."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hemosight.scoring.agreement import Agreement
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Password, Shape
from hemosight.service.schemas.projects import Text
from hemosight.service.storage.counting import CellDraw, CountingChoice, SinceDraw


class ShareShown(BaseModel):
    """Cells of one type, and their share with its 95 % Wilson interval."""

    count: int
    share: float
    low: float
    high: float


class CountRow(BaseModel):
    """One type: as the model alone counts it, and as it counts now, people's labels and the model's readings apart."""

    label: str
    title: str
    before: ShareShown = Field(description="As the bundle alone reads every cell, before any label.")
    after: ShareShown = Field(description="Cells labelled so by people, and unlabelled ones that the model reads so.")
    reviewed: int | None = Field(
        description="Of `after`, cells with a person's label; the others are not reviewed. Null in old records."
    )
    parent: str | None = Field(default=None, description="The type above it, where it is a finer one.")


class ApartRow(BaseModel):
    """A type that is counted beside the leukocytes, or nowhere."""

    before: int
    after: int
    reviewed: int | None
    title: str | None = Field(default=None, description="As it was called then; null in old records.")
    per_100: float | None = Field(
        default=None,
        description="For 100 leukocytes, as counted now, with its finer types that stand apart; null where excluded, "
        "and of platelets: crops of white cells say nothing of how many there are. Some old records have it of these.",
    )
    parent: str | None = Field(default=None, description="The type above it, where it is a finer one.")


class MovedRow(BaseModel):
    """Cells that went from one type to another; `?` is unsure."""

    model_config = ConfigDict(populate_by_name=True)
    from_: str = Field(alias="from")
    to: str
    count: int


class DifferentialShown(BaseModel):
    """The differential of a case or a project."""

    label_set: str
    total: int = Field(description="Cells that the shares in `after` are shares of: leukocytes, for cell types.")
    total_before: int
    rows: list[CountRow]
    apart: dict[str, ApartRow] = Field(
        description="Counted beside the leukocytes: erythroblasts, platelets, types that the laboratory sets apart."
    )
    excluded: dict[str, ApartRow] = Field(default={}, description="Types that count nowhere, by the laboratory's rule.")
    level: Literal["type", "subtype"] = Field(
        default="subtype", description="`type`: finer types count with the one they belong to; else each has a row."
    )
    erythroblasts_per_100: float | None = Field(
        description="For every 100 leukocytes, as counted now, with their finer types that stand apart."
    )
    erythroblasts_per_100_before: float | None
    unsure: int = Field(description="Cells somebody could not decide; they are not counted.")
    unreviewed: int = Field(description="Read cells without a person's label; the model's reading counts.")
    unusual: int | None = Field(description="Of the unreviewed, cells beyond the novelty limit.")
    waiting: int = Field(description="Cells not read yet.")
    unreadable: int
    reclassified: list[MovedRow] = Field(description="By people: from what the model alone read to their label.")
    moved_by_model: list[MovedRow] | None = Field(
        description="Unlabelled cells that the taught model reads otherwise than alone. Null in old records.",
    )
    reviewed_until: int = Field(description="The newest label among these cells; 0 for none.")
    taught_until: int | None = Field(
        description="The last label that the model had learnt, of whichever case; 0 for none. Null in old records."
    )
    taught_by_panels: list[int] = Field(
        default=[],
        description="Panels whose consensus the model had learnt beside labels, of whichever case of the same scanner "
        "profile. Of every profile in counts of a whole project, and in records without `panel_titles`.",
    )
    panel_titles: list[str] = Field(
        default=[], description="The titles of `taught_by_panels`, in their order. Empty in old records."
    )
    bundle: str
    counting: CellDraw | None = Field(
        default=None, description="How the cells that count were drawn; null where all do."
    )
    counting_choices: list[CountingChoice] = Field(
        default=[],
        description="Every choice of the cells that count, the first in front; empty where all do and always did.",
    )
    drawn_cells_gone: int = Field(default=0, description="Cells that were drawn and are in the case no more.")
    cells_since_draw: int = Field(
        default=0, description="Cells that came into the case since the draw: they count nowhere, not even as waiting."
    )
    digest: str = Field(default="", description="Of the counts: equal where they are. Send it to sign what was seen.")

    @model_validator(mode="before")
    @classmethod
    def _of_an_old_record(cls, given: Any) -> Any:
        """Records signed by older versions call the newest label ``revision``, and count both kinds of moves as one."""
        if not isinstance(given, dict) or "revision" not in given:
            return given
        unknown = dict.fromkeys(("unusual", "moved_by_model", "taught_until"))
        rows = [{"reviewed": None, **row} for row in given["rows"]]
        apart = {name: {"reviewed": None, **row} for name, row in given["apart"].items()}
        return {**unknown, **given, "reviewed_until": given["revision"], "rows": rows, "apart": apart}

    @property
    def since_draw(self) -> SinceDraw | None:
        """What became of the case since its cells were drawn; None where all count."""
        return None if self.counting is None else SinceDraw(self.drawn_cells_gone, self.cells_since_draw)

    @model_validator(mode="after")
    def _with_digest(self) -> DifferentialShown:
        self.digest = self.digest or self._digest()
        return self

    def _digest(self) -> str:
        # What a signature is put under. What the model learnt meanwhile counts only where it moved one of these cells.
        rows = [[row.label, row.before.count, row.after.count] for row in self.rows]
        apart = [[name, count.before, count.after] for name, count in sorted(self.apart.items())]
        open_ = [self.unsure, self.unreviewed, self.waiting, self.unreadable]
        facts = [self.label_set, self.bundle, self.reviewed_until, rows, apart, open_]
        # Left away where there is nothing to say, so that counts of before have the digest that they had.
        if self.excluded or self.level != "subtype":
            facts += [self.level, [[name, n.before, n.after] for name, n in sorted(self.excluded.items())]]
        if self.counting is not None:
            facts.append(self.counting.model_dump(mode="json"))
        if self.drawn_cells_gone or self.cells_since_draw:
            facts.append([self.drawn_cells_gone, self.cells_since_draw])
        return hashlib.sha256(json.dumps(facts, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()[:16]


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


class InBulk(BaseModel):
    """Cells that were first labelled many at once, which measures nothing."""

    cells: int
    as_read: int = Field(description="Of these, cells whose label is what the model had said.")


class AgreementShown(BaseModel):
    """Agreement in one label set."""

    human_model: WithModel
    in_bulk: InBulk
    humans: list[TwoPeople]


class NewSignature(Shape):
    """A differential to sign."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"case": 7, "note": "", "role": "first", "initials": "AD"}]}
    )
    case: Number | None = Field(
        None, description="A case: cells of several, or of none, are never signed together. Null is refused."
    )
    digest: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="`digest` of the differential that the signer saw; another one by now is refused."
    )
    note: Text = Field("", description="Needed where a check asks for a reason: why it is signed all the same.")
    role: Literal["first", "second"] = Field(
        "first", description="`second` signs the record that the first signer signed, whatever was labelled since."
    )
    initials: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)] = Field(
        "", description="Where the project asks for them."
    )
    password: Password | None = Field(None, description="The signer's, where the project asks for it.")
    findings: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="`version` of the findings that the signer saw; another one by now is refused, and so is null "
        "where the case has findings. A second signature needs none.",
    )
    facts: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None,
        description="`facts` of the case's signing that the signer saw: its specimen, scanner profile and the settings "
        "of its report. Others by now are refused, and so is null where the case has a specimen or the report has "
        "reference ranges. A second signature needs none.",
    )
    countersigns: Number | None = Field(
        None,
        description="Of a second signature: `id` of the first one, whose record the signer saw. Another one by now is "
        "refused, and so is null.",
    )
    level: Literal["type", "subtype"] | None = Field(
        None, description="How finely types are told in the record; as the label set has it where null."
    )


class CheckShown(BaseModel):
    """One thing that is checked before signing."""

    model_config = ConfigDict(from_attributes=True)
    name: Literal[
        "unreviewed",
        "unsure",
        "unusual",
        "unreadable",
        "waiting",
        "foreign",
        "too_few",
        "drawn_gone",
        "drawn_later",
        "rule",
    ]
    level: Literal["warn", "reason", "second", "block"] = Field(
        description="What it asks where it is open: a look, a reason in the note, a second signature; or it stands in "
        "the way."
    )
    open: bool = Field(description="Whether it found something.")
    count: int = Field(description="Cells that it found; of `too_few` the leukocytes counted.")
    says: str = Field(description="The same in words.")


class SignatureShown(BaseModel):
    """A signature, with the differential as it was signed."""

    id: int
    case: int | None
    user: int
    name: str
    at: datetime.datetime
    role: Literal["first", "second"]
    note: str
    reviewed_until: int = Field(description="The newest label among the signed cells; 0 for none.")
    taught_until: int | None = Field(description="The last label that the model had learnt; null in old records.")
    bundle: int
    countersigns: int | None = Field(description="Of a second signature: the first one, whose record it signs.")
    version: int = Field(description="Of the record of its case, from 1 on.")
    amends: int | None = Field(description="The signature of the version before, where this one amended it.")
    reason: str = Field(description="Why it was amended; empty for a first version.")
    second_wanted: bool = Field(description="Whether the record needs a second signature.")
    confirmed: Literal["none", "initials", "password"] = Field(description="What the signer gave with it.")
    initials: str
    checks: list[CheckShown] | None = Field(description="As they were when it was signed; null in old records.")
    fingerprint: str | None = Field(description="SHA-256 of the signed record; null in old ones.")
    current: bool = Field(description="Whether it is of the newest version, and nobody amends that.")
    reads_otherwise: bool | None = Field(
        description="Whether the case would count otherwise now, since the model has learnt or labels have changed; "
        "null in a list that was not asked for it."
    )
    differential: DifferentialShown = Field(description="As it was signed, whatever happened since.")


class Signatures(BaseModel):
    """All signatures of a project, in order."""

    items: list[SignatureShown]
    next: int | None = None
