"""Shapes of how well the model knows the scanner of a case, and of a statement of trust."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CaseFamiliarityShown(BaseModel):
    """How far the cells of a case look like what the model knows."""

    model_config = ConfigDict(from_attributes=True)
    case: int | None = Field(description="Null for cells without a case.")
    cells: int = Field(description="Cells with a reading.")
    unfamiliar: int = Field(description="Of these, cells unlike the bundle's and unlike those that people labelled.")
    to_bundle: int = Field(description="Cells unlike the bundle's, whatever was labelled since.")
    share: float = Field(description="`unfamiliar` of `cells`.")
    median: float = Field(description="Median novelty against the bundle; 1 is its limit for known cells.")
    open: int = Field(description="Cells without a person's label.")
    taught: int = Field(description="Labelled cells of the project that are unlike the bundle's.")
    wanted: int = Field(
        description="How many of those open a foreign case: fewer once 32 of its cells have a label and few lie beyond."
    )
    foreign: bool = Field(
        description="Whether its readings are not usable yet: it cannot be signed, nor agreed with in bulk."
    )


class Familiarities(BaseModel):
    """All cases of a project."""

    items: list[CaseFamiliarityShown]
    next: None = None


class TypeTrustShown(BaseModel):
    """Cells that people called one type."""

    model_config = ConfigDict(from_attributes=True)
    label: str
    asked: int
    right: int = Field(description="Read so by the model before.")


class TrustShown(BaseModel):
    """What was asked of a case, what the model had said before, and how well it reads the case now."""

    model_config = ConfigDict(from_attributes=True)
    asked: int = Field(description="Cells labelled one by one. Labels given in bulk measure nothing.")
    right: int = Field(description="Of these, cells that the model had read so before the person said so.")
    last: int
    last_right: int = Field(description="The same of the last answers.")
    checks: int = Field(description="Answers on cells drawn at random.")
    checks_right: int = Field(description="Read so by the model as it is now, without that cell's own label.")
    low: float = Field(
        description="Exact 95 % interval (Clopper and Pearson) of `checks_right` of `checks`; 0 to 1 without checks."
    )
    high: float
    by_type: list[TypeTrustShown]
    never_seen: list[str] = Field(description="Types that nobody has named among these cells.")
    in_bulk: int = Field(description="Cells labelled many at once: not measured.")
    earlier: int = Field(
        description="Cells labelled one by one while another bundle read the project: they count no more."
    )
    moved_by_last: int | None = Field(
        None, description="Open cells of the case that are read otherwise since the last 8 answers."
    )
    enough: bool | None = Field(
        None,
        description="Whether the queue ends: the case is not held back and the last 8 answers moved at most one open "
        "cell in fifty, or 32 were given.",
    )
