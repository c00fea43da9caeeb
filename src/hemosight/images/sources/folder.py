"""Any folder of pictures: DIR/<class>/image, with an official split above the classes where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from hemosight.images.sources.source import Reader, Record

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def recognises(paths: Sequence[PurePath]) -> bool:
    """Whether there is any picture at all: this reader takes what no other knows."""
    return bool(paths)


def records(root: Path, images: Sequence[Path]) -> list[Record]:
    """The first folder below ``root`` is the label, as spelled; a picture that lies in ``root`` has none.

    Where every first folder is called train, val or test (or a common variant), it is the official split and the
    second one is the label.
    """
    base = root.parent if root.is_file() else root
    folders = [path.relative_to(base).parts[:-1] for path in images]
    split = any(folders) and all(parts and parts[0].lower() in _SPLITS for parts in folders)
    rows: list[Record] = []
    for path, parts in zip(images, folders, strict=True):
        classes = parts[1:] if split else parts
        rows.append(
            {
                "path": str(path),
                "label": classes[0] if classes else None,
                "source": base.resolve().name,
                "official_split": _SPLITS[parts[0].lower()] if split else None,
            }
        )
    return rows


READER = Reader("folder", "<class>/image, or train|val|test/<class>/image", recognises, records)
