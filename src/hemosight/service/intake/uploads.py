"""Taking in files: pictures and zips of them, within limits, known ones recognised, stored together with their jobs."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Literal

from sqlalchemy.orm import Session

from hemosight.errors import UnreadableImage
from hemosight.images.bare import bare
from hemosight.images.decode import measure
from hemosight.images.litter import is_litter
from hemosight.images.names import composed
from hemosight.images.thumbnails import thumbnail
from hemosight.images.zip_directory import excess
from hemosight.images.zip_names import all_utf8, entry_name
from hemosight.service.errors import NothingThere
from hemosight.service.operations.disk import require_room
from hemosight.service.settings import Settings
from hemosight.service.storage import audit, events, original_names, uploads
from hemosight.service.storage.audit import Actor
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.projects import get as get_project
from hemosight.service.storage.tables import Upload
from hemosight.service.storage.uploads import NewPicture
from hemosight.service.work import jobs

TOGETHER = 64
"""Pictures stored in one transaction."""
_BYTES = 32 << 20
"""Bytes stored in one transaction; more wait in memory for nothing."""
_NAME = 400
"""Characters of a name that are kept, from its end."""
LEFTOVER = "hidden, or called as what systems leave in folders (trash, thumbnails): rename it if it holds cells"
"""Why a file is refused that nobody meant to send."""
_PACKED = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
"""What zips are packed as that are sound and not read."""
_SMALL = 1 << 20
"""Bytes that may be packed as tightly as they like."""
_FOLDERS = 1000
"""Folders of a zip that are taken whatever the limit of its files is."""
_KINDS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"II", "image/tiff"),
    (b"MM", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)
_DICOM = "application/dicom"


@dataclass(frozen=True)
class UploadOutcome:
    """What became of one file; ``image`` is None and ``reason`` says why where it was refused.

    ``file`` says which of the files given it is or lay in, from 0: its name as it is kept may be another.
    """

    name: str
    state: Literal["added", "known", "refused"]
    image: int | None = None
    reason: str | None = None
    file: int = 0


@dataclass(frozen=True)
class _File:
    """A file's content, or why there is none."""

    name: str
    data: bytes
    fault: str = ""


