"""Any folder of pictures: the folder that holds them is their class, below splits, folds, sites and containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.errors import UnknownLayout, UnknownName
from hemosight.images.names import class_of_folder, some
from hemosight.images.sources.analyzer import meaning
from hemosight.images.sources.roles import Place, is_patient, places, split_of
from hemosight.images.sources.source import Record, SourceLayout

LEVELS = ("class", "subtype", "source", "patient", "split", "fold", "-")
"""What a folder's level may be called in ``--folders``; ``-`` means nothing."""


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether there is any picture at all: this reader takes what no other knows."""
    return bool(paths)


def records(root: Path, images: Sequence[Path]) -> list[Record]:
    """The folder that holds a picture is its label, as spelled; a picture that lies in ``root`` has none.

    Folders above it that are called train, val or test (or a common variant), a fold, a site or a patient are that; a
    folder inside a class (one that holds pictures itself) belongs to the class. Raises
    :class:`~hemosight.errors.UnknownLayout` where two levels of folders could be the classes.
    """
    base = root.parent if root.is_file() else root
    relative = [path.relative_to(base) for path in images]
    found = places(relative)
    labels = _labels(base, [place.folders for place in found])
    rows: list[Record] = []
    for path, place, label in zip(images, found, labels, strict=True):
        rows.append({"path": str(path), "label": None, **_placed(base, place), **label})
    return rows


def by_pattern(root: Path, images: Sequence[Path], pattern: str) -> list[Record]:
    """Rows of a layout whose levels are named from the outermost, as in ``source/class``.

    Folders deeper than the pattern belong to its last level. Raises :class:`~hemosight.errors.UnknownName`.
    """
    levels = pattern.strip("/").split("/")
    for level in levels:
        if level not in LEVELS:
            raise UnknownName(kind="a level of --folders", choices=", ".join(LEVELS), name=level)
    columns = {"class": "label", "split": "official_split"}
    base = root.parent if root.is_file() else root
    rows: list[Record] = []
    for path in images:
        parts = path.relative_to(base).parts[:-1]
        row: Record = {"path": str(path), "label": None, "source": base.resolve().name}
        for level, part in zip(levels, parts, strict=False):
            if level != "-":
                row[columns.get(level, level)] = (split_of(part) or part) if level == "split" else part.strip()
        rows.append(row)
    return rows


def _placed(base: Path, place: Place) -> Record:
    row: Record = {"source": place.source or base.resolve().name, "official_split": place.split}
    return row | ({"fold": place.fold} if place.fold else {})


def _labels(base: Path, folders: Sequence[tuple[str, ...]]) -> list[Record]:
    """Label, and patient or finer type where the folders tell, of each picture by what is left of its folders."""
    holders = _holders(base, folders)
    cut = [next((parts[:n] for n in range(1, len(parts) + 1) if parts[:n] in holders), ()) for parts in folders]
    rows: list[Record] = [
        {"patient": parts[0].strip()} if parts and not whole and is_patient(parts[0]) else {}
        for parts, whole in zip(folders, cut, strict=True)
    ]
    above = [False] * len(cut)  # whether a patient's folder lies above the class: what lies below is of that patient
    while deep := [parts for parts in cut if len(parts) > 1]:
        whole = [parts for parts in cut if parts]
        if len(deep) == len(whole) and len({parts[0] for parts in whole}) == 1 and meaning(whole[0][0]) is None:
            cut = [parts[1:] for parts in cut]  # a wrapper around everything
        elif len(deep) == len(whole) and all(is_patient(parts[0]) for parts in deep):
            rows = [
                {**row, "patient": parts[0].strip()} if parts and not known else row
                for row, parts, known in zip(rows, cut, above, strict=True)
            ]
            above = [known or bool(parts) for parts, known in zip(cut, above, strict=True)]
            cut = [parts[1:] for parts in cut]
        elif all(is_patient(parts[-1]) for parts in deep):
            rows = [
                {**row, "patient": parts[-1].strip()} if len(parts) > 1 and not known else row
                for row, parts, known in zip(rows, cut, above, strict=True)
            ]
            cut = [parts[:-1] if len(parts) > 1 else parts for parts in cut]
        else:
            return [
                {**row, **_of_two(base, parts, deep)} if len(parts) > 1 else {**row, **_of_one(parts)}
                for row, parts in zip(rows, cut, strict=True)
            ]
    return [{**row, **_of_one(parts)} for row, parts in zip(rows, cut, strict=True)]


def _holders(base: Path, folders: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The folders in which pictures lie, without those where a picture lies by chance: above the classes.

    A wrapper around everything (an overview, a test set without labels), a patient's folder around classes, and
    folders around the same names (a montage of each laboratory) hold no class of their own. Raises as :func:`records`
    where those are not told from classes.
    """
    holders = {parts for parts in folders if parts}
    while True:
        depth = min(map(len, holders), default=0)
        outer = {parts for parts in holders if len(parts) == depth}
        inner: dict[tuple[str, ...], set[str]] = {}
        for parts in holders:
            if len(parts) > depth:
                inner.setdefault(parts[:depth], set()).add(parts[depth])
        if not outer & inner.keys():
            return holders
        if len({parts[:depth] for parts in holders}) == 1:
            ((one, names),) = inner.items()
            lying = sum(parts == one for parts in folders)
            below = sum(parts[:depth] == one for parts in folders) - lying
            if meaning(one[-1]) is None and (len(names) > 1 or lying < below):
                holders.discard(one)
                continue
        chance = {parts for parts in outer & inner.keys() if is_patient(parts[-1])}
        often = Counter(name for names in inner.values() for name in names)
        shared = {parts for parts, names in inner.items() if any(often[name] > 1 for name in names)}
        if shared & outer and not chance:
            deep = sorted(parts for parts in holders if parts[:depth] in shared and len(parts) > depth)
            if not _known_outside(deep, depth):
                _of_two(base, deep[0][depth - 1 :], [parts[depth - 1 :] for parts in deep])
                chance = shared & outer
        if not chance:
            return holders
        holders -= chance


def _known_outside(deep: Sequence[tuple[str, ...]], depth: int) -> bool:
    """Whether the outer of two levels has the vocabulary's names, and the inner none."""
    return all(meaning(one[depth - 1]) for one in deep) and not any(meaning(one[-1]) for one in deep)


def _of_one(parts: tuple[str, ...]) -> Record:
    return {"label": class_of_folder(parts[0].strip())} if parts else {}


def _of_two(base: Path, parts: tuple[str, ...], deep: Sequence[tuple[str, ...]]) -> Record:
    """Which of two levels is the class, where the vocabulary knows the names of one of them alone."""
    outer_known = all(meaning(one[0]) is not None for one in deep)
    inner_known = all(meaning(one[-1]) is not None for one in deep)
    if inner_known and not any(meaning(one[0]) for one in deep):
        return {"label": parts[-1].strip()}
    if outer_known and not any(meaning(one[-1]) for one in deep):
        return {"label": parts[0].strip()}
    outer, inner = (sorted({one[place] for one in deep}) for place in (0, -1))
    raise UnknownLayout(
        code="ambiguous_layout",
        expected="one level of folders that are classes",
        came=f"two in {base}: the outer ({some(outer)}) or the inner ({some(inner)})",
        mend="Say what each level is, from the outermost: `hemosight data add DIR --folders source/class` or "
        "patient/class where the inner are the classes, `--folders class/-` where the outer are; its catalog serves "
        "--support too.",
    )


LAYOUT = SourceLayout(
    "folder", "<class>/image, below train|val|test, fold_N, site or patient folders or none", recognises, records
)
