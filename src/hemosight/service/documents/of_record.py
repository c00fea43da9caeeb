"""The content of a report, made of a record as it was signed, of which version replaced it, and of nothing else."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hemosight.blood.morphology import FINDINGS
from hemosight.blood.vocabulary import title
from hemosight.service.documents.content import ChosenCell, Graded, Report, ReportedCheck, Signer, Status
from hemosight.service.documents.type_lines import TypeLook, above, among, beside, looks, nowhere

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
    replaced_by: int | None = None,
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
    replaced_by
        The newest version of the record, where this is not it.
    """
    specimen = record.get("specimen") or {}
    profile = record.get("profile") or {}
    frozen = record.get("report") or {}
    shown = {one["name"]: one for one in frozen.get("types", ())}
    rows = {row["label"]: row for row in differential["rows"]}
    apart, excluded = differential["apart"], differential.get("excluded") or {}
    upper = {name: above(name, row, {*apart, *excluded}) for name, row in rows.items()}
    over = {name: above(name, row, {*rows, *excluded}) for name, row in apart.items()}
    uppers = {name for name in (*upper.values(), *over.values()) if name is not None}
    look = looks({*rows, *apart, *excluded, *uppers}, shown)
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
        lines=tuple(among(rows, upper, differential["total"], wbc, limits, look)),
        beside=tuple(beside(apart, over, differential["total"], limits, look)),
        excluded=tuple(nowhere(excluded, look)),
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
        replaced_by=replaced_by,
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


def _status(signers: Sequence[Signer], version: int, second_wanted: bool) -> Status:
    if not signers:
        return "unsigned"
    if second_wanted and len(signers) < 2:
        return "awaiting"
    return "corrected" if version > 1 else "final"


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)


def _chosen(
    cells: Sequence[Mapping[str, Any]], chosen: Sequence[int], look: Mapping[str, TypeLook]
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
            cell.get("outside", False),
        )
