"""Folders that may be patients, laboratories or folds: refused with the readings and the options that say which.

A laboratory taken for a patient names a patient who is none; a patient taken for anything else lies on both sides of a
split. So names that tell nothing are refused, unless at least as many folders beside them are cases by their names:
then the odd one (``QC`` beside 24-1093) is one more, whose cells stay together, and that is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemosight.errors import UnknownLayout
from hemosight.images.names import some
from hemosight.images.sources import roles
from hemosight.images.sources.analyzer import meaning
from hemosight.images.sources.cases import is_occasion, is_ward
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
        for name in names:
            names[name] = names[name] or roles.counted_on(name, names)
        if roles.may_all_be_days(names):
            names.update(dict.fromkeys(names, False))
        _nested(root, levels, set(names), say)
        doubtful = {name for name, certain in names.items() if not certain}
        if not doubtful:
            continue
        if len(doubtful) > len(names) - len(doubtful):
            raise _refused(root, levels, doubtful)
        if say is not None:
            settled = f"--folders {levels}" if levels else "--as analyzer"
            say(f"{some(sorted(doubtful))}: taken for cases, as those beside; {settled} says that they are")
    if say is not None and any(row.get("official_split") for row in rows):
        above = [Path(row["path"]).relative_to(root).parts[:-1] for row in rows if not row.get("official_split")]
        if beside := {parts[0] for parts in above if parts}:
            named = some(sorted(beside))
            say(f"{named}: beside folders of splits, and in none of them; say --folders where that is wrong")


def _nested(root: Path, levels: str, names: set[str], say: Say | None) -> None:
    """Refuse or say names that keep two levels, of which either could be the patient."""
    pairs = {name: (*name.split("/")[-2:],) for name in names if "/" in name}
    numbers = {name: pair for name, pair in pairs.items() if all(map(roles.is_number, pair))}
    even = {name: pair for name, pair in numbers.items() if not is_ward(*pair)}
    seen = {name for name, pair in pairs.items() if is_occasion(pair[0]) and roles.is_case(pair[1])}
    if not numbers and not seen:
        return
    outer, inner = (_moved(levels, max(name.count("/") for name in {*numbers, *seen}) - up) for up in (1, 0))
    if levels and len(even) > len({first for first, _ in even.values()}):
        raise UnknownLayout(
            code="ambiguous_layout",
            expected="one level of folders that are cases",
            came=f"two in {root}, numbers inside numbers: {some(sorted(even))}",
            mend=f"Say which: `hemosight data add DIR --folders {outer}` where the outer are the patients, {inner} "
            "where the inner are, `--as analyzer` where it takes both; its catalog serves wherever a folder does.",
        )
    if say is not None:
        settled = f"--folders {outer} says that the outer are, {inner} that the inner are" if levels else ""
        say(f"{some(sorted({*numbers, *seen}))}: taken for one patient each{settled and '; ' + settled}")


def _moved(levels: str, down: int) -> str:
    """Levels with the patient ``down`` levels below where it stands."""
    names = levels.split("/")
    if "patient" not in names:
        return levels
    at = names.index("patient")
    names[at], names[at + down] = "-", "patient"
    return "/".join(names)


def _refused(root: Path, levels: str, names: set[str]) -> UnknownLayout:
    if not levels:  # the class stands in the names of files
        return UnknownLayout(
            code="ambiguous_layout",
            expected="folders whose names say what they are, or an option that does",
            came=f"{some(sorted(names))} in {root}: patients or cases, or classes",
            mend="`hemosight data add DIR --as analyzer` reads them as cases and the class from the files' names, "
            "`--as folder` reads them as classes; its catalog serves wherever a folder does.",
        )
    depth = max(name.count("/") for name in names)
    inside = f" ({_moved(levels, depth)} where those inside are, `--as analyzer` where it takes both)" if depth else ""
    patient, source, fold, none = (levels.replace("patient", one) for one in ("patient", "source", "fold", "-"))
    named = some(sorted(names))
    return UnknownLayout(
        code="ambiguous_layout",
        expected="folders whose names say what they are, or an option that does",
        came=f"{named} in {root}, above folders of classes: patients or cases, or laboratories, folds or dates",
        mend=f"Say which: `hemosight data add DIR --folders {patient}` for patients or cases{inside}, {source} for "
        f"laboratories, {fold} for folds, {none} for none of them; its catalog serves wherever a folder does.",
    )


def _levels(root: Path, row: Record, patient: str) -> str:
    """What each level of a row's folders is understood as, for ``--folders``; empty where none of them is its class."""
    parts, own = Path(str(row["path"])).relative_to(root).parts[:-1], patient.split("/")
    first = parts.index(own[0]) if own[0] in parts else 0
    known = {row.get("fold"): "fold", row.get("source"): "source"}
    above = ["split" if roles.split_of(part) else known.get(part, "-") for part in parts[:first]]
    below = parts[first + len(own) :]
    if not below or (meaning(parts[-1]) is None and row.get("label") != parts[-1]):
        return ""
    return "/".join([*above, "patient", *["-"] * (len(own) - 1 + len(below) - 1), "class"])
