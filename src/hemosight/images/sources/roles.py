"""What the folders above a picture mean: splits, folds, sites and containers are not classes, wherever they stand.

Public sets wrap their classes in such folders (``fold_0/all``, ``TRAIN/EOSINOPHIL``, ``images/train/C1``), and a
network taught on ``fold_0`` against ``fold_1`` tells nothing apart. A word counts only where all folders beside it are
such words too: ``test`` beside ``control`` is a class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

_END = r"(?:[ _.-]*(?:data|set|images?|imgs?|simple|prelim\w*|final|phase|\d+|[a-d]))*"
_SPLITS = {
    "train": re.compile(rf"(?:[\w-]*[_-])?(?:train|training){_END}", re.IGNORECASE),
    "val": re.compile(rf"(?:[\w-]*[_-])?(?:val|valid|validation|dev){_END}", re.IGNORECASE),
    "test": re.compile(rf"(?:[\w-]*[_-])?(?:test|testing|evaluation|hold[ _-]?out){_END}", re.IGNORECASE),
}
_NOT = {"excluded", "exclude", "except", "not", "no", "non", "without"}
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
_CALLED = r"[ _.-]*\w*\d\w*(?:[-/.]\d+\w*)*"
_PERSON = re.compile(rf"(?:patient|case|subject|donor|person|pat|pt){_CALLED}|p[ _.-]?\d+", re.IGNORECASE)
_MATERIAL = re.compile(rf"(?:sample|specimen|slide|smear){_CALLED}", re.IGNORECASE)
_NUMBERED = re.compile(r"\d{4,}|\w*\d+(?:[-/.]\d+)+\w*", re.ASCII)
"""A case's number as laboratories give it: 24-1093, 2024.17, 1234567."""
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12]\\d|3[01])", "(?:0[1-9]|1[0-2])", "(?:19|20)\\d\\d"
_DATE = re.compile(
    rf"{_YEAR}(?:([-._ /]?){_MONTH}(?:\1(?:0[1-9]|[12]\d|3[01]))?)?"
    rf"|{_DAY}([-._ /])(?:0?[1-9]|1[0-2])\2(?:{_YEAR}|\d\d)"
    rf"|{_MONTH}[-._ /]{_YEAR}"
    rf"|\d\d[-._ /]{_MONTH}",
    re.ASCII,
)
"""A year, month or day: 2021, 2021-03, 20210317, 17.3.2021, 17.03.24, 03-2024, 24-03. It is when a smear was seen, and
nobody's number."""
_TIME = r"(?:[01]\d|2[0-3])[-._:h]?[0-5]\d(?:[-._:m]?[0-5]\d)?"
_TIMED = re.compile(
    rf"(?:{_YEAR}([-._ /]){_MONTH}\1(?:0[1-9]|[12]\d|3[01])|{_DAY}([-_ /.])(?:0?[1-9]|1[0-2])\2{_YEAR})"
    rf"[-._ T]+(?:{_TIME}|\d{{1,6}})"
    rf"|{_YEAR}{_MONTH}(?:0[1-9]|[12]\d|3[01])[-._ T]?{_TIME}",
    re.ASCII,
)
"""A day and a time or number: 2024-03-12_0915, 2024-03-12-1, 20240312091500. 20240312-01 is a number of a case's."""
_MAY_BE_DAY = re.compile(rf"\d\d{_MONTH}(?:0[1-9]|[12]\d|3[01])|{_DAY}\.(?:0?[1-9]|1[0-2])\.?", re.ASCII)
"""240312 or 12.3: a day, or one case's number."""
_WORD = r"\w*[^\W\d_]{3}"
_RELEASE = re.compile(rf"(?:\w*_)?v\d+(?:\.\d+)+|{_WORD}_?v?\d{{1,2}}(?:\.\d{{1,2}})+", re.IGNORECASE)
_ISSUE = re.compile(rf"{_WORD}(?:_|(?={_YEAR}))(\d.*)", re.ASCII)
"""A version (v1.0, pbc_v1.0, wbc_2.1), or a word with a month (PBC_2020-07): somebody's set, and no case's number."""
_COUNTED = re.compile(r"(\d\d|\d{4})([-._ ])\d+", re.ASCII)
"""A year and a number: a month or a case. With a slash it would be a folder in a folder."""
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
    """``train``, ``val`` or ``test``, where a folder is called so (``TEST_SIMPLE``, ``TestA``, ``valid``).

    A name of two of them (``train_val``), or of what is left out of one (``excluded_from_test``), is none.
    """
    bare = name.strip()
    words = set(re.split(r"[\W_]+", bare.casefold()))
    if words & _NOT or sum(any(pattern.fullmatch(word) for word in words) for pattern in _SPLITS.values()) > 1:
        return None
    if both := _FOLD_OF_SPLIT.fullmatch(bare):
        bare = (bare[both.end(1) :] if both[1] else bare[: both.start(2)]).strip(" _.-")
    return next((split for split, pattern in _SPLITS.items() if pattern.fullmatch(bare)), None)


