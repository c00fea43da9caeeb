"""Connections: how long a request's head may be, how slowly a request may come, how many one address may hold.

uvicorn reads whatever is sent: a head without an end fills the memory, one that stays unfinished keeps its place for
good, and both before anybody can ask who sends it. Here such a connection ends.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hemosight.service.settings import Settings

log = structlog.get_logger()
HEAD = 64 << 10
"""Bytes of a request's head, and of what may follow its body: many times what browsers and proxies send."""
FIELDS = 200
"""Header fields of a request."""
PIECE = 16 << 10
"""Bytes of a body that have to come in each span of ``request_seconds``: no line that people work on is as slow."""


class Connection(HttpToolsProtocol):
    """A connection with limits; the class of one service is made by :func:`of`."""

    seconds = 30.0
    most = 1000
    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()
    held: ClassVar[Counter[str]] = Counter()
    """How many connections each address holds (:func:`holder`)."""

    _address: str | None = None
    _running: RequestResponseCycle | None = None
    _timer: asyncio.TimerHandle | None = None
    _unread = 0
    """Bytes since the parser last understood something: an unfinished head, or what follows a body."""
    _came = 0
    """Bytes of a body since the timer was set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] -- as in uvicorn
        """Begin; one of too many ends at once."""
        super().connection_made(transport)
        client = parsed(self.client[0] if self.client else "")
        if client is not None and self.client is not None:
            self.client = (str(client), self.client[1])  # so that trusted proxies and whoever counts know it, too
        if client is None or not any(client in network for network in self.trusted):
            address = holder(client)
            if self.held[address] >= self.most:
                log.warning("connection_refused", reason="too many from one address")
                transport.abort()
                return
            self._address = address
            self.held[address] += 1
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and tell the request that is being answered: uvicorn tells only the one that came last."""
        if self._address is not None:
            self.held[self._address] -= 1
            if not self.held[self._address]:
                del self.held[self._address]
            self._address = None
        self._unwatch()
        running = self._running
        super().connection_lost(exc)
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Take in what came; a head, or what follows a body, has an end."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread > HEAD:
            self._refuse("a head without an end")
        elif self._timer is None and self._waits():
            self._watch()

    # --- what the parser finds; a fault here is answered with 400 by uvicorn, which then closes the connection ---

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._complete = False

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        super().on_url(url)
        if len(self.url) > HEAD:
            raise ValueError("an address without an end")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or one behind the body."""
        if len(self.headers) >= FIELDS:
            raise ValueError("header fields without an end")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has come; from here on it is the body that has to."""
        self._unread = 0
        self._unwatch()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unread = 0
        self._came += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has come as a whole."""
        self._unread = 0
        self._complete = True
        self._unwatch()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # --- time ---

    _complete = True
    """Whether nothing of a request is outstanding."""

    def _waits(self) -> bool:
        """Whether something has to come: the rest of a head, or of a body that somebody wants."""
        return not self._complete or self._unread > 0

    def _watch(self) -> None:
        self._came = 0
        self._timer = self.loop.call_later(self.seconds, self._look)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Time is over: go on where enough has come, or where it is we who do not read; else end."""
        self._timer = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or self._came >= PIECE:
            self._watch()
        elif self._waits():
            self._refuse("a request that does not come")
        else:  # opened in advance, as browsers do, and not used
            self.transport.close()

    def _refuse(self, reason: str) -> None:
        log.warning("connection_refused", reason=reason)
        self._unwatch()
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response("Invalid HTTP request received.")
        else:
            self.transport.abort()


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as it came; one of IPv4 that came over IPv6 (``::ffff:127.0.0.1``) is the IPv4 one. None for none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def holder(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    """Whose connections are counted together: an address of IPv4, or the /64 of one of IPv6.

    A /64 is what one line or machine is given: whoever has it may send each connection from another address of it.
    """
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return "" if address is None else str(address)


def of(settings: Settings) -> type[Connection]:
    """The connections of a service with these settings; those of trusted proxies are not counted."""
    named = proxies(settings)
    trusted = [*named, *(("0.0.0.0/0", "::/0") if "*" in named else ())]
    facts: dict[str, Any] = {
        "seconds": settings.request_seconds,
        "most": min(settings.connections_address, max(64, raise_file_limit() // 2)),
        "trusted": tuple(ipaddress.ip_network(name, strict=False) for name in trusted if _is_network(name)),
        "held": Counter(),
    }
    return type("Connection", (Connection,), facts)


def proxies(settings: Settings) -> list[str]:
    """The trusted proxies as connections know them: one that is named ``::ffff:127.0.0.1`` is ``127.0.0.1``."""
    return [name if (found := parsed(name)) is None else str(found) for name in settings.trusted_proxies]


def _is_network(name: str) -> bool:
    try:
        ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
    return True


def raise_file_limit(wanted: int = 65_536) -> int:
    """Let this process hold so many files and connections, as far as the system lets it; how many it may."""
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted if soft == resource.RLIM_INFINITY else soft
