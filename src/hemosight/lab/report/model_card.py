"""A machine-readable model card and dataset statement: what was measured, on what, and what it is not for.

The names are those of the Model Card Toolkit's schema (version 0.0.2; Mitchell et al. 2019, "Model Cards for Model
Reporting"); the statement of the data follows Gebru et al. 2021, "Datasheets for Datasets", as far as files can tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.lab.report.figure import ReportInputs, Section
from hemosight.lab.studies.patients import OTHER_LABORATORY

FILE = "model-card.json"
SCHEMA = "0.0.2"
_MEASURES = ("macro_f1", "accuracy", "calibration_error", "blasts_found", "others_called_blast")


def write(folder: Path, work: ReportInputs, sections: Sequence[Section], command: str = "") -> Path | None:
    """Write the card beside a report; None where the section on patients and laboratories is not there."""
    section = next((one for one in sections if one.name == "patients"), None)
    if section is None:
        return None
    rows = pl.concat([figure.table for figure in section.figures]).to_dicts()
    file = folder / FILE
    file.write_text(json.dumps(card(work, rows, command), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def card(work: ReportInputs, rows: Iterable[Mapping[str, Any]], command: str = "") -> dict[str, Any]:
    """The card as an object; ``rows`` as :func:`hemosight.lab.studies.patients.patients` gives them."""
    manifest, known = work.bundle.manifest, list(rows)
    identity = hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()
    return {
        "schema_version": SCHEMA,
        "model_details": {
            "name": manifest.name,
            "overview": "Reads crops of white blood cells as one of nine types, with probabilities and a novelty.",
            "version": {"name": manifest.version, "date": manifest.created[:10], "diff": identity},
            "licenses": [{"identifier": "Apache-2.0"}],
            "citations": [{"style": "text", "citation": source.get("citation", "")} for source in manifest.sources],
        },
        "model_parameters": {
            "model_architecture": f"{manifest.backbone}, linear discriminant on its embedding ({work.classifier})",
            "data": [_data(source) for source in manifest.sources],
            "input_format": f"RGB crop of one cell; {json.dumps(manifest.preprocessing, sort_keys=True)}",
            "output_format": "probability of each of: " + ", ".join(manifest.label_sets[CELL_TYPE].classes),
        },
        "quantitative_analysis": {
            "performance_metrics": [metric for row in known for metric in _metrics(row)],
        },
        "considerations": {
            "users": [{"description": "Laboratories that review every cell, and researchers."}],
            "use_cases": [{"description": "Sorting crops for review by people. Research use only."}],
            "limitations": [{"description": words} for words in _limitations(known, manifest.notice)],
        },
        "datasets": _statement(work),
        "command": command,
    }


def _data(source: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: str(source.get(name, "")) for name in ("name", "title", "licence", "citation")}
    return {
        "name": facts["name"],
        "description": facts["title"],
        "license": facts["licence"],
        "cells": source.get("cells"),
    }


def _metrics(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in _MEASURES:
        value = row.get(name)
        if value is None:
            continue
        metric: dict[str, Any] = {
            "type": name,
            "value": f"{value:.5f}",
            "slice": f"{row['condition']}: {row['source']}",
            "cells": row["cells"],
            "patients": row["patients"],
        }
        if row.get(f"{name}_low") is not None:
            bounds = {"lower_bound": f"{row[f'{name}_low']:.5f}", "upper_bound": f"{row[f'{name}_high']:.5f}"}
            metric["confidence_interval"] = bounds
        found.append(metric)
    return found


def _limitations(rows: Sequence[Mapping[str, Any]], notice: str) -> list[str]:
    away = [row for row in rows if row["condition"] == OTHER_LABORATORY]
    said = [notice]
    if away:
        worst = min(away, key=lambda row: row["macro_f1"])
        said.append(
            f"In a laboratory whose labels it has not seen macro-F1 fell to {worst['macro_f1']:.3f} "
            f"({worst['source']}): validate it on your own cells first."
        )
    by_image = sorted({str(row["source"]) for row in rows if not row["patients"]})
    if by_image:
        said.append(f"Files of {', '.join(by_image)} name no patient: their figures are by image and too good.")
    return said


def _statement(work: ReportInputs) -> list[dict[str, Any]]:
    """What was evaluated on: cells, patients and types of each source."""
    table = work.material.catalog.table
    return [
        {
            "name": str(name),
            "cells": len(own),
            "patients": own["patient"].drop_nulls().n_unique(),
            "types": dict(sorted(own["label"].value_counts().iter_rows())),
            "split": work.material.split_by.get(str(name), "by image"),
        }
        for (name,), own in table.group_by("source", maintain_order=True)
    ]
