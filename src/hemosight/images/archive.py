"""Unpacking zip and tar archives that nobody vouches for."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from hemosight.errors import BadFile, NotEnoughSpace
from hemosight.images.catalog import Progress
from hemosight.images.zip_directory import excess
from hemosight.images.zip_names import all_utf8, entry_names

RATIO = 100
"""Pictures hardly shrink; an archive that grows by more than this is a bomb."""
SMALL = 64 << 20
"""Bytes up to which growth is harmless."""
MEMBERS = 2_000_000
_CHUNK = 1 << 20


class NoArchive(Exception):
    """The file is neither zip nor tar, or a damaged one; the text says what it looks like."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    fault: str
    open: Callable[[], IO[bytes] | None]


def unpack(path: Path, to: Path, *, progress: Progress | None = None) -> None:
    """Unpack a zip or tar archive into the new folder ``to``, all or nothing.

    A single folder that holds everything is left out (``set.zip/set/a.jpg`` becomes ``to/a.jpg``).

    Raises
    ------
    BadFile
        For members that are links or devices, that would lie outside ``to`` or that hold more than they declare,
        and for archives that grow without measure.
    NotEnoughSpace
        When what the archive declares does not fit on the disk.
    NoArchive
        For any other file.
    """
    making = to.with_name(f".{to.name}.unpacking")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        with _members(path) as members:
            _examine(path, members, making)
            total, done = sum(member.size for member in members), 0
            for member in members:
                done += _write(path, member, making)
                if progress is not None:
                    progress(done, total)
        if to.is_dir():
            to.rmdir()  # only an empty one: what lies there already is not ours to replace
        _unwrapped(making).rename(to)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@contextmanager
def _members(path: Path) -> Iterator[list[_Member]]:
    """The archive's files in its own order, folders and macOS leftovers passed over."""
    try:
        if zipfile.is_zipfile(path):
            with path.open("rb") as file:
                found = excess(file, MEMBERS)
            if found:
                raise _unsafe(found, path)
            with zipfile.ZipFile(path) as zipped:
                utf8 = all_utf8(zipped.infolist())
                shown = [info for info in zipped.infolist() if not _skipped(info.filename, info.is_dir())]
                names = entry_names(shown, utf8=utf8)
                yield [_of_zip(zipped, info, name) for info, name in zip(shown, names, strict=True)]
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                yield [_of_tar(tar, info) for info in tar if not _skipped(info.name, info.isdir())]
        else:
            raise NoArchive(_appearance(path))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise NoArchive(f"a damaged archive ({error})") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise NoArchive(f"an archive that holds one name as file and as folder ({error.filename})") from error


def _of_zip(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> _Member:
    mode = info.external_attr >> 16
    fault = ""
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        fault = "a link or device"
    elif info.flag_bits & 1:
        fault = "an encrypted file"
    return _Member(name, info.file_size, fault, lambda: zipped.open(info))


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, "" if info.isreg() else "a link or device", lambda: tar.extractfile(info))


def _skipped(name: str, is_folder: bool) -> bool:
    return is_folder or "__MACOSX" in PurePosixPath(name).parts


def _unsafe(reason: str, path: Path) -> BadFile:
    return BadFile(
        code="unsafe_archive",
        expected="an archive (zip or tar) of plain files that stay inside their folder",
        came=f"{reason} in {path}",
        mend="Nothing was unpacked from it. Fetch it again from its publisher, or unpack it by hand if you trust it.",
    )


def _examine(path: Path, members: Sequence[_Member], making: Path) -> None:
    """Refuse the whole archive before a byte of it is written."""
    if len(members) > MEMBERS:
        raise _unsafe(f"{len(members)} files", path)
    for member in members:
        if member.fault:
            raise _unsafe(f"{member.fault} ({member.name})", path)
        parts = PurePosixPath(member.name).parts
        # Backslashes and colons are separators and drives elsewhere; no data set needs them in names.
        if not parts or ".." in parts or parts[0] == "/" or any(c in member.name for c in "\\:\0"):
            raise _unsafe(f"a file that would lie outside its folder ({member.name!r})", path)
    total, packed = sum(member.size for member in members), path.stat().st_size
    if total > max(SMALL, RATIO * packed):
        raise _unsafe(f"{total / 1e9:.1f} GB packed into {packed / 1e6:.1f} MB", path)
    free = shutil.disk_usage(making).free
    if total > free:
        raise NotEnoughSpace(need=total / 1e9, free=free / 1e9, path=making.parent)


def _write(path: Path, member: _Member, making: Path) -> int:
    target = making.joinpath(*PurePosixPath(member.name).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    stream = member.open()
    if stream is None:
        raise _unsafe(f"no content for {member.name}", path)
    written = 0
    with stream, target.open("wb") as file:
        while piece := stream.read(_CHUNK):
            written += len(piece)
            if written > member.size:  # a header may lie
                raise _unsafe(f"more bytes than declared for {member.name}", path)
            file.write(piece)
    return written


def _unwrapped(folder: Path) -> Path:
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _appearance(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "neither zip nor tar" if head else "an empty file"
