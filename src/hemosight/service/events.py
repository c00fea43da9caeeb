"""Live events: what a commit notifies reaches every browser that looks at the project, whichever process serves it.

One connection of the process listens. A browser reads from a short memory of its project's newest events, at its own
pace; one that falls behind what is remembered, or comes back after a dropped line, reads from the table instead. So a
slow browser costs nothing but its own connection, and misses nothing for a day.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import MissedEvent, PingEvent

log = structlog.get_logger()

REMEMBERED = 500
"""Events of a project that are kept in memory while somebody looks at it."""
PING = 15.0
"""Seconds of silence after which a line is shown to live, and its right to be here is asked again."""
NOWHERE = -1
"""In place of an event's id: what has no place in the stream to resume from. 0 is one: before a project's first."""
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

    @classmethod
    def of(cls, id: int, event: PingEvent | MissedEvent) -> Message:
        """What is sent without being stored; ``id`` may be :data:`NOWHERE`."""
        return cls(id, event.kind, event.model_dump(mode="json"))

    def encode(self) -> bytes:
        """The message in the text/event-stream format."""
        number = f"id: {self.id}\n" if self.id != NOWHERE else ""
        body = json.dumps(self.data, separators=(",", ":"))
        return f"{number}event: {self.kind}\ndata: {body}\n\n".encode()


class _RecentEvents:
    """The newest events of a project: all that come after ``floor``."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.newest = floor
        self.messages: deque[Message] = deque()
        self.subscribers: set[_Subscriber] = set()

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self.messages.append(message)
            self.newest = message.id
        while len(self.messages) > REMEMBERED:
            self.floor = self.messages.popleft().id


class _Subscriber:
    """One browser that reads the stream; any thread may wake it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.event = asyncio.Event()

    def wake(self) -> None:
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self.event.set)


class EventBroker:
    """Passes the database's notifications on to the browsers of one process.

    Parameters
    ----------
    database
        Where events are written. Nothing is connected before the first subscriber comes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: dict[int, _RecentEvents] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._of_account: Counter[int] = Counter()

    def enter(self, account: int, most: int) -> bool:
        """Count one more stream of an account, unless it reads ``most`` from this process already; whether it may.

        Counted before anything is awaited: of many that ask at once each sees those before it. :meth:`leave` ends it.
        """
        if self._of_account[account] >= most:
            return False
        self._of_account[account] += 1
        return True

    def leave(self, account: int) -> None:
        """Count one stream less."""
        self._of_account[account] -= 1
        if self._of_account[account] <= 0:
            del self._of_account[account]

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
        # Not in a thread: that of a stream which is cancelled meanwhile would add what was removed already.
        subscriber = self._subscribe(project_id)
        try:
            seen, missed = await asyncio.to_thread(self._begun_after, project_id, after)
            asked = asyncio.get_running_loop().time()
            yield Message.of(seen, MissedEvent() if missed else PingEvent())
            while not self._closed:
                subscriber.event.clear()
                for message in await self._since(project_id, seen):
                    seen = message.id
                    yield message
                    subscriber.event.set()  # there may be more than were read at once
                now = asyncio.get_running_loop().time()
                if now - asked >= ping:
                    asked = now
                    if allowed is not None and not await allowed():
                        return
                    yield Message.of(NOWHERE, PingEvent())
                with suppress(TimeoutError):
                    await asyncio.wait_for(subscriber.event.wait(), max(0.01, asked + ping - now))
        finally:
            self._unsubscribe(project_id, subscriber)

    def close(self, *, wait: bool = False) -> None:
        """End every stream and stop listening; ``wait`` until the connection is closed, which takes half a second."""
        self._closed = True
        with self._lock:
            subscribers = [subscriber for recent in self._recent.values() for subscriber in recent.subscribers]
        for subscriber in subscribers:
            subscriber.wake()
        if wait and self._thread is not None:
            self._thread.join()

    # --- subscribers ---

    def _subscribe(self, project_id: int) -> _Subscriber:
        """Add a subscriber; :meth:`_unsubscribe` removes it."""
        subscriber = _Subscriber()
        with self._lock:
            self._listen()
            recent = self._recent.setdefault(project_id, _RecentEvents(-1))
            recent.subscribers.add(subscriber)
        return subscriber

    def _begun_after(self, project_id: int, after: int | None) -> tuple[int, bool]:
        """The id of the last event seen, and whether events after it have been deleted. Subscribe first."""
        with self._database.session() as session:
            newest = events.newest(session, project_id)
            if after is None:
                return newest, False
            missed = events.forgotten(session, project_id, after)
            return (newest if missed else after), missed

    def _unsubscribe(self, project_id: int, subscriber: _Subscriber) -> None:
        with self._lock:
            recent = self._recent.get(project_id)
            if recent is not None:
                recent.subscribers.discard(subscriber)
                if not recent.subscribers:
                    del self._recent[project_id]

    async def _since(self, project_id: int, seen: int) -> list[Message]:
        with self._lock:
            recent = self._recent.get(project_id)
            if recent is not None and 0 <= recent.floor <= seen:
                return [message for message in recent.messages if message.id > seen] if recent.newest > seen else []
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
                        self._notified(*(int(number) for number in payload.split()))
            except Exception as error:  # whatever it is: a process that listens no more would tell nobody anything
                log.warning("events_lost", kind=type(error).__name__)
                threading.Event().wait(_PAUSE)

    def _begin(self) -> None:
        """After connecting: what was notified before is unknown, so every memory begins anew, from the table."""
        with self._lock:
            projects = list(self._recent)
            for recent in self._recent.values():
                recent.floor = -1
                recent.messages.clear()
        for project_id in projects:
            self._wake(project_id)

    def _notified(self, project_id: int, number: int) -> None:
        with self._lock:
            recent = self._recent.get(project_id)
            if recent is None or 0 <= number <= recent.newest:
                return
            newest = recent.newest if recent.floor >= 0 else None
        with self._database.session() as session:
            if newest is None:
                newest = events.newest(session, project_id)
                fresh: list[Message] = []
            else:
                fresh = [Message(row.id, row.kind, row.data) for row in events.since(session, project_id, newest)]
        with self._lock:
            if self._recent.get(project_id) is not recent:
                return
            if recent.floor < 0:
                recent.floor = recent.newest = newest
            recent.add(fresh)
        self._wake(project_id)

    def _wake(self, project_id: int) -> None:
        with self._lock:
            recent = self._recent.get(project_id)
            subscribers = list(recent.subscribers) if recent is not None else []
        for subscriber in subscribers:
            subscriber.wake()
