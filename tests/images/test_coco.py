"""COCO: labels of crops, each of one cell; boxes of cells in a field are labels of no picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hemosight.errors import BadTable
from hemosight.images import sources


def read(folder: Path, annotations: list[dict[str, Any]], size: dict[str, int] | None = None) -> list[str | None]:
    """The labels of two pictures of 64 x 48, by annotations of the first."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48), (ord(name[0]), 9, 7)).save(folder / name)
    given = {"width": 64, "height": 48} if size is None else size
    images = [{"id": number, "file_name": name, **given} for number, name in enumerate(("a.png", "b.png"), 1)]
    found = {
        "images": images,
        "categories": [{"id": 1, "name": "neutrophil"}, {"id": 2, "name": "blast"}],
        "annotations": [{"id": k, "image_id": 1, "category_id": 1, **one} for k, one in enumerate(annotations)],
    }
    (folder / "coco.json").write_text(json.dumps(found))
    return sources.read(folder / "coco.json").labels()


@pytest.mark.parametrize("box", [[0, 0, 64, 48], [0.5, 0.5, 63, 47], [1, 1, 63, 47], [0, 0, 0, 0], [], None])
def test_a_box_of_the_whole_crop_is_its_label(tmp_path: Path, box: list[float] | None) -> None:
    assert read(tmp_path, [{"bbox": box}]) == ["neutrophil", None]
    assert read(tmp_path, [{}]) == ["neutrophil", None]
    assert read(tmp_path, [{"bbox": box}], size={}) == ["neutrophil", None]


@pytest.mark.parametrize("size", [None, {}])
def test_cells_of_one_type_in_a_field_do_not_make_the_field_a_cell(tmp_path: Path, size: dict[str, int] | None) -> None:
    boxes = [{"bbox": [10, 10, 8, 8]}, {"bbox": [20, 20, 8, 8]}]
    with pytest.raises(BadTable, match=r"boxes of cells in fields \(\[10, 10, 8, 8\] in a\.png\).*hemosight find"):
        read(tmp_path, boxes, size)
    with pytest.raises(BadTable, match="boxes of cells in fields"):
        read(tmp_path, [{"bbox": [0, 0, 30, 48]}])


def test_a_box_that_the_model_drew_is_no_label(tmp_path: Path) -> None:
    proposed = {"bbox": [10, 10, 8, 8], "attributes": {"label": None}}
    assert read(tmp_path, [proposed, {"category_id": 2}]) == ["blast", None]