class UploadIntake:
    """Takes the files of one request into an upload.

    Files may be given one by one; they are stored :data:`TOGETHER` at a time, each time with the jobs that read them,
    so that workers begin while the rest is still coming, and a request that breaks off has lost nothing of what
    was stored.
    """

    def __init__(
        self, database: Database, settings: Settings, actor: Actor | None, project_id: int, upload_id: int
    ) -> None:
        self._database = database
        self._settings = settings
        self._actor = actor
        self._project = project_id
        self._upload = upload_id
        self._waiting: list[tuple[int, NewPicture | UploadOutcome]] = []
        self._taken = 0
        self._bytes = 0
        self._bits: int | None = None
        self._named = True
        self.check()

    @property
    def named(self) -> bool:
        """Whether the project keeps the names of its files, and what else they say."""
        return self._named

    def check(self) -> None:
        """Raise unless the upload exists and still takes files, and there is room for them."""
        require_room(self._settings)
        with self._database.session() as session:
            self._bits = self._open(session).bits
            self._named = original_names.of_project(session, self._project) == "kept"

    def take(self, name: str, file: IO[bytes], gone: Callable[[], bool] = lambda: False) -> list[UploadOutcome]:
        """Take a picture or a zip. Returns outcomes of the files stored so far, this one or earlier ones.

        ``gone`` is asked at every picture: for whoever has left, no work goes on.
        """
        outcomes: list[UploadOutcome] = []
        place, self._taken = self._taken, self._taken + 1
        with file:
            for found in _contents(name, file, self._settings):
                if gone():
                    self._waiting.clear()
                    break
                self._waiting.append((place, self._prepare(found)))
                self._bytes += len(found.data)
                if len(self._waiting) >= TOGETHER or self._bytes >= _BYTES:
                    outcomes += self.finish()
        return outcomes

    def finish(self) -> list[UploadOutcome]:
        """Store the files that wait. Returns their outcomes, in the order they were taken."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return []
        require_room(self._settings)
        pictures = [item for _, item in waiting if isinstance(item, NewPicture)]
        refused = [item for _, item in waiting if isinstance(item, UploadOutcome)]
        with self._database.session() as session:
            upload = self._open(session)
            before = uploads.size(session, upload.id)
            added, known = uploads.add(session, upload, pictures)
            said = [(item.name if self._named else "", item.reason or "") for item in refused]
            uploads.refuse(session, upload.id, said)
            jobs.enqueue(
                session,
                project_id=self._project,
                bundle_id=get_project(session, self._project).bundle_id,
                images=sorted(added.values()),
                upload_id=upload.id,
                done=before,
            )
            counts = {"upload": upload.id, "added": len(added), "known": len(known), "refused": len(refused)}
            audit.note(session, self._actor, "images.add", counts, self._project)
            session.flush()
            if added:
                events.tell(session, self._project, ImagesEvent(added=len(added), upload=upload.id))
        seen: set[bytes] = set()
        outcomes = [
            (place, item if isinstance(item, UploadOutcome) else _upload_outcome(item, added, known, seen))
            for place, item in waiting
        ]
        return [replace(outcome, file=place) for place, outcome in outcomes]

    def _open(self, session: Session) -> Upload:
        upload = uploads.get(session, self._project, self._upload)
        if upload is None:
            raise NothingThere(kind="an upload of this project")
        uploads.require_open(upload)
        return upload

    def _prepare(self, file: _File) -> NewPicture | UploadOutcome:
        name = plain_name(file.name)
        if file.fault:
            return UploadOutcome(name, "refused", reason=file.fault)
        try:
            width, height = measure(file.data)
            if width * height > self._settings.max_pixels:
                reason = f"{width} x {height} pixels; at most {self._settings.max_pixels / 1e6:g} megapixels are taken"
                return UploadOutcome(name, "refused", reason=reason)
            data = file.data
            if not self._named:
                data = bare(data, self._bits)
                width, height = measure(data)  # it may have been turned upright
            small = thumbnail(data, self._bits)
        except UnreadableImage as fault:
            return UploadOutcome(name, "refused", reason=str(fault))
        digest = hashlib.sha256(data).digest()
        return NewPicture(name, digest, data, media_type(data), width, height, small)


def _upload_outcome(
    picture: NewPicture, added: dict[bytes, int], known: dict[bytes, int], seen: set[bytes]
) -> UploadOutcome:
    """The first copy in a request is added; others are known."""
    if picture.sha256 in added and picture.sha256 not in seen:
        seen.add(picture.sha256)
        return UploadOutcome(picture.name, "added", added[picture.sha256])
    return UploadOutcome(picture.name, "known", {**known, **added}[picture.sha256])


def media_type(data: bytes) -> str:
    """The media type of a file that :func:`~hemosight.images.decode.measure` knows, told by its first bytes."""
    return next((kind for magic, kind in _KINDS if data.startswith(magic)), _DICOM)


def plain_name(name: str) -> str:
    """A file's name as it is kept: accents composed, forward slashes, nothing unprintable, no way out, not endless."""
    name = "".join(c if c.isprintable() else "_" for c in composed(name).replace("\\", "/"))
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[-_NAME:].encode("utf-8", "replace").decode() or "unnamed"


# --- contents ---------------------------------------------------------------------------------------------


def _contents(name: str, file: IO[bytes], settings: Settings) -> Iterator[_File]:
    """The files that a sent file holds: itself, or a zip's entries."""
    if is_leftover(name):
        if name:  # a form's field may be left empty
            yield _File(name, b"", LEFTOVER)
        return
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"PK" and head[2:] in (b"\x03\x04", b"\x05\x06", b"\x07\x08"):
        yield from _unzipped(name, file, settings)
        return
    data = file.read(settings.max_file_bytes + 1)
    yield _File(name, data) if len(data) <= settings.max_file_bytes else _too_large(name, settings)


