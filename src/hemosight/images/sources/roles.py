"""What the folders above a picture mean: splits, folds, sites and containers are not classes, wherever they stand.

Public sets wrap their classes in such folders (``fold_0/all``, ``TRAIN/EOSINOPHIL``, ``images/train/C1``), and a
network taught on ``fold_0`` against ``fold_1`` tells nothing apart. A word counts only where all folders beside it are
such words too: ``test`` beside ``control`` is a class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

_END = r"(?:[ _.-]*(?:data|set|images?|imgs?|simple|prelim\w*|final|phase|\d+|[a-d]))*"
_SPLITS = {
    "train": re.compile(rf"(?:[\w-]*[_-])?(?:train|training){_END}", re.IGNORECASE),
    "val": re.compile(rf"(?:[\w-]*[_-])?(?:val|valid|validation|dev){_END}", re.IGNORECASE),
    "test": re.compile(rf"(?:[\w-]*[_-])?(?:test|testing|evaluation|hold[ _-]?out){_END}", re.IGNORECASE),
}
_FOLD = re.compile(
    r"(?:\d+[ _.-]*)?(?:(?:k[ _.-]*)?folds?|cv|split)[ _.-]*(?:\d+(?:[ _.-]*of[ _.-]*\d+)?|[a-h])", re.IGNORECASE
)
_SITE = re.compile(
    r"(?:labs?|laborator(?:y|ies)|sites?|cent(?:er|re)|hospital|clinic|institut\w*|universit\w*|scanner|microscope|batch)"
    r"(?:[ _.-]*\w{1,3}|[ _-]\w+)?"
    r"|\d{1,3}(?:[.,]\d+)?[ _-]*x|x[ _-]*\d{1,3}",  # a magnification is another scale, as another scanner is
    re.IGNORECASE,
)
_PATIENT = re.compile(
    r"(?:patient|case|subject|donor|person|pat|pt|sample|specimen|slide|smear)[ _.-]*\w*\d\w*|p[ _.-]?\d+",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\d{4,}|\w*\d+(?:[-/.]\d+)+\w*", re.ASCII)
"""A case's number as laboratories give it: 24-1093, 2024.17, 1234567."""
_ARCHIVE = re.compile(r"[\w.-]*-(?:master|main)|(?:data|dataset|images)[ _-]?\d+", re.IGNORECASE)
"""What an archive of a repository unpacks to."""
_CONTAINERS = frozenset(
    (
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "crops",
        "cells",
        "data",
        "dataset",
        "datasets",
        "jpegimages",
        "files",
    )
)


@dataclass(frozen=True)
class Place:
    """What the folders between the root and a picture say; ``folders`` are those that are left."""

    folders: tuple[str, ...] = ()
    split: str | None = None
    fold: str | None = None
    source: str | None = None


def split_of(name: str) -> str | None:
    """``train``, ``val`` or ``test``, where a folder is called so (``TEST_SIMPLE``, ``TestA``, ``valid``)."""
    return next((split for split, pattern in _SPLITS.items() if pattern.fullmatch(name.strip())), None)


def is_patient(name: str) -> bool:
    """Whether a folder is called by a word for one patient, case, specimen or slide and a number."""
    return _PATIENT.fullmatch(name.strip()) is not None


def is_case(name: str) -> bool:
    """Whether a folder can only be one case or patient: :func:`is_patient`, or a case's number (24-1093)."""
    return is_patient(name) or _NUMBERED.fullmatch(name.strip()) is not None


def _is_container(name: str) -> bool:
    return name.lower() in _CONTAINERS or _ARCHIVE.fullmatch(name) is not None


def places(paths: Sequence[PurePath]) -> list[Place]:
    """What the folders of each picture say; paths are relative to the folder that was given."""
    found: list[Place] = [Place()] * len(paths)
    _walk([(row, path.parts[:-1]) for row, path in enumerate(paths)], found)
    return found


def _walk(below: list[tuple[int, tuple[str, ...]]], found: list[Place]) -> None:
    """Say what one folder's sub-folders are, the deepest first."""
    children: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for row, parts in below:
        if parts:
            children[parts[0]].append((row, parts[1:]))
    if not children:
        return
    for inside in children.values():
        _walk(inside, found)
    names = list(children)
    splits = {name: split_of(name) for name in names}
    around = all(found[row].folders and (found[row].split or found[row].fold) for row, _ in below)
    if len(names) == 1 and around and not splits[names[0]]:
        return  # a wrapper around splits or folds of classes (dataset-master/train/...)
    for name, inside in children.items():
        for row, _ in inside:
            place = found[row]
            if all(splits.values()):
                found[row] = replace(place, split=place.split or splits[name])
            elif all(_FOLD.fullmatch(one.strip()) for one in names):
                found[row] = replace(place, fold=place.fold or name.strip())
            elif all(_SITE.fullmatch(one.strip()) for one in names):
                found[row] = replace(place, source=place.source or name.strip())
            elif not all(_is_container(one.strip()) for one in names):
                found[row] = replace(place, folders=(name, *place.folders))
