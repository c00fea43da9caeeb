"""Exports of digital morphology analyzers (CellaVision DM and DI series, and the like).

No vendor publishes its export's layout; what they share is that a cell's pre-classification is either the folder
it lies in or the beginning of its file's name, and that a case's cells share a folder::

    export/24-1093/Segmented neutrophils/0001.jpg        patient 24-1093, label neutrophil
    export/24-1093/SNE_0001.bmp                          the same, told by the file's name

A class that is not in the vocabulary (:mod:`hemosight.blood.vocabulary`) keeps its own name; what is not counted
(smudge cells, artefacts, cells the analyzer could not identify) has no label, only a subtype.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.blood.vocabulary import label_and_subtype, named
from hemosight.images.sources.cases import patients
from hemosight.images.sources.roles import fold_of, is_case, may_be_number, places, split_of
from hemosight.images.sources.source import Record, SourceLayout

Reading = tuple[str | None, str | None]
"""Label and subtype."""

_PREFIX = re.compile(r"[A-Za-z][A-Za-z ()/-]*(?:_[A-Za-z]+)*")


def meaning(name: str) -> Reading | None:
    """Label and subtype of a class as an analyzer spells it, or None when it is not in the vocabulary."""
    known = named(name)
    return None if known is None else label_and_subtype(known)


def _type_by_name(path: PurePath) -> Reading | None:
    match = _PREFIX.match(path.stem)
    return meaning(match[0]) if match else None


def _may_be_case(name: str) -> bool:
    return is_case(name) or may_be_number(name)


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether half of the pictures lie in known classes below a case's folder, or are told by their names.

    DIR/<class>/image is no export: a laboratory's own folders keep the names it gave them. Folders of splits, folds and
    sites are no cases.
    """
    paths = [PurePath(*place.folders, path.name) for place, path in zip(places(paths), paths, strict=True)]
    below_cases = sum(
        len(path.parts) >= 3 and meaning(path.parent.name) is not None and meaning(path.parts[0]) is None
        for path in paths
    )
    named: dict[PurePath, list[Reading]] = defaultdict(list)
    for path in paths:
        reading = _type_by_name(path)
        if reading is not None and meaning(path.parent.name) is None:
            named[path.parent].append(reading)
    # A folder whose files all begin alike is a class of its own, not a case.
    by_name = sum(len(readings) for readings in named.values() if len(set(readings)) > 1)
    return 0 < len(paths) <= 2 * max(below_cases, by_name)


def records(root: Path, images: Sequence[Path]) -> list[Record]:
    """A row for each image, with the case's folder as its patient.

    A word for a split among the cases' folders is a split, and then its like beside it is no patient either, unless it
    has a case's number. A single folder around everything is a patient only where it is called as one.
    """
    base = root.parent if root.is_file() else root
    found = places([path.relative_to(base) for path in images])
    relative = [PurePath(*place.folders, path.name) for place, path in zip(found, images, strict=True)]
    # A folder beside known classes is a class too, whatever its name.
    holds_classes = {
        path.parent.parent for path in relative if len(path.parts) >= 2 and meaning(path.parent.name) is not None
    }
    outer = {path.parts[0] for path in relative if len(path.parts) > 2}
    loose = {path.parts[0] for path in relative if len(path.parts) == 2 and meaning(path.parts[0]) is None}
    around = outer | loose if len(outer | loose) == 1 else set()
    splits = {name: split for name in outer if (split := split_of(name))}
    rows: list[Record] = []
    cases: list[tuple[str, ...]] = []
    for path, here, place in zip(images, relative, found, strict=True):
        folders = here.parts[:-1]
        if folders and here.parent.parent in holds_classes:
            label, subtype = meaning(folders[-1]) or (folders[-1], None)
            case = folders[:-1]
        else:
            label, subtype = _type_by_name(here) or (None, None)
            case = folders
        first = case[0] if case else ""
        if first in splits or (first in (outer | loose if splits else around) and not _may_be_case(first)):
            case = case[1:]
        cases.append(case)
        rows.append(
            {
                "path": str(path),
                "label": label,
                "subtype": subtype,
                "source": place.source or base.resolve().name,
                "patient": None,
                "official_split": place.split or splits.get(first),
                "fold": place.fold or (fold_of(first) if first in splits else None),
            }
        )
    for row, case in zip(rows, patients(cases), strict=True):
        row["patient"] = "/".join(case) or None
    return rows


LAYOUT = SourceLayout("analyzer", "<case>/<class>/image or <case>/<CLASS>_<number>", recognises, records)
