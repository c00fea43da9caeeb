"""Labels that come in a table: whose cell each row is, what its label means here, and what stands in the way.

Nothing is guessed and nothing is written here. A label that is none of the label set's classes is named, with what it
may mean, for a person to say; a cell that somebody labelled otherwise keeps its label unless the person says so.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hemosight.blood.counting import OFFERED
from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import CELL_TYPE, named, title
from hemosight.errors import BadTable
from hemosight.images.names import composed
from hemosight.images.sources.cells import TextTable
from hemosight.images.sources.columns import column_of, is_reading, require_single
from hemosight.images.sources.values import without_label
from hemosight.service.storage import class_facts
from hemosight.service.storage.class_facts import ClassRow

PROPOSALS = 3
_CHECKSUM = re.compile("[0-9a-f]{64}")
_DEEP = 8
"""Parts of a name that are looked up together."""
_FEW = 64
"""Cells whose whole names are compared where so many parts agree."""
_LONGEST = 400
"""Parts of a path that are compared; no stored name has more characters."""
_IDS = ("sha256", "content id", "content_id", "id")


@dataclass(frozen=True)
class KnownImage:
    """An image that a row may be of, and the label that stands for it."""

    image: int
    name: str
    sha256: str
    locked: bool = False
    label: str | None = None
    version: int = 0


@dataclass(frozen=True)
class Proposal:
    """What an unknown label may mean: a class, or a type of the vocabulary that is not in use yet."""

    name: str
    title: str
    add: bool = False


@dataclass(frozen=True)
class Row:
    """A row that gives no label: its line, its path or content id, its label."""

    line: int
    cell: str
    label: str


@dataclass
class ImportPlan:
    """What a table says.

    Parameters
    ----------
    rows
        Rows with a label.
    labels, versions
        Image -> its label, of those that would be written; None is never among them. And the version of the label that
        stood when the table was understood, 0 where none did.
    same
        Cells that have that label already.
    blank
        Rows without a label.
    unknown
        Label that is no class here -> its rows.
    unmatched, clashing, kept, locked
        Rows of no cell here, of a cell that other rows call otherwise, of one that somebody labelled otherwise, and of
        a signed case.
    """

    rows: int = 0
    labels: dict[int, str] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    same: int = 0
    blank: int = 0
    unknown: dict[str, list[Row]] = field(default_factory=dict)
    unmatched: list[Row] = field(default_factory=list)
    clashing: list[Row] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)
    locked: list[Row] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many cells each label would be written for."""
        return dict(Counter(self.labels.values()))


def plan(
    table: TextTable,
    cells: Iterable[KnownImage],
    classes: Sequence[ClassRow],
    means: Mapping[str, str | None],
    *,
    file: str,
    overwrite: bool = False,
) -> ImportPlan:
    """Understand a table.

    Parameters
    ----------
    cells
        Those that may be labelled; of a million, those alone are kept that a row may be of.
    means
        What a person said of unknown labels: a class, ``?``, or None to leave their rows out.
    file
        What the table is called.
    overwrite
        Whether a label that stands is replaced by another one.

    Raises :class:`~hemosight.errors.BadTable` for a table without paths or content ids, or without labels.
    """
    paths, ids, said = _columns(table, file)
    meant = _meanings(classes) | {_same(name): value for name, value in means.items()}
    rows = [values for _, values in table.rows()]
    names = {_tail(values[paths]) for values in rows} if paths else set()
    contents = {values[ids].strip().lower() for values in rows} if ids else set()
    find = _Finder(cells, names, contents - {""})
    found = ImportPlan()
    of_cell: dict[int, dict[str, Row]] = defaultdict(dict)
    for line, values in table.rows():
        label = " ".join(values[said].split())
        row = Row(line, values.get(paths or "", "") or values.get(ids or "", ""), label)
        if without_label(label):
            found.blank += 1
            continue
        found.rows += 1
        if _same(label) not in meant:
            found.unknown.setdefault(label, []).append(row)
            continue
        name = meant[_same(label)]
        if name is None:
            continue
        cell = find(values.get(paths or "", ""), values.get(ids or "", ""))
        if cell is None:
            found.unmatched.append(row)
        else:
            of_cell[cell.image].setdefault(name, row)
    for image, said_of in of_cell.items():
        cell, (name, row) = find.cells[image], next(iter(said_of.items()))
        if len(said_of) > 1:
            found.clashing += said_of.values()
        elif cell.label == name:
            found.same += 1
        elif cell.locked:
            found.locked.append(row)
        elif cell.label is not None and not overwrite:
            found.kept.append(row)
        else:
            found.labels[image], found.versions[image] = name, cell.version
    return found