def _too_large(name: str, settings: Settings) -> _File:
    return _File(name, b"", f"more than {settings.max_file_bytes / 1e6:.0f} MB")


def is_leftover(name: str) -> bool:
    """Whether a file is one that systems leave in folders, and nobody meant to send."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return not parts or any(is_litter(part) for part in parts if part not in (".", ".."))


def _unzipped(name: str, file: IO[bytes], settings: Settings) -> Iterator[_File]:
    """A zip's pictures, refused as a whole before a byte is unpacked where it declares more than is taken."""
    try:
        # A Mac packs a leftover beside every file, and folders have entries of their own: they are not counted below.
        if found := excess(file, 2 * settings.max_zip_files + _FOLDERS):
            yield _File(name, b"", f"a zip with {found}")
            return
        end = file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            utf8 = all_utf8(archive.infolist())
            names = {info: entry_name(info, utf8=utf8) for info in archive.infolist() if not info.is_dir()}
            entries = [info for info, called in names.items() if not (is_leftover(called) or _is_folder(info, called))]
            if not entries:
                yield _File(name, b"", "a zip without a file in it")
                return
            total = sum(info.file_size for info in entries)
            if len(entries) > settings.max_zip_files:
                yield _File(name, b"", f"a zip of {len(entries):,} files; at most {settings.max_zip_files:,} are taken")
                return
            if total > settings.max_zip_bytes:
                most = settings.max_zip_bytes / 1e6
                yield _File(name, b"", f"a zip that unpacks to {total / 1e6:,.0f} MB; at most {most:,.0f} are taken")
                return
            if _overlaps(archive.infolist(), end):
                yield _File(name, b"", "a zip whose files lie upon one another, made to keep a program busy")
                return
            for info in entries:
                yield _entry(archive, info, names[info], settings)
    except NotImplementedError as error:  # a zip of a later version than zipfile knows, sound for all we can tell
        yield _File(name, b"", f"a zip that needs more than is read ({error}): pack it with Deflate")
    except Exception as error:  # a damaged directory raises anything from struct.error to OverflowError
        yield _File(name, b"", f"a damaged zip ({type(error).__name__})")


def _is_folder(info: zipfile.ZipInfo, called: str) -> bool:
    """Whether an entry is a folder by a name of Windows, as some programs write it."""
    return called.endswith("\\") and info.file_size == 0


def _overlaps(entries: list[zipfile.ZipInfo], end: int) -> bool:
    """Whether two entries share bytes: a small file could then unpack to a thousand times its size."""
    reached = 0
    for info in sorted(entries, key=lambda info: info.header_offset):
        if info.header_offset < reached:
            return True
        reached = info.header_offset + 30 + info.compress_size
    return reached > end


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, settings: Settings) -> _File:
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return _File(name, b"", "a link or device")
    if info.flag_bits & 1:
        return _File(name, b"", "encrypted")
    if info.file_size > settings.max_file_bytes:
        return _too_large(name, settings)
    if info.file_size > _SMALL and info.file_size > settings.max_zip_ratio * max(1, info.compress_size):
        return _File(name, b"", "packed more tightly than any picture")
    try:
        with archive.open(info) as stream:
            # A header may lie about the size.
            data = stream.read(settings.max_file_bytes + 1)
    except NotImplementedError:  # how zipfile says that an entry is sound and not for it
        packed = _PACKED.get(info.compress_type, f"method {info.compress_type}")
        return _File(name, b"", f"packed as {packed}, which is not read: pack the zip with Deflate")
    except Exception as error:  # of zipfile, and of the four decompressors behind it
        return _File(name, b"", f"damaged in its zip ({type(error).__name__})")
    return _File(name, data) if len(data) <= settings.max_file_bytes else _too_large(name, settings)
