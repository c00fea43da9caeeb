"""What strangers and members can send to keep a service busy: it is refused early, in little memory, at once.

One real service is attacked while its pulse is taken: ``/healthz`` answers within a second more than it does in peace,
and the process stays below a gigabyte.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from processes import Server

pytestmark = pytest.mark.acceptance
PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives for a test
GIGABYTE = 1 << 30
INVENTED = {"Cookie": "hemosight=invented"}


@dataclass
class Attacked:
    """A service with accounts, and a client of its administrator."""

    server: Server
    client: httpx.Client
    quiet: float = 0.0

    @property
    def address(self) -> str:
        return self.server.address


@dataclass
class Pulse:
    """The slowest answer of ``/healthz`` and the most memory, seconds and bytes."""

    slowest: float = 0.0
    most: int = 0
    taken: int = 0
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def pulse(service: Attacked) -> Generator[Pulse]:
    """Take the pulse of a service ten times a second."""
    found = Pulse()
    process = psutil.Process(service.server.process.pid)

    def take() -> None:
        with httpx.Client(timeout=60) as client:
            while not found.over.wait(0.1):
                began = time.monotonic()
                assert client.get(f"{service.address}/healthz").status_code == 200
                found.slowest = max(found.slowest, time.monotonic() - began)
                found.most = max(found.most, process.memory_info().rss)
                found.taken += 1

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        deadline = time.monotonic() + 60
        while found.taken < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        found.over.set()
        thread.join(60)


def _held(service: Attacked, found: Pulse) -> None:
    assert found.taken
    # On a machine that is busy with other things, peace is slow as well.
    assert found.slowest < 1.0 + 5 * service.quiet, f"{found.slowest:.2f} s; in peace {service.quiet:.2f} s"
    assert found.most < GIGABYTE, f"{found.most / 1e6:.0f} MB"


@pytest.fixture(scope="module")
def service() -> Iterator[Attacked]:
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    server = Server(folder / "data", folder / "log", login=True)
    try:
        assert server.process.stdout is not None
        token = ""
        while not token:
            line = server.process.stdout.readline().decode()
            found = re.search(r"token=(\S+)", line)
            token = found[1] if found else ""
        with httpx.Client(base_url=f"{server.address}/api/v1", timeout=120) as client:
            first = {"token": token, "name": "root", "display": "Root", "password": PASSWORD}
            client.headers["X-CSRF-Token"] = client.post("/first-run", json=first).json()["csrf"]
            made = Attacked(server, client)
            with pulse(made) as peace:
                while peace.taken < 25:
                    time.sleep(0.1)
            made.quiet = peace.slowest
            yield made
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.attack(
    who="a stranger with an invented cookie",
    what="sends 31 MB of nested lists, or 300 MB as a form",
    held="64 kB are read before anybody looks who sent it; 413",
)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_large_bodies_of_strangers(service: Attacked, kind: str, declared: bool) -> None:
    block = b"[[]," * (1 << 16) if "json" in kind else b"\0" * (1 << 18)
    count = 120 if "json" in kind else 1200
    status = 0
    with pulse(service) as found:
        content = block * count if declared and "json" in kind else (block for _ in range(count))
        headers = {**INVENTED, "Content-Type": kind}
        if declared and "json" not in kind:
            headers["Content-Length"] = str(len(block) * count)
        with suppress(httpx.TransportError):
            # The answer may come, and the line may be cut, before all is sent.
            where = f"{service.address}/api/v1/session"
            status = httpx.post(where, content=content, headers=headers, timeout=30).status_code
    assert status in (0, 413)
    _held(service, found)


@pytest.mark.attack(
    who="a member",
    what="sends megabytes of nested lists as JSON",
    held="brackets are counted before anything is parsed; 413",
)
def test_nested_lists_of_a_member(service: Attacked) -> None:
    with pulse(service) as found:
        answer = service.client.post("/projects", content=b"[[]," * 900_000)
    assert answer.status_code == 413, answer.text
    assert "lists and objects" in answer.text
    _held(service, found)


@pytest.mark.attack(
    who="strangers, or a whole laboratory at eight o'clock",
    what="sign in thirty times at once",
    held="two passwords are looked at at a time, the others wait in line; nobody is refused for it",
)
def test_thirty_sign_ins_at_once(service: Attacked) -> None:
    names = [f"person{number}" for number in range(30)]
    for name in names:
        made = service.client.post("/users", json={"name": name, "display": name, "password": PASSWORD})
        assert made.status_code == 201, made.text

    def sign_in(name: str) -> int:
        given = {"name": name, "password": PASSWORD}
        return httpx.post(f"{service.address}/api/v1/session", json=given, timeout=120).status_code

    with pulse(service) as found, ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(sign_in, names))
    assert answers == [200] * 30
    _held(service, found)


@pytest.mark.attack(
    who="somebody who guesses passwords",
    what="says in X-Forwarded-For that every guess comes from elsewhere",
    held="the header is believed of proxies that are named, and none is until then",
)
def test_guesses_under_false_addresses(service: Attacked) -> None:
    # From an address of this machine that no other test signs in from: it has to wait afterwards.
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.3"), timeout=60) as guesser:
        found = [
            guesser.post(
                f"{service.address}/api/v1/session",
                json={"name": f"nobody{number}", "password": "a wrong password"},
                headers={"X-Forwarded-For": f"10.1.2.{number}"},
            ).status_code
            for number in range(24)
        ]
    assert found[:20] == [401] * 20
    assert 429 in found[20:]


def _upload(service: Attacked) -> str:
    project = service.client.post("/projects", json={"name": f"p{time.monotonic_ns()}"}).json()["id"]
    return f"/projects/{project}/uploads/{service.client.post(f'/projects/{project}/uploads', json={}).json()['id']}"


def _picture(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (700, 700, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.mark.attack(
    who="a member",
    what="sends a zip of 200 kB whose 4,000 entries share the same bytes",
    held="entries that overlap are refused before one is unpacked",
)
def test_a_zip_whose_entries_overlap(service: Attacked) -> None:
    upload = _upload(service)
    with pulse(service) as found:
        began = time.monotonic()
        files = {"files": ("overlap.zip", _overlapping(4000), "application/zip")}
        answer = service.client.post(f"{upload}/files", files=files)
        took = time.monotonic() - began
    (outcome,) = answer.json()["items"]
    assert outcome["state"] == "refused"
    assert took < 1.0 + 5 * service.quiet
    _held(service, found)


def _overlapping(entries: int) -> bytes:
    """One member, named so many times in the directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", b"\0" * 3_000_000)
        first = archive.infolist()[0]
        for number in range(1, entries):
            again = zipfile.ZipInfo(f"{number}.png")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, name, getattr(first, name))
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    return out.getvalue()


@pytest.mark.attack(
    who="a member",
    what="sends a large zip and leaves",
    held="work for whoever has left ends at the next picture",
)
def test_work_ends_when_the_other_side_leaves(service: Attacked) -> None:
    upload = _upload(service)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for number in range(120):
            archive.writestr(f"{number}.png", _picture(number))
    with suppress(httpx.TimeoutException):
        service.client.post(
            f"{upload}/files", files={"files": ("many.zip", out.getvalue())}, timeout=httpx.Timeout(60, read=1.5)
        )
    process = psutil.Process(service.server.process.pid)
    deadline = time.monotonic() + 60
    while _spent(process, 2.0) > 0.6:
        assert time.monotonic() < deadline, "it works on"
    assert service.client.get(upload).json()["total"] < 120


def _spent(process: psutil.Process, seconds: float) -> float:
    """Seconds of processor time that a process takes in so many."""
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return sum(process.cpu_times()[:2]) - before
