"""Label Studio's exports as they come: other names, several questions, several choices, its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hemosight.errors import BadTable
from hemosight.images import sources

CELLS = [(f"cell{k}.jpg", "neutrophil" if k < 2 else "monocyte") for k in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for k, (name, _) in enumerate(CELLS):
        Image.new("RGB", (20, 24), (k, 9, 7)).save(tmp_path / "images" / name, format="PNG")
    return tmp_path


def upload(name: str) -> str:
    return f"/data/upload/3/0a1b2c3d-{name}"


def result(*answers: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"from_name": name, "type": "choices", "value": {"choices": chosen}} for name, chosen in answers]


def read(folder: Path, name: str, content: str) -> dict[str, str | None]:
    (folder / name).write_text(content)
    table = sources.read(folder / name).table
    assert table["width"].null_count() == 0, table["path"].to_list()
    return {Path(path).name: label for path, label in table.select("path", "label").rows()}


def full(folder: Path, key: str, answers: Any) -> dict[str, str | None]:
    tasks = [{"data": {key: upload(name)}, "annotations": [{"result": answers(label)}]} for name, label in CELLS]
    return read(folder, "tasks.json", json.dumps(tasks))


@pytest.mark.parametrize("key", ["image", "img", "crop", "my_picture_of_the_cell"])
def test_a_picture_goes_by_any_name(folder: Path, key: str) -> None:
    assert full(folder, key, lambda label: result(("label", [label]))) == dict(CELLS)


@pytest.mark.parametrize("name", ["label", "cell_type", "class"])
def test_of_two_questions_the_one_called_as_a_label_counts(folder: Path, name: str) -> None:
    assert full(folder, "image", lambda label: result(("quality", ["good"]), (name, [label]))) == dict(CELLS)
    assert full(folder, "image", lambda label: result((name, [label]), ("quality", ["good"]))) == dict(CELLS)


def test_two_questions_of_other_names_are_refused_by_name(folder: Path) -> None:
    with pytest.raises(BadTable, match=r"several questions \(morphology, quality\)"):
        full(folder, "image", lambda label: result(("quality", ["good"]), ("morphology", [label])))
    rows = [{"image": upload(name), "quality": "good", "morphology": label, "id": 1} for name, label in CELLS]
    with pytest.raises(BadTable, match=r"several questions \(morphology, quality\)"):
        read(folder, "min.json", json.dumps(rows))


def test_several_choices_at_once_are_unsure(folder: Path) -> None:
    assert set(full(folder, "image", lambda label: result(("label", [label, "other"]))).values()) == {None}
    rows = [{"image": upload(name), "label": {"choices": [label, "other"]}, "id": 1} for name, label in CELLS]
    assert set(read(folder, "min.json", json.dumps(rows)).values()) == {None}


@pytest.mark.parametrize("name", ["choice", "label", "cell_type", "what_is_it"])
def test_the_short_form_under_any_name(folder: Path, name: str) -> None:
    own = {"id": 1, "annotator": 1, "annotation_id": 4, "created_at": "2026", "updated_at": "2026", "lead_time": 3.5}
    rows = [{"image": upload(cell), name: label, **own} for cell, label in CELLS]
    assert read(folder, "min.json", json.dumps(rows)) == dict(CELLS)


@pytest.mark.parametrize("name", ["choice", "label", "cell_type"])
def test_its_table(folder: Path, name: str) -> None:
    head = f"annotation_id,annotator,{name},created_at,id,image,lead_time,updated_at\n"
    rows = [f"{k},1,{label},2026,{k},{upload(cell)},3.2,2026\n" for k, (cell, label) in enumerate(CELLS)]
    assert read(folder, "project.csv", head + "".join(rows)) == dict(CELLS)


def test_its_table_with_several_choices(folder: Path) -> None:
    several = '"{""choices"": [""neutrophil"", ""monocyte""]}"'
    one = '"{""choices"": [""neutrophil""]}"'
    rows = [f"{upload(cell)},{several if k else one}\n" for k, (cell, _) in enumerate(CELLS)]
    found = read(folder, "project.csv", "image,choice\n" + "".join(rows))
    assert list(found.values()) == ["neutrophil", None, None, None]


def test_old_names_and_what_a_model_said(folder: Path) -> None:
    tasks = [{"data": {"image": upload(c)}, "completions": [{"result": result(("l", [x]))}]} for c, x in CELLS]
    assert read(folder, "tasks.json", json.dumps(tasks)) == dict(CELLS)
    tasks = [{"data": {"image": upload(c)}, "predictions": [{"result": result(("l", [x]))}]} for c, x in CELLS]
    assert set(read(folder, "tasks.json", json.dumps(tasks)).values()) == {None}
