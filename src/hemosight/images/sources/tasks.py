"""Labels as other programs export them: FiftyOne's image classification dataset, Label Studio's tasks, COCO.

What a model predicted in them is no label and is passed over.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from hemosight.errors import BadTable, UnreadableImage
from hemosight.images.decode import read_bytes
from hemosight.images.formats import SUFFIXES
from hemosight.images.sources.cells import TextTable
from hemosight.images.sources.columns import column_of

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that was uploaded to it."""
_SUFFIX = re.compile("|".join(rf"{re.escape(suffix)}(?:$|\?)" for suffix in sorted(SUFFIXES)))
_ROUNDED = 2
"""Pixels that a box of a whole image may miss on a side."""
_OWN = frozenset(
    ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "sha256", "agreement", "completed_by")
)
"""What Label Studio's short form says besides the answers."""


def read_tasks(path: Path) -> TextTable:
    """A label export as rows of path, label and sha256 (empty where it says none).

    Raises :class:`~hemosight.errors.BadTable` for JSON of any other kind, and for boxes of cells in fields.
    """
    try:
        found = json.loads(read_bytes(path).decode("utf-8-sig"))
        rows = list(_rows(found, path))
    except (UnreadableImage, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise BadTable(
            expected="labels of FiftyOne (labels.json), Label Studio (JSON or JSON-MIN) or COCO",
            came=f"other JSON ({type(error).__name__}: {error})",
            path=path,
            mend="Export the labels in one of these forms, or as CSV path,label.",
        ) from error
    return TextTable(("path", "label", "sha256"), [(line, row) for line, row in enumerate(rows, 1)])


def _rows(found: Any, path: Path) -> Iterator[tuple[str, str, str]]:
    if isinstance(found, list):
        for task in found:
            yield _task(task, path.parent)
    elif "categories" in found and "images" in found:
        yield from _coco(found, path)
    else:
        yield from _fiftyone(found, path.parent)


def _fiftyone(found: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str, str]]:
    classes: Sequence[str] = found.get("classes") or ()
    data = folder / "data"
    files = (
        {file.stem: file for file in sorted(data.iterdir()) if file.suffix.lower() in SUFFIXES} if data.is_dir() else {}
    )
    for name, target in found["labels"].items():
        if isinstance(target, Mapping):
            target = target["label"]
        label = "" if target is None else str(classes[target]) if isinstance(target, int) else str(target)
        file = files.get(name) or files.get(Path(name).stem)
        yield (f"data/{file.name}" if file is not None else f"data/{name}", label, "")


def _task(task: Mapping[str, Any], folder: Path) -> tuple[str, str, str]:
    """A task of Label Studio, in full or in its short form."""
    data = task.get("data", task)
    place = str(data[_key_of_picture(data)])
    if "data" in task:
        given = task.get("annotations", task.get("completions", []))
        if not isinstance(given, Sequence):
            raise TypeError("annotations that are no list")
        choices = [_choices(one["result"]) for one in given if not one.get("was_cancelled") and one.get("result")]
        # Of several people's labels the last stands; disagreements are not settled here.
        label = choices[-1] if choices and len(set(choices)) == 1 else "?" if choices else ""
    else:
        label = _short(task)
    return local_path(place, folder), label, str(data.get("sha256", ""))


def _key_of_picture(data: Mapping[str, Any]) -> str:
    """Under which name a task holds its picture: whatever it is called in a labelling set-up."""
    named = column_of("path", [key for key, value in data.items() if isinstance(value, str)])
    if named is not None:
        return named
    pictures = [key for key, value in data.items() if isinstance(value, str) and _SUFFIX.search(value.lower())]
    if len(pictures) != 1:
        raise ValueError(f"{len(pictures) or 'no'} pictures among {', '.join(data)}")
    return pictures[0]


