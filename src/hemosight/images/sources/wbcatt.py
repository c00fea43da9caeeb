"""WBCAtt: eleven morphological attributes of 10,298 PBC cells (Tsutsui et al. 2023), joined by file name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from hemosight.errors import BadTable
from hemosight.images.catalog import ATTRIBUTE
from hemosight.images.sources.barcelona import PBC
from hemosight.images.sources.source import Record, RemoteFile, Source

# A commit names its content, so these links cannot change under us.
_COMMIT = "https://raw.githubusercontent.com/apple2373/wbcatt/3121eea24a0977184bbedcb61b90f7a528f7b4e9/submission/"
_SPLITS = ("train", "val", "test")

WBCATT = Source(
    name="wbcatt",
    title="WBCAtt: morphological attributes of PBC cells",
    licence="MIT",
    citation=(
        "Tsutsui S, Pang W, Wen B. WBCAtt: a white blood cell dataset annotated with detailed morphological "
        "attributes. Advances in Neural Information Processing Systems 36, Datasets and Benchmarks (2023)"
    ),
    page="https://github.com/apple2373/wbcatt",
    folder="wbcatt",
    counts={"basophil": 1218, "eosinophil": 3117, "lymphocyte": 1214, "monocyte": 1420, "neutrophil": 3329},
    files=tuple(RemoteFile(f"{_COMMIT}pbc_attr_v1_{split}.csv", f"pbc_attr_v1_{split}.csv") for split in _SPLITS),
    note="Tables only: the images are those of pbc. The authors' split is kept as official_split.",
)

ATTRIBUTES = (
    "cell_shape",
    "cell_size",
    "chromatin_density",
    "cytoplasm_colour",
    "cytoplasm_texture",
    "cytoplasm_vacuole",
    "granularity",
    "granule_colour",
    "granule_type",
    "nuclear_cytoplasmic_ratio",
    "nucleus_shape",
)
_TABLE = re.compile(rf"pbc_attr_v1_({'|'.join(_SPLITS)})\.csv")


def tables(paths: Iterable[Path]) -> list[Path]:
    """Those that are WBCAtt's tables, by name."""
    return [path for path in paths if _TABLE.fullmatch(path.name)]


def read_tables(paths: Sequence[Path]) -> pl.DataFrame:
    """``img_name``, ``official_split`` and one ``attribute.<name>`` column for each of the eleven.

    ``nil`` (no granules, hence no colour of granules) is a value of its own, as in the publication.
    """
    parts: list[pl.DataFrame] = []
    for path in paths:
        table = pl.read_csv(path, infer_schema=False)
        missing = [name for name in ("img_name", *ATTRIBUTES) if name not in table.columns]
        if missing:
            raise BadTable(
                expected="the columns of WBCAtt",
                came=f"no column {', '.join(missing)}",
                path=path,
                mend="Fetch it again: `hemosight data get wbcatt`.",
            )
        match = _TABLE.fullmatch(path.name)
        parts.append(
            table.select(
                "img_name",
                pl.lit(match[1] if match else None, pl.String).alias("official_split"),
                *(pl.col(name).str.strip_chars().alias(ATTRIBUTE + name) for name in ATTRIBUTES),
            )
        )
    joined = pl.concat(parts).unique(maintain_order=True)
    doubled = joined.filter(pl.col("img_name").is_duplicated())
    if doubled.height:
        raise BadTable(
            expected="every image annotated once, in one split",
            came=f"{doubled['img_name'][0]} in {doubled.height} rows",
            path=paths[0].parent,
            mend="Keep one copy of WBCAtt's three tables.",
        )
    return joined


def join(rows: Sequence[Record], annotations: pl.DataFrame) -> list[Record]:
    """The same rows, those of PBC with their attributes and official split where there are any."""
    by_name = {row.pop("img_name"): row for row in annotations.to_dicts()}
    return [
        {**row, **by_name.get(Path(row["path"]).name, {})} if row.get("source") == PBC.name else row for row in rows
    ]
