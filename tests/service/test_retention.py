"""What is old goes, unless it was signed; an account that is erased leaves its number and no name."""

from __future__ import annotations

import datetime
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from gate import add_user, app_on, browser, program, told
from projects import Filled, fill
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.service.operations.backups import Schedule
from hemosight.service.storage import events, labels, uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import SubmittedLabel
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import (
    AuditRow,
    Case,
    Image,
    LabelRecord,
    Picture,
    RefusedFile,
    Signature,
    Upload,
    User,
)

pytestmark = pytest.mark.service

DAY = datetime.timedelta(days=1)


@pytest.fixture
def filled(database: Database, tiny_bundle: Bundle) -> Filled:
    made = fill(database, tiny_bundle, 0)
    for case in ("old", "labelled", "signed", "new"):
        made.add(tiny_bundle, 3, seed=hash(case) % 1000, case=case)
    made.add(tiny_bundle, 2, seed=5)
    return made


def _age(database: Database, filled: Filled, days: int) -> dict[str, int]:
    """Make everything older but the case `new`; the cases by their keys."""
    with database.session() as session:
        cases = {key: number for number, key in session.execute(select(Case.id, Case.key))}
        old = Image.case_id.is_distinct_from(cases["new"])
        session.execute(update(Image).where(old).values(uploaded_at=Image.uploaded_at - days * DAY))
        session.execute(update(Case).where(Case.key != "new").values(created_at=Case.created_at - days * DAY))
        session.add(
            Signature(
                project_id=filled.id,
                case_id=cases["signed"],
                user_id=filled.users[0],
                role="first",
                bundle_id=filled.bundle,
                reviewed_until=0,
                differential={},
            )
        )
        upload = Upload(project_id=filled.id, case_id=cases["old"])
        session.add(upload)
        session.flush()
        session.add(RefusedFile(upload_id=upload.id, name="Mustermann.txt", reason="no picture"))
    return cases


def test_what_is_old_and_unsigned_goes_and_leaves_a_trace(database: Database, filled: Filled) -> None:
    cases = _age(database, filled, 100)
    with database.session() as session:
        labelled = session.scalars(select(Image.id).where(Image.case_id == cases["labelled"])).all()
    filled.say({labelled[0]: "blast"})
    assert expire(database, 200) == 0
    assert expire(database, 90) == 3 + 2
    with database.session() as session:
        assert set(session.scalars(select(Case.key))) == {"labelled", "signed", "new"}
        names = session.scalars(select(Image.name).where(Image.project_id.is_(None))).all()
        assert names == [""] * 5, "a row that labels may name, without what it was called"
        assert session.scalars(select(RefusedFile)).all() == []
        noted = session.scalars(select(AuditRow).where(AuditRow.action.startswith("retention."))).all()
    assert [(row.action, len(row.subject["cells"])) for row in noted] == [("retention.case", 3), ("retention.image", 2)]
    assert expire(database, 90) == 0, "what is signed is asked for again, and stays"


def test_names_of_refused_files_of_no_case_go_as_well(database: Database, filled: Filled) -> None:
    cases = _age(database, filled, 100)
    with database.session() as session:
        for name, case, days in (("loose", None, 100), ("loose new", None, 1), ("signed", "signed", 100)):
            upload = Upload(project_id=filled.id, case_id=None if case is None else cases[case])
            session.add(upload)
            session.flush()
            session.add(RefusedFile(upload_id=upload.id, name=name, reason="no picture", at=func.now() - days * DAY))
    expire(database, 90)
    with database.session() as session:
        assert set(session.scalars(select(RefusedFile.name))) == {"loose new", "signed"}


