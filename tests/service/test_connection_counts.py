"""Whose connections are counted together, and whose are not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from gate import told
from uvicorn.config import Config
from uvicorn.server import ServerState

from hemosight.service import connections
from hemosight.service.connections import holder, parsed

MOST = 16


class _Wire(asyncio.Transport):
    """A connection from an address, on which nothing comes."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 50000), "sockname": ("::", 80)})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        pass


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """An app that is never asked."""


def _refused(addresses: Sequence[str], **settings: Any) -> list[str]:
    """Which of these are ended at once, connected in this order and held."""

    async def scene() -> list[str]:
        kind = connections.of(told(connections_address=MOST, **settings))
        config = Config(_nobody, http=kind, ws="none", lifespan="off", log_config=None)
        wires = []
        for address in addresses:
            made = kind(config=config, server_state=ServerState(), app_state={})
            wires.append((address, made, _Wire(address)))
            made.connection_made(wires[-1][2])
        refused = [address for address, _, wire in wires if wire.aborted]
        for _, made, _ in wires:
            made.connection_lost(None)
        assert not kind.held, "who left is counted no more"
        return refused

    return asyncio.run(scene())


def test_addresses_of_one_line_count_together() -> None:
    """A line of IPv6 has 2^64 addresses: whoever sends each connection from another one is one sender all the same."""
    line = [f"2001:db8:1:2::{number:x}" for number in range(MOST + 1)]
    assert _refused([*line, "2001:db8:1:3::1"]) == line[-1:]
    assert _refused([f"203.0.113.{number}" for number in range(MOST + 1)]) == [], "each address of IPv4 for itself"


def test_an_address_of_ipv4_that_came_over_ipv6_is_the_same() -> None:
    mixed = ["203.0.113.7", "::ffff:203.0.113.7"] * MOST
    assert len(_refused(mixed)) == MOST
    assert _refused(["::ffff:203.0.113.7"] * MOST + ["::ffff:203.0.113.8"]) == [], "not one /64"


@pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "*"])
def test_a_trusted_proxy_may_hold_any_number_however_it_comes(proxy: str) -> None:
    assert _refused(["::ffff:127.0.0.1", "127.0.0.1"] * MOST, trusted_proxies=[proxy]) == []


def test_what_is_no_address_is_counted_as_one_sender() -> None:
    assert (parsed("testclient"), holder(parsed("testclient"))) == (None, "")
    assert holder(parsed("fe80::1%eth0")) == holder(parsed("fe80::2%eth1")) == "fe80::/64"


@pytest.mark.parametrize(
    ("asked", "room", "most"), [(1000, 65_536, 1000), (1000, 1024, 512), (1000, 100, 64), (16, 100, 16)]
)
def test_an_address_takes_half_of_what_the_process_may_hold_at_most(
    asked: int, room: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/how-to/serve.md and the setting say it."""
    monkeypatch.setattr(connections, "raise_file_limit", lambda: room)
    assert connections.of(told(connections_address=asked)).most == most
