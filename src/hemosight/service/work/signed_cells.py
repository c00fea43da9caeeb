"""The signed cells of a project as a folder that ``hemosight validate`` reads: pictures, and what was signed of each.

What the command fetches over the API when it is typed lies here already, so that a dossier can be made where there is
no way to the service but its database.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.storage import amendments, class_facts, exported, labels, signatures
from hemosight.service.storage.database import Database, one_of, pairs
from hemosight.service.storage.judgements import alone
from hemosight.service.storage.tables import Case, LabelRecord, Project

FILE = "signed-cells.json"
"""What :mod:`hemosight.cli.signed_cells` looks for in a folder."""
FORMAT = 1


def write(database: Database, project: int, folder: Path) -> int:
    """Write every cell of the project's signed cases; gives how many cells there are.

    Cases that are being amended, or wait for a second signature, are left out and named, as are records of before
    cells were kept in them.
    """
    with database.session() as session:
        name = session.scalar(select(Project.name).where(Project.id == project))
        row = labels.label_set_of(session, project, CELL_TYPE)
        classes = class_facts.shown(row.classes, CELL_TYPE)
        fit, notes = _cases(session, project)
        agreed, at_once = agreed_cells(session, row.id, [cell for _, record in fit for cell in record["cells"]])
    cells: list[dict[str, Any]] = []
    pictures = folder / "cells"
    pictures.mkdir(parents=True)
    for key, record in fit:
        own = [cell for cell in record["cells"] if not cell.get("outside")]
        with database.session() as session:
            files = exported.pictures(session, [cell["image"] for cell in own])
        for cell in own:
            data = files.get(cell["image"])
            if data is None:
                continue
            place = pictures / f"{cell['image']}{Path(cell['name']).suffix.lower()[:8] or '.png'}"
            place.write_bytes(data)
            scanner = record["profile"] or {"name": "", "scale": 1.0}
            cells.append(
                {
                    "path": f"cells/{place.name}",
                    "label": None if cell["label"] in (None, UNSURE) else cell["label"],
                    "said": cell["label"],
                    "source": scanner["name"],
                    "patient": key,
                    "scale": scanner["scale"],
                }
            )
    whole = {
        "format": FORMAT,
        "words": f"signed in project {project} ({name})",
        "classes": [{one: entry[one] for one in ("name", "counts", "parent", "merged_into")} for entry in classes],
        "agreed": agreed,
        "at_once": at_once,
        "notes": notes,
        "cells": cells,
    }
    (folder / FILE).write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    return len(cells)


def _cases(session: Session, project: int) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Key and record of every case whose newest version stands with all its signatures; what is left out, in words."""
    keys = pairs(session, select(Case.id, Case.key).where(Case.project_id == project))
    out: dict[str, list[str]] = {"changed since": [], "not by a second person yet": [], "before cells were kept": []}
    fit = []
    for case, one in sorted(amendments.signed(session, project).items()):
        record = signatures.get(session, project, one.signature).record
        if not one.locked:
            out["changed since"].append(keys[case])
        elif one.second_wanted and not one.second:
            out["not by a second person yet"].append(keys[case])
        elif record is None or record.get("cells") is None:
            out["before cells were kept"].append(keys[case])
        else:
            fit.append((keys[case], record))
    return fit, [f"signed, and {why}: {', '.join(sorted(names))}; left out" for why, names in out.items() if names]


def agreed_cells(session: Session, label_set: int, cells: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Content ids of cells whose label was given by agreeing with the reading, and of those in one step with others.

    Accepted groups are among both: of most of their cells nobody said anything but yes to all.
    """
    versions = {cell["version"]: cell["sha256"] for cell in cells if cell["version"]}
    query = select(LabelRecord.id, LabelRecord.request, LabelRecord.kind).where(
        one_of(LabelRecord.id, versions), LabelRecord.kind.in_(("agree", "group"))
    )
    found = session.execute(query.where(LabelRecord.label_set_id == label_set)).all()
    sizes = select(LabelRecord.request, func.count()).where(one_of(LabelRecord.request, {row.request for row in found}))
    size = pairs(session, sizes.group_by(LabelRecord.request))
    agreed = sorted(versions[row.id] for row in found)
    return agreed, sorted(versions[row.id] for row in found if not alone(row, size))
