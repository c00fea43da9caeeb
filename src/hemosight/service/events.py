"""Live events: what a commit notifies reaches every browser that looks at the project, whichever process serves it.

One connection of the process listens. A browser reads from a short memory of its project's newest events, at its own
pace; one that falls behind what is remembered, or comes back after a dropped line, reads from the table instead. So a
slow browser costs nothing but its own connection, and misses nothing for a day.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from hemosight.errors import HemoSightError
from hemosight.service.storage import events
from hemosight.service.storage.database import Database

log = structlog.get_logger()

REMEMBERED = 500
"""Events of a project that are kept in memory while somebody looks at it."""
PING = 15.0
"""Seconds of silence after which a line is shown to live, and its right to be here is asked again."""
_PAUSE = 2.0
"""Seconds before a lost connection is tried again."""
_WAKE = 0.5
"""Seconds after which the listener looks whether it should stop."""


@dataclass(frozen=True)
class Message:
    """An event as it is sent."""

    id: int
    kind: str
    data: dict[str, Any]

    def encode(self) -> bytes:
        """The message in the text/event-stream format."""
        number = f"id: {self.id}\n" if self.id else ""
        body = json.dumps(self.data, separators=(",", ":"))
        return f"{number}event: {self.kind}\ndata: {body}\n\n".encode()


class _Room:
    """The newest events of a project: all that come after ``floor``."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.newest = floor
        self.messages: deque[Message] = deque()
        self.bells: set[_Bell] = set()

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self.messages.append(message)
            self.newest = message.id
        while len(self.messages) > REMEMBERED:
            self.floor = self.messages.popleft().id


class _Bell:
    """Wakes one subscriber, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.event = asyncio.Event()

    def ring(self) -> None:
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self.event.set)


class Hub:
    """Passes the database's notifications on to the browsers of one process.

    Parameters
    ----------
    database
        Where events are written. Nothing is connected before the first subscriber comes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rooms: dict[int, _Room] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def stream(
        self,
        project_id: int,
        after: int | None,
        *,
        allowed: Callable[[], Awaitable[bool]] | None = None,
        ping: float = PING,
    ) -> AsyncGenerator[Message]:
        """Events of a project as they commit, in order, without end.

        Parameters
        ----------
        after
            Id of the last event that was seen: what came since is sent first. None begins now.
        allowed
            Asked after each ``ping`` seconds; the stream ends where it says no.

        Where events after ``after`` have been forgotten, the first message is of kind ``missed``: the page has to
        load anew what it shows. In silence there is a ``ping`` every ``ping`` seconds.
        """
        bell = _Bell()
        seen, missed = await asyncio.to_thread(self._enter, project_id, bell, after)
        asked = asyncio.get_running_loop().time()
        try:
            yield Message(seen, "missed" if missed else "ping", {})
            while not self._closed:
                bell.event.clear()
                for message in await self._since(project_id, seen):
                    seen = message.id
                    yield message
                    bell.event.set()  # there may be more than were read at once
                now = asyncio.get_running_loop().time()
                if now - asked >= ping:
                    asked = now
                    if allowed is not None and not await allowed():
                        return
                    yield Message(0, "ping", {})
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.event.wait(), max(0.01, asked + ping - now))
        finally:
            self._leave(project_id, bell)

    def close(self, *, wait: bool = False) -> None:
        """End every stream and stop listening; ``wait`` until the connection is closed, which takes half a second."""
        self._closed = True
        with self._lock:
            bells = [bell for room in self._rooms.values() for bell in room.bells]
        for bell in bells:
            bell.ring()
        if wait and self._thread is not None:
            self._thread.join()

    # --- subscribers ---

    def _enter(self, project_id: int, bell: _Bell, after: int | None) -> tuple[int, bool]:
        """Take a seat; gives the last event seen, and whether some after it were forgotten."""
        with self._lock:
            self._listen()
            room = self._rooms.setdefault(project_id, _Room(-1))
            room.bells.add(bell)
        with self._database.session() as session:
            newest = events.newest(session, project_id)
            if after is None:
                return newest, False
            missed = events.forgotten(session, project_id, after)
            return (newest if missed else after), missed

    def _leave(self, project_id: int, bell: _Bell) -> None:
        with self._lock:
            room = self._rooms.get(project_id)
            if room is not None:
                room.bells.discard(bell)
                if not room.bells:
                    del self._rooms[project_id]

    async def _since(self, project_id: int, seen: int) -> list[Message]:
        with self._lock:
            room = self._rooms.get(project_id)
            if room is not None and 0 <= room.floor <= seen:
                return [message for message in room.messages if message.id > seen] if room.newest > seen else []
        return await asyncio.to_thread(self._read, project_id, seen)

    def _read(self, project_id: int, seen: int) -> list[Message]:
        with self._database.session() as session:
            return [Message(row.id, row.kind, row.data) for row in events.since(session, project_id, seen)]

    # --- the listener ---

    def _listen(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._listening, name="events", daemon=True)
            self._thread.start()

    def _listening(self) -> None:
        while not self._closed:
            try:
                for payload in self._database.listen(events.CHANNEL, stop=_WAKE):
                    if self._closed:
                        return
                    if payload is None:
                        continue
                    if payload == "":
                        self._begin()
                    else:
                        self._heard(*(int(number) for number in payload.split()))
            except (DBAPIError, HemoSightError, OSError) as error:
                log.warning("events_lost", kind=type(error).__name__)
                threading.Event().wait(_PAUSE)

    def _begin(self) -> None:
        """After connecting: what was notified before is unknown, so every memory begins anew, from the table."""
        with self._lock:
            projects = list(self._rooms)
            for room in self._rooms.values():
                room.floor = -1
                room.messages.clear()
        for project_id in projects:
            self._ring(project_id)

    def _heard(self, project_id: int, number: int) -> None:
        with self._lock:
            room = self._rooms.get(project_id)
            if room is None or 0 <= number <= room.newest:
                return
            newest = room.newest if room.floor >= 0 else None
        with self._database.session() as session:
            if newest is None:
                newest = events.newest(session, project_id)
                fresh: list[Message] = []
            else:
                fresh = [Message(row.id, row.kind, row.data) for row in events.since(session, project_id, newest)]
        with self._lock:
            if self._rooms.get(project_id) is not room:
                return
            if room.floor < 0:
                room.floor = room.newest = newest
            room.add(fresh)
        self._ring(project_id)

    def _ring(self, project_id: int) -> None:
        with self._lock:
            room = self._rooms.get(project_id)
            bells = list(room.bells) if room is not None else []
        for bell in bells:
            bell.ring()
