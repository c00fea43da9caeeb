"""What strangers and accounts can do with connections alone: heads without an end, silence, smuggling, many streams.

One real service, whose limits are small enough to wait for. What is sent is written by hand: no program at hand would
send it.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from processes import Server, until

pytestmark = pytest.mark.acceptance
PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives for a test
SECONDS = 3.0
CONNECTIONS = 60
STREAMS = 12
OTHER = "127.0.0.2"
"""An address of this machine as well: the stranger's."""
LIMITS = {
    "HEMOSIGHT_REQUEST_SECONDS": str(SECONDS),
    "HEMOSIGHT_CONNECTIONS_ADDRESS": str(CONNECTIONS),
    "HEMOSIGHT_STREAMS_ACCOUNT": str(STREAMS),
}


@dataclass
class Served:
    """A service with accounts, its administrator's client, and the port."""

    server: Server
    client: httpx.Client
    port: int
    project: int

    def connect(self, address: str = OTHER) -> socket.socket:
        """A connection from an address."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(address, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    @property
    def memory(self) -> int:
        """Bytes of the server."""
        return psutil.Process(self.server.process.pid).memory_info().rss

    def answers(self) -> float:
        """Seconds that it takes to say that it lives."""
        began = time.monotonic()
        assert httpx.get(f"{self.server.address}/healthz", timeout=30).status_code == 200
        return time.monotonic() - began

    @property
    def cookie(self) -> str:
        """What the administrator's browser sends."""
        return "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    server = Server(folder / "data", folder / "log", login=True, settings=LIMITS)
    try:
        assert server.process.stdout is not None
        found = None
        while found is None:
            found = re.search(r"token=(\S+)", server.process.stdout.readline().decode())
        with httpx.Client(base_url=f"{server.address}/api/v1", timeout=60) as client:
            first = {"token": found[1], "name": "root", "display": "Root", "password": PASSWORD}
            client.headers["X-CSRF-Token"] = client.post("/first-run", json=first).json()["csrf"]
            project = client.post("/projects", json={"name": "Slides"}).json()["id"]
            yield Served(server, client, int(server.address.rpartition(":")[2]), project)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _rest(line: socket.socket) -> bytes:
    """Everything until the other side closes."""
    came = b""
    with suppress(ConnectionError):
        while piece := line.recv(65536):
            came += piece
    return came


HEADS = {
    "one field": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"a" * 65536),
    "many fields": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X: 1\r\n" * 10_000),
    "the address": (b"GET /", b"a" * 65536),
    "fields behind the body": (
        b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"a" * 65536,
    ),
    "sizes of pieces": (
        b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
        b"a" * 65536,
    ),
}


@pytest.mark.attack(
    who="a stranger",
    what="sends a request whose head, or what follows its body, has no end",
    held="the connection ends after 64 kB and 200 fields; memory stays",
)
@pytest.mark.parametrize("kind", HEADS)
def test_a_head_without_an_end(served: Served, kind: str) -> None:
    begin, more = HEADS[kind]
    before, sent = served.memory, 0
    with served.connect() as line, suppress(ConnectionError):
        line.sendall(begin)
        while sent < 200 << 20:
            line.sendall(more)
            sent += len(more)
    assert sent < 16 << 20, "it was cut short"
    assert served.memory < before + (64 << 20)
    assert served.answers() < 5


@pytest.mark.attack(
    who="a stranger",
    what="opens connections and says nothing, half a head, or a body byte by byte",
    held="a head has seconds to come, a body so much in each span of seconds; slower ones end",
)
@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"POST /api/v1/session HTTP/1.1\r\nContent-Length: 60000\r\n\r\n"])
def test_a_request_that_does_not_come(served: Served, begin: bytes) -> None:
    with served.connect() as line:
        began, ended = time.monotonic(), _drip(line, begin)
        assert ended - began < 3 * SECONDS + 5


def _drip(line: socket.socket, begin: bytes) -> float:
    """Send the beginning, then a byte now and then; when the other side ended it."""
    line.sendall(begin)
    line.settimeout(0.3)
    while True:
        try:
            if not line.recv(65536):
                return time.monotonic()
        except TimeoutError:
            if begin:
                with suppress(ConnectionError):
                    line.sendall(b"x")
        except ConnectionError:
            return time.monotonic()


