"""Exports of digital morphology analyzers (CellaVision DM and DI series, and the like).

No vendor publishes its export's layout; what they share is that a cell's pre-classification is either the folder
it lies in or the beginning of its file's name, and that a case's cells share a folder::

    export/24-1093/Segmented neutrophils/0001.jpg        patient 24-1093, label neutrophil
    export/24-1093/SNE_0001.bmp                          the same, told by the file's name

A class that is not in the vocabulary keeps its own name; a cell the analyzer could not identify has no label.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.images.sources.source import Reader, Record

Reading = tuple[str | None, str | None]
"""Label and subtype."""

_NAMES: dict[Reading, str] = {
    ("neutrophil", None): "neutrophil, neu, neut, polymorphonuclear, pmn",
    ("neutrophil", "segmented_neutrophil"): "segmented neutrophil, seg neutrophil, segmented, seg, sne",
    ("neutrophil", "band_neutrophil"): "band neutrophil, band, stab, bne",
    ("eosinophil", None): "eosinophil, eosino, eos, eo",
    ("basophil", None): "basophil, baso, bas, ba",
    ("lymphocyte", None): "lymphocyte, lymph, lym, ly",
    ("lymphocyte", "variant_lymphocyte"): (
        "variant lymphocyte, reactive lymphocyte, atypical lymphocyte, abnormal lymphocyte, variant lymph, vly"
    ),
    ("lymphocyte", "large_granular_lymphocyte"): "large granular lymphocyte, lgl",
    ("monocyte", None): "monocyte, mono, mon, mo",
    ("ig", None): "ig, immature granulocyte",
    ("ig", "metamyelocyte"): "metamyelocyte, meta, mmy",
    ("ig", "myelocyte"): "myelocyte, myelo, my",
    ("ig", "promyelocyte"): "promyelocyte, promyelo, promy, pmy",
    ("blast", None): "blast, blast no lineage spec, blast cell, bl",
    ("blast", "myeloblast"): "myeloblast",
    ("blast", "lymphoblast"): "lymphoblast",
    ("blast", "monoblast"): "monoblast",
    ("erythroblast", None): "erythroblast, erythroblast nrbc, nrbc, normoblast, nucleated red blood cell, erb",
    ("platelet", None): "platelet, thrombocyte, plt",
    ("platelet", "giant_platelet"): "giant platelet, giant thrombocyte",
    ("platelet", "platelet_clump"): "platelet clump, platelet aggregate, thrombocyte aggregation",
    ("plasma_cell", None): "plasma cell, plasma",
    ("smudge_cell", None): "smudge cell, smudge, basket cell, smu",
    ("artefact", None): "artefact, artifact, art",
    (None, None): "unidentified, unclassified, unknown, not classed, other, uid",
}
VOCABULARY: dict[str, Reading] = {name: key for key, names in _NAMES.items() for name in names.split(", ")}
"""What analyzers call a class, in lower case and the singular, and what it is called here."""

_NUMBERING = re.compile(r"^\d+\s*[._-]?\s*(?=[A-Za-z])")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z ()/-]*(?:_[A-Za-z]+)*")


def meaning(name: str) -> Reading | None:
    """Label and subtype of a class as an analyzer spells it, or None when it is not in the vocabulary.

    Case, numbering (``01_Lymphocytes``), plurals, brackets and separators make no difference.
    """
    words = re.sub(r"[^a-z]+", " ", _NUMBERING.sub("", name).lower()).strip()
    singular = " ".join(word.removesuffix("s") for word in words.split())
    for spelling in (words, singular):
        if spelling in VOCABULARY:
            return VOCABULARY[spelling]
    return None


def _told_by_name(path: PurePath) -> Reading | None:
    match = _PREFIX.match(path.stem)
    return meaning(match[0]) if match else None


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether half of the pictures lie in known classes below a case's folder, or are told by their names.

    DIR/<class>/image is no export: a laboratory's own folders keep the names it gave them.
    """
    below_cases = sum(
        len(path.parts) >= 3 and meaning(path.parent.name) is not None and meaning(path.parts[0]) is None
        for path in paths
    )
    named: dict[PurePath, list[Reading]] = defaultdict(list)
    for path in paths:
        reading = _told_by_name(path)
        if reading is not None and meaning(path.parent.name) is None:
            named[path.parent].append(reading)
    # A folder whose files all begin alike is a class of its own, not a case.
    by_name = sum(len(readings) for readings in named.values() if len(set(readings)) > 1)
    return 0 < len(paths) <= 2 * max(below_cases, by_name)


def records(root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image, with the case's folder as its patient."""
    base = root.parent if root.is_file() else root
    relative = [path.relative_to(base) for path in images]
    # A folder beside known classes is a class too, whatever its name.
    holds_classes = {
        path.parent.parent for path in relative if len(path.parts) >= 2 and meaning(path.parent.name) is not None
    }
    rows: list[Record] = []
    for path, here in zip(images, relative, strict=True):
        folders = here.parts[:-1]
        if folders and here.parent.parent in holds_classes:
            label, subtype = meaning(folders[-1]) or (folders[-1], None)
            case = folders[:-1]
        else:
            label, subtype = _told_by_name(here) or (None, None)
            case = folders
        rows.append(
            {
                "path": str(path),
                "label": label,
                "subtype": subtype,
                "source": base.resolve().name,
                "patient": "/".join(case) or None,
            }
        )
    return rows


READER = Reader("analyzer", "<case>/<class>/image or <case>/<CLASS>_<number>", recognises, records)
