"""The content of a report, made of a record as it was signed and of nothing else.

Values are rounded here, once: what is printed, what is flagged and what is sent are the same number.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hemosight.blood.intervals import wilson
from hemosight.blood.morphology import FINDINGS
from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import parent_of, title
from hemosight.service.documents.content import (
    ApartLine,
    ChosenCell,
    Graded,
    Report,
    ReportedCheck,
    ReportLine,
    Signer,
    Status,
    Value,
)

_WAYS = {"random": "at random", "battlement": "field after field (battlement)"}
_EARLIER = 5
"""Earlier choices of the cells that count that a report lists."""


def content(
    *,
    number: int,
    differential: Mapping[str, Any],
    checks: Sequence[Mapping[str, Any]] | None,
    record: Mapping[str, Any],
    signers: Sequence[Signer],
    at: datetime.datetime,
    version: int = 1,
    reason: str = "",
    second_wanted: bool = False,
    fingerprint: str | None = None,
    amended_by: str = "",
) -> Report:
    """The content of a report.

    Parameters
    ----------
    number
        Of the first signature; 0 where there is none.
    differential, checks, record
        As signed (:mod:`hemosight.service.desk.signed_record`); parts that old records lack may be missing or None.
    signers
        In order; empty for a case that nobody signed.
    at
        The moment that stands in the file.
    """
    specimen = record.get("specimen") or {}
    profile = record.get("profile") or {}
    frozen = record.get("report") or {}
    shown = {one["name"]: one for one in frozen.get("types", ())}
    apart = differential["apart"]
    above = {row["label"]: _above(row, apart) for row in differential["rows"]}
    look = _look((*above, *(name for name in above.values() if name is not None), *apart), shown)
    limits = {one["label"]: one for one in frozen.get("ranges", ())}
    wbc = specimen.get("wbc")
    return Report(
        number=number,
        status=_status(signers, version, second_wanted),
        version=version,
        reason=reason,
        project=frozen.get("project", ""),
        laboratory=frozen.get("laboratory", ""),
        address=frozen.get("address", ""),
        zone=zoneinfo.ZoneInfo(frozen.get("zone", "UTC")),
        key=specimen.get("key", ""),
        accession=specimen.get("accession", ""),
        collected_at=_moment(specimen.get("collected_at")),
        received_at=_moment(specimen.get("received_at")),
        wbc=wbc,
        note=specimen.get("note", ""),
        total=differential["total"],
        lines=tuple(_lines(differential["rows"], above, differential["total"], wbc, limits, look)),
        beside=tuple(_beside(apart, differential["total"], limits, look)),
        unsure=differential["unsure"],
        unreviewed=differential["unreviewed"],
        waiting=differential["waiting"],
        unreadable=differential["unreadable"],
        remark=frozen.get("remark", ""),
        grades=tuple(
            Graded(one, frozen["grades"][one.name]) for one in FINDINGS if one.name in frozen.get("grades", ())
        ),
        platelets=frozen.get("platelets"),
        cells=tuple(_chosen(record.get("cells") or (), frozen.get("cells", ()), look)),
        checks=tuple(ReportedCheck(one["says"], one["open"]) for one in checks or ()),
        signers=tuple(signers),
        bundle=differential["bundle"],
        scanner=profile.get("name", ""),
        scale=profile.get("scale"),
        fingerprint=fingerprint or "",
        at=at,
        drawn=_drawn(differential),
        taught=_taught(differential.get("panel_titles") or ()),
        amended_by=amended_by,
    )


def _taught(titles: Sequence[str]) -> str:
    """Which panels taught the model; empty where none did."""
    if not titles:
        return ""
    named = ", ".join(f"\N{LEFT DOUBLE QUOTATION MARK}{one}\N{RIGHT DOUBLE QUOTATION MARK}" for one in titles)
    panels = "panel" if len(titles) == 1 else "panels"
    return f"The model had also learnt what the {panels} {named} agreed on, of the same scanner profile."


def _drawn(differential: Mapping[str, Any]) -> str:
    """How the cells that count were drawn, what came since, and how often; empty where all count and always did."""
    counting, choices = differential.get("counting"), differential.get("counting_choices") or ()
    if counting is None:
        return f"Counted: all cells{_chosen_before(choices)}." if choices else ""
    counted, target = counting["counted_leukocytes"], counting["target_leukocytes"]
    short = f"all there were: {counted:,} of the {target:,} leukocytes that were wanted"
    until = f"until {target:,} leukocytes were met" if counted >= target else short
    unfair = counting["cells_in_unfair_fields"]
    left = f"; {unfair:,} left out, in fields unfit for counting" if unfair else ""
    cells, eligible = counting["counted_cells"], counting["eligible_cells"]
    drawn = f"{cells:,} cells drawn {_WAYS[counting['method']]} from {eligible:,}"
    how = f"{drawn} {until} (seed {counting['seed']}){left}{_since_draw(differential)}"
    return f"Counted: {how}{_chosen_before(choices)}."


def _since_draw(differential: Mapping[str, Any]) -> str:
    """What became of the case since its cells were drawn; nothing in a record of an older version."""
    gone, later = differential.get("drawn_cells_gone", 0), differential.get("cells_since_draw", 0)
    said = [f"{gone:,} drawn {'cell is' if gone == 1 else 'cells are'} gone"] if gone else []
    came = "cell that counts nowhere has" if later == 1 else "cells that count nowhere have"
    said += [f"{later:,} {came} come"] if later else []
    return f"; since then {' and '.join(said)}" if said else ""


def _chosen_before(choices: Sequence[Mapping[str, Any]]) -> str:
    """Why this is counted and what was to be counted before, the newest :data:`_EARLIER` of it; the record has all."""
    if not choices:  # a record of an older version
        return ""
    last, earlier = choices[-1], choices[:-1]
    if not earlier:
        return f" ({_why(last)})" if last["reason"] or last["labelled_cells"] else ""
    shown = [_choice(one) for one in earlier[-_EARLIER:]]
    if len(earlier) > _EARLIER:
        shown.insert(0, f"{len(earlier) - _EARLIER:,} more")
    return f"; chosen for the {_ordinal(len(choices))} time ({_why(last)}), before: {', then '.join(shown)}"


def _choice(one: Mapping[str, Any]) -> str:
    target = one["target_leukocytes"]
    what = "all cells" if target is None else f"{target:,} leukocytes {_WAYS[one['method']]}"
    return f"{what} ({_why(one)})"


def _why(one: Mapping[str, Any]) -> str:
    labelled = one["labelled_cells"]
    known = "" if labelled is None else f"{labelled:,} {'cell' if labelled == 1 else 'cells'} labelled; "
    return known + (one["reason"] or "no reason given")


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _above(row: Mapping[str, Any], apart: Collection[str]) -> str | None:
    """The type that a row is summed under: as the laboratory had it at signing, as the vocabulary has it before that.

    Under a type that is counted apart nothing of the hundred is summed.
    """
    above = row["parent"] if "parent" in row else parent_of(row["label"])
    return None if above in apart else above


def _status(signers: Sequence[Signer], version: int, second_wanted: bool) -> Status:
    if not signers:
        return "unsigned"
    if second_wanted and len(signers) < 2:
        return "awaiting"
    return "corrected" if version > 1 else "final"


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)


@dataclass(frozen=True)
class _Mark:
    title: str
    letter: str
    color: str


def _look(names: Collection[str], shown: Mapping[str, Mapping[str, Any]]) -> dict[str, _Mark]:
    """How types looked when the record was signed; as the palette has them in records that do not say."""
    usual = marks({*names, *shown})
    return {
        name: _Mark(shown[name]["title"], shown[name]["key"], shown[name]["light"])
        if name in shown
        else _Mark(title(name), mark.letter, mark.light)
        for name, mark in usual.items()
    }


def _lines(
    rows: Sequence[Mapping[str, Any]],
    above: Mapping[str, str | None],
    total: int,
    wbc: float | None,
    limits: Mapping[str, Mapping[str, Any]],
    look: Mapping[str, _Mark],
) -> Iterable[ReportLine]:
    """The rows in their order; before the first finer one of a type, the sum of that type."""
    families: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        families.setdefault(above[row["label"]] or row["label"], []).append(row)
    for name, members in families.items():
        if [row["label"] for row in members] == [name]:
            yield _line(name, look, members, total, wbc, limits)
            continue
        yield _line(name, look, members, total, wbc, limits)
        for row in members:
            if row["label"] != name:
                yield _line(row["label"], look, [row], total, wbc, limits, finer=True)
            elif row["after"]["count"]:
                yield _line(name, look, [row], total, wbc, {}, finer=True, rest=True)


def _line(
    name: str,
    look: Mapping[str, _Mark],
    rows: Sequence[Mapping[str, Any]],
    total: int,
    wbc: float | None,
    limits: Mapping[str, Mapping[str, Any]],
    *,
    finer: bool = False,
    rest: bool = False,
) -> ReportLine:
    count = sum(row["after"]["count"] for row in rows)
    known = [row["reviewed"] for row in rows if row.get("reviewed") is not None]
    reviewed = sum(known) if len(known) == len(rows) else None
    share, usual = (count / total if total else 0.0), limits.get(name, {})
    low, high = wilson(count, total)
    mark = look.get(name) or _Mark(title(name), "", "#777d83")
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
    apart: Mapping[str, Mapping[str, Any]],
    total: int,
    limits: Mapping[str, Mapping[str, Any]],
    look: Mapping[str, _Mark],
) -> Iterable[ApartLine]:
    for name in (name for name in look if name in apart):
        row, usual, mark = apart[name], limits.get(name, {}), look[name]
        per_100 = Value(round(100 * row["after"] / total, 1), 1, usual.get("low"), usual.get("high")) if total else None
        yield ApartLine(
            name, mark.title, mark.letter, mark.color, row["after"], per_100, row.get("reviewed"), row["before"]
        )


def _chosen(
    cells: Sequence[Mapping[str, Any]], chosen: Sequence[int], look: Mapping[str, _Mark]
) -> Iterable[ChosenCell]:
    known = {cell["image"]: cell for cell in cells}
    for image in chosen:
        cell = known.get(image)
        if cell is None:
            continue
        mark = look.get(cell["counted"]) if cell["counted"] is not None else None
        titled = None if cell["counted"] is None else title(cell["counted"]) if mark is None else mark.title
        yield ChosenCell(
            image,
            cell["sha256"],
            titled,
            "?" if mark is None else mark.letter,
            "#777d83" if mark is None else mark.color,
            cell["label"] is not None,
        )
