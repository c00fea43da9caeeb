"""What others say of a validation's cells, out of tables: each reader's first, blind reading; a panel's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    rows = rows_of_cells(file, catalog, ("reader", "label"))
    unknown = [row["turn"] for _, row in rows if "turn" in row and not row["turn"].strip().isdecimal()]
    if unknown:
        raise bad(file, "a number in the column turn, 1 for a first reading", repr(unknown[0]))
    found: dict[str, dict[str, str | None]] = {}
    for cell, row in rows:
        if row.get("turn", FIRST).strip() != FIRST:
            continue
        label, reader = row["label"], row["reader"].strip()
        if not reader:
            raise bad(file, "a name in the column reader of every row", "none")
        if cell and label:
            own = types[label] if types and label in types else named(label) or label
            found.setdefault(reader, {}).setdefault(cell, None if label == UNSURE else own)
    return found


def referred(file: Path, catalog: Catalog, origin: Origin) -> tuple[Catalog, Origin]:
    """A catalog whose cells have the labels of a table, as a panel's reference is exported, in place of their own.

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
    for cell, row in rows_of_cells(file, catalog, ("label",)):
        label = row["label"]
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


def rows_of_cells(file: Path, catalog: Catalog, columns: tuple[str, ...]) -> list[tuple[str | None, Mapping[str, str]]]:
    """The rows of a table with ``columns``, each with the content id of its cell, by ``sha256`` or by a file's name.

    A row of no cell of the catalog that is given by a path has None for it. Raises
    :class:`~hemosight.errors.PathMissing` and :class:`~hemosight.errors.BadTable`.
    """
    from hemosight.errors import PathMissing
    from hemosight.images.sources.cells import read_cells

    if not file.is_file():
        raise PathMissing(path=file, cwd=Path.cwd(), what="a table of readings or labels (CSV)")
    table = read_cells(file)
    if not set(columns) <= set(table.columns) or not {"sha256", "path"} & set(table.columns):
        raise bad(file, f"columns {', '.join(columns)}, and sha256 or path", ", ".join(table.columns) or "none")
    by_name: dict[str, set[str]] = {}
    for path, cell in zip(catalog.paths, catalog.ids, strict=True):
        by_name.setdefault(path.name, set()).add(cell)
    found: list[tuple[str | None, Mapping[str, str]]] = []
    for _, row in table.rows():
        name, cell = Path(row.get("path", "")).name, row.get("sha256", "").lower()
        of = by_name.get(name, set())
        if not cell and len(of) > 1:
            raise bad(file, "files of different names, or sha256", f"{name}, which is the name of {len(of)} cells")
        found.append((cell or next(iter(of), None), row))
    return found


def bad(file: Path, expected: str, came: str) -> BadTable:
    """The fault of a table that cannot be used."""
    from hemosight.errors import BadTable

    return BadTable(expected=expected, came=came, path=file, mend="Mend the table; a row for each reading.")
