"""What a report says, whatever it is written as: numbers with their ranges, lines, findings, who signed."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hemosight.blood.morphology import ESTIMATES, Finding, Grade, PlateletEstimate

Status = Literal["unsigned", "awaiting", "final", "corrected"]
"""Nobody signed; the second signature is wanted and not there; signed; signed as a new version of a record."""
Flag = Literal["", "H", "L"]
WORDS: Mapping[Flag, str] = {"": "", "H": "high", "L": "low"}


@dataclass(frozen=True)
class Value:
    """A number with what is usual.

    Parameters
    ----------
    number
        Rounded to ``digits``.
    low, high
        The reference range; None leaves a side open.
    """

    number: float
    digits: int
    low: float | None = None
    high: float | None = None

    @property
    def flag(self) -> Flag:
        """H above the range, L below it, else nothing."""
        if self.high is not None and self.number > self.high:
            return "H"
        return "L" if self.low is not None and self.number < self.low else ""

    @property
    def text(self) -> str:
        """The number as it is written everywhere."""
        return f"{self.number:.{self.digits}f}"

    @property
    def range(self) -> str:
        """The reference range as a report writes it; empty where there is none."""
        if self.low is None:
            return "" if self.high is None else f"up to {self.high:g}"
        if self.high is None:
            return f"from {self.low:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}\N{EN DASH}{self.high:g}"


@dataclass(frozen=True)
class ReportLine:
    """A type among the leukocytes, or the sum of a type with its finer ones.

    Parameters
    ----------
    name, title, letter, color
        Color as ``#rrggbb``, for a light page.
    finer
        Whether it is part of the line above that sums it up.
    rest
        Whether it is what of a type was not told apart more finely.
    low, high
        95% interval of the share, in percent.
    reviewed, unreviewed
        Of ``count``: cells with a person's label, and without; None in old records.
    before
        Cells as the model alone read them.
    """

    name: str
    title: str
    letter: str
    color: str
    count: int
    share: Value
    low: float
    high: float
    absolute: Value | None
    reviewed: int | None
    unreviewed: int | None
    before: int
    finer: bool = False
    rest: bool = False


@dataclass(frozen=True)
class ApartLine:
    """What is counted beside the leukocytes: cells of a type with its finer ones, and how many for 100 leukocytes.

    Parameters
    ----------
    per_100
        None where no such number is told: of platelets, of what was not seen, and where no leukocyte was counted.
    family
        The type itself, or the one that it is summed under.
    finer, rest
        As of a :class:`ReportLine`.
    """

    name: str
    title: str
    letter: str
    color: str
    count: int
    per_100: Value | None
    reviewed: int | None
    before: int
    family: str = ""
    finer: bool = False
    rest: bool = False

    @property
    def shown(self) -> bool:
        """That there was no erythroblast is a finding; that there was no smudge cell is none."""
        return bool(self.count) or self.name == "erythroblast"


@dataclass(frozen=True)
class ExcludedLine:
    """Cells of a type that counts nowhere, and how many of them a person labelled so; None in old records."""

    name: str
    title: str
    count: int
    reviewed: int | None


@dataclass(frozen=True)
class Graded:
    """A finding and its grade."""

    finding: Finding
    grade: Grade


@dataclass(frozen=True)
class ChosenCell:
    """A cell that the report shows: its type (None for none), and whether a person said so."""

    image: int
    sha256: str
    title: str | None
    letter: str
    color: str
    labelled: bool
    outside: bool = False
    """Whether cells were drawn to be counted, and this is none of them."""


@dataclass(frozen=True)
class Signer:
    """Who signed, as what, when, and how it was confirmed."""

    name: str
    role: Literal["first", "second"]
    at: datetime.datetime
    initials: str = ""
    confirmed: str = "none"
    note: str = ""


@dataclass(frozen=True)
class ReportedCheck:
    """What was checked before signing; ``open`` where it found something."""

    says: str
    open: bool


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    number: int
    status: Status
    version: int
    reason: str
    project: str
    laboratory: str
    address: str
    zone: zoneinfo.ZoneInfo
    key: str
    accession: str
    collected_at: datetime.datetime | None
    received_at: datetime.datetime | None
    wbc: float | None
    note: str
    total: int
    lines: tuple[ReportLine, ...]
    beside: tuple[ApartLine, ...]
    unsure: int
    unreviewed: int
    waiting: int
    unreadable: int
    remark: str
    grades: tuple[Graded, ...]
    platelets: PlateletEstimate | None
    cells: tuple[ChosenCell, ...]
    checks: tuple[ReportedCheck, ...]
    signers: tuple[Signer, ...]
    bundle: str
    scanner: str
    scale: float | None
    fingerprint: str
    at: datetime.datetime
    drawn: str = ""
    """How the cells that count were drawn; empty where every cell of the case counts."""
    taught: str = ""
    """Which panels taught the model; empty where none did, and in records that do not have their titles."""
    amended_by: str = field(default="")
    """Of an unsigned report of a case that is being amended: why."""
    excluded: tuple[ExcludedLine, ...] = ()
    """Types that count nowhere, by the rule of the laboratory."""
    replaced_by: int | None = None
    """The newest version of the record; None where this is it."""

    @property
    def platelets_text(self) -> str:
        """The estimate in words; empty where there is none."""
        return "" if self.platelets is None else ESTIMATES[self.platelets]

    @property
    def replaced(self) -> str:
        """That a later version holds instead; empty where none does."""
        return "" if self.replaced_by is None else f"Replaced by version {self.replaced_by}"

    @property
    def uncorrected(self) -> bool:
        """Whether absolute counts are shares of a leukocyte count that may hold erythroblasts."""
        found = (one.count for one in (*self.beside, *self.excluded) if one.name == "erythroblast")
        return self.wbc is not None and any(found)

    @property
    def unreviewed_nowhere(self) -> int:
        """Of the cells that nobody reviewed, those that the model reads as a type that counts nowhere."""
        return sum(one.count - one.reviewed for one in self.excluded if one.reviewed is not None)

    @property
    def nowhere(self) -> str:
        """What counts nowhere, as a sentence; empty where everything counts."""
        counts = {"unsure": self.unsure, "not readable": self.unreadable, "not read yet": self.waiting}
        left = [f"{count:,} {what}" for what, count in counts.items() if count]
        left += [f"{one.count:,} \u201c{one.title}\u201d" for one in self.excluded]
        return f"Counted nowhere: {', '.join(left)}." if left else ""

    def local(self, at: datetime.datetime) -> datetime.datetime:
        """A moment by the laboratory's clock."""
        return at.astimezone(self.zone)

    def moment(self, at: datetime.datetime | None) -> str:
        """A moment with its zone, as a report writes it: ``27 Nov 2026, 16:41 CET (UTC+01:00)``; empty for None."""
        if at is None:
            return ""
        here = self.local(at)
        sign = f"{here:%z}"  # such as +0530
        offset = f"UTC{sign[:3]}:{sign[3:5]}" if here.utcoffset() else "UTC"
        name = here.tzname() or ""
        zone = offset if name == offset or not name.isalpha() else f"{name} ({offset})"
        return f"{here.day} {_MONTHS[here.month - 1]} {here.year}, {here:%H:%M} {zone}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Not the locale's: a report is the same wherever the service runs."""
