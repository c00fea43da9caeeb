"""One reader for each public data set and for each common layout; each turns a folder into a catalog.

:func:`read` finds out by itself what a folder holds. A folder in which several sets lie side by side reads as
their union, and WBCAtt's attributes join the PBC cells they describe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from hemosight.errors import BadTable, PathMissing, UnknownLayout, UnknownName
from hemosight.images import pixel_scale
from hemosight.images.catalog import ATTRIBUTE, Catalog, Progress
from hemosight.images.formats import no_images
from hemosight.images.names import RESERVED, to_text
from hemosight.images.sources import (
    ambiguous,
    barcelona,
    chulalongkorn,
    folder,
    johns_hopkins,
    layout,
    munich,
    parts,
    table,
    values,
    wbcatt,
)
from hemosight.images.sources.source import Record, RemoteFile, Source, SourceLayout

__all__ = [
    "KINDS",
    "SOURCES",
    "RemoteFile",
    "Source",
    "SourceLayout",
    "count",
    "detect",
    "measured",
    "read",
    "rows_of",
    "source",
    "sources_of",
]

SOURCES: Mapping[str, Source] = {
    known.name: known
    for known in (barcelona.PBC, munich.LMU_AML, johns_hopkins.JHU_AML, chulalongkorn.CHULA, wbcatt.WBCATT)
}
"""The public data sets, by name."""

_LAYOUTS = {reader.kind: reader for reader in (*parts.PUBLIC, *parts.ANY)}
KINDS: Mapping[str, str] = {
    **{reader.kind: reader.layout for reader in parts.PUBLIC},
    "wbcatt": "pbc's images with WBCAtt's tables beside them; only the annotated cells",
    **{reader.kind: reader.layout for reader in parts.ANY},
    "table": table.LAYOUT,
}
"""What ``kind`` may be, and the layout it stands for."""


def source(name: str) -> Source:
    """A public data set by its name; :class:`~hemosight.errors.UnknownName` otherwise."""
    if name not in SOURCES:
        raise UnknownName(kind="data set", choices=", ".join(SOURCES), name=name)
    return SOURCES[name]


def sources_of(catalog: Catalog) -> tuple[Source, ...]:
    """The public data sets that a catalog draws on, for its provenance and licences."""
    used = set(catalog.table["source"].drop_nulls().unique())
    annotated = catalog.table.filter(pl.col("source") == barcelona.PBC.name)
    columns = [name for name in annotated.columns if name.startswith(ATTRIBUTE)]
    if any(annotated[name].null_count() < annotated.height for name in columns):
        used.add(wbcatt.WBCATT.name)
    return tuple(known for known in SOURCES.values() if known.name in used)


def detect(root: str | Path) -> tuple[str, ...]:
    """The kinds that :func:`read` finds in a path, sorted."""
    root = _existing(root)
    if _is_table(root):
        return ("table",)
    paths = layout.files(root)
    kinds = {reader.kind for reader, _, _ in parts.parts(root, layout.crops(paths))}
    return tuple(sorted(kinds | ({"wbcatt"} if wbcatt.tables(paths) else set())))


def count(root: str | Path) -> dict[str, int]:
    """Images of each source under a folder of data sets, by name, without reading them.

    ``wbcatt`` counts the images that have attributes.
    """
    root = Path(root).expanduser()
    if not root.is_dir() or not layout.crops(layout.files(root)):
        return {}
    rows = _rows(root, None, layout.survey(root))
    counts = Counter(str(row["source"]) for row in rows)
    annotated = sum(any(name.startswith(ATTRIBUTE) for name in row) for row in rows)
    return dict(counts) | ({wbcatt.WBCATT.name: annotated} if annotated else {})


def read(
    root: str | Path,
    kind: str | None = None,
    *,
    scale: float | Mapping[str, float] | None = None,
    folders: str | None = None,
    bits: int | None = None,
    progress: Progress | None = None,
    say: values.Say | None = None,
) -> Catalog:
    """A folder, a picture or a table as a catalog.

    Parameters
    ----------
    root
        A folder of pictures or of data sets, one picture, or a CSV or Parquet table.
    kind
        One of :data:`KINDS`; found out when None.
    scale
        Factor that brings pixels to the reference scale: one for all, or one for each source by name. Without
        it, each source's own.
    folders
        What each level of folders is, from the outermost, where it cannot be found out: ``source/class``.
    progress
        Called with how many of how many files have been read.
    say
        Called with a sentence for whatever was passed over, joined or left out.

    Raises
    ------
    PathMissing, UnknownName, UnknownLayout, TooFewCells, BadTable
        When there is nothing there, or nothing that fits.
    """
    root = _existing(root)
    if kind is not None and kind not in KINDS:
        raise UnknownName(kind="layout", choices=", ".join(KINDS), name=kind)
    if kind == "table" or (kind is None and _is_table(root)):
        if not _is_table(root):
            raise _unknown(KINDS["table"], root)
        catalog = table.read(root, progress, say)
    else:
        catalog = Catalog.scan(rows_of(root, kind, folders=folders, say=say), progress)
    if bits is not None:
        catalog = Catalog(catalog.table.with_columns(pl.col("bits").fill_null(bits)))
    return _scaled(catalog, scale)


def rows_of(
    root: Path, kind: str | None = None, *, folders: str | None = None, say: values.Say | None = None
) -> list[Record]:
    """The rows of a folder before any file has been read: what its tree is understood as. Parameters as for read."""
    found = layout.survey(root)
    if say is not None and (passed_over := found.described()):
        say(passed_over)
    rows = _rows(root, kind, found, folders, say)
    values.settle(rows, say)
    if kind is None and folders is None:
        ambiguous.settle(root, [row for row in rows if row.get("source") not in SOURCES], say)
    for row in rows:  # names that are no UTF-8 stay legible in a table, and can be found again
        row.update({name: to_text(value) for name, value in row.items() if isinstance(value, str)})
    return rows


def _rows(
    root: Path, kind: str | None, found: layout.Survey, folders: str | None = None, say: values.Say | None = None
) -> list[Record]:
    paths, images = found.files, layout.crops(found.files)
    tables = wbcatt.tables(paths)
    if not images and tables:
        raise BadTable(
            expected="the PBC images beside WBCAtt's tables",
            came="no image",
            path=root,
            mend=f"Put {barcelona.PBC.folder} next to them and give the folder that holds both.",
        )
    if not images:
        if root.is_file():
            raise _unknown("a folder, an image, a CSV, Excel or Parquet table", root)
        raise no_images(root, found.described())
    if folders is not None:
        return folder.by_pattern(root, images, folders)
    # What an export of a review sets apart is not sorted by a person: no folder in it is a label.
    apart = [path for path in images if path != root and path.relative_to(root).parts[0] in RESERVED]
    images = [path for path in images if path not in set(apart)]
    if kind in (None, "wbcatt"):
        # WBCAtt's attributes join Barcelona's cells alone.
        taken = parts.parts(root, images, say, barcelona.LAYOUT.kind if kind == "wbcatt" else None)
    else:
        taken = [(_LAYOUTS[kind], root, images)]
    rows = [row for reader, base, members in taken for row in parts.records(root, reader, base, members)]
    rows += [{"path": str(path), "label": None, "source": root.resolve().name} for path in apart]
    if (
        kind in _LAYOUTS
        and _LAYOUTS[kind].source is not None
        and not any(row["label"] or row.get("subtype") for row in rows)
    ):
        raise _unknown(f"{kind}: {KINDS[kind]}", root)
    if tables:
        rows = wbcatt.join(rows, wbcatt.read_tables(tables))
    if kind == "wbcatt":
        rows = [row for row in rows if any(name.startswith(ATTRIBUTE) for name in row)]
        if not rows:
            raise _unknown(f"wbcatt: {KINDS['wbcatt']}", root)
    return rows


def _scaled(catalog: Catalog, scale: float | Mapping[str, float] | None) -> Catalog:
    if scale is None:
        factors = {known.name: known.scale for known in SOURCES.values() if known.scale != 1.0}
    elif isinstance(scale, Mapping):
        present = set(catalog.table["source"].drop_nulls().unique())
        for name in scale:
            if name not in present:
                raise UnknownName(kind="source", choices=", ".join(sorted(present)), name=name)
        factors = dict(scale)
    else:
        return Catalog(catalog.table.with_columns(pl.lit(float(scale)).alias("scale")))
    column = pl.col("scale")
    for name, factor in factors.items():
        column = pl.when(pl.col("source") == name).then(pl.lit(float(factor))).otherwise(column)
    return Catalog(catalog.table.with_columns(column.alias("scale")))


def measured(
    catalog: Catalog, *, progress: Progress | None = None, bits: int | None = None
) -> tuple[Catalog, list[str]]:
    """A catalog with the pixel scales that its red cells show, and a line that says so for each scanner.

    Sources whose scale is known keep it: public sets, and those that give one other than 1.
    """
    source = pl.col("source")
    given = catalog.where(pl.col("scale") != 1.0).table["source"].unique().to_list()
    unknown = ~source.fill_null("").is_in([*SOURCES, *(name or "" for name in given)])
    rows = catalog.table.select(unknown.arg_true()).to_series().to_list()
    if not rows:
        return catalog, []
    paths, stated = catalog.paths, catalog.table["bits"].to_list()
    scales, lines = catalog.table["scale"].to_list(), list[str]()
    # Another depth is another camera.
    for depth in sorted({stated[row] for row in rows}, key=str):
        some = [row for row in rows if stated[row] == depth]
        found = pixel_scale.measure_each([paths[row] for row in some], progress, bits if depth is None else depth)
        for row, factor in zip(some, found.factors, strict=True):
            scales[row] = factor
        lines += found.lines()
    return Catalog(catalog.table.with_columns(pl.Series("scale", scales, pl.Float64))), lines


def _existing(root: str | Path) -> Path:
    root = Path(root).expanduser()
    if not root.exists():
        raise PathMissing(path=root, cwd=Path.cwd())
    return root


def _unknown(known: str, root: Path) -> UnknownLayout:
    return UnknownLayout(
        expected=f"a layout that HemoSight reads ({known})",
        came=root,
        mend="Name one with --as; `hemosight data list` describes them.",
    )


def _is_table(root: Path) -> bool:
    return root.is_file() and root.suffix.lower() in table.SUFFIXES
