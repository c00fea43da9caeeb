"""What is old goes, unless it was signed; an account that is erased leaves its number and no name."""

from __future__ import annotations

import datetime

import pytest
from gate import add_user, app_on, browser, program, told
from projects import Filled, fill
from sqlalchemy import select, update

from hemosight.engine.bundle import Bundle
from hemosight.service.operations.backups import Schedule
from hemosight.service.storage.database import Database
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import AuditRow, Case, Image, LabelRecord, RefusedFile, Signature, Upload, User

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
