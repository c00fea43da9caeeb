"""Taking a project away: tables, a folder of pictures sorted by type, COCO-style JSON.

Every format says of every cell what the model reads, how sure it is, what a person said, who and when, and of which
bundle and after which label the reading is. The archive is made while it is sent; it is nowhere as a whole.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.engine.bundle import NOTICE
from hemosight.engine.readings import csv
from hemosight.images.names import folder_names
from hemosight.service.desk import exchange
from hemosight.service.desk.archive_stream import Read, stored
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.desk.tally import final_labels
from hemosight.service.storage import exported, labels, tags
from hemosight.service.storage.database import Database


@dataclass(frozen=True)
class Export:
    """A body in parts, its kind, and the name to save it under."""

    parts: Iterator[bytes]
    media_type: str
    name: str


def export(
    state: ProjectState, database: Database, kind: str, label_set: str, case: int | None, *, mark: bool = False
) -> Export:
    """A project or a case as ``csv``, ``labels`` (a table), ``parquet``, ``json``, ``coco``, or as a zip of pictures
    (``folder``, ``fiftyone``, ``label-studio``). ``mark`` begins tables with UTF-8's mark, which Excel looks for.
    """
    state.follow(label_set)
    snapshot = state.readings.snapshot(label_set)
    with database.session() as session:
        rows = _rows(session, state, snapshot, case)
        tagged = tags.by_image(session, state.project)
    rows_of = table(snapshot, rows, f"{state.bundle.manifest.name} {state.bundle.manifest.version}", tagged)
    stem = f"hemosight-project-{state.project}" + (f"-case-{case}" if case is not None else "")
    begin = codecs.BOM_UTF8 if mark else b""

    def read(images: Sequence[int]) -> Mapping[int, bytes]:
        with database.session() as session:
            return exported.pictures(session, images)

    match kind:
        case "csv":
            return Export(iter([begin + csv(rows_of).encode()]), "text/csv; charset=utf-8", f"{stem}.csv")
        case "labels":
            body = begin + csv(exchange.labels(rows_of)).encode()
            return Export(iter([body]), "text/csv; charset=utf-8", f"{stem}-labels.csv")
        case "parquet":
            buffer = io.BytesIO()
            rows_of.write_parquet(buffer)
            return Export(iter([buffer.getvalue()]), "application/vnd.apache.parquet", f"{stem}.parquet")
        case "json":
            return Export(iter([_json(rows_of)]), "application/json", f"{stem}.json")
        case "coco":
            body = json.dumps(coco(snapshot, rows, rows_of), default=str).encode()
            return Export(iter([body]), "application/json", f"{stem}-coco.json")
        case "fiftyone" | "label-studio":
            make = exchange.fiftyone if kind == "fiftyone" else exchange.label_studio
            parts = make(rows_of, snapshot.spec.names, read)
            return Export(parts, "application/zip", f"{stem}-{kind}.zip")
        case _:
            parts = folder(rows_of, snapshot.spec.names, csv(rows_of).encode(), read)
            return Export(parts, "application/zip", f"{stem}.zip")


def _rows(session: Session, state: ProjectState, snapshot: Snapshot, case: int | None) -> Sequence[Any]:
    row = labels.label_set_of(session, state.project, snapshot.spec.name)
    found = exported.rows(session, state.project, state.bundle_id, row.id, case)
    # An image that came in since the snapshot has no reading in it, one that is not asked has none at all.
    known = set(snapshot.ids[snapshot.asked].tolist())
    return [one for one in found if one.id in known]


def table(
    snapshot: Snapshot, rows: Sequence[Any], bundle: str, tagged: Mapping[int, Sequence[str]] | None = None
) -> pl.DataFrame:
    """One row an image, in order; a probability column ``p_<class>`` for every class; none where it is held back.

    ``tagged`` are the tags of cells, which stand in a column of their own with semicolons between them; it is there
    where no cell has any, so that tables of two days are alike.
    """
    tagged = tagged or {}
    tags_of = {row.id: "; ".join(tagged[row.id]) for row in rows if row.id in tagged}
    at = np.searchsorted(snapshot.ids, [row.id for row in rows]).astype(np.int64)
    names = snapshot.spec.names
    final, predicted, label = final_labels(snapshot), snapshot.predicted[at], snapshot.label[at]
    none = (predicted < 0) | snapshot.held_back[at]

    def numbers(values: np.ndarray) -> pl.Series:
        return pl.Series(values.astype(np.float64), nan_to_null=True)

    said = [UNSURE if code == -2 else names[code] if code >= 0 else None for code in label.tolist()]
    there = [one is not None for one in said]
    return pl.DataFrame(
        {
            "image": [row.id for row in rows],
            "name": [row.name for row in rows],
            "case": pl.Series([row.case for row in rows], dtype=pl.String),
            "sha256": [row.sha256 for row in rows],
            "uploaded_at": [row.uploaded_at for row in rows],
            "status": [row.status for row in rows],
            "final": pl.Series([str(final[row]) or None for row in at], dtype=pl.String),
            "predicted": pl.Series([None if code < 0 else names[code] for code in predicted.tolist()], dtype=pl.String),
            "probability": numbers(np.where(none, np.nan, snapshot.probability[at])),
            **{
                f"p_{name}": numbers(np.where(none, np.nan, snapshot.probabilities[at, column]))
                for column, name in enumerate(names)
            },
            "novelty": numbers(snapshot.novelty[at]),
            # Where only drawn cells of a case count, the shares of the others are nobody's.
            **({"outside": snapshot.outside[at]} if snapshot.outside[at].any() else {}),
            "x": numbers(snapshot.x[at]),
            "y": numbers(snapshot.y[at]),
            "label": pl.Series(said, dtype=pl.String),
            "labelled_by": pl.Series(
                [row.labelled_by if ok else None for row, ok in zip(rows, there, strict=True)], dtype=pl.String
            ),
            "labelled_at": pl.Series(
                [row.labelled_at if ok else None for row, ok in zip(rows, there, strict=True)],
                dtype=pl.Datetime("us", "UTC"),
            ),
            "label_kind": pl.Series(
                [row.label_kind if ok else None for row, ok in zip(rows, there, strict=True)], dtype=pl.String
            ),
            "tags": pl.Series([tags_of.get(row.id) for row in rows], dtype=pl.String),
            "label_set": [snapshot.spec.name] * len(rows),
            "bundle": [bundle] * len(rows),
            "taught_until": [snapshot.taught_until] * len(rows),
        },
        schema_overrides={"image": pl.Int64, "uploaded_at": pl.Datetime("us", "UTC")},
    )


def _json(rows: pl.DataFrame) -> bytes:
    # A list of objects, as `hemosight classify --out x.json` writes.
    return rows.write_json().encode()


def coco(snapshot: Snapshot, rows: Sequence[Any], rows_of: pl.DataFrame) -> dict[str, Any]:
    """Images, categories, and an annotation a decided cell that covers its whole crop."""
    category = {name: number for number, name in enumerate(snapshot.spec.names, 1)}
    images, annotations = [], []
    for row, facts in zip(rows, rows_of.iter_rows(named=True), strict=True):
        images.append({"id": row.id, "file_name": row.name, "width": row.width, "height": row.height})
        if facts["final"] not in category:
            continue
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": row.id,
                "category_id": category[facts["final"]],
                "bbox": [0, 0, row.width, row.height],
                "area": row.width * row.height,
                "iscrowd": 0,
                "score": facts["probability"],
                "attributes": {name: facts[name] for name in facts if name not in ("image", "name")},
            }
        )
    return {
        "info": {"description": f"Cells read by HemoSight. {NOTICE}", "version": rows_of["bundle"][0] if rows else ""},
        "images": images,
        "categories": [
            {"id": number, "name": name, "supercategory": snapshot.spec.name} for name, number in category.items()
        ],
        "annotations": annotations,
    }


# --- a folder ------------------------------------------------------------------------------------------------


def folder(rows_of: pl.DataFrame, classes: Sequence[str], readings: bytes, read: Read) -> Iterator[bytes]:
    """``<class>/<image>-<name>`` for every cell that a person labelled, with ``labels.csv`` and ``readings.csv``.

    Cells that somebody is unsure of, that were not read, and that nobody reviewed (by what the model reads) lie apart,
    in folders that :mod:`hemosight.images.sources` takes for no class.
    """
    folders = folder_names(classes)
    listed = [
        (image, f"{_folder(label, predicted, folders)}/{exchange.media_name(image, name)}")
        for image, name, label, predicted in rows_of.select("image", "name", "label", "predicted").iter_rows()
    ]
    places = pl.Series([place for _, place in listed], dtype=pl.String)
    said = exchange.labels(rows_of.with_columns(places.alias("name")))
    return stored({"labels.csv": csv(said).encode(), "readings.csv": readings}, listed, read)


def _folder(label: str | None, predicted: str | None, folders: dict[str, str]) -> str:
    if label is not None:
        return "_unsure" if label == UNSURE else folders[label]
    return "_unread" if predicted is None else f"_not_reviewed/{folders[predicted]}"
