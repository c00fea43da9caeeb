"""Labels alone, for a next program: a table, FiftyOne's dataset, Label Studio's tasks. A model's reading is no label.

Forms as their makers publish them: FiftyOne's ``FiftyOneImageClassificationDataset`` (``data/`` and ``labels.json``)
and Label Studio's tasks (``data``, ``annotations``, ``predictions``) with its labelling configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl

from hemosight.blood.palette import UNSURE
from hemosight.images.names import file_name
from hemosight.service.desk.archive_stream import stored

LABELS = ("path", "label", "sha256", "case", "labelled_by", "labelled_at", "label_set", "label_kind")


def labels(rows: pl.DataFrame) -> pl.DataFrame:
    """What people said, a row a labelled cell: path, label (``?`` for unsure), content id, case, who, when, how.

    ``label_kind`` is ``group`` where a whole group was accepted on a sample and nobody looked at the cell alone.
    """
    said = rows.filter(pl.col("label").is_not_null())
    when = pl.col("labelled_at").dt.strftime("%Y-%m-%dT%H:%M:%S%z")
    return said.rename({"name": "path"}).with_columns(when).select(LABELS)


def media_name(image: int, name: str) -> str:
    """What a cell's file is called in an archive: its number makes it the only one."""
    return f"{image}-{file_name(name)}"


def fiftyone(rows: pl.DataFrame, classes: tuple[str, ...], read: Any) -> Iterator[bytes]:
    """A zip of ``data/<image>-<name>`` and ``labels.json``: the number of a labelled cell's class, null for others."""
    number = {name: place for place, name in enumerate(classes)}
    targets = {
        media_name(image, name).rpartition(".")[0] or media_name(image, name): number.get(label)
        for image, name, label in rows.select("image", "name", "label").iter_rows()
    }
    body = json.dumps({"classes": list(classes), "labels": targets}, ensure_ascii=False, indent=1)
    listed = [(image, f"data/{media_name(image, name)}") for image, name in rows.select("image", "name").iter_rows()]
    return stored({"labels.json": body.encode()}, listed, read)


def label_studio(rows: pl.DataFrame, classes: tuple[str, ...], read: Any) -> Iterator[bytes]:
    """A zip of ``images/``, ``tasks.json`` and ``label-config.xml``, for a folder that Label Studio serves."""
    names = [*classes, UNSURE]
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in names)
    config = (
        '<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image" choice="single">\n'
        f"{choices}\n  </Choices>\n</View>\n"
    )
    tasks = [_task(row) for row in rows.iter_rows(named=True)]
    body = json.dumps(tasks, ensure_ascii=False, indent=1, default=str)
    files = {"tasks.json": body.encode(), "label-config.xml": config.encode()}
    listed = [(image, f"images/{media_name(image, name)}") for image, name in rows.select("image", "name").iter_rows()]
    return stored(files, listed, read)


def _task(row: dict[str, Any]) -> dict[str, Any]:
    """One cell as a task: a person's label is an annotation, the model's reading a prediction."""
    task: dict[str, Any] = {
        "id": row["image"],
        "data": {
            "image": f"/data/local-files/?d=images/{media_name(row['image'], row['name'])}",
            "name": row["name"],
            "case": row["case"],
            "sha256": row["sha256"],
            "tags": row["tags"],
        },
        "annotations": [],
        "predictions": [],
    }
    if row["label"] is not None:
        task["annotations"].append(
            {
                "result": [_choice(row["label"])],
                "created_at": row["labelled_at"],
                "meta": {"by": row["labelled_by"], "kind": row["label_kind"]},
            }
        )
    if row["predicted"] is not None:
        task["predictions"].append(
            {"model_version": row["bundle"], "score": row["probability"], "result": [_choice(row["predicted"])]}
        )
    return task


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
