"""Exports read back as what they were, by HemoSight and by the programs they are made for."""

from __future__ import annotations

import csv
import datetime
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from hemosight.engine.readings import csv as as_csv
from hemosight.errors import BadTable
from hemosight.images import sources
from hemosight.images.names import class_of_folder, folder_names
from hemosight.images.synthetic import draw_slide
from hemosight.service.desk import exchange
from hemosight.service.desk.exports import folder

CLASSES = (
    "blast",
    "CD4+ T",
    "CD4+_T",
    "<1 %",
    ">1 %",
    "IG",
    "ig",
    "CON",
    "readings.csv",
    "_unsure",
    "=1+1",
    "\u00b1 ?",
)
WHEN = datetime.datetime(2026, 11, 27, 6, 30, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def pictures() -> dict[int, bytes]:
    return {number: data for number, (_, data) in enumerate(draw_slide(len(CLASSES) + 4, seed=8), 1)}


@pytest.fixture(scope="module")
def rows(pictures: dict[int, bytes]) -> pl.DataFrame:
    """A cell of each class, one unsure, one that only the model read, one waiting, one with a dangerous name."""
    import hashlib

    labels = [*CLASSES, "?", None, None, "blast"]
    names = [f"slide 1/cell {number}.png" for number in pictures]
    names[-1] = "=cmd|' /C calc'!A0" + "x" * 300 + ".png"
    read = [None if number == len(CLASSES) + 3 else "blast" for number in pictures]
    return pl.DataFrame(
        {
            "image": list(pictures),
            "name": names,
            "case": ["=1+1"] * len(names),
            "sha256": [hashlib.sha256(data).hexdigest() for data in pictures.values()],
            "status": ["waiting" if one is None else "ok" for one in read],
            "predicted": read,
            "probability": [None if one is None else 0.9 for one in read],
            "novelty": [None if one is None else 0.5 for one in read],
            "label": labels,
            "labelled_by": ["ada" if label else None for label in labels],
            "labelled_at": pl.Series([WHEN if label else None for label in labels], dtype=pl.Datetime("us", "UTC")),
            "label_kind": ["set" if label else None for label in labels],
            "tags": pl.Series([None] * len(names), dtype=pl.String),
            "label_set": ["cell_type"] * len(names),
            "bundle": ["tiny 0.0.1"] * len(names),
        },
        schema_overrides={"predicted": pl.String, "label": pl.String},
    )


@pytest.fixture(scope="module")
def said(rows: pl.DataFrame) -> dict[str, str | None]:
    """What people said, by content id."""
    return {sha: None if label == "?" else label for sha, label in rows.select("sha256", "label").iter_rows()}


def unpacked(parts: Any, to: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len({name.casefold() for name in archive.namelist()}), "safe on Windows"
        archive.extractall(to)
    return to


def read_of(pictures: Mapping[int, bytes]) -> Any:
    def read(images: Sequence[int]) -> dict[int, bytes]:
        return {image: pictures[image] for image in images}

    return read


def labels_in(path: Path, **how: Any) -> dict[str, str | None]:
    catalog = sources.read(path, **how)
    assert catalog.table["width"].null_count() == 0
    return dict(zip(catalog.ids, catalog.labels(), strict=True))


# --- HemoSight's own forms ---


def test_a_folder_reads_back_as_what_people_said(
    rows: pl.DataFrame, pictures: dict[int, bytes], said: dict[str, str | None], tmp_path: Path
) -> None:
    root = unpacked(folder(rows, CLASSES, as_csv(rows).encode(), read_of(pictures)), tmp_path)
    # IG and ig are one class to whoever reads labels that people typed: here a table keeps them apart no more.
    expected = {sha: "ig" if label == "IG" else label for sha, label in said.items()}
    expected = {sha: None if label == "_unsure" else label for sha, label in expected.items()}
    found = labels_in(root, kind="folder")
    assert {sha: "ig" if label == "IG" else label for sha, label in found.items()} == expected
    table = labels_in(root / "labels.csv")
    assert table.items() <= {sha: "ig" if label == "IG" else label for sha, label in expected.items()}.items()
    assert len(table) == len(CLASSES) + 2, "labels and the unsure one; nothing of the model"
    with pytest.raises(BadTable, match="what a model read"):
        sources.read(root / "readings.csv")
    assert (root / "_not_reviewed" / "blast").is_dir()
    assert len(list((root / "_unsure").iterdir())) == len(list((root / "_unread").iterdir())) == 1


def test_classes_and_folders_are_one_to_one_and_allowed_everywhere() -> None:
    names = [
        *CLASSES,
        "aux.txt",
        "NUL",
        "a.",
        "b ",
        ".hidden",
        "Thumbs.db",
        "50%41",
        "x/y",
        "x\\y",
        "tab\t",
        "labels.csv",
    ]
    folders = folder_names(names)
    assert [class_of_folder(folders[name]) for name in names] == names
    assert len({one.casefold() for one in folders.values()}) == len(names)
    for one in folders.values():
        assert not set('<>:"/\\|?*') & set(one)
        assert one.partition(".")[0].upper() not in ("CON", "NUL", "AUX", "PRN")
        assert one == one.strip(" .")
        assert one.isprintable()
    assert folders["blast"] == "blast", "what is harmless stays as it is"
    assert folders["CD4+ T"] == "CD4+ T"


def test_the_longest_classes_have_folders_that_can_be_made(tmp_path: Path) -> None:
    names = ["\u55dc" * 99 + last for last in "\u4e2d\u6027"] + ["?" * 100, "e" * 100]
    folders = folder_names(names)
    assert len(set(folders.values())) == len(names)
    for made in folders.values():
        (tmp_path / made).mkdir()
    assert folders["e" * 100] == "e" * 100


def test_labels_alone_say_who_and_when_and_find_their_cells_by_content(
    rows: pl.DataFrame, pictures: dict[int, bytes], said: dict[str, str | None], tmp_path: Path
) -> None:
    for number, data in pictures.items():  # under other names than the service knows
        (tmp_path / f"{number}.png").write_bytes(data)
    (tmp_path / "labels.csv").write_text(as_csv(exchange.labels(rows)), encoding="utf-8-sig")
    first = next(csv.DictReader(io.StringIO(as_csv(exchange.labels(rows)))))
    assert list(first) == list(exchange.LABELS)
    assert (first["label"], first["labelled_by"], first["labelled_at"]) == ("blast", "ada", "2026-11-27T06:30:00+0000")
    found = labels_in(tmp_path / "labels.csv")
    expected = {sha: {"IG": "ig", "_unsure": None}.get(str(label), label) for sha, label in said.items()}
    assert {sha: "ig" if label == "IG" else label for sha, label in found.items()}.items() <= expected.items()


@pytest.mark.parametrize("beside", [".", "A"], ids=["above both cases", "beside one case's pictures"])
def test_labels_of_two_cases_with_equal_names_come_back_cell_by_cell(
    rows: pl.DataFrame, pictures: dict[int, bytes], tmp_path: Path, beside: str
) -> None:
    """0001.png and 0002.png in each case: the first with unlike labels, the second with the same."""
    labels = {1: "blast", 2: "ig", 3: "monocyte", 4: "ig"}
    cells = rows.head(4).with_columns(
        pl.Series("name", ["0001.png", "0002.png"] * 2),
        pl.Series("case", ["A", "A", "B", "B"]),
        pl.Series("label", list(labels.values())),
    )
    cases = ["A", "A", "A/B", "A/B"] if beside == "A" else ["A", "A", "B", "B"]
    for number, case, name in zip(labels, cases, cells["name"], strict=True):
        (tmp_path / case).mkdir(exist_ok=True)
        (tmp_path / case / name).write_bytes(pictures[number])
    table = tmp_path / beside / "labels.csv"
    table.write_text(as_csv(exchange.labels(cells)))
    said: list[str] = []
    catalog = sources.read(table, say=said.append)
    expected = zip(cells["sha256"], labels.values(), cells["case"], strict=True)
    assert set(catalog.table.select("id", "label", "patient").iter_rows()) == set(expected)
    assert (len(catalog), said) == (4, [])


@pytest.mark.attack(
    who="a member",
    what="names a class or a file `=cmd|...`",
    held="exported tables hold nothing that a spreadsheet computes",
)
def test_a_spreadsheet_computes_nothing_of_a_table(rows: pl.DataFrame) -> None:
    text = as_csv(rows.with_columns(pl.col("probability").alias("-p_=1+1")))
    for row in csv.reader(io.StringIO(text)):
        for value in row:
            assert value[:1] not in tuple("=+-@\t\r") or value.lstrip("-").replace(".", "").isdigit(), value


# --- FiftyOne ---

FIFTYONE = {
    "type": "object",
    "required": ["classes", "labels"],
    "additionalProperties": False,
    "properties": {
        "classes": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
    },
}
"""Of FiftyOne's documentation of ``FiftyOneImageClassificationDataset``: a target by a file's name without suffix."""


def test_fiftyone_finds_every_picture_and_reads_back(
    rows: pl.DataFrame, pictures: dict[int, bytes], said: dict[str, str | None], tmp_path: Path
) -> None:
    root = unpacked(exchange.fiftyone(rows, CLASSES, read_of(pictures)), tmp_path)
    found = json.loads((root / "labels.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, FIFTYONE)
    stems = {path.stem for path in (root / "data").iterdir()}
    assert stems == set(found["labels"])
    read = labels_in(root / "labels.json")
    assert read == {sha: {"IG": read[sha], "ig": read[sha], "_unsure": None}.get(str(x), x) for sha, x in said.items()}


# --- Label Studio ---

_RESULT = {
    "type": "object",
    "required": ["from_name", "to_name", "type", "value"],
    "properties": {
        "type": {"const": "choices"},
        "value": {"properties": {"choices": {"type": "array", "minItems": 1, "items": {"type": "string"}}}},
    },
}
_SAID = {"type": "object", "required": ["result"], "properties": {"result": {"type": "array", "items": _RESULT}}}
LABEL_STUDIO = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "integer"},
            "data": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}},
            "annotations": {"type": "array", "items": _SAID},
            "predictions": {"type": "array", "items": {**_SAID, "required": ["result", "model_version"]}},
        },
    },
}
"""Of Label Studio's documentation of its JSON format of tasks, and of pre-annotations by choices."""


