"""Two reviewers correct the same cells at once, over HTTP, against a server of its own, while a third one looks.

Ten seconds in the suite; ``REVIEW_SECONDS=60 pytest tests/service/test_two_reviewers.py`` takes the minute.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest
from projects import Filled, fill
from sqlalchemy import select

from hemosight.bundle import load
from hemosight.service.bundles import Shelf
from hemosight.service.security.permissions import SCOPES
from hemosight.service.security.secrets import kept, new_token
from hemosight.service.storage import sign_ins
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import facts_after
from hemosight.service.storage.tables import ApiToken, AuditRow, Event, LabelFact, Standing

SECONDS = float(os.environ.get("REVIEW_SECONDS", "10"))
CONTESTED = 25
"""Cells that all fight over: few, so that they meet."""
CLASSES = ("blast", "ig", "monocyte", "neutrophil", "?", None)
pytestmark = pytest.mark.acceptance


@pytest.fixture
def project(database: Database) -> Filled:
    bundle = load()
    with database.session() as session:
        Shelf(bundle).register(session)
    return fill(database, bundle, 2000, people=3)


@pytest.fixture
def address(database: Database) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEMOSIGHT_")}
    command = ["serve", "--no-login", "--no-worker", "--port", "0", "--database", database.dsn]
    with subprocess.Popen(
        [sys.executable, "-m", "hemosight", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[-1] for line in process.stdout if line.startswith("HemoSight is at "))
        finally:
            process.terminate()
            process.wait(60)


def _client(project: Filled, address: str, person: int) -> httpx.Client:
    secret = new_token()
    with project.database.session() as session:
        facts = {"name": "test", "hash": kept(secret), "scopes": list(SCOPES), "created_at": sign_ins.now()}
        session.add(ApiToken(user_id=project.users[person], **facts))
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.Client(base_url=f"{address}/api/v1/projects/{project.id}", headers=headers, timeout=60)


def test_nothing_accepted_is_lost(project: Filled, address: str) -> None:
    cells = project.images[:CONTESTED]
    accepted: list[tuple[int, int, str | None, int]] = []
    refused = {1: 0, 2: 0}
    looks: list[float] = []
    failed: list[BaseException] = []
    end = time.monotonic() + SECONDS

    def review(person: int) -> None:
        rng = random.Random(person)
        known: dict[int, int] = {}
        mine: list[int] = []
        with _client(project, address, person) as client:
            while time.monotonic() < end:
                number = str(uuid.uuid4())
                if mine and rng.random() < 0.2:
                    path, body = "/labels/undo", {"request": number, "facts": [mine.pop()]}
                else:
                    label = rng.choice(CLASSES)
                    some = rng.sample(cells, rng.randint(1, 4))
                    items = [{"image": image, "label": label, "version": known.get(image, 0)} for image in some]
                    path, body = "/labels", {"request": number, "items": items}
                answer = client.post(path, json=body)
                if rng.random() < 0.1:  # the line dropped before the answer came: the same request again
                    assert client.post(path, json=body).json()["facts"] == answer.json()["facts"]
                assert answer.status_code == 200, answer.text
                for fact in answer.json()["facts"]:
                    known[fact["image"]] = fact["version"]
                    mine.append(fact["version"])
                    accepted.append((fact["version"], fact["image"], fact["label"], project.users[person]))
                for conflict in answer.json()["conflicts"]:
                    known[conflict["image"]] = conflict["version"]
                    refused[person] += 1

    def look() -> None:
        with _client(project, address, 0) as client:
            while time.monotonic() < end:
                began = time.monotonic()
                for path in ("/columns", "/images?sort=uncertainty", "/differential", "/next?n=5"):
                    assert client.get(path).status_code == 200
                looks.append(time.monotonic() - began)

    def guarded(work: object, *args: object) -> None:
        try:
            work(*args)  # type: ignore[operator]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=args) for args in ((review, 1), (review, 2), (look,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert all(refused.values()), "they must have met"
    assert looks, "and somebody must have looked meanwhile"
    _check(project, address, accepted)
    print(f"{len(accepted)} labels, {refused} conflicts, {len(looks)} rounds of looking in {SECONDS:g} s")  # noqa: T201


def _check(project: Filled, address: str, accepted: list[tuple[int, int, str | None, int]]) -> None:
    """The log is what was accepted; log, audit trail, events and what the service shows give one and the same state."""
    with project.database.session() as session:
        facts: list[LabelFact] = [fact for fact, _ in facts_after(session, project.id, 0, 10**6)]
        trail = session.scalars(
            select(AuditRow)
            .where(AuditRow.project_id == project.id, AuditRow.action.startswith("label."))
            .order_by(AuditRow.id)
        ).all()
        told = session.scalars(
            select(Event).where(Event.project_id == project.id, Event.kind == "labels").order_by(Event.id)
        ).all()
        stands = {row.image_id: (row.fact_id, row.label) for row in session.scalars(select(Standing))}
    assert sorted(accepted) == [(fact.id, fact.image_id, fact.label, fact.user_id) for fact in facts]
    by_trail = {fact["image"]: (fact["version"], fact["label"]) for row in trail for fact in row.subject["facts"]}
    by_events = {fact["image"]: (fact["version"], fact["label"]) for row in told for fact in row.data["facts"]}
    by_log = {fact.image_id: (fact.id, fact.label) for fact in facts}
    assert by_log == stands == by_trail == by_events
    with _client(project, address, 0) as client:
        shown = {image: client.get(f"/images/{image}").json() for image in by_log}
    assert {image: (one["version"], one["label"]) for image, one in shown.items()} == by_log
