"""Two reviewers correct the same cells at once, over HTTP, against servers of their own, while a third one looks.

Ten seconds in the suite; ``REVIEW_SECONDS=60 pytest tests/service/test_two_reviewers.py`` takes the minute. The races
are 500, each of two people who saw the same label and press different keys, through a server process each.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from projects import Filled, fill
from sqlalchemy import Select, select

from hemosight.engine.bundle import load
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.security.permissions import SCOPES
from hemosight.service.security.secrets import kept, new_token
from hemosight.service.storage import sign_ins
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import records_after
from hemosight.service.storage.tables import ApiToken, AuditRow, CurrentLabelRow, Event, LabelRecord

SECONDS = float(os.environ.get("REVIEW_SECONDS", "10"))
CONTESTED = 25
"""Cells that all fight over: few, so that they meet."""
RACES = 500
"""Rounds of two people who label one cell at once; about a minute on an idle machine."""
CLASSES = ("blast", "ig", "monocyte", "neutrophil", "?", None)
pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def address(module_database: Database) -> Iterator[str]:
    """A server on a database that knows its bundle; the tests share it, each in a project of its own."""
    with module_database.session() as session:
        BundleRegistry(load()).register(session)
    with _serving(module_database) as found:
        yield found


@pytest.fixture(scope="module")
def two_servers(address: str, module_database: Database) -> Iterator[tuple[str, str]]:
    """The address of a server process for each of two people, on one database."""
    with _serving(module_database) as other:
        yield address, other


@pytest.fixture
def project(module_database: Database, address: str) -> Filled:
    assert address, "it is for whom the bundle is registered"
    return fill(module_database, load(), 2000, people=3)


@contextmanager
def _serving(database: Database) -> Iterator[str]:
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
        records = {"name": "test", "hash": kept(secret), "scopes": list(SCOPES), "created_at": sign_ins.now()}
        session.add(ApiToken(user_id=project.users[person], **records))
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.Client(base_url=f"{address}/api/v1/projects/{project.id}", headers=headers, timeout=60)


def test_nothing_accepted_is_lost(project: Filled, address: str) -> None:
    cells = project.images[:CONTESTED]
    accepted: list[tuple[int, int, str | None, int]] = []
    refused = {1: 0, 2: 0}
    looks: list[float] = []
    failed: list[BaseException] = []
    began = time.monotonic()

    def goes_on() -> bool:
        """So many seconds, and on a busy machine longer: until each has met the other, two minutes at most."""
        past = time.monotonic() - began
        return past < SECONDS or (not all(refused.values()) and not failed and past < 120)

    def review(person: int) -> None:
        rng = random.Random(person)
        known: dict[int, int] = {}
        mine: list[int] = []
        with _client(project, address, person) as client:
            while goes_on():
                number = str(uuid.uuid4())
                if mine and rng.random() < 0.2:
                    path, body = "/labels/undo", {"request": number, "labels": [mine.pop()]}
                else:
                    label = rng.choice(CLASSES)
                    some = rng.sample(cells, rng.randint(1, 4))
                    items = [{"image": image, "label": label, "version": known.get(image, 0)} for image in some]
                    path, body = "/labels", {"request": number, "items": items}
                answer = client.post(path, json=body)
                if rng.random() < 0.1:  # the line dropped before the answer came: the same request again
                    assert client.post(path, json=body).json()["labels"] == answer.json()["labels"]
                assert answer.status_code == 200, answer.text
                for record in answer.json()["labels"]:
                    known[record["image"]] = record["version"]
                    mine.append(record["version"])
                    accepted.append((record["version"], record["image"], record["label"], project.users[person]))
                for conflict in answer.json()["conflicts"]:
                    known[conflict["image"]] = conflict["version"]
                    refused[person] += 1

    def look() -> None:
        with _client(project, address, 0) as client:
            while goes_on():
                looked = time.monotonic()
                for path in ("/columns", "/images?sort=uncertainty", "/differential", "/next?n=5"):
                    assert client.get(path).status_code == 200
                looks.append(time.monotonic() - looked)

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
        records: list[LabelRecord] = [record for record, _ in records_after(session, project.id, 0, 10**6)]
        trail = session.scalars(
            select(AuditRow)
            .where(AuditRow.project_id == project.id, AuditRow.action.startswith("label."))
            .order_by(AuditRow.id)
        ).all()
        told = session.scalars(
            select(Event).where(Event.project_id == project.id, Event.kind == "labels").order_by(Event.id)
        ).all()
        stands = {row.image_id: (row.label_id, row.label) for row in session.scalars(_standing(project))}
    assert sorted(accepted) == [(record.id, record.image_id, record.label, record.user_id) for record in records]
    by_trail = {
        record["image"]: (record["version"], record["label"]) for row in trail for record in row.subject["labels"]
    }
    by_events = {record["image"]: (record["version"], record["label"]) for row in told for record in row.data["labels"]}
    by_log = {record.image_id: (record.id, record.label) for record in records}
    assert by_log == stands == by_trail == by_events
    with _client(project, address, 0) as client:
        shown = {image: client.get(f"/images/{image}").json() for image in by_log}
    assert {image: (one["version"], one["label"]) for image, one in shown.items()} == by_log


def _standing(project: Filled) -> Select[CurrentLabelRow]:
    return select(CurrentLabelRow).where(CurrentLabelRow.image_id.in_(project.images))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_in_500_races_nobody_replaces_a_label_unseen(module_database: Database, two_servers: tuple[str, str]) -> None:
    """Two people have seen the same; both press a key: one label stands, the other person is told both words.

    In every third round the second one was offline: the label waited, and comes when the other's has long been there.
    """
    # A small project: what is raced for is the label, and every label is learnt by both servers.
    project = fill(module_database, load(), CONTESTED, people=3)
    rng = random.Random(0)
    people: tuple[int, int] = (1, 2)
    clients: dict[int, httpx.Client] = {}
    for person, at in zip(people, two_servers, strict=True):
        clients[person] = _client(project, at, person)
    seen = dict.fromkeys(project.images[:CONTESTED], 0)
    standing: dict[int, str | None] = dict.fromkeys(seen)
    won: dict[int, int] = dict.fromkeys(people, 0)

    def press(person: int, image: int, label: str, wait: float) -> dict[str, Any]:
        time.sleep(wait)
        body = {"request": str(uuid.uuid4()), "items": [{"image": image, "label": label, "version": seen[image]}]}
        answer = clients[person].post("/labels", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with ThreadPoolExecutor(2) as together:
        for turn in range(RACES):
            image = rng.choice(list(seen))
            drawn = rng.sample([one for one in CLASSES if one and one != "?"], 2)
            words: dict[int, str] = dict(zip(people, drawn, strict=True))
            order = rng.sample(people, 2)
            waits = dict(zip(order, (0.0, rng.choice((0.0, 0.0, 0.001, 0.005, 0.02))), strict=True))
            if turn % 3 == 2:
                answers = {person: press(person, image, words[person], 0.0) for person in order}
                assert answers[order[0]]["labels"], "who is saved first stands"
            else:
                asked = {one: together.submit(press, one, image, words[one], waits[one]) for one in people}
                answers = {person: one.result() for person, one in asked.items()}
            (first,) = [person for person in people if answers[person]["labels"]]
            (second,) = [person for person in people if answers[person]["conflicts"]]
            assert first != second
            (made,) = answers[first]["labels"]
            (told,) = answers[second]["conflicts"]
            assert (told["label"], told["submitted"]) == (words[first], words[second]), f"race {turn}"
            assert (told["version"], told["by"]) == (made["version"], project.users[first])
            seen[image], standing[image] = made["version"], words[first]
            won[first] += 1
    for client in clients.values():
        client.close()
    with project.database.session() as session:
        records = [record for record, _ in records_after(session, project.id, 0, 10**6)]
        stands = {row.image_id: row.label for row in session.scalars(_standing(project))}
    assert len(records) == RACES, "one label a round: none lost, none written over another"
    assert stands == {image: label for image, label in standing.items() if label is not None}
    assert all(won.values()), "both must have been first at times"


@pytest.mark.slow
def test_a_case_is_signed_or_labelled_but_never_both_at_once(project: Filled, two_servers: tuple[str, str]) -> None:
    """Whoever comes second is refused: no label lies under a signature that does not cover it."""
    rounds, cells = 12, project.add(load(), 12, seed=3, case="24-1187")
    one, two = (_client(project, at, person) for person, at in zip((1, 2), two_servers, strict=True))
    case = one.get("/cases").json()["items"][0]["id"]
    first = {"labelled": 0, "signed": 0}
    with ThreadPoolExecutor(2) as together:
        for turn in range(rounds):
            image, label = cells[turn % len(cells)], CLASSES[turn % 4]
            version = two.get(f"/images/{image}").json()["version"]
            item = {"image": image, "label": label, "version": version}
            said = {"request": str(uuid.uuid4()), "items": [item]}
            sign = {"case": case, "note": "read by the model"}
            signing = together.submit(one.post, "/signatures", json=sign)
            if turn % 3 == 2:
                signing.result()
            time.sleep(random.Random(turn).choice((0.0, 0.05, 0.2)))
            labelling = together.submit(two.post, "/labels", json=said)
            signed, labelled = signing.result(), labelling.result()
            assert {signed.status_code, labelled.status_code} <= {200, 201, 409}, (signed.text, labelled.text)
            if labelled.status_code == 409:
                assert labelled.json()["error"]["code"] == "locked"
                assert signed.status_code == 201
                first["signed"] += 1
            if signed.status_code == 201:
                made = labelled.json()["labels"][0]["version"] if labelled.status_code == 200 else 0
                assert made <= signed.json()["reviewed_until"], "a label came in before, and was signed with the rest"
                one.post(f"/cases/{case}/amendment", json={"reason": "the next round"}).raise_for_status()
            else:
                first["labelled"] += 1
    one.close()
    two.close()
    assert first["signed"], "a signature must have come first at times"
