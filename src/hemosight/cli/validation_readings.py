"""What others say of a validation's cells, out of tables: each reader's first, blind reading, and a panel's truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from hemosight.errors import BadTable
    from hemosight.images.catalog import Catalog
    from hemosight.lab.validation.origin import Origin

FIRST = "1"
"""The turn of a blind first reading in the table of a panel; repeated and aided ones follow it."""


def readers(
    file: Path, catalog: Catalog, types: Mapping[str, str | None] | None = None
) -> dict[str, dict[str, str | None]]:
    """Further readings of a catalog's cells: reader -> content id -> type, None where they were unsure.

    A table with ``reader``, ``label``, and ``sha256`` or ``path``; as panels of a project are exported. Of a reader's
    readings of one cell the first counts: that of ``turn`` 1 where the table has turns (repeated and aided readings
    are not blind, or know the cell), else the one that stands first. A first ``?`` stays: the reader was unsure, and
    whatever they said later is not taken in its place.

    ``types`` says what a laboratory's own types count as, as the reference's do. Raises
    :class:`~hemosight.errors.BadTable` for other columns, turns that are no numbers, and names of several cells.
    """
    from hemosight.blood.palette import UNSURE
    from hemosight.blood.vocabulary import named

    table = cells_of(file, catalog, ("reader", "label"))
    if "turn" in table.columns:
        unknown = [turn for turn in table["turn"].to_list() if turn is None or not turn.strip().isdecimal()]
        if unknown:
            raise bad(file, "a number in the column turn, 1 for a first reading", repr(unknown[0]))
        table = table.filter(table["turn"].str.strip_chars() == FIRST)
    found: dict[str, dict[str, str | None]] = {}
    for row in table.iter_rows(named=True):
        cell, label, reader = row["cell"], row["label"], unguarded(row["reader"] or "").strip()
        if not reader:
            raise bad(file, "a name in the column reader of every row", "none")
        if cell and label:
            own = types[label] if types and label in types else named(label) or label
            found.setdefault(reader, {}).setdefault(cell, None if label == UNSURE else own)
    return found


def referred(file: Path, catalog: Catalog, origin: Origin) -> tuple[Catalog, Origin]:
    """A catalog whose cells have the labels of a table, as a panel's truth is exported, in place of their own.

    A table with ``label``, and ``sha256`` or ``path``. Cells that it does not name, or has no label for, keep theirs;
    one that it calls ``?`` has none. Raises :class:`~hemosight.errors.BadTable` where it names no cell of the catalog,
    or one with several labels.
    """
    import polars as pl

    from hemosight.blood.palette import UNSURE
    from hemosight.blood.vocabulary import label_and_subtype, named
    from hemosight.images.catalog import Catalog, content_id
    from hemosight.lab.validation.origin import ReferenceTable

    own, found = set(catalog.ids), dict[str, str]()
    for cell, label in cells_of(file, catalog, ("label",)).select("cell", "label").iter_rows():
        if cell in own and label and found.setdefault(cell, label) != label:
            raise bad(file, "one label for each cell", f"{found[cell]} and {label} for cell {cell[:12]}")
    if not found:
        raise bad(file, "labels of cells that are validated", "none of them")

    def meant(label: str) -> str | None:
        if label == UNSURE:
            return None
        if label in origin.types:
            return origin.types[label]
        known = named(label)
        return label_and_subtype(known)[0] if known else label

    types = {cell: meant(label) for cell, label in found.items()}
    was = dict(zip(catalog.ids, catalog.labels(), strict=True))
    ids = pl.col("id")
    new = [ids.replace_strict(its, default=None, return_dtype=pl.String) for its in (types, found)]
    there = pl.when(ids.is_in(list(found)))
    table = catalog.table.with_columns(
        label=there.then(new[0]).otherwise("label"), subtype=there.then(new[1]).otherwise("subtype")
    )
    changed = sum(types[cell] != was[cell] for cell in found)
    reference = ReferenceTable(file.name, content_id(file.read_bytes()), frozenset(found), changed)
    return Catalog(table), replace(origin, reference=reference)


def cells_of(file: Path, catalog: Catalog, columns: tuple[str, ...]) -> pl.DataFrame:
    """A table of text with ``columns`` and ``cell``: the content id of each row, by ``sha256`` or by a file's name.

    A row of no cell of the catalog that is given by a path has null there. Raises
    :class:`~hemosight.errors.PathMissing` and :class:`~hemosight.errors.BadTable`.
    """
    import polars as pl

    from hemosight.errors import PathMissing

    if not file.is_file():
        raise PathMissing(path=file, cwd=Path.cwd())
    table = pl.read_csv(file, infer_schema=False)
    if not set(columns) <= set(table.columns) or not {"sha256", "path"} & set(table.columns):
        raise bad(file, f"columns {', '.join(columns)}, and sha256 or path", ", ".join(table.columns) or "none")
    by_name: dict[str, set[str]] = {}
    for path, cell in zip(catalog.paths, catalog.ids, strict=True):
        by_name.setdefault(path.name, set()).add(cell)
    cells: list[str | None] = []
    for row in table.iter_rows(named=True):
        name = Path(unguarded(row.get("path") or "")).name
        of = by_name.get(name, set())
        if not row.get("sha256") and len(of) > 1:
            raise bad(file, "files of different names, or sha256", f"{name}, which is the name of {len(of)} cells")
        cells.append((row.get("sha256") or "").lower() or next(iter(of), None))
    return table.with_columns(pl.Series("cell", cells, dtype=pl.String))


def unguarded(value: str) -> str:
    """A value without the apostrophe that keeps a spreadsheet from computing it."""
    return value[1:] if re.match(r"'+[=+\-@\t\r]", value) else value


def bad(file: Path, expected: str, came: str) -> BadTable:
    """The fault of a table that cannot be used."""
    from hemosight.errors import BadTable

    return BadTable(expected=expected, came=came, path=file, mend="Mend the table; a row for each reading.")
