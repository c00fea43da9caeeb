"""Exports by the readers of those they are made for: torchvision's ImageFolder, the COCO programmers' own."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pycocotools.coco import COCO
from torchvision.datasets import ImageFolder

from hemosight.images.synthetic import draw_slide
from hemosight.service.desk.exports import coco, folder

pytestmark = pytest.mark.train
CLASSES = ("blast", "CD4+ T", "ig")
PICTURES = {number: data for number, (_, data) in enumerate(draw_slide(5, seed=2), 1)}


def rows() -> pl.DataFrame:
    labels = ["blast", "CD4+ T", "ig", "?", None]
    when = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
    return pl.DataFrame(
        {
            "image": list(PICTURES),
            "name": [f"cell {number}.png" for number in PICTURES],
            "case": ["c"] * 5,
            "sha256": [str(number) for number in PICTURES],
            "status": ["ok"] * 5,
            "predicted": ["blast"] * 5,
            "probability": [0.75] * 5,
            "final": ["blast", "CD4+ T", "ig", "?", "blast"],
            "label": labels,
            "labelled_by": ["ada"] * 5,
            "labelled_at": [when] * 5,
            "label_kind": ["set"] * 5,
            "label_set": ["cell_type"] * 5,
            "bundle": ["tiny 1"] * 5,
        }
    )


def test_image_folder_finds_the_classes(tmp_path: Path) -> None:
    parts = folder(rows(), CLASSES, b"", lambda images: {image: PICTURES[image] for image in images})
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        archive.extractall(tmp_path)
    found = ImageFolder(str(tmp_path))
    people = {name: number for name, number in found.class_to_idx.items() if not name.startswith("_")}
    assert set(people) == set(CLASSES)
    assert sorted(Path(path).parent.name for path, number in found.samples if number in people.values()) == sorted(
        CLASSES
    )


def test_coco_is_read_by_its_own_programs(tmp_path: Path) -> None:
    view: Any = SimpleNamespace(spec=SimpleNamespace(names=CLASSES, name="cell_type"))
    images = [SimpleNamespace(id=row["image"], name=row["name"], width=360, height=363) for row in rows().to_dicts()]
    (tmp_path / "coco.json").write_text(json.dumps(coco(view, images, rows()), default=str))
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(str(tmp_path / "coco.json"))
    assert [one["name"] for one in found.loadCats(found.getCatIds())] == list(CLASSES)
    assert len(found.getImgIds()) == 5
    for annotation in found.loadAnns(found.getAnnIds()):
        assert annotation["bbox"] == [0, 0, 360, 363]
        assert annotation["area"] == 360 * 363
