"""A zip of pictures that is written while it is read: it is nowhere as a whole."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Read = Callable[[Sequence[int]], Mapping[int, bytes]]
"""Gives the files of images by number; those that are gone meanwhile are missing."""

_TOGETHER = 64
"""Pictures read from the database at a time."""


def stored(files: Mapping[str, bytes], pictures: Sequence[tuple[int, str]], read: Read) -> Iterator[bytes]:
    """The zip's bytes in parts: some files, then pictures under their places."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
        for start in range(0, len(pictures), _TOGETHER):
            part = pictures[start : start + _TOGETHER]
            found = read([image for image, _ in part])
            for image, place in part:
                if image in found:
                    archive.writestr(place, found[image])
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Where the archive is written: what has come since the last look. It cannot be wound back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
