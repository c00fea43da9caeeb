"""Fetching public data sets: resumable, checked against a checksum, and unpacked without trusting the archive."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from hemosight.errors import BadFile, NotEnoughSpace, RequestFailed
from hemosight.images import archive
from hemosight.images.catalog import Progress
from hemosight.images.sources.source import Source

ATTEMPTS = 4
"""Tries in a row that bring no new byte before giving up."""
_TIMEOUT = httpx.Timeout(60.0, connect=20.0)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Fetched:
    """One file that is now on disk.

    ``promised`` tells whether the publisher's checksum was known beforehand; otherwise the file's own was
    recorded in ``<name>.sha256`` when it first came, and has been compared with that since. ``bytes_fetched`` is
    what crossed the wire this time.
    """

    path: Path
    sha256: str
    promised: bool
    bytes_fetched: int


class _Interrupted(Exception):
    """One try failed, and another may not."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def data_home(environment: Mapping[str, str] | None = None) -> Path:
    """Where data sets lie: ``HEMOSIGHT_DATA``, else ``hemosight/data`` in the XDG data folder."""
    environment = os.environ if environment is None else environment
    if environment.get("HEMOSIGHT_DATA"):
        return Path(environment["HEMOSIGHT_DATA"]).expanduser()
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "hemosight" / "data"


