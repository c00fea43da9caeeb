"""Where a command writes: looked at before the work, so that an hour of it is not lost to a missing permission."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from hemosight.errors import BadFile, HemoSightError, UnknownName

_ENDS_ALL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Faults of a disk, which are the user's to mend whether or not the system says at which file they came."""


def check_file(out: Path | None, suffixes: Sequence[str] = ()) -> None:
    """Whether a file can be written at ``out`` (nothing is): :class:`~hemosight.errors.BadFile` where not.

    With ``suffixes`` its name must end in one of them (:class:`~hemosight.errors.UnknownName`). None is no file at all.
    """
    if out is None:
        return
    if suffixes and out.suffix.lower() not in suffixes:
        raise UnknownName(kind="the output's suffix", choices=", ".join(suffixes), name=out.suffix)
    if out.is_dir():
        raise _unwritable(f"a folder: {out}", expected="a file to write")
    if out.exists() and not os.access(out, os.W_OK):
        raise _unwritable(f"a file that may not be changed: {out}")
    _check_above(out.parent)


def check_folder(out: Path) -> None:
    """Whether files can be written into the folder ``out``, which may be new (nothing is made).

    Raises :class:`~hemosight.errors.BadFile` where not.
    """
    if out.exists() and not out.is_dir():
        raise _unwritable(f"a file of that name: {out}", expected="a folder to write into, new or not")
    _check_above(out)


def check_bundle(out: Path) -> None:
    """Whether a bundle can be written at ``out``: one file, or a folder that is new or holds a bundle.

    Raises :class:`~hemosight.errors.BadFile` where not.
    """
    from hemosight.engine.bundle import SUFFIX

    if out.suffix == SUFFIX:
        check_file(out)
        return
    check_folder(out)
    if out.is_dir() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise BadFile(
            code="not_writable",
            expected=f"a new folder for the bundle, one that holds a bundle, or a file whose name ends in {SUFFIX}",
            came=f"a folder with other files in it: {out}",
            mend="Name another with --out: a bundle's files would lie among them.",
        )


def _check_above(folder: Path) -> None:
    """Whether the nearest folder that is there can be written into."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir():
        raise _unwritable(f"a file where a folder should be: {there}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _unwritable(f"no permission to write into {there}")


def _unwritable(came: str, expected: str = "a place where the result can be written") -> BadFile:
    return BadFile(
        code="not_writable", expected=expected, came=came, mend="Name another with --out, or change the permissions."
    )


def explained(error: OSError) -> HemoSightError | None:
    """What the system refused, in the words of a fault; None where it names no file and is no fault of a disk."""
    if isinstance(error, BrokenPipeError) or (error.filename is None and error.errno not in _ENDS_ALL):
        return None
    where = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
    return BadFile(
        code="not_writable",
        expected="files and folders that can be read and written",
        came=f"{error.strerror or error}{where}",
        mend="Check the path, its permissions, and the room on its disk.",
    )
