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
_FOLD_NAME = r"(?:\d+[ _.-]*)?(?:(?:k[ _.-]*)?folds?|cv|split)[ _.-]*(?:\d+(?:[ _.-]*of[ _.-]*\d+)?|[a-h])"
_FOLD = re.compile(_FOLD_NAME, re.IGNORECASE)
_SPLIT_NAME = "train(?:ing)?|val(?:id(?:ation)?)?|dev|test(?:ing)?"
_FOLD_OF_SPLIT = re.compile(
    rf"({_FOLD_NAME})[ _.-]*(?:{_SPLIT_NAME}){_END}|(?:{_SPLIT_NAME})[ _.-]*({_FOLD_NAME})", re.IGNORECASE
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
_DATE = re.compile(
    r"(?:19|20)\d\d(?:([-._ /]?)(?:0[1-9]|1[0-2])(?:\1(?:0[1-9]|[12]\d|3[01]))?)?"
    r"|(?:0?[1-9]|[12]\d|3[01])([-._ /])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d",
    re.ASCII,
)
"""A year, month or day: 2021, 2021-03, 20210317, 17.3.2021. It is when a smear was seen, and nobody's number."""
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
    bare = name.strip()
    if both := _FOLD_OF_SPLIT.fullmatch(bare):
        bare = (bare[both.end(1) :] if both[1] else bare[: both.start(2)]).strip(" _.-")
    return next((split for split, pattern in _SPLITS.items() if pattern.fullmatch(bare)), None)


def is_patient(name: str) -> bool:
    """Whether a folder is called by a word for one patient, case, specimen or slide and a number."""
    return _PATIENT.fullmatch(name.strip()) is not None


def is_case(name: str) -> bool:
    """Whether a folder can only be one case or patient: :func:`is_patient`, or a case's number (24-1093).

    A date is no number of a case.
    """
    return is_patient(name) or (_NUMBERED.fullmatch(name.strip()) is not None and not is_date(name))


def is_date(name: str) -> bool:
    """Whether a folder is called by a year, a month or a day."""
    return _DATE.fullmatch(name.strip()) is not None


def is_case_or_site(name: str) -> bool:
    """Whether a folder is called like one case, or like a laboratory, scanner, batch or magnification."""
    return is_case(name) or _SITE.fullmatch(name.strip()) is not None


def fold_of(name: str) -> str | None:
    """The fold that a folder is called by, alone or beside a split: ``fold_0``; ``fold1`` of ``fold1_train``."""
    bare = name.strip()
    if _FOLD.fullmatch(bare):
        return bare
    match = _FOLD_OF_SPLIT.fullmatch(bare)
    return (match[1] or match[2]) if match else None


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
                found[row] = replace(place, split=place.split or splits[name], fold=place.fold or fold_of(name))
            elif all(_FOLD.fullmatch(one.strip()) for one in names):
                found[row] = replace(place, fold=place.fold or name.strip())
            elif all(_SITE.fullmatch(one.strip()) for one in names):
                found[row] = replace(place, source=place.source or name.strip())
            elif not all(_is_container(one.strip()) for one in names):
                found[row] = replace(place, folders=(name, *place.folders))
