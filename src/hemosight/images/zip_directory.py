"""How large a zip's directory is, known before it is read: a small file may declare millions of entries.

The library reads the whole directory and makes an object of each entry before anybody can count them. What is looked at
here is the record at the file's end, where the library looks for it, and then the entries one by one, since that record
may lie about their number.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO

MOST_BYTES = 64 << 20
"""Of a directory that is read: half a million entries with names of usual length."""
_END, _END64, _LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_END_SIZE, _END64_SIZE, _LOCATOR_SIZE, _ENTRY_SIZE = 22, 56, 20, 46
_COMMENT = 1 << 16


@dataclass(frozen=True)
class _Directory:
    """Where a directory lies, how many bytes it has, and how many entries it says it has."""

    start: int
    size: int
    entries: int


def excess(file: IO[bytes], most: int) -> str:
    """What is too much of a zip's directory, in words: bytes, or more than ``most`` entries; empty where nothing is.

    Of a file without a directory nothing is said either: the library refuses it. The file is left at its beginning.
    """
    try:
        for found in _directories(file):
            if found.size > MOST_BYTES:
                return f"a directory of {found.size / 1e6:,.0f} MB, of which at most {MOST_BYTES / 1e6:.0f} are read"
            if found.entries > most or _has_more(file, found, most):
                return f"more than {most:,} entries"
        return ""
    finally:
        file.seek(0)


def _directories(file: IO[bytes]) -> list[_Directory]:
    """The directory, by the record at the file's end; two where versions of the library would look at two places."""
    length = file.seek(0, io.SEEK_END)
    base = max(length - _COMMENT - _END_SIZE, 0)
    tail = _at(file, base, length - base)
    last = len(tail) - _END_SIZE
    # Without a comment the record is the last thing in the file; else the last that begins like one.
    plain = last >= 0 and tail[last : last + 4] == _END and tail[-2:] == b"\0\0"
    place = last if plain else tail.rfind(_END)
    if place < 0 or place + _END_SIZE > len(tail):
        return []
    entries, size = struct.unpack_from("<HI", tail, place + 10)
    end = base + place
    found = _large(file, end)
    return found or [_Directory(end - size, size, entries)]


def _large(file: IO[bytes], end: int) -> list[_Directory]:
    """As zip64 has it, where its locator stands before the record at ``end``."""
    locator = _at(file, end - _LOCATOR_SIZE, _LOCATOR_SIZE)
    if locator[:4] != _LOCATOR or len(locator) < _LOCATOR_SIZE:
        return []
    found: list[_Directory] = []
    for place in sorted({end - _LOCATOR_SIZE - _END64_SIZE, struct.unpack_from("<Q", locator, 8)[0]}):
        record = _at(file, place, _END64_SIZE)
        if record[:4] == _END64 and len(record) == _END64_SIZE:
            entries, size = struct.unpack_from("<QQ", record, 32)
            found.append(_Directory(place - size, size, entries))
    return found


def _has_more(file: IO[bytes], directory: _Directory, most: int) -> bool:
    """Whether more than ``most`` entries stand in a directory, whatever the file's end says."""
    data = _at(file, directory.start, directory.size)
    place = count = 0
    while place + _ENTRY_SIZE <= len(data) and count <= most:
        place += _ENTRY_SIZE + sum(struct.unpack_from("<3H", data, place + 28))  # name, extra field, comment
        count += 1
    return count > most


def _at(file: IO[bytes], place: int, size: int) -> bytes:
    """Bytes at a place; none where that is before the file."""
    if place < 0 or place > 1 << 62:
        return b""
    file.seek(place)
    return file.read(size)
