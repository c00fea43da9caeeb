"""The lines of a report: types with the sums of their finer ones, in the hundred, beside it, and what counts nowhere.

Numbers are rounded here, once: what is printed, what is flagged and what is sent are the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hemosight.blood.intervals import wilson
from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import parent_of, title
from hemosight.service.documents.content import ApartLine, ExcludedLine, ReportLine, Value

Row = Mapping[str, Any]
"""Of a signed differential: the counts of one type."""


@dataclass(frozen=True)
class TypeLook:
    """How a type looked when the record was signed."""

    title: str
    letter: str
    color: str


def looks(names: Collection[str], shown: Mapping[str, Mapping[str, Any]]) -> dict[str, TypeLook]:
    """How types looked when the record was signed; as the palette has them in records that do not say."""
    usual = marks({*names, *shown})
    return {
        name: TypeLook(shown[name]["title"], shown[name]["key"], shown[name]["light"])
        if name in shown
        else TypeLook(title(name), mark.letter, mark.light)
        for name, mark in usual.items()
    }


def above(name: str, row: Row, elsewhere: Collection[str]) -> str | None:
    """The type that a row is summed under: as the laboratory had it at signing, as the vocabulary has it before that.

    None for an upper type, and under one of ``elsewhere``, which counts otherwise: what is counted in the hundred,
    beside it and nowhere is never one sum.
    """
    found = row["parent"] if "parent" in row else parent_of(name)
    return None if found in elsewhere else found


def among(
    rows: Mapping[str, Row],
    upper: Mapping[str, str | None],
    total: int,
    wbc: float | None,
    limits: Mapping[str, Mapping[str, Any]],
    look: Mapping[str, TypeLook],
) -> Iterable[ReportLine]:
    """Types of the hundred in their order; before the first finer one of a type, the sum of that type."""
    for name, members in _families(rows, upper).items():
        yield _among(name, look, [rows[one] for one in members], total, wbc, limits)
        if members == [name]:
            continue
        for one in members:
            if one != name:
                yield _among(one, look, [rows[one]], total, wbc, limits, finer=True)
            elif rows[one]["after"]["count"]:
                yield _among(one, look, [rows[one]], total, wbc, {}, finer=True, rest=True)


def beside(
    apart: Mapping[str, Row],
    upper: Mapping[str, str | None],
    total: int,
    limits: Mapping[str, Mapping[str, Any]],
    look: Mapping[str, TypeLook],
) -> Iterable[ApartLine]:
    """What stands beside the hundred, summed as in it: a type's number for 100 leukocytes is that of all its cells."""
    for name, members in _families([one for one in look if one in apart], upper).items():
        yield _beside(name, name, look, [apart[one] for one in members], total, limits)
        if members == [name]:
            continue
        for one in members:
            if one != name:
                yield _beside(one, name, look, [apart[one]], total, limits, finer=True)
            elif apart[one]["after"]:
                yield _beside(one, name, look, [apart[one]], total, {}, finer=True, rest=True)


def nowhere(excluded: Mapping[str, Row], look: Mapping[str, TypeLook]) -> Iterable[ExcludedLine]:
    """Types that count nowhere, of which there was any cell."""
    for name in look:
        if name in excluded and excluded[name]["after"]:
            yield ExcludedLine(name, look[name].title, excluded[name]["after"], excluded[name].get("reviewed"))


def _families(names: Iterable[str], upper: Mapping[str, str | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(upper[name] or name, []).append(name)
    return found


def _reviewed(rows: Sequence[Row]) -> int | None:
    """Cells with a person's label; None where a record of before does not say."""
    known = [row["reviewed"] for row in rows if row.get("reviewed") is not None]
    return sum(known) if len(known) == len(rows) else None


def _look(name: str, look: Mapping[str, TypeLook]) -> TypeLook:
    return look.get(name) or TypeLook(title(name), "", "#777d83")


def _among(
    name: str,
    look: Mapping[str, TypeLook],
    rows: Sequence[Row],
    total: int,
    wbc: float | None,
    limits: Mapping[str, Mapping[str, Any]],
    *,
    finer: bool = False,
    rest: bool = False,
) -> ReportLine:
    count, reviewed = sum(row["after"]["count"] for row in rows), _reviewed(rows)
    share, usual = (count / total if total else 0.0), limits.get(name, {})
    low, high = wilson(count, total)
    mark = _look(name, look)
    return ReportLine(
        name=name,
        title="not told apart" if rest else mark.title,
        letter=mark.letter,
        color=mark.color,
        count=count,
        share=Value(round(100 * share, 1), 1, usual.get("low"), usual.get("high")),
        low=round(100 * low, 1),
        high=round(100 * high, 1),
        absolute=None
        if wbc is None
        else Value(round(wbc * share, 2), 2, usual.get("absolute_low"), usual.get("absolute_high")),
        reviewed=reviewed,
        unreviewed=None if reviewed is None else count - reviewed,
        before=sum(row["before"]["count"] for row in rows),
        finer=finer,
        rest=rest,
    )


def _beside(
    name: str,
    family: str,
    look: Mapping[str, TypeLook],
    rows: Sequence[Row],
    total: int,
    limits: Mapping[str, Mapping[str, Any]],
    *,
    finer: bool = False,
    rest: bool = False,
) -> ApartLine:
    count, usual, mark = sum(row["after"] for row in rows), limits.get(name, {}), _look(name, look)
    if parent_of(name) == "platelet":  # also where the laboratory has it under no other
        family = "platelet"
    made = ApartLine(
        name=name,
        title="not told apart" if rest else mark.title,
        letter=mark.letter,
        color=mark.color,
        count=count,
        per_100=None,
        reviewed=_reviewed(rows),
        before=sum(row["before"] for row in rows),
        family=family,
        finer=finer,
        rest=rest,
    )
    # Pictures of white cells say nothing of how many platelets, and clumps of them, there are.
    if not total or not made.shown or made.family == "platelet":
        return made
    return replace(made, per_100=Value(round(100 * count / total, 1), 1, usual.get("low"), usual.get("high")))
