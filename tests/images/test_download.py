from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hemosight.errors import BadFile, NotEnoughSpace, RequestFailed
from hemosight.images import download, sources
from hemosight.images.download import data_home, fetch, get
from hemosight.images.sources import RemoteFile

CONTENT = np.random.default_rng(0).bytes(3_000_000)
OTHER = np.random.default_rng(1).bytes(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A file server with a will: what it serves, what it drops, what it answers first."""

    content: bytes = CONTENT
    etag: str | None = '"v1"'
    ranges: bool = True
    drop_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ignore_if_range: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if state.statuses:
                self.send_response(state.statuses.pop(0))
                self.send_header("Content-Length", "0")
                self.send_header("Retry-After", "0")
                self.end_headers()
                return
            start, total = 0, len(state.content)
            same = state.ignore_if_range or self.headers.get("If-Range") == state.etag
            if wanted and state.ranges and same:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start and start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(total - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            body = state.content[start:]
            if state.drop_after:
                body = body[: state.drop_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{running.server_address[1]}/set.bin"
    yield state
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def pauses() -> list[float]:
    return []


def test_a_file_arrives_whole(server: Server, tmp_path: Path):
    told: list[tuple[int, int]] = []
    to = tmp_path / "new" / "set.bin"
    fetched = fetch(server.url, to, sha256=SHA, progress=lambda done, total: told.append((done, total)))
    assert to.read_bytes() == CONTENT
    assert (fetched.sha256, fetched.promised, fetched.bytes_fetched) == (SHA, True, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in to.parent.iterdir()] == ["set.bin"]


def test_a_dropped_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path, pauses: list[float]):
    server.drop_after = [1_000_000, 500_000]
    fetched = fetch(server.url, tmp_path / "set.bin", sha256=SHA, pause=pauses.append)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT)
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert pauses == [1.0, 1.0]  # each try brought bytes, so waiting does not grow


def test_another_run_resumes_what_the_last_one_left(server: Server, tmp_path: Path, pauses: list[float]):
    server.drop_after = [1_000_000, 0, 0, 0]
    with pytest.raises(RequestFailed, match="resume"):
        fetch(server.url, tmp_path / "set.bin", sha256=SHA, pause=pauses.append)
    assert (tmp_path / "set.bin.part").stat().st_size == 1_000_000
    assert not (tmp_path / "set.bin").exists()
    assert pauses == [1.0, 2.0, 4.0]
    fetched = fetch(server.url, tmp_path / "set.bin", sha256=SHA)
    assert fetched.bytes_fetched == 2_000_000
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path, pauses: list[float]):
    server.ranges = False
    server.drop_after = [1_000_000]
    fetched = fetch(server.url, tmp_path / "set.bin", sha256=SHA, pause=pauses.append)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT) + 1_000_000


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_version_nothing_is_resumed(
    server: Server, tmp_path: Path, pauses: list[float], etag: str | None
):
    server.etag = etag
    server.drop_after = [1_000_000]
    fetch(server.url, tmp_path / "set.bin", sha256=SHA, pause=pauses.append)
    assert [wanted for _, wanted in server.asked] == [None, None]
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("ignore_if_range", [False, True])
def test_a_file_that_changed_meanwhile_is_not_stitched_together(
    server: Server, tmp_path: Path, pauses: list[float], ignore_if_range: bool
):
    server.drop_after = [1_000_000, 0, 0, 0]
    with pytest.raises(RequestFailed):
        fetch(server.url, tmp_path / "set.bin", pause=pauses.append)
    server.content, server.etag, server.ignore_if_range = OTHER, '"v2"', ignore_if_range
    fetch(server.url, tmp_path / "set.bin", pause=pauses.append)
    assert (tmp_path / "set.bin").read_bytes() == OTHER


def test_a_part_that_is_complete_only_gets_its_name(server: Server, tmp_path: Path):
    fetch(server.url, tmp_path / "a.bin")
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    (tmp_path / "set.bin.part.json").write_text(f'{{"url": "{server.url}", "version": "\\"v1\\""}}')
    assert fetch(server.url, tmp_path / "set.bin").bytes_fetched == 0
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_fetched_anew(server: Server, tmp_path: Path, pauses: list[float]):
    (tmp_path / "set.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "set.bin.part.json").write_text(f'{{"url": "{server.url}", "version": "\\"v1\\""}}')
    assert fetch(server.url, tmp_path / "set.bin", pause=pauses.append).bytes_fetched == len(CONTENT)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(server: Server, tmp_path: Path):
    with pytest.raises(BadFile, match=SHA):
        fetch(server.url, tmp_path / "set.bin", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_checksum_is_trusted_on_first_use_and_compared_later(server: Server, tmp_path: Path):
    said: list[str] = []
    first = fetch(server.url, tmp_path / "set.bin", say=said.append)
    assert not first.promised
    assert (tmp_path / "set.bin.sha256").read_text() == f"{SHA}  set.bin\n"
    assert SHA in said[-1]
    (tmp_path / "set.bin").unlink()
    assert fetch(server.url, tmp_path / "set.bin").sha256 == SHA
    (tmp_path / "set.bin").unlink()
    server.content = OTHER
    with pytest.raises(BadFile, match=SHA):
        fetch(server.url, tmp_path / "set.bin")


def test_a_file_on_disk_is_checked_and_not_fetched(server: Server, tmp_path: Path):
    (tmp_path / "set.bin").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "set.bin", sha256=SHA).bytes_fetched == 0
    assert server.asked == []
    (tmp_path / "set.bin").write_bytes(OTHER)
    with pytest.raises(BadFile):
        fetch(server.url, tmp_path / "set.bin", sha256=SHA)
    assert (tmp_path / "set.bin").read_bytes() == OTHER  # a file of the user's is never removed


def test_passing_faults_are_tried_again_and_lasting_ones_are_not(server: Server, tmp_path: Path, pauses: list[float]):
    server.statuses = [503, 429, 500]
    fetch(server.url, tmp_path / "set.bin", sha256=SHA, pause=pauses.append)
    assert pauses == [0.0, 0.0, 0.0]  # as long as the server asked for
    server.statuses = [404]
    with pytest.raises(RequestFailed, match="404"):
        fetch(server.url, tmp_path / "other.bin", pause=pauses.append)
    assert len(server.asked) == 5


def test_a_full_disk_is_noticed_before_it_is_full(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(NotEnoughSpace, match=r"0\.00 GB free"):
        fetch(server.url, tmp_path / "set.bin", pause=pauses.append)


def test_no_network_says_so_after_a_few_tries(tmp_path: Path, pauses: list[float], server: Server):
    refused = server.url.replace("/set.bin", "").rsplit(":", 1)[0] + ":1/set.bin"
    with pytest.raises(RequestFailed, match=r"no connection to 127\.0\.0\.1.*hemosight data add"):
        fetch(refused, tmp_path / "set.bin", pause=pauses.append)
    assert pauses == [1.0, 2.0, 4.0]


# --- whole data sets ---


@pytest.fixture
def packed(server: Server, tmp_path: Path) -> sources.Source:
    """A public set whose one archive the server offers."""
    inside = tmp_path / "made" / "PBC_dataset_normal_DIB" / "ig"
    inside.mkdir(parents=True)
    (inside / "MY_1.jpg").write_bytes(b"picture")
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "made")
    server.content = Path(archive).read_bytes()
    return replace(sources.source("pbc"), files=(RemoteFile(server.url, "set.zip", archive=True),))


def test_a_set_is_fetched_and_unpacked_once(packed: sources.Source, server: Server, tmp_path: Path):
    home = tmp_path / "home"
    said: list[str] = []
    folder = get(packed, home, say=said.append)
    assert folder == home / "PBC_dataset_normal_DIB"
    assert (folder / "ig" / "MY_1.jpg").read_bytes() == b"picture"
    kept = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert sorted(kept) == [".downloads/pbc/set.zip.sha256", "PBC_dataset_normal_DIB/ig/MY_1.jpg"]
    assert get(packed, home, say=said.append) == folder
    assert len(server.asked) == 1
    assert "already" in said[-1]


def test_an_error_page_in_place_of_an_archive_leaves_nothing_behind(
    packed: sources.Source, server: Server, tmp_path: Path
):
    server.content = b"<!DOCTYPE html><p>Please sign in"
    with pytest.raises(RequestFailed, match="no archive but a web page"):
        get(packed, tmp_path / "home")
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_tables_go_straight_to_their_folder(server: Server, tmp_path: Path):
    source = sources.source("wbcatt")
    local = replace(source, files=tuple(replace(file, url=server.url) for file in source.files))
    folder = get(local, tmp_path)
    assert {path.name for path in folder.glob("*.csv")} == {file.name for file in source.files}


def test_a_set_without_links_says_where_to_fetch_it(tmp_path: Path):
    with pytest.raises(
        RequestFailed, match=r"Aspera.*36f5o9ld.*--as lmu_aml", check=lambda fault: fault.code == "not_downloadable"
    ):
        get(sources.source("lmu_aml"), tmp_path)


def test_where_data_sets_lie():
    home = Path.home()
    assert data_home({"HEMOSIGHT_DATA": "/data", "XDG_DATA_HOME": "/xdg"}) == Path("/data")
    assert data_home({"XDG_DATA_HOME": "/xdg"}) == Path("/xdg/hemosight/data")
    assert data_home({"HEMOSIGHT_DATA": ""}) == home / ".local/share/hemosight/data"