def is_person(name: str) -> bool:
    """Whether a folder is called by a word for one patient or case and a number: Patient_1, Case 24-1093, P1."""
    return _PERSON.fullmatch(name.strip()) is not None


def is_material(name: str) -> bool:
    """Whether a folder is called by a word for a specimen or slide and a number."""
    return _MATERIAL.fullmatch(name.strip()) is not None


def is_patient(name: str) -> bool:
    """Whether a folder is called by a word for one patient, case, specimen or slide and a number."""
    return is_person(name) or is_material(name)


def is_number(name: str) -> bool:
    """Whether a folder is called by a case's number alone (24-1093). A date or a version is none."""
    return _NUMBERED.fullmatch(name.strip()) is not None and not is_date(name) and not is_release(name)


def is_case(name: str) -> bool:
    """Whether a folder is called like one case or patient: :func:`is_patient` or :func:`is_number`.

    A bare number (0412) may be a ward's too: what lies inside decides (:mod:`hemosight.images.sources.cases`).
    """
    return is_patient(name) or is_number(name)


def is_date(name: str) -> bool:
    """Whether a folder is called by a year, a month or a day, or by a day and a time or number."""
    return any(pattern.fullmatch(name.strip()) for pattern in (_DATE, _TIMED))


def may_all_be_days(names: Iterable[str]) -> bool:
    """Whether all of several names are days, those included that alone are numbers of cases (240312, 12.3)."""
    steps = [step.strip() for name in names for step in name.split("/")]
    return len(set(steps)) > 1 and all(_MAY_BE_DAY.fullmatch(step) or is_date(step) for step in steps)


def is_release(name: str) -> bool:
    """Whether a folder is called by a version, or by a word and a version, month or day."""
    dated = _ISSUE.fullmatch(name.strip())
    return _RELEASE.fullmatch(name.strip()) is not None or (dated is not None and _DATE.fullmatch(dated[1]) is not None)


def may_be_number(name: str) -> bool:
    """Whether a month is written like the first cases of a year: 24-03."""
    return is_date(name) and (match := _COUNTED.fullmatch(name.strip())) is not None and len(match[1]) == 2


def counted_on(name: str, beside: Iterable[str]) -> bool:
    """Whether what looks like a month is one of the numbers beside it: 24-03 beside 24-13 or 23-1093."""
    if not (own := _COUNTED.fullmatch(name.strip())):
        return False
    others = (_COUNTED.fullmatch(other.strip()) for other in beside if other != name and not is_date(other))
    return any(other and len(other[1]) == len(own[1]) and other[2] == own[2] for other in others)


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


def which_fold(fold: str) -> str:
    """What tells folds apart: the number of ``fold_1`` and ``1``, the letter of ``fold a``."""
    return re.sub(r"\D", "", fold).lstrip("0") or fold.strip()[-1:].lower()


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