def _choices(result: Sequence[Mapping[str, Any]]) -> str:
    """What was chosen; ``?`` for several choices at once. Several questions need one that is called as a label is."""
    asked = {
        str(one.get("from_name", "")): one["value"] for one in result if one.get("type") in ("choices", "taxonomy")
    }
    if not asked:
        return ""
    name = next(iter(asked)) if len(asked) == 1 else column_of("label", list(asked))
    if name is None:
        raise ValueError(f"several questions ({', '.join(sorted(asked))}), none of which is called label or class")
    value = asked[name]
    return _only(value["choices"] if "choices" in value else [path[-1] for path in value["taxonomy"]])


def _only(chosen: Sequence[Any]) -> str:
    return str(chosen[0]) if len(chosen) == 1 else "?" if chosen else ""


def _short(task: Mapping[str, Any]) -> str:
    """The answer in the short form: under a label's name, else under the one name that is not the program's own."""
    place = _key_of_picture(task)
    said = {key: value for key, value in task.items() if key != place and key.lower() not in _OWN}
    name = column_of("label", list(said))
    if name is None:
        asked = [key for key, value in said.items() if isinstance(value, str) or _is_several(value)]
        if len(asked) > 1:
            raise ValueError(f"several questions ({', '.join(sorted(asked))}), none of which is called label or class")
        if not asked:
            return ""
        name = asked[0]
    value = said[name]
    return _only(value["choices"]) if _is_several(value) else value if isinstance(value, str) else ""


def _is_several(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("choices"), list)


def one_choice(value: str) -> str:
    """A label of a table; of Label Studio's ``{"choices": [...]}`` the only choice, ``?`` where there are several."""
    if not value.lstrip().startswith('{"choices"'):
        return value
    try:
        return _only(json.loads(value)["choices"])
    except (ValueError, KeyError, TypeError):
        return value


def url_parts(given: str) -> SplitResult:
    """The parts of an URL; of what is none, as brackets without an address in them, all of it is the path."""
    try:
        return urlsplit(given)
    except ValueError:
        return SplitResult("", "", given, "", "")


def local_path(place: str, folder: Path) -> str:
    """Where a task's picture lies beside the export: of a local-files address, of an upload, or as it is."""
    parts = url_parts(place)
    if parts.path.endswith("/local-files/"):
        place = parse_qs(parts.query).get("d", [place])[0]
    elif parts.scheme or parts.path.startswith("/data/upload/"):
        place = unquote(parts.path)
    if not os.path.exists(folder / place):
        name = Path(place).name
        for candidate in (
            place.lstrip("/"),
            f"images/{name}",
            name,
            f"images/{_UPLOADED.sub('', name)}",
            _UPLOADED.sub("", name),
        ):
            if os.path.exists(folder / candidate):
                return candidate
    return place


def _coco(found: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str, str]]:
    names = {one["id"]: str(one["name"]) for one in found["categories"]}
    images = {image["id"]: image for image in found["images"]}
    labels: dict[Any, str] = {}
    for one in found["annotations"]:
        # Of a review, an annotation may be the model's own: only what a person said is a label.
        said = one["attributes"].get("label") if "label" in one.get("attributes", {}) else names[one["category_id"]]
        if said is None:
            continue
        image = images.get(one["image_id"], {})
        if not _is_of_all(one.get("bbox"), image.get("width"), image.get("height")):
            raise BadTable(
                expected="labels of crops, each of one cell",
                came=f"boxes of cells in fields ({one['bbox']} in {image.get('file_name', one['image_id'])})",
                path=path,
                mend="Cut the cells out first: `hemosight find` does (with `--boxes`, judged by known boxes).",
            )
        labels[one["image_id"]] = str(said) if labels.get(one["image_id"], str(said)) == str(said) else "?"
    for image in found["images"]:
        yield str(image["file_name"]), labels.get(image["id"], ""), ""


def _is_of_all(box: Sequence[float] | None, width: float | None, height: float | None) -> bool:
    """Whether a box (left, top, size) is the whole image, but for what rounding leaves; so is none, or an empty one."""
    if not box or not (box[2] and box[3]):
        return True
    left, top, across, down = box
    if max(left, top) > _ROUNDED:
        return False
    return all(at is None or side >= at - _ROUNDED for side, at in ((left + across, width), (top + down, height)))
