"""Live events over a real line: heard as they commit, taken up where the line dropped, ended when the service stops."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import Process, Server, send

from hemosight.engine.bundle import Bundle

pytestmark = pytest.mark.acceptance
PATIENCE = 60.0


@contextmanager
def listening(client: httpx.Client, path: str, **headers: str) -> Generator[Iterator[dict[str, Any]]]:
    """Events of a stream as they come: id, kind, data."""
    with client.stream("GET", path, headers=headers, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        def messages() -> Iterator[dict[str, Any]]:
            message: dict[str, Any] = {"id": None}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    message[name] = json.loads(value) if name == "data" else value
                elif not line and "event" in message:
                    yield message
                    message = {"id": None}

        yield messages()


def test_events_are_heard_resumed_and_ended(folder: Path, tiny_bundle: Bundle, drawn_smear: Path) -> None:
    bundle, log = tiny_bundle.save(folder / "tiny.hemosight"), folder / "log"
    files = {path.name: path.read_bytes() for path in sorted(drawn_smear.rglob("*.jpg"))[:12]}
    half = dict(list(files.items())[:6])
    server = Server(folder / "data", log, "--bundle", str(bundle))
    worker = Process("worker", "--data-dir", folder / "data", "--bundle", bundle, "--threads", "1", log=log)
    try:
        with server.client() as client:
            project = f"/projects/{client.post('/projects', json={'name': 'p'}).json()['id']}"
            upload = f"{project}/uploads/{client.post(f'{project}/uploads', json={}).json()['id']}"
            with listening(client, f"{project}/events") as heard:
                assert next(heard)["event"] == "ping"
                send(client, upload, half)
                kinds, last = {}, ""
                while "readings" not in kinds:
                    message = next(heard)
                    kinds[message["event"]] = message["data"]
                    last = message["id"] or ""
                assert kinds["images"]["added"] == 6
                assert kinds["readings"]["waiting"] == 0
            send(client, upload, files)  # while the line is down
            with listening(client, f"{project}/events", **{"Last-Event-ID": last}) as heard:
                came = [message for message, _ in zip(heard, range(2), strict=False)]
                assert [message["event"] for message in came] == ["ping", "images"]
                assert came[1]["data"]["added"] == 6
            assert client.get("/projects/999/events").status_code == 404
            with listening(client, f"{project}/events") as heard:
                next(heard)
                began = time.monotonic()
                assert server.stop() == 0  # with the line still open
                assert time.monotonic() - began < PATIENCE / 2
                list(heard)
        assert worker.stop() == 0
    finally:
        server.kill()
        worker.kill()
