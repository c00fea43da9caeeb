"""Whether whoever asked is still there: work for somebody who has left is not done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from fastapi import Request


@asynccontextmanager
async def leaving(request: Request) -> AsyncGenerator[threading.Event]:
    """An event that is set, for any thread, when the other side leaves. The request's body has to be read before."""
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield gone
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