def test_a_large_body_that_comes_steadily_is_taken(served: Served) -> None:
    """The limit is on slowness, not on length."""

    def slowly() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * (20 << 10)
            time.sleep(SECONDS / 6)

    answer = served.client.post("/projects", content=slowly(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, "it was read to its end"


@pytest.mark.attack(
    who="a stranger",
    what="holds more and more connections open, so that nobody else gets one",
    held="one address holds so many; others do not notice",
)
def test_connections_by_the_hundred(served: Served) -> None:
    with ExitStack() as held:
        lines = [held.enter_context(served.connect()) for _ in range(3 * CONNECTIONS)]
        time.sleep(0.5)
        assert served.answers() < 5
        closed = 0
        for line in lines:
            line.settimeout(0.01)
            try:
                closed += not line.recv(1)
            except TimeoutError:
                pass
            except ConnectionError:
                closed += 1
        assert closed >= 2 * CONNECTIONS
    until(lambda: _is_answered(served), 20)


def _is_answered(served: Served) -> bool:
    """Whether the stranger's address is answered again."""
    with served.connect() as line, suppress(ConnectionError):
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return _rest(line).startswith(b"HTTP/1.1 200")
    return False


@pytest.mark.attack(
    who="a member",
    what="opens streams of events by the hundred, and leaves in a way that the server does not notice",
    held="an account holds so many streams; one whose connection is gone ends, whatever was sent behind it",
)
def test_streams_by_the_hundred(served: Served) -> None:
    where = f"/api/v1/projects/{served.project}/events"
    ask = f"GET {where} HTTP/1.1\r\nHost: localhost\r\nCookie: {served.cookie}\r\n\r\n".encode()
    for _ in range(3):
        with ExitStack() as held:
            lines = [held.enter_context(served.connect("127.0.0.1")) for _ in range(STREAMS + 3)]
            heads = []
            for line in lines:
                # Another request right behind it: when the line is cut, the server is told of that one's end alone.
                line.sendall(ask + ask)
                heads.append(line.recv(12))
            assert heads.count(b"HTTP/1.1 200") == STREAMS
            assert set(heads[STREAMS:]) == {b"HTTP/1.1 503"}
            assert served.answers() < 5
        until(lambda: served.client.get("/projects").status_code == 200, 5)
        until(lambda: _may_listen(served, ask), 10)


def _may_listen(served: Served, ask: bytes) -> bool:
    with served.connect("127.0.0.1") as line:
        line.sendall(ask)
        return line.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("came", [b"\xb2", b"9" * 20, b"-1", b"1 OR 1", b"\xd9\xa1"])
def test_an_odd_place_to_resume_from(served: Served, came: bytes) -> None:
    """What a browser says it has seen last; only a program says such things."""
    where = f"/api/v1/projects/{served.project}/events"
    with served.connect("127.0.0.1") as line:
        head = f"GET {where} HTTP/1.1\r\nHost: localhost\r\nCookie: {served.cookie}\r\nLast-Event-ID: "
        line.sendall(head.encode() + came + b"\r\n\r\n")
        assert line.recv(12) == b"HTTP/1.1 200"


SMUGGLED = {
    "two kinds of length": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 44\r\n\r\n",
    "a folded field": b"X: a\r\n Content-Length: 44\r\n\r\n",
    "a size with more": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
}
INNER = b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.attack(
    who="a stranger behind the same proxy",
    what="hides a second request in the body of a first, by lengths that the proxy reads otherwise (smuggling)",
    held="what can be read in two ways is refused, and the connection ends",
)
@pytest.mark.parametrize("kind", SMUGGLED)
def test_no_request_hides_in_another(served: Served, kind: str) -> None:
    with served.connect() as line:
        line.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n" + SMUGGLED[kind] + INNER)
        line.settimeout(20)
        came = _rest(line)
    assert came.count(b"HTTP/1.1 ") == 1, came
    assert came.startswith(b"HTTP/1.1 400"), came


@pytest.mark.attack(
    who="a stranger",
    what="changes to another protocol (WebSocket, HTTP/2), past the fences around requests",
    held="no other protocol is spoken; the request is answered as any other",
)
@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_no_other_protocol_is_spoken(served: Served, protocol: str) -> None:
    fields = (
        f"Connection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
    )
    with served.connect() as line:
        line.sendall(f"GET /api/v1/projects HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        came = line.recv(65536)
    assert came.startswith(b"HTTP/1.1 401"), came
    with served.connect() as line:
        line.sendall(f"GET / HTTP/1.1\r\nHost: evil.example\r\n{fields}\r\n".encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 421")


@pytest.mark.attack(
    who="a stranger",
    what="asks for a thousand overlapping parts of a file of the page at once",
    held="it costs no more than the file, and no longer",
)
def test_a_thousand_ranges_of_one_file(served: Served) -> None:
    ranges = ",".join(f"{first}-" for first in range(4000))
    began = time.monotonic()
    answer = httpx.get(f"{served.server.address}/", headers={"Range": f"bytes={ranges}"}, timeout=60)
    assert answer.status_code in (200, 206, 400, 416, 503), "503: the page is not built"
    assert len(answer.content) < 4 << 20
    assert time.monotonic() - began < 10


def test_a_connection_outlives_a_look_at_a_cell(served: Served) -> None:
    """Closed after five seconds, as it was, it met the next request of whoever had looked for as long: no answer."""
    with served.connect() as line:
        for pause in (6.0, 0.0):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            came = b""
            while not came.endswith(b'{"alive":true}'):
                piece = line.recv(65536)
                assert piece, "the connection was closed"
                came += piece
            time.sleep(pause)