def get(
    source: Source,
    home: Path,
    *,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    client: httpx.Client | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a public data set into ``home`` and unpack it; its folder. Nothing is done where it lies already.

    Parameters
    ----------
    progress
        Called with bytes done and bytes in all, for one file after the other.
    say
        Called with a sentence for each step: which file, which checksum, which retry.

    Raises
    ------
    RequestFailed, BadFile, NotEnoughSpace
        When it could not be had; what was fetched so far is kept for the next try. ``not_downloadable`` where the
        publisher offers no plain link.
    """
    target = home / source.folder
    if not source.files:
        raise RequestFailed(
            code="not_downloadable",
            expected=f"a link to the files of {source.name}",
            came=source.by_hand,
            mend=f"Fetch it by hand from {source.page}, unpack it, and run "
            f"`hemosight data add FOLDER --as {source.name}`.",
        )
    if _holds(target) and all(file.archive or (target / file.name).is_file() for file in source.files):
        say(f"{source.name} lies in {target} already")
        return target
    for file in source.files:
        # Hidden, so that a reader of the whole folder passes over what is half there.
        to = home / ".downloads" / source.name / file.name if file.archive else target / file.name
        say(f"{file.name} <- {file.url}")
        fetched = fetch(file.url, to, sha256=file.sha256, progress=progress, say=say, client=client, pause=pause)
        if file.archive:
            say(f"unpacking {file.name}")
            try:
                archive.unpack(fetched.path, target, progress=progress)
            except archive.NoArchive as error:
                # An error page with status 200: neither it nor its checksum may stay.
                fetched.path.unlink()
                _beside(to, ".sha256").unlink(missing_ok=True)
                raise _failed(file.url, f"no archive but {error}") from error
            fetched.path.unlink()
    return target


def fetch(
    url: str,
    to: Path,
    *,
    sha256: str | None = None,
    attempts: int = ATTEMPTS,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    client: httpx.Client | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch one file, going on where the last try stopped.

    Bytes go to ``<to>.part`` and move to ``to`` when all are there and the checksum fits. A try goes on with
    ``Range`` only while the server vouches, by ETag or date, that the file is still the same (``If-Range``).
    """
    if to.is_file():
        return _accept(to, to, sha256, 0, say)
    to.parent.mkdir(parents=True, exist_ok=True)
    part = _beside(to, ".part")
    own = client or httpx.Client(follow_redirects=True, timeout=_TIMEOUT)
    failures = fetched = 0
    try:
        while True:
            before = fetched
            try:
                for size in _stream(own, url, part, progress):
                    fetched += size
                return _accept(part, to, sha256, fetched, say)
            except (_Interrupted, httpx.TransportError, httpx.TooManyRedirects) as error:
                failures = 1 if fetched > before else failures + 1
                reason = str(error) or type(error).__name__
                if isinstance(error, httpx.ConnectError):
                    reason = f"no connection to {httpx.URL(url).host} ({reason})"
                if failures >= attempts:
                    raise _failed(url, reason) from error
                asked = error.wait if isinstance(error, _Interrupted) else None
                wait = min(60.0, 2.0 ** (failures - 1) if asked is None else asked)
                say(f"{reason}; trying again in {wait:.0f} s")
                pause(wait)
    finally:
        if client is None:
            own.close()


def _failed(url: str, reason: str) -> RequestFailed:
    return RequestFailed(
        expected=url,
        came=reason,
        mend="Run the same command again to resume; or fetch it by other means and run `hemosight data add FOLDER`.",
    )


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _stream(client: httpx.Client, url: str, part: Path, progress: Progress | None) -> Iterator[int]:
    """Yield the size of each piece appended to ``part``, until the file is complete."""
    have, version = _resumable(part, url)
    headers = {"Accept-Encoding": "identity"}  # a compressed transfer has other offsets
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as response:
        status = response.status_code
        if status == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
            return  # all of it was here: only the last step had been missing
        if status == 416:
            _forget(part)
            raise _Interrupted("the server does not know the rest of the file", wait=0.0)
        if status in _PASSING:
            raise _Interrupted(f"the server answers {status} {response.reason_phrase}", _retry_after(response))
        if status not in (200, 206):
            raise _failed(url, f"the server answers {status} {response.reason_phrase}")
        start, total = _extent(response)
        if status == 206 and (start != have or _version(response) not in ("", version)):
            _forget(part)
            raise _Interrupted("the file changed on the server", wait=0.0)
        if status == 200:
            have = 0
        _ensure_space(part, total - have if total is not None else 0)
        _beside(part, ".json").write_text(json.dumps({"url": url, "version": _version(response)}))
        with part.open("ab" if have else "wb") as file:
            for piece in response.iter_raw():  # with a chunk size, what a dropped connection brought would be lost
                file.write(piece)
                have += len(piece)
                if progress is not None:
                    progress(have, total if total is not None else have)
                yield len(piece)
    if total is not None and have != total:
        raise _Interrupted(f"the connection closed after {have} of {total} bytes")


def _resumable(part: Path, url: str) -> tuple[int, str]:
    """Bytes that are here already and the server's name for their version; 0 when it gave none."""
    try:
        facts = json.loads(_beside(part, ".json").read_text())
        if facts["url"] == url and facts["version"]:
            return part.stat().st_size, facts["version"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _beside(part, ".json").unlink(missing_ok=True)


def _version(response: httpx.Response) -> str:
    """A strong ETag, else the date; If-Range takes no weak ETag (RFC 9110, section 13.1.5)."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """First byte of the answer, and size of the whole file where the server tells."""
    if response.status_code == 206:
        try:
            span, total = response.headers["Content-Range"].removeprefix("bytes ").split("/")
            return int(span.split("-")[0]), None if total == "*" else int(total)
        except (KeyError, ValueError):
            return -1, None
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _retry_after(response: httpx.Response) -> float | None:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else None


def _ensure_space(path: Path, need: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if need > free:
        raise NotEnoughSpace(need=need / 1e9, free=free / 1e9, path=path.parent)


def _accept(file: Path, to: Path, promised: str | None, fetched: int, say: Callable[[str], None]) -> Fetched:
    """Compare with the promised or the recorded checksum, or record it; then give the file its name."""
    with file.open("rb") as stream:
        came = hashlib.file_digest(stream, "sha256").hexdigest()
    record = _beside(to, ".sha256")
    recorded = record.read_text().split()[0] if record.is_file() and record.read_text().split() else None
    expected = promised or recorded
    if expected is not None and came != expected:
        if file != to:
            _forget(file)  # going on with wrong bytes could never end well
        raise BadFile(
            code="checksum_mismatch",
            expected=f"sha256 {expected} for {to}",
            came=came,
            mend="The file is damaged or was changed: fetch it again.",
        )
    if file != to:
        os.replace(file, to)
        _beside(file, ".json").unlink(missing_ok=True)
    if expected is None:
        record.write_text(f"{came}  {to.name}\n")
        say(f"no published checksum: recorded sha256 {came} in {record.name}, later downloads must agree")
    return Fetched(to, came, promised is not None, fetched)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
