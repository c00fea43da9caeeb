"""What is stored when a case is signed: its specimen, its cells with what was said and read of each, a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.service.desk.image_columns import READ, UNREADABLE, WAITING
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage import profiles, projects, report_settings, signatures
from hemosight.service.storage.findings import Findings
from hemosight.service.storage.report_settings import ReportSettings
from hemosight.service.storage.tables import Case, Profile, Project

_STATUS = {WAITING: "waiting", READ: "read", UNREADABLE: "unreadable"}
_DIGITS = 6
"""Of probabilities and novelty: more than single precision has."""


def record_of(session: Session, row: Case, snapshot: Snapshot, found: Findings) -> dict[str, Any]:
    """The record of a case as it would be signed now; ``found`` are its findings."""
    project = projects.get(session, row.project_id)
    return {
        "specimen": specimen(row),
        "profile": profile(profiles.of_case(session, project.id, row)),
        "cells": cells(snapshot, row.id, signatures.files(session, project.id, row.id)),
        "report": report(project, report_settings.get(session, project.id), found, snapshot.spec.classes),
    }


def specimen(row: Case) -> dict[str, Any]:
    """A case and its specimen, as they are now."""
    return {
        "key": row.key,
        "accession": row.accession,
        "collected_at": None if row.collected_at is None else row.collected_at.isoformat(),
        "received_at": None if row.received_at is None else row.received_at.isoformat(),
        "wbc": row.wbc,
        "note": row.note,
    }


def profile(row: Profile) -> dict[str, Any]:
    """The scanner profile that a case is read by, as it is now."""
    return {"id": row.id, "name": row.name, "scale": row.scale, "scale_from": row.scale_from}


@dataclass(frozen=True)
class SignedFacts:
    """What a record says besides counts, cells and findings.

    The specimen, the scanner profile that it was read by, and what every report of the project says. Whoever signs says
    by ``digest`` which of it was on the screen.
    """

    specimen: dict[str, Any]
    profile: dict[str, Any]
    settings: dict[str, Any]

    @property
    def digest(self) -> str:
        """Equal where they are."""
        return hashlib.sha256(canonical(vars(self))).hexdigest()[:16]

    @property
    def to_be_seen(self) -> bool:
        """Whether there is anything by which a report says more than its counts: nobody signs that unseen."""
        of_specimen = (value for name, value in self.specimen.items() if name != "key")
        return any(value not in (None, "") for value in of_specimen) or bool(self.settings["ranges"])


def facts(session: Session, row: Case) -> SignedFacts:
    """The specimen of a case that is of a project, its scanner profile and the settings of its report, as of now."""
    project = projects.get(session, row.project_id)
    settings = report_settings.get(session, row.project_id).model_dump(mode="json", exclude={"blocks"})
    read_by = profile(profiles.of_case(session, row.project_id, row))
    return SignedFacts(specimen(row), read_by, {"project": project.name, **settings})


def report(project: Project, settings: ReportSettings, found: Findings, classes: Sequence[Any]) -> dict[str, Any]:
    """What the report of a case says besides counts, as it is now; ``classes`` are those of the cell type."""
    looks = ("name", "title", "key", "light")
    return {
        "project": project.name,
        **settings.model_dump(mode="json", exclude={"blocks"}),
        "types": [{name: entry[name] for name in looks} for entry in classes],
        **findings(found),
    }


def findings(found: Findings) -> dict[str, Any]:
    """Of a record's report what is of the case itself."""
    return found.model_dump(mode="json", exclude={"version"})


def cells(snapshot: Snapshot, case: int, files: Mapping[int, tuple[str, str]]) -> list[dict[str, Any]]:
    """Every cell of a case in order; ``files`` are names and checksums by image.

    A cell that was not drawn to be counted says so (``outside``); where all count, no cell says anything of it.
    """
    names = snapshot.spec.names
    found = []
    for row in np.flatnonzero(snapshot.of_case(case)).tolist():
        image, label, read = int(snapshot.ids[row]), int(snapshot.label[row]), int(snapshot.predicted[row])
        name, sha256 = files[image]
        counted = label if label != -1 else read
        found.append(
            {
                "image": image,
                "name": name,
                "sha256": sha256,
                "status": _STATUS[int(snapshot.status[row])],
                "counted": names[counted] if counted >= 0 else None,
                "label": UNSURE if label == -2 else names[label] if label >= 0 else None,
                "labelled_by": int(snapshot.by[row]) if label != -1 else None,
                "version": int(snapshot.version[row]),
                "predicted": names[read] if read >= 0 else None,
                "probability": _number(snapshot.probability[row]) if read >= 0 else None,
                "novelty": _number(snapshot.novelty[row]),
                **({"outside": True} if snapshot.outside[row] else {}),
            }
        )
    return found


def _number(value: np.float32) -> float | None:
    return round(float(value), _DIGITS) if np.isfinite(value) else None


def canonical(record: Mapping[str, Any]) -> bytes:
    """A record as bytes that are equal where it is: keys in order, no blanks, UTF-8."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def fingerprint(differential: Mapping[str, Any], checks: Sequence[Any], record: Mapping[str, Any]) -> str:
    """SHA-256 of a signed record, hexadecimal: equal where its counts, checks, specimen, profile and cells are."""
    return hashlib.sha256(canonical({"differential": differential, "checks": checks, **record})).hexdigest()
