"""Migrations make the tables the program believes in, and the tables keep their promises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
import psycopg.conninfo
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from hemosight.service.errors import ServiceFault
from hemosight.service.storage import events
from hemosight.service.storage.audit import note
from hemosight.service.storage.database import MIGRATIONS, Database, newest_revision
from hemosight.service.storage.live_events import ImagesEvent, LabelSetEvent
from hemosight.service.storage.tables import (
    APPEND_ONLY,
    AuditRow,
    Case,
    CellEmbedding,
    CurrentLabelRow,
    EmbeddingAttempt,
    Event,
    KnownBundle,
    LabelRecord,
    Profile,
    Project,
    Table,
)

NewDatabase = Callable[..., AbstractContextManager[Database]]
REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def a_project(database: Database) -> int:
    with database.session() as session:
        bundle = KnownBundle(name="b", version="1", sha256="0" * 64, space="s", manifest={})
        session.add(bundle)
        session.flush()
        project = Project(name="p", bundle_id=bundle.id)
        session.add(project)
        session.flush()
        return project.id


@pytest.mark.parametrize("start", ["empty", *REVISIONS])
def test_migrates_up_from_every_revision(new_database: NewDatabase, start: str) -> None:
    with new_database(empty=True) as database:
        if start != "empty":
            database.migrate(start)
            assert database.revision() == start
        database.migrate()
        database.require_current()
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"include_name": _ours, "compare_type": True})
            assert compare_metadata(context, Table.metadata) == []


def test_an_older_database_keeps_its_rows_under_the_new_names(new_database: NewDatabase) -> None:
    """A service at 0003 with an embedding, an attempt and a label: all there, and still refused or cascaded."""
    with new_database(empty=True) as database:
        database.migrate("0003")
        with database.session() as session:
            for statement in (
                "INSERT INTO users (name, display) VALUES ('ada', 'Ada')",
                "INSERT INTO bundles (name, version, sha256, space, manifest) VALUES ('b', '1', 'ff', 's', '{}')",
                "INSERT INTO projects (name, bundle_id) VALUES ('p', 1)",
                "INSERT INTO label_sets (project_id, name, title, kind, classes)"
                " VALUES (1, 'cell_type', 'Cell type', 'bundle', '[]')",
                "INSERT INTO pictures (sha256, data, media_type, width, height) VALUES ('x', 'x', 'image/png', 9, 9)",
                "INSERT INTO images (project_id, sha256, name) VALUES (1, 'x', 'a.png')",
                "INSERT INTO readings (image_id, bundle_id, vector, status, novelty, worker)"
                " VALUES (1, 1, '\\x01020304', 'ok', 0.5, 'ida')",
                "INSERT INTO reading_tries (image_id, bundle_id, tries) VALUES (1, 1, 2)",
                "INSERT INTO labels (project_id, image_id, label_set_id, label, user_id, kind, request, bundle_id,"
                " revision) VALUES (1, 1, 1, 'blast', 1, 'set', gen_random_uuid(), 1, 0)",
                "INSERT INTO standing (image_id, label_set_id, fact_id, label) SELECT 1, 1, id, 'blast' FROM labels",
            ):
                session.execute(text(statement))
            at = session.scalar(text("SELECT read_at FROM readings"))
        database.migrate()
        with database.session() as session:
            (embedding,) = session.scalars(select(CellEmbedding))
            (attempt,) = session.scalars(select(EmbeddingAttempt))
            (record,) = session.scalars(select(LabelRecord))
            (current,) = session.scalars(select(CurrentLabelRow))
            assert (embedding.vector, embedding.novelty, embedding.worker) == (b"\x01\x02\x03\x04", 0.5, "ida")
            assert embedding.embedded_at == at
            assert attempt.attempts == 2
            assert (current.label_id, current.label) == (record.id, "blast")
            assert session.scalars(text("SELECT count(*) FROM pg_class WHERE relname ~ 'reading|standing'")).one() == 0
            # NOT NULL has constraints too since PostgreSQL 18, under names of its own.
            left = "SELECT count(*) FROM pg_constraint WHERE conname ~ 'reading|standing' AND contype <> 'n'"
            assert session.scalars(text(left)).one() == 0


def test_a_project_of_before_gets_one_profile_at_its_scale_for_all_its_cases(new_database: NewDatabase) -> None:
    with new_database(empty=True) as database:
        database.migrate("0006")
        with database.session() as session:
            for statement in (
                "INSERT INTO bundles (name, version, sha256, space, manifest) VALUES ('b', '1', 'ff', 's', '{}')",
                "INSERT INTO projects (name, bundle_id, scale) VALUES ('home', 1, 1), ('camera', 1, 0.73)",
                "INSERT INTO cases (project_id, key) VALUES (1, 'a'), (2, 'b'), (2, 'c')",
            ):
                session.execute(text(statement))
        database.migrate()
        with database.session() as session:
            query = select(Profile).order_by(Profile.project_id)
            home, camera = session.scalars(query)
            assert [(row.name, row.scale, row.scale_from) for row in (home, camera)] == [
                ("Scanner 1", 1.0, "default"),
                ("Scanner 1", 0.73, "person"),
            ]
            cases = session.execute(select(Case.key, Case.profile_id).order_by(Case.key)).all()
            assert [tuple(row) for row in cases] == [("a", None), ("b", None), ("c", None)], (
                "nobody chose one: the oldest"
            )


def _ours(name: str | None, kind: str, parents: object) -> bool:
    return kind != "table" or not str(name).startswith(("procrastinate_", "alembic_"))


def test_processes_that_migrate_at_once_take_turns(new_database: NewDatabase) -> None:
    with new_database(empty=True) as database:
        faults: list[BaseException] = []

        def migrate() -> None:
            mine = Database(database.dsn)
            try:
                mine.migrate()
            except BaseException as fault:
                faults.append(fault)
            finally:
                mine.close()

        threads = [threading.Thread(target=migrate) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        assert database.revision() == newest_revision()


def test_tables_of_another_version_are_refused(new_database: NewDatabase) -> None:
    with new_database(empty=True) as database, pytest.raises(ServiceFault, match="revision None"):
        database.require_current()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(ServiceFault) as caught:
        Database("postgresql://me:secret@127.0.0.1:1/x").connect()
    assert caught.value.code == "database_unreachable"
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_that_keeps_no_unicode_is_refused_in_one_sentence(database: Database) -> None:
    # As initdb makes it where the machine's locale is C; its texts would come as bytes.
    made = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    with database.connect(autocommit=True) as connection:
        connection.execute(made)
        try:
            with pytest.raises(ServiceFault, match=r"encoding UTF8.*found SQL_ASCII.*ENCODING 'UTF8'"):
                Database(psycopg.conninfo.make_conninfo(database.dsn, dbname="ascii")).require_current()
        finally:
            connection.execute("DROP DATABASE ascii")


@pytest.mark.attack(
    who="somebody with the service's own access to the database",
    what="changes labels, signatures or the audit trail",
    held="triggers refuse it",
)
@pytest.mark.parametrize("statement", ["UPDATE audit SET action = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_facts_are_never_changed(database: Database, statement: str) -> None:
    with database.session() as session:
        note(session, None, "test.begin", {"a": 1})
    with pytest.raises(DBAPIError, match="appended, never changed"), database.session() as session:
        session.execute(text(statement))
    with database.session() as session:
        assert [(row.action, row.subject) for row in session.scalars(select(AuditRow))] == [("test.begin", {"a": 1})]


def test_every_table_of_facts_is_protected(database: Database) -> None:
    query = text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'")
    with database.session() as session:
        assert set(session.scalars(query)) == set(APPEND_ONLY)


def test_a_rolled_back_change_leaves_no_trail(database: Database) -> None:
    def change() -> None:
        with database.session() as session:
            note(session, None, "test.begin")
            raise RuntimeError("something else failed")

    with pytest.raises(RuntimeError, match="something else"):
        change()
    with database.session() as session:
        assert session.scalars(select(AuditRow)).all() == []


def test_an_event_notifies_when_it_commits(database: Database) -> None:
    project = a_project(database)
    heard = database.listen(events.CHANNEL, stop=10)
    assert next(heard) == ""  # listening
    with database.session() as session:
        events.tell(session, project, ImagesEvent(added=3))
    with database.session() as session:
        (event,) = events.since(session, project, 0)
    assert next(heard) == f"{project} {event.id}"
    assert (event.kind, event.data) == ("images", ImagesEvent(added=3).model_dump())
    heard.close()


def test_ids_of_events_are_in_the_order_of_commits(database: Database) -> None:
    """A second writer gets its id only after the first has committed, so nobody resumes past an unseen event."""
    project = a_project(database)
    other = threading.Event()

    def second() -> None:
        with database.session() as session:
            other.set()
            events.tell(session, project, LabelSetEvent(name="second"))

    with database.session() as session:
        session.execute(text("SELECT nextval(pg_get_serial_sequence('events', 'id'))"))
        events.tell(session, project, LabelSetEvent(name="first"))
        thread = threading.Thread(target=second)
        thread.start()
        other.wait()
        with database.session() as third:
            assert events.since(third, project, 0) == []
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    with database.session() as session:
        assert [event.data["name"] for event in events.since(session, project, 0)] == ["first", "second"]


def test_old_events_are_forgotten(database: Database) -> None:
    project = a_project(database)
    with database.session() as session:
        events.tell(session, project, LabelSetEvent(name="old"))
        events.tell(session, project, LabelSetEvent(name="last of the old"))
        session.execute(text("UPDATE events SET at = now() - interval '25 hours'"))
        assert events.prune(session) == 1
        assert [data["name"] for data in session.scalars(select(Event.data))] == ["last of the old"]
        (last,) = session.scalars(select(Event.id))
        assert events.forgotten(session, project, last - 1)
        assert not events.forgotten(session, project, last)


def test_names_of_users_differ_in_more_than_case(database: Database) -> None:
    users = Table.metadata.tables["users"]
    with database.session() as session:
        session.execute(insert(users).values(name="Ada", display="Ada"))
    with pytest.raises(DBAPIError) as caught, database.session() as session:
        session.execute(insert(users).values(name="ADA", display="Ada"))
    assert isinstance(caught.value.orig, psycopg.errors.UniqueViolation)


def test_connections_that_postgresql_has_ended_are_replaced_unnoticed(new_database: NewDatabase) -> None:
    with new_database() as database:
        for _ in range(3):  # used this very moment, so that nobody asks whether they live
            with database.session() as one, database.session() as two:
                ended = [session.scalar(text("SELECT pg_backend_pid()")) for session in (one, two)]
            with database.connect(autocommit=True) as other:
                for pid in ended:
                    other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
            with database.session() as one, database.session() as two:
                found = [session.scalar(text("SELECT pg_backend_pid()")) for session in (one, two)]
            assert not set(found) & set(ended)


def test_a_connection_is_asked_whether_it_lives_after_a_pause_alone(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_database() as database:
        asked = []
        ping = type(database.engine.dialect).do_ping
        monkeypatch.setattr(type(database.engine.dialect), "do_ping", lambda *given: asked.append(None) or ping(*given))
        with database.session() as session:
            session.scalar(text("SELECT 1"))
        asked.clear()
        for _ in range(3):
            with database.session() as session:
                session.scalar(text("SELECT 1"))
        assert not asked
        monkeypatch.setattr("hemosight.service.storage.database.ASKED_AFTER", 0.0)
        with database.session() as session:
            session.scalar(text("SELECT 1"))
        assert asked