@pytest.mark.parametrize("what", ["an upload", "a label"])
def test_what_comes_while_retention_waits_is_kept(database: Database, filled: Filled, what: str) -> None:
    """Whoever adds cells or labels holds the project; retention, which had found them old, waits for them."""
    cases = _age(database, filled, 100)
    with database.session() as session:
        old = session.scalars(select(Image.id).where(Image.case_id == cases["old"])).all()
        loose = session.scalars(select(Image.id).where(Image.case_id.is_(None))).all()
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            uploads.take_intake(session, filled.id)
            events.take_turn(session, filled.id)
            expiring = pool.submit(expire, database, 90)
            _until_waiting(database)
            if what == "an upload":
                picture = hashlib.sha256(b"late").digest()
                session.add(Picture(sha256=picture, data=b"", media_type="image/png", width=1, height=1))
                session.flush()
                session.add(Image(project_id=filled.id, case_id=cases["old"], sha256=picture, name="late.png"))
            else:
                said = [
                    SubmittedLabel(image, "blast", 0) for image in (old[0], _cell_of_labelled(session, cases), *loose)
                ]
                labels.submit(session, filled.request(), "cell_type", said, "set")
        gone = expiring.result(60)
    with database.session() as session:
        kept = set(session.scalars(select(Image.id).where(Image.deleted_at.is_(None))))
    assert kept >= set(old), "a case that got a cell or a label a moment ago is not old"
    assert gone == (3 + 2 if what == "an upload" else 0)


def _cell_of_labelled(session: Session, cases: dict[str, int]) -> int:
    """A cell of the case `labelled`."""
    return session.scalars(select(Image.id).where(Image.case_id == cases["labelled"]).limit(1)).one()


def test_a_loose_cell_that_is_labelled_while_retention_waits_is_kept(database: Database, tiny_bundle: Bundle) -> None:
    made = fill(database, tiny_bundle, 2)
    with database.session() as session:
        session.execute(update(Image).values(uploaded_at=Image.uploaded_at - 100 * DAY))
    with ThreadPoolExecutor(1) as pool:
        with database.session() as session:
            events.take_turn(session, made.id)
            expiring = pool.submit(expire, database, 90)
            _until_waiting(database)
            said = [SubmittedLabel(made.images[0], "blast", 0)]
            labels.submit(session, made.request(), "cell_type", said, "set")
        assert expiring.result(60) == 1, "the other one"


def _until_waiting(database: Database) -> None:
    """Until somebody waits for a project."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(500):
        with database.session() as session:
            if session.scalar(waiting):
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_it_is_asked_for_once_an_hour_and_only_where_it_is_set(
    database: Database, filled: Filled, tiny_bundle: Bundle
) -> None:
    _age(database, filled, 100)
    assert Schedule(database, told()).expire() == 0
    schedule = Schedule(database, told(retention_days=90))
    assert schedule.expire() == 3 + 3 + 2
    (image,) = filled.add(tiny_bundle, 1, seed=9)
    with database.session() as session:
        session.execute(update(Image).where(Image.id == image).values(uploaded_at=Image.uploaded_at - 100 * DAY))
    assert schedule.expire() == 0, "not within the same hour"
    assert Schedule(database, told(retention_days=90)).expire() == 1


def test_an_erased_account_leaves_its_number_and_no_name(database: Database, tiny_bundle: Bundle) -> None:
    add_user(database, "root", is_admin=True)
    berta = add_user(database, "berta")
    app = app_on(database, tiny_bundle)
    hers, root = browser(app, "berta"), browser(app, "root")
    token = program(app, berta, "read")
    project = hers.post("/projects", json={"name": "Slides"}).json()["id"]
    assert token.get("/projects").status_code == 200
    assert root.delete(f"/users/{berta}").status_code == 204
    assert hers.get("/projects").status_code == token.get("/projects").status_code == 401
    shown = root.get("/users").json()["items"]
    assert "berta" not in str(shown).lower()
    trail = root.get("/audit", params={"project": project}).json()["items"]
    assert {item["user"]["name"] for item in trail} == {f"erased-{berta}"}
    with database.session() as session:
        assert session.get_one(User, berta).password_hash is None
        assert session.scalars(select(LabelRecord)).all() == []
    assert (
        root.post("/users", json={"name": "berta", "display": "B", "password": "four words in a row"}).status_code
        == 201
    )
    own = next(item["id"] for item in shown if item["name"] == "root")
    assert root.delete(f"/users/{own}").status_code == 409
