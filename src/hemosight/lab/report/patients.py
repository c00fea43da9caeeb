"""The first section: patients and laboratories, before any random split of crops."""

from __future__ import annotations

import polars as pl

from hemosight.lab.report.figure import Claim, Figure, ReportInputs, Section, source_name
from hemosight.lab.report.prose import Prose
from hemosight.lab.studies import patients as study

NAMES = {study.OTHER_PATIENTS: "patients", study.OTHER_LABORATORY: "laboratories"}


def patients(work: ReportInputs) -> Section:
    """By patient and by laboratory."""
    table = study.patients(work.material, classifier=work.classifier, seed=work.seed, steps=work.steps)
    prose = Prose("patients", work=work, rows=table.to_dicts(), other_laboratory=study.OTHER_LABORATORY)
    made, claims = [], []
    for condition, name in NAMES.items():
        own = table.filter(condition=condition)
        if not len(own):
            continue
        shown = pl.DataFrame([_shown(row) for row in own.iter_rows(named=True)])
        heading = "Other patients of known laboratories" if name == "patients" else "Each laboratory left out"
        made.append(Figure(f"by-{name}", heading, prose.block(name), own, shown=shown))
        for row in own.iter_rows(named=True):
            basis = f"{row['cells']:,} cells" + (f", {row['patients']} patients" if row["patients"] else ", by image")
            said = f"{row['macro_f1']:.3f} [{row['macro_f1_low']:.3f}, {row['macro_f1_high']:.3f}]"
            claims.append(Claim(f"macro-F1, {condition}: {source_name(row['source'])}", said, basis))
    return Section("patients", "Patients and laboratories", prose.paragraphs(), tuple(made), tuple(claims))


def _shown(row: dict[str, float | str | int | None]) -> dict[str, object]:
    def bounded(name: str) -> str:
        if row[name] is None:
            return ""
        return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"

    return {
        "source": row["source"],
        "cells": row["cells"],
        "patients": row["patients"] or None,
        "macro-F1": bounded("macro_f1"),
        "right": bounded("accuracy"),
        "calibration error": f"{row['calibration_error']:.3f}",
        "blasts found": bounded("blasts_found"),
        "others called blast": bounded("others_called_blast"),
    }