def proposals(label: str, classes: Sequence[ClassRow], label_set: str) -> list[Proposal]:
    """What an unknown label may mean, the likeliest first: by the vocabulary's synonyms, then by its letters."""
    use = {facts["name"]: str(facts["title"]) for facts in classes if facts["name"] in class_facts.in_use(classes)}
    found: dict[str, Proposal] = {}
    meaning = named(label)
    if meaning is not None and meaning in use:
        found[meaning] = Proposal(meaning, use[meaning])
    elif meaning is not None and label_set == CELL_TYPE and meaning in OFFERED:
        found[meaning] = Proposal(meaning, title(meaning), add=True)
    spelled = {_same(text): name for name, text in use.items()} | {_same(name): name for name in use}
    for near in difflib.get_close_matches(_same(label), list(spelled), PROPOSALS, 0.6):
        found.setdefault(spelled[near], Proposal(spelled[near], use[spelled[near]]))
    return list(found.values())[:PROPOSALS]


# --- steps ----------------------------------------------------------------------------------------------------


def _columns(table: TextTable, file: str) -> tuple[str | None, str | None, str]:
    lower = {name.strip().lower(): name for name in table.columns}
    if is_reading(table.columns):
        raise BadTable(
            expected="labels that a person gave",
            came="what a model read (columns probability, novelty and status)",
            path=file,
            mend="Take a review's labels (export, labels alone), or a table path,label of your own.",
        )
    require_single(table.columns, file)
    paths, said = column_of("path", table.columns), column_of("label", table.columns)
    ids = next((lower[name] for name in _IDS if name in lower), None)
    if said is None or (paths is None and ids is None):
        raise BadTable(
            expected="a column 'path' or 'sha256' that names the cells, and a column 'label'",
            came=f"the columns {', '.join(table.columns)}",
            path=file,
            mend="Name the columns so.",
        )
    return paths, ids, said


def _meanings(classes: Sequence[ClassRow]) -> dict[str, str | None]:
    """Every spelling that means a class for sure: its name or title in any case, and ``?`` for unsure."""
    into, use = class_facts.merges(classes), set(class_facts.in_use(classes))
    found: dict[str, str | None] = {UNSURE: UNSURE, "unsure": UNSURE, "_unsure": UNSURE}
    for facts in classes:
        name = into.get(facts["name"], facts["name"])
        if name in use:
            found |= {_same(str(facts["title"])): name, _same(facts["name"]): name}
    # A class in use before one that went into another under the same title.
    return found | {_same(name): name for name in use}


def _same(text: str) -> str:
    return composed(" ".join(text.split())).casefold()


class _Finder:
    """Finds a row's cell: by its content, else by its path, the end of it or its file name, where one cell fits.

    Ends of up to :data:`_DEEP` parts are looked up; of the few that agree so far, the longest common end decides. Only
    cells are kept that are called as some row's file is (``names``) or have the content of one.
    """

    def __init__(self, cells: Iterable[KnownImage], names: Collection[str], contents: Collection[str]) -> None:
        self.cells: dict[int, KnownImage] = {}
        self._by_content: dict[str, KnownImage] = {}
        self._by_end: dict[str, list[KnownImage]] = defaultdict(list)
        for cell in cells:
            if cell.sha256 in contents:
                self._by_content[cell.sha256] = self.cells[cell.image] = cell
            if _tail(cell.name) not in names:
                continue
            self.cells[cell.image] = cell
            parts = _parts(cell.name)
            for depth in range(1, min(len(parts), _DEEP) + 1):
                self._by_end["/".join(parts[-depth:])].append(cell)

    def __call__(self, path: str, content: str) -> KnownImage | None:
        content = content.strip().lower()
        found = self._by_content.get(content)
        if found is None and _CHECKSUM.fullmatch(content):
            return None  # the row says which picture it is of: another one of the same name is another cell
        if found is not None:
            return found
        parts = _parts(path)
        for depth in range(min(len(parts), _DEEP), 0, -1):
            fitting = self._by_end.get("/".join(parts[-depth:]), [])
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                return _alike(parts, fitting) if depth == _DEEP and len(fitting) <= _FEW else None
        return None


def _alike(parts: Sequence[str], cells: Sequence[KnownImage]) -> KnownImage | None:
    """The cell whose name shares the longest end with a path; None where several share it."""
    end = parts[:-_LONGEST:-1]
    shared = [_agreeing(end, _parts(cell.name)[::-1]) for cell in cells]
    best = [cell for cell, length in zip(cells, shared, strict=True) if length == max(shared)]
    return best[0] if len(best) == 1 else None


def _agreeing(one: Sequence[str], other: Sequence[str]) -> int:
    """How many values agree from the first one on."""
    differing = (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return next(differing, min(len(one), len(other)))


def _parts(path: str) -> list[str]:
    return [part for part in Path(_plain(path)).parts if part not in ("/", ".")]


def _tail(path: str) -> str:
    """The last of the parts; told without taking the path apart, since every cell is asked."""
    last = _plain(path).rpartition("/")[2]
    return last if last not in ("", ".") else (_parts(path) or [""])[-1]


def _plain(path: str) -> str:
    return composed(path.strip().removeprefix("file://").replace("\\", "/")).casefold()
