"""Folders that were taken for what they may not be: which they are, as what, and the options that settle it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemosight.images.sources import roles
from hemosight.images.sources.source import Record
from hemosight.images.sources.values import Say


def tell(root: Path, rows: Sequence[Record], say: Say) -> None:
    """Say which folders were taken for what they may not be, and what settles it."""
    called: dict[str, set[str]] = {}
    for row in rows:
        name = row.get("patient")
        if name and not any(map(roles.is_case, name.split("/"))):
            called.setdefault(_levels(root, row, name), set()).add(name)
    for levels, names in called.items():
        words = f"{_some(names)}: taken for patients or cases"
        if not levels:  # the class stands in the names of files
            say(f"{words}; --as analyzer says that they are")
            continue
        patient, source, fold = (levels.replace("patient", one) for one in ("patient", "source", "fold"))
        say(
            f"{words}, the folders below them for classes; --folders {patient} says that they are, --folders {source} "
            f"that they are laboratories, --folders {fold} that they are folds"
        )
    if any(row.get("official_split") for row in rows):
        above = [Path(row["path"]).relative_to(root).parts[:-1] for row in rows if not row.get("official_split")]
        if beside := {parts[0] for parts in above if parts}:
            say(f"{_some(beside)}: beside folders of splits, and in none of them; say --folders where that is wrong")


def _levels(root: Path, row: Record, patient: str) -> str:
    """What each level of a row's folders is understood as, for ``--folders``; empty where none of them is its class."""
    parts, own = Path(str(row["path"])).relative_to(root).parts[:-1], patient.split("/")
    first = parts.index(own[0]) if own[0] in parts else 0
    known = {row.get("fold"): "fold", row.get("source"): "source"}
    above = ["split" if roles.split_of(part) else known.get(part, "-") for part in parts[:first]]
    below = parts[first + len(own) :]
    if not below:
        return ""
    return "/".join([*above, "patient", *["-"] * (len(own) - 1 + len(below) - 1), "class"])


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
