"""Taking a project away: tables, a folder of pictures sorted by type, COCO-style JSON.

Every format says of every cell what the model reads, how sure it is, what a person said, who and when, and of which
bundle and after which label the reading is. The archive is made while it is sent; it is nowhere as a whole.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from hemosight.bundle import NOTICE
from hemosight.readings import csv
from hemosight.service.desk.desk import Desk
from hemosight.service.desk.tally import final_labels
from hemosight.service.desk.views import View
from hemosight.service.storage import exported, labels
from hemosight.service.storage.database import Database
from hemosight.sheet.palette import UNSURE

_TOGETHER = 64
"""Pictures read from the database at a time."""


@dataclass(frozen=True)
class Export:
    """A body in parts, its kind, and the name to save it under."""

    parts: Iterator[bytes]
    media_type: str
    name: str


def export(desk: Desk, database: Database, kind: str, label_set: str, case: int | None) -> Export:
    """A project or a case as ``csv``, ``parquet``, ``json``, ``folder`` (a zip) or ``coco``."""
    desk.settle(label_set)
    view = desk.view(label_set)
    with database.session() as session:
        rows = _rows(session, desk, view, case)
    rows_of = table(view, rows, f"{desk.bundle.manifest.name} {desk.bundle.manifest.version}")
    stem = f"hemosight-project-{desk.project}" + (f"-case-{case}" if case is not None else "")
    match kind:
        case "csv":
            return Export(iter([csv(rows_of).encode()]), "text/csv; charset=utf-8", f"{stem}.csv")
        case "parquet":
            buffer = io.BytesIO()
            rows_of.write_parquet(buffer)
            return Export(iter([buffer.getvalue()]), "application/vnd.apache.parquet", f"{stem}.parquet")
        case "json":
            return Export(iter([_json(rows_of)]), "application/json", f"{stem}.json")
        case "coco":
            body = json.dumps(coco(view, rows, rows_of), default=str).encode()
            return Export(iter([body]), "application/json", f"{stem}-coco.json")
        case _:
            parts = folder(database, rows_of, csv(rows_of).encode())
            return Export(parts, "application/zip", f"{stem}.zip")


def _rows(session: Session, desk: Desk, view: View, case: int | None) -> Sequence[Any]:
    row = labels.label_set_of(session, desk.project, view.question.name)
    found = exported.rows(session, desk.project, desk.bundle_id, row.id, case)
    known = set(view.ids.tolist())  # an image that came in since the view has no reading in it
    return [one for one in found if one.id in known]


def table(view: View, rows: Sequence[Any], bundle: str) -> pl.DataFrame:
    """One row an image, in order; a probability column ``p_<class>`` for every class."""
    at = np.searchsorted(view.ids, [row.id for row in rows]).astype(np.int64)
    names = view.question.names
    final, predicted, label = final_labels(view), view.predicted[at], view.label[at]
    none = predicted < 0

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
            "probability": numbers(view.probability[at]),
            **{
                f"p_{name}": numbers(np.where(none, np.nan, view.probabilities[at, column]))
                for column, name in enumerate(names)
            },
            "novelty": numbers(view.novelty[at]),
            "x": numbers(view.x[at]),
            "y": numbers(view.y[at]),
            "label": pl.Series(said, dtype=pl.String),
            "labelled_by": pl.Series(
                [row.labelled_by if ok else None for row, ok in zip(rows, there, strict=True)], dtype=pl.String
            ),
            "labelled_at": pl.Series(
                [row.labelled_at if ok else None for row, ok in zip(rows, there, strict=True)],
                dtype=pl.Datetime("us", "UTC"),
            ),
            "label_set": [view.question.name] * len(rows),
            "bundle": [bundle] * len(rows),
            "revision": [view.taught] * len(rows),
        },
        schema_overrides={"image": pl.Int64, "uploaded_at": pl.Datetime("us", "UTC")},
    )


def _json(rows: pl.DataFrame) -> bytes:
    # A list of objects, as `hemosight classify --out x.json` writes.
    return rows.write_json().encode()


def coco(view: View, rows: Sequence[Any], rows_of: pl.DataFrame) -> dict[str, Any]:
    """Images, categories, and an annotation a decided cell that covers its whole crop."""
    category = {name: number for number, name in enumerate(view.question.names, 1)}
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
            {"id": number, "name": name, "supercategory": view.question.name} for name, number in category.items()
        ],
        "annotations": annotations,
    }


# --- a folder, as a zip that is written while it is read -----------------------------------------------------


def folder(database: Database, rows_of: pl.DataFrame, readings: bytes) -> Iterator[bytes]:
    """``<class>/<image>-<name>`` for every cell, and ``readings.csv``; unsure and unread cells have folders too."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("readings.csv", readings, zipfile.ZIP_DEFLATED)
        listed = list(rows_of.select("image", "name", "final", "status").iter_rows())
        for start in range(0, len(listed), _TOGETHER):
            part = listed[start : start + _TOGETHER]
            with database.session() as session:
                pictures = exported.pictures(session, [image for image, *_ in part])
            for image, name, final, status in part:
                if image in pictures:
                    archive.writestr(_place(image, name, final, status), pictures[image])
            yield sink.taken()
    yield sink.taken()


def _place(image: int, name: str, final: str | None, status: str) -> str:
    kind = "unsure" if final == UNSURE else final or ("waiting" if status == "waiting" else "unreadable")
    return f"{_plain(kind)}/{image}-{_plain(PurePosixPath(name.replace(chr(92), '/')).name)}"


def _plain(name: str) -> str:
    """A name that is one part of a path on every system."""
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".") or "_"


class _Sink(io.RawIOBase):
    """Where the archive is written: what has come since the last look. It cannot be wound back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
