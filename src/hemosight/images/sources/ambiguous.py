"""Folders that may be patients, laboratories or folds: refused with the readings and the options that say which.

A laboratory taken for a patient names a patient who is none; a patient taken for anything else lies on both sides of a
split. So names that tell nothing are refused, unless at least as many folders beside them are cases by their names:
then the odd one (``QC`` beside 24-1093) is one more, whose cells stay together, and that is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemosight.errors import UnknownLayout
from hemosight.images.sources import roles
from hemosight.images.sources.source import Record
from hemosight.images.sources.values import Say


def settle(root: Path, rows: Sequence[Record], say: Say | None) -> None:
    """Say which folders were taken for cases because those beside them are, and which splits have others beside them.

    Raises :class:`~hemosight.errors.UnknownLayout` (``ambiguous_layout``) where no name tells what they are.
    """
    called: dict[str, dict[str, bool]] = {}
    for row in rows:
        if name := row.get("patient"):
            called.setdefault(_levels(root, row, name), {})[name] = any(map(roles.is_case, name.split("/")))
    for levels, names in called.items():
        doubtful = {name for name, certain in names.items() if not certain}
        if not doubtful:
            continue
        if len(doubtful) > len(names) - len(doubtful):
            raise _refused(root, levels, doubtful)
        if say is not None:
            settled = f"--folders {levels}" if levels else "--as analyzer"
            say(f"{_some(doubtful)}: taken for cases, as those beside; {settled} says that they are")
    if say is not None and any(row.get("official_split") for row in rows):
        above = [Path(row["path"]).relative_to(root).parts[:-1] for row in rows if not row.get("official_split")]
        if beside := {parts[0] for parts in above if parts}:
            say(f"{_some(beside)}: beside folders of splits, and in none of them; say --folders where that is wrong")


def _refused(root: Path, levels: str, names: set[str]) -> UnknownLayout:
    if not levels:  # the class stands in the names of files
        return UnknownLayout(
            code="ambiguous_layout",
            expected="folders whose names say what they are, or an option that does",
            came=f"{_some(names)} in {root}: patients or cases, or classes",
            mend="`hemosight data add DIR --as analyzer` reads them as cases and the class from the files' names, "
            "`--as folder` reads them as classes; its catalog serves wherever a folder does.",
        )
    patient, source, fold, none = (levels.replace("patient", one) for one in ("patient", "source", "fold", "-"))
    return UnknownLayout(
        code="ambiguous_layout",
        expected="folders whose names say what they are, or an option that does",
        came=f"{_some(names)} in {root}, above folders of classes: patients or cases, or laboratories, folds or dates",
        mend=f"Say which: `hemosight data add DIR --folders {patient}` for patients or cases, {source} for "
        f"laboratories, {fold} for folds, {none} for none of them; its catalog serves wherever a folder does.",
    )


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
