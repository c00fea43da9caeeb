"""The protocol of a validation: what is to be shown, on which cells, and what would be good enough, before looking.

A protocol is a TOML file. A limit that is not named is measured and reported, but nothing is required of it.
"""

from __future__ import annotations

import datetime
import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hemosight.blood.palette import KNOWN
from hemosight.errors import BadProtocol, PathMissing

Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(gt=0, le=100)]
Condition = Literal["turned", "mirrored", "in another stain", "out of focus (sigma 1.5 px)", "as JPEG of quality 30"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cells(_Part):
    """Which cells count.

    Parameters
    ----------
    sources
        Scanner profiles (sources of the catalog); all where empty.
    cases, without
        Only these cases; never these. A case is a patient where cells come from a folder or catalog.
    least
        Cells that a case must have.
    least_reviewed
        Share of a case's cells that people must have labelled (``?`` and types that are not counted are labels). Who
        labels some cells of a case does not pick them at random: a few labels are no differential.
    learnt
        ``exclude`` leaves out every case of which the bundle has learnt a cell: its figures would flatter.
    types
        Types that the validation speaks of.
    count
        Cells of one count: 200 in CLSI H20-A2. A smaller case is halved instead, and the dossier says so.
    seed
        Of everything that is drawn.
    """

    sources: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    least: int = Field(default=20, ge=4)
    least_reviewed: Share = 0.9
    learnt: Literal["exclude", "include"] = "exclude"
    types: tuple[str, ...] = tuple(KNOWN)
    count: int = Field(default=200, ge=10)
    seed: int = 0

    @field_validator("types")
    @classmethod
    def _known(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(given) - set(KNOWN))
        if unknown or not given:
            raise ValueError(f"types are some of {', '.join(KNOWN)}; not {', '.join(unknown) or 'none'}")
        return given


class CaseCriterion(_Part):
    """What is looked for in a case: it is positive with at least ``cells`` of the type that are ``percent`` of its
    leukocytes or more.
    """

    type: str = "blast"
    cells: int = Field(default=1, ge=1)
    percent: float = Field(default=0.0, ge=0, le=100)

    @field_validator("type")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in KNOWN:
            raise ValueError(f"a type is one of {', '.join(KNOWN)}")
        return given


class Repeats(_Part):
    """Cases that are read again, and how their crops are changed; none where ``cases`` is 0."""

    cases: int = Field(default=8, ge=0)
    conditions: tuple[Condition, ...] = ("turned", "mirrored", "in another stain")


class Limits(_Part):
    """What is good enough. ``least`` and ``most`` say which side is the good one.

    Parameters
    ----------
    least_macro_f1, least_accuracy
        Of all cells.
    least_found, most_false
        Share of the sought type's cells that are read so, and of other cells that are.
    least_sensitivity, least_specificity
        Share of positive cases called positive, and of negative ones called negative.
    most_bias
        Largest mean difference of any type's share of the leukocytes, in per cent points.
    least_within
        Share of cases whose test share lies within Rümke's limits of their reference share, for the worst type.
    most_calibration_error
        Expected calibration error of all cells.
    most_repeatability
        Standard deviation of a type's share when a case is read again, in per cent points, for the worst type.
    least_agreement
        Gwet's AC1 of the readers (reference and further ones); of use with further readers alone.
    most_unfamiliar
        Share of the cells that the bundle calls unfamiliar.
    """

    least_macro_f1: Share | None = None
    least_accuracy: Share | None = None
    least_found: Share | None = None
    most_false: Share | None = None
    least_sensitivity: Share | None = None
    least_specificity: Share | None = None
    most_bias: Points | None = None
    least_within: Share | None = None
    most_calibration_error: Share | None = None
    most_repeatability: Points | None = None
    least_agreement: Share | None = None
    most_unfamiliar: Share | None = None


class Protocol(_Part):
    """A protocol.

    Parameters
    ----------
    title, laboratory, intended_use
        What is validated, where, and for what.
    written_by, written_on
        Who chose the limits, and when.
    reference
        Who said what the cells are, in words.
    readers
        Names of the further readers, in order: the first one's reading is H20-A2's second examiner's. Readings by
        others do not count; one who is named and gave none is a fault. Where empty, whoever read counts.
    cells, finding, repeats, limits
        The parts of the file.
    """

    title: str
    laboratory: str = ""
    intended_use: str = ""
    written_by: str
    written_on: datetime.date
    reference: str = "the labels that came with the cells"
    readers: tuple[str, ...] = ()
    cells: Cells = Cells()
    finding: CaseCriterion = CaseCriterion()
    repeats: Repeats = Repeats()
    limits: Limits = Limits()

    @field_validator("readers")
    @classmethod
    def _named_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.strip() for name in given)
        if len(set(names)) < len(names) or "" in names:
            raise ValueError("readers are names, each one once")
        return names


def read(path: str | Path) -> tuple[Protocol, str]:
    """A protocol and the sha256 of its file.

    Raises :class:`~hemosight.errors.PathMissing`, and :class:`~hemosight.errors.BadProtocol` for what is no protocol.
    """
    file = Path(path)
    if not file.is_file():
        raise PathMissing(path=file, cwd=Path.cwd(), what="a protocol (TOML)")
    data = file.read_bytes()
    try:
        given = Protocol.model_validate(tomllib.loads(data.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadProtocol(path=file, came=str(fault)) from fault
    except ValidationError as fault:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].lower()}" for one in fault.errors()
        )
        raise BadProtocol(path=file, came=wrong) from fault
    return given, hashlib.sha256(data).hexdigest()
