"""Live events: in order, none missed and none twice, to every browser that may look."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from crops import a_project
from sqlalchemy import text
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from hemosight.service import events as live
from hemosight.service.errors import Refusal
from hemosight.service.events import EventBroker, Message
from hemosight.service.routes.events import listen
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ImagesEvent

PATIENCE = 20.0


def tell(database: Database, project: int, *numbers: int) -> None:
    for number in numbers:
        with database.session() as session:
            events.tell(session, project, ImagesEvent(added=number))


async def hear(stream: AsyncIterator[Message], count: int) -> list[int]:
    """The next images; pings do not count."""
    heard = []
    while len(heard) < count:
        message = await asyncio.wait_for(anext(stream), PATIENCE)
        if message.kind == "images":
            heard.append(message.data["added"])
    return heard


def run(scene: Any) -> None:
    asyncio.run(scene)


def test_what_commits_is_heard_in_order_by_all_who_look(database: Database) -> None:
    project, other = a_project(database), a_project_beside(database)

    async def scene() -> None:
        broker = EventBroker(database)
        async with (
            aclosing(broker.stream(project, None)) as one,
            aclosing(broker.stream(project, None)) as two,
            aclosing(broker.stream(other, None)) as third,
        ):
            for stream in (one, two, third):
                assert (await anext(stream)).kind == "ping"
            await asyncio.to_thread(tell, database, project, *range(20))
            await asyncio.to_thread(tell, database, other, 99)
            assert await hear(one, 20) == list(range(20))
            assert await hear(third, 1) == [99]
            assert await hear(two, 20) == list(range(20))
        broker.close(wait=True)

    run(scene())


def a_project_beside(database: Database) -> int:
    with database.session() as session:
        bundle = session.scalar(text("SELECT id FROM bundles"))
    return a_project(database, bundle)


def test_whoever_comes_back_misses_nothing(database: Database) -> None:
    project = a_project(database)
    tell(database, project, 1, 2, 3)
    with database.session() as session:
        ids = [event.id for event in events.since(session, project, 0)]

    async def scene() -> None:
        broker = EventBroker(database)
        async with aclosing(broker.stream(project, ids[0])) as stream:
            assert (await anext(stream)).kind == "ping"
            assert await hear(stream, 2) == [2, 3]
            await asyncio.to_thread(tell, database, project, 4)
            assert await hear(stream, 1) == [4]
        broker.close(wait=True)

    run(scene())


def test_whoever_comes_back_to_a_project_that_was_empty_misses_nothing(database: Database) -> None:
    """Its first line said no place to resume from, so that the page came back as one that is new."""
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        async with aclosing(broker.stream(project, None)) as stream:
            first = (await anext(stream)).encode()
        await asyncio.to_thread(tell, database, project, 1)
        said = [line for line in first.decode().splitlines() if line.startswith("id: ")]
        assert said == ["id: 0"]
        async with aclosing(broker.stream(project, 0)) as stream:
            assert (await anext(stream)).kind == "ping"
            assert await hear(stream, 1) == [1]
        broker.close(wait=True)

    run(scene())


def test_a_browser_that_falls_behind_reads_the_table(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REMEMBERED", 3)
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        async with aclosing(broker.stream(project, None)) as quick, aclosing(broker.stream(project, None)) as slow:
            await anext(quick)
            await anext(slow)
            for number in range(10):
                await asyncio.to_thread(tell, database, project, number)
                assert await hear(quick, 1) == [number]
            assert await hear(slow, 10) == list(range(10))
        broker.close(wait=True)

    run(scene())


def test_whoever_was_away_too_long_is_told_to_load_anew(database: Database) -> None:
    project = a_project(database)
    tell(database, project, 1, 2, 3)
    with database.session() as session:
        ids = [event.id for event in events.since(session, project, 0)]
        session.execute(text("UPDATE events SET at = now() - interval '2 days'"))
        events.prune(session)

    async def scene() -> None:
        broker = EventBroker(database)
        async with aclosing(broker.stream(project, ids[0])) as stream:
            first = await anext(stream)
            assert (first.kind, first.id) == ("missed", ids[-1])
            await asyncio.to_thread(tell, database, project, 4)
            assert await hear(stream, 1) == [4]
        broker.close(wait=True)

    run(scene())


def test_a_lost_connection_loses_no_event(database: Database) -> None:
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        async with aclosing(broker.stream(project, None)) as stream:
            await anext(stream)
            await asyncio.to_thread(tell, database, project, 1)
            assert await hear(stream, 1) == [1]
            with database.session() as session:
                session.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
                )
            await asyncio.to_thread(tell, database, project, 2, 3)
            assert await hear(stream, 2) == [2, 3]
        broker.close(wait=True)

    run(scene())


def test_the_right_to_look_is_asked_again(database: Database) -> None:
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        answers = iter([True, False])

        async def allowed() -> bool:
            return next(answers)

        stream = broker.stream(project, None, allowed=allowed, ping=0.05)
        heard = [message.kind async for message in stream]
        assert heard == ["ping", "ping"]
        broker.close(wait=True)

    run(scene())


def test_many_that_ask_at_once_are_counted_before_they_are_answered(database: Database) -> None:
    """Whoever asks a hundred times before the first answer is taken gets as many streams as anybody, not a hundred."""
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        service = SimpleNamespace(broker=broker, settings=SimpleNamespace(streams_account=2))

        async def ask(user: int = 7) -> StreamingResponse:
            its = SimpleNamespace(project=project, user=SimpleNamespace(id=user))
            return await listen(cast(Any, its), cast(Any, service), cast(Any, None), None, None)

        asked = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
        answers = [one for one in asked if isinstance(one, StreamingResponse)]
        assert [one.code for one in asked if isinstance(one, Refusal)] == ["busy"] * 3
        assert len(answers) == 2
        assert isinstance(await ask(8), StreamingResponse), "another account has its own"

        async def gone(*_: Any) -> None:
            raise OSError("nobody reads")

        # One whose reader left before its first line counts no more either.
        with pytest.raises((OSError, ClientDisconnect)):
            await answers[0]({"type": "http", "asgi": {"spec_version": "2.4"}}, cast(Any, gone), gone)
        assert isinstance(await ask(), StreamingResponse)
        with pytest.raises(Refusal):
            await ask()
        broker.close()

    run(scene())


def test_closing_ends_every_stream(database: Database) -> None:
    project = a_project(database)

    async def scene() -> None:
        broker = EventBroker(database)
        stream = broker.stream(project, None)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0.05)
        broker.close()
        assert await asyncio.wait_for(waiting, PATIENCE) is None

    run(scene())


def test_a_browser_that_leaves_before_its_place_is_found_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = a_project(database)
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    async def late(function: Callable[..., Any], *given: Any) -> Any:
        def work() -> Any:
            begun.set()
            assert let_go.wait(PATIENCE)
            try:
                return function(*given)
            finally:
                ended.set()

        return await asyncio.get_running_loop().run_in_executor(None, work)

    def held() -> int:
        gc.collect()
        return sum(type(one).__name__ == "_Subscriber" for one in gc.get_objects())

    async def until(event: threading.Event) -> None:
        while not event.is_set():
            await asyncio.sleep(0.01)

    async def scene() -> int:
        broker = EventBroker(database)
        stream = broker.stream(project, None)
        beginning = asyncio.ensure_future(anext(stream))
        await asyncio.wait_for(until(begun), PATIENCE)
        beginning.cancel()
        with suppress(asyncio.CancelledError):
            await beginning
        del beginning, stream
        let_go.set()
        await asyncio.wait_for(until(ended), PATIENCE)
        left = held()
        broker.close(wait=True)
        return left

    monkeypatch.setattr(live.asyncio, "to_thread", late)
    before = held()
    assert asyncio.run(scene()) == before


def test_a_message_in_the_format_of_event_streams() -> None:
    assert Message(7, "images", {"added": 1}).encode() == b'id: 7\nevent: images\ndata: {"added":1}\n\n'
    assert Message(live.NOWHERE, "ping", {}).encode() == b"event: ping\ndata: {}\n\n"
