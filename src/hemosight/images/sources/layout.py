"""What lies under a folder: its images, in a fixed order, without what operating systems leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hemosight.images.preprocess import SUFFIXES


def files(root: Path) -> list[Path]:
    """Every visible file under ``root``, sorted; a single file is itself.

    Hidden files (the public Barcelona archive holds ``.DS_169665.jpg``) and ``__MACOSX`` are passed over. Linked
    folders are followed, each real folder once.
    """
    if root.is_file():
        return [root]
    found: list[Path] = []
    seen: set[str] = set()
    for here, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        found += [Path(here, name) for name in names if not _is_litter(name)]
    return sorted(found)


def images(paths: Iterable[Path]) -> list[Path]:
    """Those whose suffix is an image's."""
    return [path for path in paths if path.suffix.lower() in SUFFIXES]


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name.lower() in ("thumbs.db", "desktop.ini")
