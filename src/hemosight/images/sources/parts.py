"""Which reader takes which pictures of a folder: public sets wherever they lie, then every other folder by its layout.

The public sets were exported by analyzers, whose own codes and folders (SNE, MO, ``Signed slides``) are the same in
every laboratory that has one. So a public set is what lies in a folder of its publisher's name; what only looks like
one must be numbered as published, and is told. Below cases and sites it is none: the patient would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemosight.images.sources import analyzer, barcelona, chulalongkorn, folder, johns_hopkins, munich, roles
from hemosight.images.sources.source import Record, SourceLayout
from hemosight.images.sources.values import Say

PUBLIC = (barcelona.LAYOUT, munich.LAYOUT, johns_hopkins.LAYOUT, chulalongkorn.LAYOUT)
ANY = (analyzer.LAYOUT, folder.LAYOUT)
Part = tuple[SourceLayout, Path, list[Path]]
"""A reader, the folder it starts from, and the pictures it takes."""
_DEPTH = 2
"""How far below the given folder a public data set is looked for."""


def parts(root: Path, images: Sequence[Path], say: Say | None = None, stated: str | None = None) -> list[Part]:
    """Each reader with its pictures; what was taken for a public set by its names alone, or was not, is said.

    ``stated`` is a public set that need not be told by its publisher's folder or numbers.
    """
    if root.is_file():
        return [(folder.LAYOUT, root, list(images))]
    found: list[Part] = []
    left = list(images)
    doubted: dict[str, dict[Path, str]] = {}
    for depth in range(_DEPTH + 1):
        found += _public(root, left, depth, say, stated, doubted)
        taken = {path for _, _, members in found for path in members}
        left = [path for path in left if path not in taken]
    if say is not None:
        for kind, whys in doubted.items():
            _say_not_taken(kind, whys, [base for reader, base, _ in found if reader.kind == kind], say)
    if not left:
        return found
    if not found:
        return [(_layout_of(root, left), root, left)]
    # Beside a public set every other folder is a set of its own; cases, sites, splits and folds are parts of one.
    others = _by_folder(root, left, 1)
    pooled = [path for base, members in others.items() if _parts_a_set(base.name) for path in members]
    if pooled:
        found.append((_layout_of(root, pooled), root, pooled))
    for base, members in others.items():
        if not _parts_a_set(base.name):
            found.append((_layout_of(base, members), base, members))
    inside = {path for members in others.values() for path in members}
    loose = [path for path in left if path not in inside]
    return [*found, (folder.LAYOUT, root, loose)] if loose else found


def records(root: Path, reader: SourceLayout, base: Path, members: Sequence[Path]) -> list[Record]:
    """A reader's rows, with the split or fold in whose folder a public set's copy lies."""
    rows = reader.records(base, members)
    if reader.source is not None and base != root:
        above = roles.places([base.relative_to(root) / "picture"])[0]
        placed = {"official_split": above.split, "fold": above.fold}
        rows = [{**{name: value for name, value in placed.items() if value}, **row} for row in rows]
    return rows


def _public(
    root: Path,
    left: Sequence[Path],
    depth: int,
    say: Say | None,
    stated: str | None,
    doubted: dict[str, dict[Path, str]],
) -> list[Part]:
    """The public sets whose folders of classes lie in folders ``depth`` levels below ``root``.

    What is only named like one comes into ``doubted``: kind -> folder -> what it lacks.
    """
    found: list[Part] = []
    alike: dict[str, list[Part]] = {}
    by_name: dict[str, list[str]] = {}
    for base, members in _by_folder(root, left, depth).items():
        relative = [path.relative_to(base) for path in members]
        reader = next((reader for reader in PUBLIC if reader.recognises(relative)), None)
        if reader is None:
            continue
        home, below = _home(reader, root, base)
        if not reader.names_patients and any(map(roles.is_case_or_site, below)):
            continue
        if home or reader.kind == stated:
            found.append((reader, base, members))
            if reader.kind != stated and not reader.numbered(members):
                by_name.setdefault(reader.kind, []).append(str(base))
        else:
            alike.setdefault(reader.kind, []).append((reader, base, members))
    if say is not None:
        for kind, bases in by_name.items():
            words = "by the publisher's name above, though not numbered as published"
            say(f"{', '.join(bases)}: taken for {kind} {words}; --as folder reads an ordinary folder")
    for kind, doubtful in alike.items():
        numbered = [part for part in doubtful if part[0].numbered(part[2])]
        known = _evident(numbered)
        if say is not None and known:
            taken = ", ".join(str(base) for _, base, _ in known)
            say(f"{taken}: taken for {kind}, by names and numbers as published; --as folder reads an ordinary folder")
        for part in doubtful:
            if part not in known:
                why = part[0].lacking if part in numbered else "not numbered as published"
                doubted.setdefault(kind, {})[part[1]] = why
        found += known
    return found


def _evident(numbered: Sequence[Part]) -> list[Part]:
    """Those that are the public set's: splits and folds of one set together, any other folder by itself."""
    pooled = [part for part in numbered if roles.split_of(part[1].name) or roles.fold_of(part[1].name)]
    if pooled and not pooled[0][0].evident([path for _, _, members in pooled for path in members]):
        pooled = []
    return [part for part in numbered if part in pooled or part[0].evident(part[2])]


def _say_not_taken(kind: str, whys: dict[Path, str], taken: Sequence[Path], say: Say) -> None:
    """Say once which folders are named like a public set: the outermost, unless some folder inside was taken for it."""
    here = {base: why for base, why in whys.items() if not any(base in one.parents for one in taken)}
    here = {base: why for base, why in here.items() if not here.keys() & set(base.parents)}
    if here:
        why = " or ".join(sorted(set(here.values())))
        plain = ", ".join(map(str, here))
        say(f"{plain}: named like {kind}, but {why}, so not taken for it; --as {kind} does")


def _home(reader: SourceLayout, root: Path, base: Path) -> tuple[bool, tuple[str, ...]]:
    """Whether a folder lies in one of the publisher's name, and the folders from there (else from ``root``) to it.

    Looked for from the parent of ``root`` on: what lies above was not given, and is a project's or a person's name.
    """
    if reader.homes is not None:
        for top, end in ((root.absolute(), base.absolute()), (root.resolve(), base.resolve())):
            inside = end.relative_to(top).parts if end.is_relative_to(top) else (end.name,)
            whole = (*top.parts[-2:], *inside)
            for at in range(len(whole) - 1, -1, -1):
                if reader.homes.fullmatch(whole[at]):
                    return True, whole[at + 1 :]
    return False, base.relative_to(root).parts


def _parts_a_set(name: str) -> bool:
    part = roles.is_case_or_site(name) or roles.is_date(name)
    return part or roles.split_of(name) is not None or roles.fold_of(name) is not None


def _by_folder(root: Path, images: Sequence[Path], depth: int) -> dict[Path, list[Path]]:
    """Images by the folder ``depth`` levels below ``root`` that holds them; shallower ones are left out."""
    groups: dict[Path, list[Path]] = {}
    for path in images:
        steps = path.relative_to(root).parts
        if len(steps) > depth:
            groups.setdefault(root.joinpath(*steps[:depth]), []).append(path)
    return groups


def _layout_of(base: Path, images: Sequence[Path]) -> SourceLayout:
    relative = [path.relative_to(base) for path in images]
    return next(reader for reader in ANY if reader.recognises(relative))