def test_label_studio_gets_annotations_from_people_and_predictions_from_the_model(
    rows: pl.DataFrame, pictures: dict[int, bytes], said: dict[str, str | None], tmp_path: Path
) -> None:
    root = unpacked(exchange.label_studio(rows, CLASSES, read_of(pictures)), tmp_path)
    tasks = json.loads((root / "tasks.json").read_text(encoding="utf-8"))
    jsonschema.validate(tasks, LABEL_STUDIO)
    assert [bool(task["annotations"]) for task in tasks] == rows["label"].is_not_null().to_list()
    assert [bool(task["predictions"]) for task in tasks] == rows["predicted"].is_not_null().to_list()
    assert '<Choice value="&lt;1 %"/>' in (root / "label-config.xml").read_text(encoding="utf-8")
    read = labels_in(root / "tasks.json")
    assert read == {sha: {"IG": read[sha], "ig": read[sha], "_unsure": None}.get(str(x), x) for sha, x in said.items()}


def test_label_exports_of_label_studio_are_read(pictures: dict[int, bytes], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "images" / f"{number}.png").write_bytes(pictures[number])

    def choice(name: str) -> dict[str, Any]:
        return {"result": [{"from_name": "l", "to_name": "i", "type": "choices", "value": {"choices": [name]}}]}

    tasks = [
        {"data": {"image": "/data/upload/1/0a1b2c3d-1.png"}, "annotations": [choice("ig")], "predictions": []},
        {"data": {"image": "/data/local-files/?d=images/2.png"}, "annotations": [choice("ig"), choice("blast")]},
        {"data": {"image": "images/3.png"}, "annotations": [], "predictions": [choice("blast")]},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    catalog = sources.read(tmp_path / "export.json")
    assert catalog.labels() == ["ig", None, None], "people who disagree are unsure; a prediction is no label"
    short = [{"id": 1, "image": "/data/upload/1/0a1b2c3d-1.png", "label": "ig"}]
    (tmp_path / "short.json").write_text(json.dumps(short))
    assert sources.read(tmp_path / "short.json").labels() == ["ig"]
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(BadTable, match="other JSON"):
        sources.read(tmp_path / "other.json")
