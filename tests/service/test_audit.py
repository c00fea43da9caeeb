"""The audit trail: read by facts, taken out as a table, and a chain in which a gap shows."""

from __future__ import annotations

import csv
import datetime
import io
import threading

import pytest
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from sqlalchemy import text

from hemosight.engine.bundle import Bundle
from hemosight.service.storage import audit
from hemosight.service.storage.audit_chain import Sealer, verify
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "root", is_admin=True)
    add_user(database, "amina")
    return app_on(database, tiny_bundle)


@pytest.fixture
def root(app: FastAPI) -> Visitor:
    return browser(app, "root")


def _note(database: Database, *actions: str) -> None:
    for action in actions:
        with database.session() as session:
            audit.note(session, None, action, {"n": 1, "ü": [1.5, None]})


def _seal(database: Database) -> int:
    """Seal everything that is there; the number of rows."""
    sealer, rows = Sealer(), 0
    for _ in range(2):
        with database.session() as session:
            made = sealer.seal(session, settled=0.0)
            rows = 0 if made is None else made.rows
    return rows


def _changed(database: Database, statement: str) -> None:
    """As whoever owns the database could."""
    with database.session() as session:
        session.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        session.execute(text(statement))
        session.execute(text("ALTER TABLE audit ENABLE TRIGGER USER"))


def test_an_untouched_trail_is_intact_across_seals(database: Database) -> None:
    with database.session() as session:
        assert verify(session).intact
    _note(database, "a.a", "a.b")
    assert _seal(database) == 2
    _note(database, "a.c")
    assert _seal(database) == 3
    _note(database, "a.d")
    with database.session() as session:
        found = verify(session)
    assert (found.intact, found.rows, found.seals) == (True, 4, 2)
    again = Sealer()
    with database.session() as session:
        assert again.seal(session, settled=0.0) is None, "the first look only notes what there is"


@pytest.mark.attack(
    who="somebody who owns the database",
    what="changes a row of the audit trail, takes one away, adds one, or forges a seal's row",
    held="each row's hash holds the one before; the seals, kept in the log as well, no longer fit",
)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET address = '10.0.0.9' WHERE action = 'a.b'",
        "UPDATE audit SET subject = '{\"n\": 2}' WHERE action = 'a.a'",
        "UPDATE audit SET at = at - interval '1 second' WHERE action = 'a.c'",
        "DELETE FROM audit WHERE action = 'a.b'",
        "DELETE FROM audit WHERE action = 'a.c'",
        "INSERT INTO audit (id, action) OVERRIDING SYSTEM VALUE VALUES (0, 'a.z')",
    ],
)
def test_a_change_behind_the_services_back_shows(database: Database, statement: str) -> None:
    _note(database, "a.a", "a.b", "a.c")
    _seal(database)
    _note(database, "a.d")
    _changed(database, statement)
    with database.session() as session:
        found = verify(session)
    assert not found.intact
    assert found.broken is not None


def test_a_row_that_commits_late_is_not_sealed_over(database: Database) -> None:
    """Its number is older than those of rows that were committed before it."""
    noted, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with database.session() as session:
            audit.note(session, None, "slow.note")
            session.flush()
            noted.set()
            may_commit.wait(60)

    writer = threading.Thread(target=slow)
    writer.start()
    noted.wait(60)
    _note(database, "fast.note")
    sealer = Sealer()
    for _ in range(3):
        with database.session() as session:
            assert sealer.seal(session, settled=0.0) is None
    may_commit.set()
    writer.join()
    made = None
    for _ in range(2):
        with database.session() as session:
            made = sealer.seal(session, settled=0.0) or made
    assert made is not None
    assert made.rows == 2
    with database.session() as session:
        assert verify(session).intact


def test_rows_are_found_by_noun_person_and_time(root: Visitor, database: Database) -> None:
    root.post("/projects", json={"name": "Slides"})
    root.post("/users", json={"name": "berta", "display": "Berta", "password": "four words in a row"})
    moment = datetime.datetime.now(datetime.UTC)

    def actions(**wanted: str | int) -> list[str]:
        return [item["action"] for item in root.get("/audit", params=wanted).json()["items"]]

    assert {"user.create", "project.create", "session.begin"} <= set(actions())
    assert actions(action="project") == actions(action="project.create") == ["project.create"]
    assert actions(action="proj") == []
    assert actions(since=moment.isoformat()) == []
    assert actions(until=moment.isoformat()) == actions()
    assert actions(user=2) == []


def test_the_trail_is_taken_out_as_a_table_that_computes_nothing(root: Visitor, database: Database) -> None:
    _note(database, "=1+1.x")
    with database.session() as session:
        for _ in range(1500):
            audit.note(session, None, "bulk.note")
    answer = root.post("/audit/export")
    assert answer.status_code == 200
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 1500 + 1 + 2, "this one is in it as well"
    assert rows[0]["action"] == "audit.export"
    assert {row["action"] for row in rows} >= {"'=1+1.x", "bulk.note", "session.begin"}
    assert [int(row["id"]) for row in rows] == sorted((int(row["id"]) for row in rows), reverse=True)
    only = list(csv.DictReader(io.StringIO(root.post("/audit/export?action=session").text)))
    assert [row["user_name"] for row in only] == ["root"]


def test_only_administrators_take_it_out_or_verify_it(app: FastAPI, root: Visitor) -> None:
    amina = browser(app, "amina")
    assert amina.post("/audit/export").status_code == 403
    assert amina.get("/audit/chain").status_code == 403
    own = amina.post("/projects", json={"name": "Hers"}).json()["id"]
    assert amina.post("/audit/export", params={"project": own}).status_code == 200
    assert root.get("/audit/chain").json()["intact"] is True
