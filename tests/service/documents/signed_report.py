"""A signed record as JSON, for tests of what is written of it: 190 leukocytes, ranges, remarks, cells, signers."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.blood.differential import Share, differential
from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import title
from hemosight.service.documents.content import Report, Signer
from hemosight.service.documents.of_record import content

COUNTS = {
    "neutrophil": 3,
    "segmented_neutrophil": 100,
    "band_neutrophil": 21,
    "lymphocyte": 35,
    "monocyte": 14,
    "eosinophil": 3,
    "basophil": 1,
    "myelocyte": 4,
    "metamyelocyte": 6,
    "blast": 3,
    "erythroblast": 19,
    "platelet": 12,
    "smudge": 4,
}
"""190 leukocytes; 127 of them neutrophils of some kind, 10 immature granulocytes."""
REMARK = "Left shift | toxic ^ granulation & D\u00f6hle bodies ~ \\ 50%.\nFollow-up advised."
FIRST = Signer(
    "Dr. Amina Diallo",
    "first",
    datetime.datetime(2026, 3, 2, 10, 41, 7, tzinfo=datetime.UTC),
    "AD",
    "initials",
    "short",
)
SECOND = Signer(
    "\u041d\u0438\u043a\u043e\u043b\u0430\u0439 \u738b\u5c0f\u660e",
    "second",
    datetime.datetime(2026, 3, 2, 12, 5, tzinfo=datetime.UTC),
    confirmed="password",
)


def _share(one: Share, less: int = 0) -> dict[str, float]:
    return {"count": max(one.count - less, 0), "share": one.share, "low": one.low, "high": one.high}


def counts(labels: dict[str, int] = COUNTS) -> dict[str, Any]:
    """A differential as signed: of every type two cells were not reviewed, the model alone read one less."""
    found = differential([name for name, count in labels.items() for _ in range(count)])
    rows = [
        {
            "label": one.label,
            "title": title(one.label),
            "before": _share(one, 1),
            "after": _share(one),
            "reviewed": max(one.count - 2, 0),
        }
        for one in found.shares
    ]
    apart = {name: {"before": count, "after": count, "reviewed": count - 1} for name, count in found.apart.items()}
    numbers = {"unsure": 2, "unreviewed": 25, "waiting": 0, "unreadable": 1}
    return {
        "label_set": "cell_type",
        "total": found.total,
        "rows": rows,
        "apart": apart,
        **numbers,
        "bundle": "home 2.0.0",
    }


def record(**changes: Any) -> dict[str, Any]:
    """A record; ``changes`` are of what its report says besides counts."""
    chosen = ("blast", "myelocyte", "segmented_neutrophil")
    cells = [
        {"image": place, "sha256": f"{place:064x}", "counted": name, "label": name if place else None}
        for place, name in enumerate(chosen)
    ]
    ranges = [
        {"label": "neutrophil", "low": 40.0, "high": 66.8, "absolute_low": 1.8, "absolute_high": 7.7},
        {"label": "lymphocyte", "low": 20.0, "high": 45.0, "absolute_low": None, "absolute_high": None},
        {"label": "band_neutrophil", "low": None, "high": 5.0, "absolute_low": None, "absolute_high": None},
        {"label": "erythroblast", "low": 0.0, "high": 0.5, "absolute_low": None, "absolute_high": None},
    ]
    report = {
        "project": "Routine",
        "laboratory": "H\u00e4matologie am Fluss",
        "address": "Uferstra\u00dfe 4",
        "zone": "Europe/Berlin",
        "ranges": ranges,
        "types": [
            {"name": name, "title": title(name), "key": mark.letter, "light": mark.light}
            for name, mark in marks(COUNTS).items()
        ],
        "remark": REMARK,
        "grades": {"anisocytosis": "+", "schistocytes": "0", "platelet_clumps": "++"},
        "platelets": "decreased",
        "cells": [2, 0],
    }
    specimen = {
        "key": "24-1187 \u03a0\u03b1\u03c0\u03b1\u03b4\u03cc\u03c0\u03bf\u03c5\u03bb\u03bf\u03c2",
        "accession": "H26|0047^11",
        "collected_at": "2026-03-02T07:40:00+00:00",
        "received_at": "2026-03-02T08:55:00+00:00",
        "wbc": 11.4,
        "note": "EDTA",
    }
    profile = {"id": 1, "name": "Night desk", "scale": 1.28, "scale_from": "measured"}
    return {"specimen": specimen, "profile": profile, "cells": cells, "report": {**report, **changes}}


CHECKS = [{"says": "25 cells not reviewed by a person", "open": True}, {"says": "0 cells waiting", "open": False}]


def report(**changes: Any) -> Report:
    """The content of the report of that record, signed twice."""
    facts: dict[str, Any] = {
        "number": 9,
        "differential": counts(),
        "checks": CHECKS,
        "record": record(),
        "signers": (FIRST, SECOND),
        "at": SECOND.at,
        "second_wanted": True,
        "fingerprint": "a1b2c3d4" * 8,
    }
    return content(**{**facts, **changes})


def pictures() -> dict[int, NDArray[np.uint8]]:
    """Pixels of the chosen cells."""
    rng = np.random.default_rng(4)
    return {place: rng.integers(0, 255, (96, 128, 3), np.uint8) for place in range(3)}


def with_finer(erythroblasts: int = 10, orthochromatic: int = 15, smudges: int = 0) -> dict[str, Any]:
    """A differential of 100 leukocytes in which a laboratory tells erythroblasts, and platelets, more finely."""
    made = counts({"neutrophil": 100})
    apart = {
        "erythroblast": (erythroblasts, None),
        "orthochromatic": (orthochromatic, "erythroblast"),
        "platelet": (4, None),
        "giant_platelet": (3, "platelet"),
        "smudge": (smudges, None),
    }
    made["apart"] = {
        name: {"before": count, "after": count, "reviewed": count, "parent": parent}
        for name, (count, parent) in apart.items()
    }
    return made


def with_excluded() -> dict[str, Any]:
    """100 neutrophils and 20 artefacts that people labelled; 10 cells that nobody did are read as artefacts."""
    made = counts({"neutrophil": 100})
    made["rows"][0]["reviewed"] = 100
    excluded = {
        "artefact": {"before": 25, "after": 30, "reviewed": 20},
        "smudge": {"before": 0, "after": 0, "reviewed": 0},
    }
    return {**made, "excluded": excluded, "unsure": 0, "unreadable": 0, "unreviewed": 10}
