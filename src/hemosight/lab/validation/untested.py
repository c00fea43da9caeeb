"""What a dossier cannot speak of: said in a section of its own, so that nobody takes silence for proof."""

from __future__ import annotations

from collections import Counter

from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import title
from hemosight.lab.report.figure import source_name
from hemosight.lab.validation.cells import LEARNT, UNLABELLED, WITHOUT_A_TYPE, ValidationCells
from hemosight.lab.validation.measures import Comparison, Found
from hemosight.lab.validation.origin import Origin
from hemosight.lab.validation.protocol import Protocol

FEW = 30
"""Cells of a type below which the dossier says that the type was hardly tested."""
SPECIMENS = 40
"""Specimens that CLSI EP09 asks for."""


def untested(
    cells: ValidationCells, protocol: Protocol, comparison: Comparison, found: Found, origin: Origin
) -> list[str]:
    """What a dossier cannot speak of, from what there was."""
    asked = protocol.cells
    counts = Counter(cells.column("truth").tolist())
    none = [title(name) for name in ordered(asked.types) if not counts[name]]
    few = [f"{title(name)} ({counts[name]})" for name in ordered(asked.types) if 0 < counts[name] < FEW]
    scanners = sorted({source_name(name) for name in cells.column("source").tolist()} - {""})
    lines = [f"Other scanners than {' and '.join(scanners) or 'the one these cells come from'}."]
    if none:
        lines.append(f"Types of which there was no cell: {', '.join(none)}.")
    if few:
        lines.append(
            f"Types of which there were fewer than {FEW} cells, so that their figures say little: {', '.join(few)}."
        )
    if comparison.halved:
        lines.append(
            f"Counts of {asked.count} cells in {comparison.halved} of {len(cells.cases)} cases, which had "
            "fewer: their limits are wider than a full differential's."
        )
    if len(cells.cases) < SPECIMENS:
        lines.append(f"As many specimens as EP09 asks for ({SPECIMENS}): there were {len(cells.cases)}.")
    lines += _not_blind(cells, origin)
    if not cells.readers:
        lines.append("A second examiner: the reference was read once, and its own errors count as the bundle's.")
    elif not protocol.readers:
        lines.append("Readers chosen before looking: the protocol names none, and whoever read counts.")
    negative = found.by_case.neither + found.by_case.false
    positive = found.by_case.both + found.by_case.missed
    name = title(protocol.finding.type).lower()
    if negative < 10 or positive < 10:
        lines.append(
            f"Enough cases with ({positive}) and without ({negative}) {name} cells to judge by case; 10 of each "
            "would be few."
        )
    learnt = cells.cases_left_out.get(LEARNT, ())
    if learnt:
        lines.append(
            f"{len(learnt)} cases of this set that the bundle has learnt cells of. The others are of the same "
            "laboratory: a laboratory that the bundle never saw is read worse."
        )
    elif asked.learnt == "include":
        lines.append("Cells that are new to the bundle: cases that it has learnt from count here, and flatter it.")
    if beyond := cells.left_out.get(WITHOUT_A_TYPE, 0):
        lines.append(
            f"{_cells(beyond)} without a type (unsure, smudges, artefacts): the bundle reads each as some type."
        )
    if nobody := cells.left_out.get(UNLABELLED, 0):
        lines.append(
            f"{_cells(nobody)} of cases that count, which nobody labelled: who leaves cells out does not pick them at "
            "random."
        )
    lines += [
        "Films made again, another day, another camera of the same model, another batch of stain: changed pictures "
        "stand in for them.",
        "Cells that the scanner did not find, overlapping cells, and thick or thin parts of the film: only the crops "
        "given.",
        "Finer types than the nine, and readings at the review desk after it has learnt from labels (but for "
        "carry-over).",
    ]
    return lines


def _not_blind(cells: ValidationCells, origin: Origin) -> list[str]:
    """That labels were given beside the model's reading, and how many of them by one step for several cells."""
    ids = set(cells.table["id"].to_list()) - (origin.reference.cells if origin.reference is not None else frozenset())
    if not origin.beside_readings or not ids:
        return []
    line = (
        f"A blind reference: people labelled {_cells(len(ids))} with the model's reading in sight, which draws labels "
        "towards it and flatters every agreement."
    )
    if origin.agreed is not None:
        agreed, at_once = len(ids & origin.agreed), len(ids & origin.at_once)
        line += (
            f" Of {len(ids):,} labels, {agreed:,} ({agreed / len(ids):.1%}) were given by agreeing with the reading, "
            f"{at_once:,} ({at_once / len(ids):.1%}) so in bulk, with other cells in one step."
        )
    return [f"{line} A sample that is read blind, as a panel, says how much."]


def _cells(number: int) -> str:
    return f"{number:,} cell{'' if number == 1 else 's'}"
