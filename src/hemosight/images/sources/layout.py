"""What lies under a folder: its pictures, in a fixed order, and what is passed over, counted by kind."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hemosight.images import formats
from hemosight.images.litter import is_litter, kind

_MOST = 10_000
"""Files inside a folder of litter that are counted."""

CLOSED = "folders that may not be entered"
"""What those are counted as."""
BOXES = "boxes.csv"
"""The table beside whole fields of view that says where their cells are."""


@dataclass
class Survey:
    """The files under a folder."""

    files: list[Path] = field(default_factory=list)
    """Visible files, sorted."""
    images: list[Path] = field(default_factory=list)
    """Those that are pictures to be read, by suffix; without a suffix, by their first bytes."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """How many others there are of each kind: a suffix, or the name of a folder of litter."""
    pictures: list[Path] = field(default_factory=list)
    """Those among them that are pictures, by suffix or first bytes, and will not be read."""

    closed: list[Path] = field(default_factory=list)
    """Folders that may not be entered, or whose files cannot be listed."""

    def described(self) -> str:
        """What was passed over, in words; empty where nothing was."""
        if not self.passed_over:
            return ""
        kinds = ", ".join(f"{called} {number:,}" for called, number in sorted(self.passed_over.items()))
        return f"{self.passed_over.total():,} passed over ({kinds})"


def survey(root: Path) -> Survey:
    """Every file under ``root``; a single file is itself, a picture whatever it is called.

    Hidden files (the public Barcelona archive holds ``.DS_169665.jpg``) and litter are passed over. Linked folders are
    followed, each real folder once.
    """
    found = Survey()
    if not root.is_dir():
        found.files = [root]
        found.images = images([root])
        return found
    seen: set[str] = set()

    def shut(error: OSError) -> None:
        found.closed.append(Path(os.fsdecode(error.filename)))
        found.passed_over[CLOSED] += 1

    for here, folders, names in os.walk(root, followlinks=True, onerror=shut):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in [name for name in folders if is_litter(name)]:
            inside = sum(1 for _ in zip(_files_in(os.path.join(here, name)), range(_MOST), strict=False))
            found.passed_over[kind(name)] += inside
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in names:
            if is_litter(name):
                found.passed_over[kind(name)] += 1
            else:
                found.files.append(Path(here, name))
    found.files.sort()
    for path in found.files:
        if _is_image(path):
            found.images.append(path)
            continue
        found.passed_over[path.suffix.lower() or "without suffix"] += 1
        if formats.is_picture(path.suffix, _head(path)):
            found.pictures.append(path)
    found.passed_over = +found.passed_over
    return found


def files(root: Path) -> list[Path]:
    """Every visible file under ``root``, sorted; a single file is itself."""
    return survey(root).files


def images(paths: Iterable[Path]) -> list[Path]:
    """Those that are pictures to be read."""
    return [path for path in paths if _is_image(path)]


def crops(paths: Iterable[Path]) -> list[Path]:
    """Those that are pictures of one cell: images that lie beside a table of boxes are whole fields of view."""
    paths = list(paths)
    fields = {path.parent for path in paths if path.name == BOXES}
    return [path for path in images(paths) if path.parent not in fields]


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in formats.SUFFIXES:
        return True
    if not suffix:
        return formats.known(_head(path)) is not None
    # DICOM files are often called by their number alone, 1.2.840.10008.1: what looks like a suffix is none.
    dicom = suffix in formats.DICOM_SUFFIXES or suffix[1:].isdigit()
    return dicom and formats.known(_head(path)) == "DICOM"


def _head(path: Path) -> bytes:
    """A regular file's first bytes; none of anything else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.read(formats.HEAD)
    except (OSError, ValueError):
        return b""


def _files_in(folder: str) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names
