"""What a dossier is bound to: bundle, protocol, cells, readings; and what has changed since the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hemosight.engine.bundle import Bundle
from hemosight.lab.validation.cells import ValidationCells
from hemosight.lab.validation.verdict import Verdict

FILE = "dossier.json"
FORMAT = 1


@dataclass(frozen=True)
class Record:
    """A dossier in a few lines that a program can compare.

    Parameters
    ----------
    made, program, command
        When, by which version, by which command.
    protocol
        The sha256 of the protocol's file.
    bundle, bundle_name
        The sha256 of the bundle's manifest, which names its files' own; name and version.
    cells, cell_count, case_count
        A hash of every cell with its case and what people say of it; how many there are.
    readings
        A hash of what the bundle read of them.
    verdicts
        Limit -> what was found, and the judgement.
    reference
        The sha256 of the table whose labels stand in place of the cells' own; empty where there is none.
    """

    made: str
    program: str
    command: str
    protocol: str
    bundle: str
    bundle_name: str
    cells: str
    cell_count: int
    case_count: int
    readings: str
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    reference: str = ""


def of(
    cells: ValidationCells,
    bundle: Bundle,
    protocol: str,
    verdicts: Sequence[Verdict],
    *,
    made: str,
    program: str,
    command: str,
    reference: str = "",
) -> Record:
    """What a dossier of these cells is bound to."""
    manifest = bundle.manifest
    read = cells.table.select("id", "read", "confidence").sort("id")
    return Record(
        made=made,
        program=program,
        command=command,
        protocol=protocol,
        bundle=hashlib.sha256(manifest.model_dump_json().encode()).hexdigest(),
        bundle_name=f"{manifest.name} {manifest.version}",
        cells=cells.hash,
        cell_count=len(cells),
        case_count=len(cells.cases),
        readings=hashlib.sha256(read.write_csv(float_precision=4).encode()).hexdigest(),
        verdicts={one.name: {"found": one.said, "asked": one.asked, "judged": one.judged} for one in verdicts},
        reference=reference,
    )


def before(folder: Path) -> tuple[Record | None, list[dict[str, Any]]]:
    """The record that lies in a folder, and the ones before it, oldest first; None where there is none."""
    file = folder / FILE
    if not file.is_file():
        return None, []
    known = json.loads(file.read_text(encoding="utf-8"))
    history = known.pop("history", [])
    return Record(**{name: known[name] for name in Record.__dataclass_fields__ if name in known}), history


def changes(old: Record, new: Record) -> list[str]:
    """What is other than in the dossier before, in sentences that nobody should miss; empty where nothing is."""
    found = []
    if old.protocol != new.protocol:
        found.append(
            f"THE PROTOCOL HAS CHANGED since {old.made}: it was written, or rewritten, after results had been seen."
        )
    if old.bundle != new.bundle:
        found.append(
            f"THE BUNDLE HAS CHANGED since {old.made}: {old.bundle_name} ({old.bundle[:12]}) was validated then, "
            f"{new.bundle_name} ({new.bundle[:12]}) is now."
        )
    if old.reference != new.reference:
        then, now = (side.reference[:12] or "none" for side in (old, new))
        found.append(f"THE REFERENCE HAS CHANGED since {old.made}: labels of the table {then} then, {now} now.")
    if old.cells != new.cells:
        found.append(
            f"THE CELLS HAVE CHANGED since {old.made}: {old.cell_count:,} cells of {old.case_count} cases then, "
            f"{new.cell_count:,} of {new.case_count} now, or labels, cases or readers of them are others."
        )
    same = old.bundle == new.bundle and old.cells == new.cells
    if same and old.readings != new.readings:
        found.append(
            f"THE SAME CELLS ARE READ OTHERWISE than on {old.made} by the same bundle: the installation has changed "
            f"({old.program} then, {new.program} now)."
        )
    for name in sorted(old.verdicts.keys() | new.verdicts.keys()):
        then, now = (side.verdicts.get(name, {}).get("judged", "no limit") for side in (old, new))
        if then != now:
            found.append(f"The limit {name.replace('_', ' ')}: {then} on {old.made}, {now} now.")
    return found


def write(folder: Path, record: Record, old: Record | None, history: list[dict[str, Any]]) -> Path:
    """Write the record with what has changed since the one before it, and all that came before."""
    changed = [] if old is None else changes(old, record)
    before = [*history, *([asdict(old)] if old is not None else [])]
    whole = {"format": FORMAT, **asdict(record), "changes": changed, "history": before}
    file = folder / FILE
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file
