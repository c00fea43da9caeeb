"""One reader for each public data set and for each common layout; each turns a folder into a catalog.

:func:`read` finds out by itself what a folder holds. A folder in which several sets lie side by side reads as
their union, and WBCAtt's attributes join the PBC cells they describe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from hemosight.errors import BadTable, NoImages, PathMissing, UnknownName, UnknownSource
from hemosight.images.catalog import ATTRIBUTE, Catalog, Progress
from hemosight.images.preprocess import SUFFIXES
from hemosight.images.sources import analyzer, barcelona, folder, layout, munich, table, wbcatt
from hemosight.images.sources.source import Reader, Record, RemoteFile, Source

__all__ = ["KINDS", "SOURCES", "Reader", "RemoteFile", "Source", "count", "detect", "read", "source", "sources_of"]

SOURCES: Mapping[str, Source] = {known.name: known for known in (barcelona.PBC, munich.LMU_AML, wbcatt.WBCATT)}
"""The public data sets, by name."""

_PUBLIC = (barcelona.READER, munich.READER)
_ANY = (analyzer.READER, folder.READER)
_READERS = {reader.kind: reader for reader in (*_PUBLIC, *_ANY)}
KINDS: Mapping[str, str] = {
    **{reader.kind: reader.layout for reader in _PUBLIC},
    "wbcatt": "pbc's images with WBCAtt's tables beside them; only the annotated cells",
    **{reader.kind: reader.layout for reader in _ANY},
    "table": table.LAYOUT,
}
"""What ``kind`` may be, and the layout it stands for."""
_DEPTH = 2
"""How far below the given folder a public data set is looked for."""


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
    kinds = {reader.kind for reader, _, _ in _parts(root, layout.images(paths))}
    return tuple(sorted(kinds | ({"wbcatt"} if wbcatt.tables(paths) else set())))


def count(root: str | Path) -> dict[str, int]:
    """Images of each source under a folder of data sets, by name, without reading them.

    ``wbcatt`` counts the images that have attributes.
    """
    root = Path(root).expanduser()
    if not root.is_dir() or not layout.images(layout.files(root)):
        return {}
    rows = _rows(root, None)
    counts = Counter(str(row["source"]) for row in rows)
    annotated = sum(any(name.startswith(ATTRIBUTE) for name in row) for row in rows)
    return dict(counts) | ({wbcatt.WBCATT.name: annotated} if annotated else {})


def read(
    root: str | Path,
    kind: str | None = None,
    *,
    scale: float | Mapping[str, float] | None = None,
    progress: Progress | None = None,
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
    progress
        Told how many of how many files have been read.

    Raises
    ------
    PathMissing, UnknownName, UnknownSource, NoImages, BadTable
        When there is nothing there, or nothing that fits.
    """
    root = _existing(root)
    if kind is not None and kind not in KINDS:
        raise UnknownName(kind="layout", choices=", ".join(KINDS), name=kind)
    if kind == "table" or (kind is None and _is_table(root)):
        if not _is_table(root):
            raise UnknownSource(known=KINDS["table"], path=root)
        catalog = table.read(root, progress)
    else:
        catalog = Catalog.scan(_rows(root, kind), progress)
    return _scaled(catalog, scale)


def _rows(root: Path, kind: str | None) -> list[Record]:
    paths = layout.files(root)
    images = layout.images(paths)
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
            raise UnknownSource(known="a folder, an image, a CSV or Parquet table", path=root)
        raise NoImages(suffixes=" ".join(sorted(SUFFIXES)), path=root)
    parts = _parts(root, images) if kind in (None, "wbcatt") else [(_READERS[kind], root, images)]
    rows = [row for reader, base, members in parts for row in reader.records(base, members)]
    if kind in _READERS and _READERS[kind].source is not None and not any(row["label"] for row in rows):
        raise UnknownSource(known=f"{kind}: {KINDS[kind]}", path=root)
    if tables:
        rows = wbcatt.join(rows, wbcatt.read_tables(tables))
    if kind == "wbcatt":
        rows = [row for row in rows if any(name.startswith(ATTRIBUTE) for name in row)]
        if not rows:
            raise UnknownSource(known=f"wbcatt: {KINDS['wbcatt']}", path=root)
    return rows


def _parts(root: Path, images: Sequence[Path]) -> list[tuple[Reader, Path, list[Path]]]:
    """Which reader takes which images: public sets wherever they lie, then each other folder by its layout."""
    if root.is_file():
        return [(folder.READER, root, list(images))]
    parts: list[tuple[Reader, Path, list[Path]]] = []
    left = list(images)
    for depth in range(_DEPTH + 1):
        for base, members in _by_folder(root, left, depth).items():
            relative = [path.relative_to(base) for path in members]
            reader = next((reader for reader in _PUBLIC if reader.recognises(relative)), None)
            if reader is not None:
                parts.append((reader, base, members))
        taken = {path for _, _, members in parts for path in members}
        left = [path for path in left if path not in taken]
    if not left:
        return parts
    if not parts:
        return [(_layout_of(root, left), root, left)]
    # Beside a public set every other folder is a set of its own; loose pictures belong to the whole.
    others = _by_folder(root, left, 1)
    for base, members in others.items():
        parts.append((_layout_of(base, members), base, members))
    inside = {path for members in others.values() for path in members}
    loose = [path for path in left if path not in inside]
    return [*parts, (folder.READER, root, loose)] if loose else parts


def _by_folder(root: Path, images: Sequence[Path], depth: int) -> dict[Path, list[Path]]:
    """Images by the folder ``depth`` levels below ``root`` that holds them; shallower ones are left out."""
    groups: dict[Path, list[Path]] = {}
    for path in images:
        parts = path.relative_to(root).parts
        if len(parts) > depth:
            groups.setdefault(root.joinpath(*parts[:depth]), []).append(path)
    return groups


def _layout_of(base: Path, images: Sequence[Path]) -> Reader:
    relative = [path.relative_to(base) for path in images]
    return next(reader for reader in _ANY if reader.recognises(relative))


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


def _existing(root: str | Path) -> Path:
    root = Path(root).expanduser()
    if not root.exists():
        raise PathMissing(path=root, cwd=Path.cwd())
    return root


def _is_table(root: Path) -> bool:
    return root.is_file() and root.suffix.lower() in table.SUFFIXES
