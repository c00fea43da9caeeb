"""Names of files as text: whatever bytes a name has, it can be written, shown, and found again."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from hemosight.images.litter import is_litter

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_LONGEST = 255
"""Bytes of a part of a path."""
_AS_ESCAPED = re.compile(rb"\\(?=x[0-9a-f]{2})")


def to_text(path: str | Path) -> str:
    r"""A path as text that UTF-8 can write, another for each: bytes that are none stand as ``\xe9``.

    A name that holds these signs itself has ``\x5c`` in the place of its backslash.
    """
    return _AS_ESCAPED.sub(rb"\\x5c", os.fsencode(path)).decode("utf-8", "backslashreplace")


def from_text(text: str) -> Path:
    """The path that :func:`to_text` wrote; a table's own text where there is no such file and one called so."""
    if "\\x" not in text:
        return Path(text)
    raw = os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(text)))
    return Path(text if not os.path.lexists(raw) and os.path.lexists(text) else raw)


def one_line(text: str) -> str:
    """Text for a terminal: line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def some(named: Sequence[str], most: int = 3) -> str:
    """As many as a sentence holds, and how many more there are."""
    more = f" and {len(named) - most:,} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more


def fitting(part: str, ending: str = "") -> str:
    """A name with its ending, as a part of a path that file systems take: no longer than 255 bytes.

    What is longer is cut, and has a checksum of the whole name in its place, so that two names stay two.
    """
    room = _LONGEST - len(ending.encode())
    if len(part.encode()) <= room:
        return part + ending
    mark = f"~{hashlib.sha256(part.encode()).hexdigest()[:10]}"
    return part.encode()[: room - len(mark)].decode("utf-8", "ignore") + mark + ending


def composed(text: str) -> str:
    """A name with its accents composed (NFC), as it is typed: file systems of some makers store them apart."""
    return unicodedata.normalize("NFC", text)


# --- classes as folders ---------------------------------------------------------------------------------------

RESERVED = frozenset({"_unsure", "_unread", "_not_reviewed"})
"""Folders of an export that are no classes: cells somebody is unsure of, not readable or waiting, without a person's
label."""
_FORBIDDEN = frozenset('<>:"/\\|?*%')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\..*)?")


def folder_names(classes: Iterable[str]) -> dict[str, str]:
    """A folder for each class: one to one, allowed on every system, and read back by :func:`class_of_folder`.

    Signs that Windows forbids stand as ``%3F``; so does the first sign of its device names (``CON``), of litter and of
    names that begin with a dot or an underscore, a dot or blank at the end, and a letter where two names differ by case
    alone. A name of more than 255 bytes is cut (:func:`fitting`) and does not read back; the table beside it has it.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in classes:
        folder = "".join(_code(sign) if sign in _FORBIDDEN or not sign.isprintable() else sign for sign in name)
        if folder[:1] in ("", ".", "_", " ") or _DEVICE.fullmatch(folder) or is_litter(folder) or _is_file(folder):
            folder = _code(folder[:1]) + folder[1:]
        if folder[-1:] in (".", " "):
            folder = folder[:-1] + _code(folder[-1])
        for at in range(len(name)):
            if composed(folder).casefold() not in taken:
                break
            folder = "".join(_code(sign) if place <= at else sign for place, sign in enumerate(name))
        taken.add(composed(folder).casefold())
        names[name] = fitting(folder)
    return names


def class_of_folder(folder: str) -> str:
    """The class whose folder an export called so; any other name is itself."""
    try:
        return re.sub(r"(?:%[0-9A-F]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), folder)
    except UnicodeDecodeError:
        return folder


def file_name(name: str, most: int = 100) -> str:
    """A file's name that is one part of a path on every system: its end, of so many bytes at most."""
    plain = re.sub(r"[^\w.+-]+", "_", composed(name).replace("\\", "/").rpartition("/")[2]).lstrip(".") or "_"
    return plain.encode()[-most:].decode("utf-8", "ignore").rstrip(". ") or "_"


def _code(signs: str) -> str:
    return "".join(f"%{byte:02X}" for byte in signs.encode())


def _is_file(folder: str) -> bool:
    return folder.casefold() in ("readings.csv", "labels.csv")
