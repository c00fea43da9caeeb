"""The dossier: every measure of a validation as one HTML page, one PDF, and tables; bound to what it was made of."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import polars as pl

from hemosight.engine.engine import Engine
from hemosight.engine.readings import csv
from hemosight.images.catalog import Catalog, Progress
from hemosight.lab.report import page, pdf
from hemosight.lab.report.figure import Claim
from hemosight.lab.report.page import Cover
from hemosight.lab.report.prose import Prose
from hemosight.lab.validation import measures, record, repeated, sections
from hemosight.lab.validation.cells import Readers, ValidationCells, gather
from hemosight.lab.validation.origin import Origin
from hemosight.lab.validation.protocol import Protocol
from hemosight.lab.validation.verdict import Verdict, verdicts

_NAMED = 12
"""Cases that a line names."""
COLUMNS = ("Measure", "Measured", "On", "Limit, and whether it is met")


@dataclass(frozen=True)
class Dossier:
    """What was written.

    Parameters
    ----------
    page, pdf, record
        Its files; tables and figures lie beside them.
    verdicts
        One for each limit of the protocol.
    changes
        What is other than in the dossier that lay there before; empty where nothing is, or none lay there.
    """

    page: Path
    pdf: Path
    record: Path
    verdicts: tuple[Verdict, ...]
    changes: tuple[str, ...]
    cells: ValidationCells


def validate(
    catalog: Catalog,
    engine: Engine,
    protocol: Protocol,
    protocol_hash: str,
    out: Path,
    *,
    readers: Readers | None = None,
    origin: Origin | None = None,
    command: str = "",
    made: datetime.datetime | None = None,
    say: Callable[[str], None] = lambda words: None,
    reading: Progress | None = None,
    again: Progress | None = None,
) -> Dossier:
    """Validate an engine's bundle on a catalog's cells, whose patients are the cases, and write the dossier.

    Parameters
    ----------
    protocol, protocol_hash
        As :func:`hemosight.lab.validation.protocol.read` gives them.
    out
        Folder for ``dossier.html``, ``dossier.pdf``, ``dossier.json``, ``tables/`` and ``figures/``. A dossier that
        lies there is compared with, and its record kept.
    readers
        Further readers of the same cells.
    origin
        Where the cells come from, and how their labels came about.

    Raises :class:`~hemosight.errors.TooFewCells` where too few cases fit.
    """
    made, origin = made or datetime.datetime.now(datetime.UTC), origin or Origin()
    cells = gather(catalog, engine, protocol, readers, reading)
    for why, names in cells.cases_left_out.items():
        say(f"left out: {len(names)} cases {why}: {', '.join(names[:_NAMED])}{', ...' * (len(names) > _NAMED)}")
    if cells.readers_left_out:
        say(f"left out: readings by {', '.join(cells.readers_left_out)}, whom the protocol does not name")
    say(f"{len(cells):,} cells of {len(cells.cases)} cases")
    measured = sections.Measured(
        cells=cells,
        protocol=protocol,
        comparison=measures.comparison(cells, protocol),
        found=measures.finding(cells, protocol.finding),
        scores=measures.overall(cells),
        calibration=measures.calibration(cells),
        subgroups=measures.subgroups(cells),
        agreements=measures.agreements(cells),
        repeated=repeated.repeated(cells, engine, protocol, again),
        carried=repeated.carry_over(cells, engine, protocol),
        bundle=engine.bundle,
        origin=origin,
    )
    judged = verdicts(
        protocol.limits,
        scores=measured.scores,
        found=measured.found,
        comparison=measured.comparison,
        calibration=measured.calibration[0],
        repeated=measured.repeated,
        agreements=measured.agreements,
        unfamiliar=float(cells.table["unfamiliar"].cast(pl.Float64).sum()) / len(cells),
        sought=protocol.finding.type,
    )
    moment = made.strftime("%Y-%m-%d %H:%M UTC")
    program = f"HemoSight {version('hemosight')}"
    new = record.of(
        cells,
        engine.bundle,
        protocol_hash,
        judged,
        made=moment,
        program=program,
        command=command,
        reference=origin.reference.sha256 if origin.reference is not None else "",
    )
    old, history = record.before(out)
    changed = tuple(record.changes(old, new)) if old is not None else ()
    prose = Prose("validation", **sections.values(measured, judged))
    cover = Cover(protocol.title, prose.block("intro"), COLUMNS, changed)
    parts = sections.all_of(measured, prose, tuple(_claims(judged, measured)))
    facts = _facts(new, protocol, origin, old)
    out.mkdir(parents=True, exist_ok=True)
    written = page.write(out, parts, facts, {}, cover)
    written = written.replace(out / "dossier.html")
    mark = f"cells {new.cells[:10]}  bundle {new.bundle[:10]}  protocol {new.protocol[:10]}  {moment}"
    paper = pdf.write(out / "dossier.pdf", parts, facts, {}, cover, made=made, mark=mark)
    (out / "tables" / "cells.csv").write_text(csv(cells.table), encoding="utf-8")
    kept = record.write(out, new, old, history)
    return Dossier(written, paper, kept, tuple(judged), changed, cells)


def _claims(judged: list[Verdict], measured: sections.Measured) -> list[Claim]:
    """Every limit, then what is worth knowing at a glance although nothing was asked of it."""
    cells = measured.cells
    basis = f"{len(cells):,} cells, {len(cells.cases)} cases"
    claims = [Claim(one.what, one.said, basis, f"{one.asked}: {one.judged}") for one in judged]
    asked = {one.name for one in judged}
    scores, found = measured.scores, measured.found
    for name, what, value in (
        ("least_macro_f1", "macro-F1 of all cells", scores.macro_f1),
        ("least_accuracy", "share of cells read right", scores.accuracy),
        ("least_found", f"share of the {measured.protocol.finding.type} cells that are read so", found.by_cell.found),
        ("most_false", f"share of other cells read as {measured.protocol.finding.type}", found.by_cell.false),
    ):
        if name not in asked:
            claims.append(Claim(what, f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]", basis, "no limit"))
    return claims


def _facts(new: record.Record, protocol: Protocol, origin: Origin, old: record.Record | None) -> list[tuple[str, str]]:
    whence, table = f", {origin.words}" if origin.words else "", origin.reference
    return [
        ("Cells", f"{new.cell_count:,} of {new.case_count} cases{whence}; hash {new.cells}"),
        *((("Reference", f"{table.name}; sha256 {new.reference}"),) if table is not None else ()),
        ("Bundle", f"{new.bundle_name}; manifest sha256 {new.bundle}"),
        ("Protocol", f"by {protocol.written_by}, {protocol.written_on}; sha256 {new.protocol}"),
        ("Readings", f"hash {new.readings}"),
        ("Seed", str(protocol.cells.seed)),
        *((("Dossier before", f"made {old.made} by {old.program}"),) if old is not None else ()),
        *((("Command", new.command),) if new.command else ()),
        ("Made", f"{new.made} by {new.program}"),
    ]
