"""Two requests at the same time: of what may be once, there is one, and no fault; and nobody slips in between."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from gate import PASSWORD, Visitor, add_user, app_on, browser
from projects import fill
from sqlalchemy import func, select, update

from hemosight.engine.bundle import Bundle
from hemosight.service.accounts import make_administrator
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.routes import account, session
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import (
    ApiToken,
    Case,
    Image,
    KnownBundle,
    Member,
    Project,
    Signature,
    SignedIn,
    User,
)

pytestmark = pytest.mark.service

NEW = "another four words"


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "root", is_admin=True)
    add_user(database, "amina")
    return app_on(database, tiny_bundle)


def at_once(*asks: Callable[[], Any]) -> list[Any]:
    """Answers of requests that are sent at the same moment."""
    gate = threading.Barrier(len(asks))

    def one(ask: Callable[[], Any]) -> Any:
        gate.wait(30)
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))


def _statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("what", ["account", "case", "project's label set", "profile"])
def test_of_what_has_a_name_there_is_one(app: FastAPI, what: str) -> None:
    root = browser(app, "root")
    project = root.post("/projects", json={"name": "Slides"}).json()["id"]
    classes = [{"name": name, "title": name} for name in ("a", "b")]
    path, body = {
        "account": ("/users", {"name": "jonas", "display": "Jonas", "password": PASSWORD}),
        "case": (f"/projects/{project}/cases", {"key": "S-1"}),
        "project's label set": (
            f"/projects/{project}/label-sets",
            {"name": "own", "title": "Own", "classes": classes},
        ),
        "profile": (f"/projects/{project}/profiles", {"name": "Scanner 2"}),
    }[what]
    visitors = [browser(app, "root") for _ in range(6)]
    found = _statuses(at_once(*(lambda v=v: v.post(path, json=body) for v in visitors)))
    assert found == {201: 1, 409: 5}


@pytest.mark.attack(
    who="two administrators",
    what="take each other's rights away at the same moment, so that nobody is left",
    held="all administrators are held while one is taken away",
)
def test_two_who_take_each_other_away(app: FastAPI, database: Database) -> None:
    other = add_user(database, "second", is_admin=True)
    root, second = browser(app, "root"), browser(app, "second")
    number = root.get("/session").json()["user"]["id"]
    found = _statuses(
        at_once(
            lambda: root.patch(f"/users/{other}", json={"is_admin": False}),
            lambda: second.patch(f"/users/{number}", json={"active": False}),
        )
    )
    assert found[200] == 1, found
    with database.session() as opened:
        assert opened.scalar(select(func.count()).where(User.is_admin, User.active)) == 1
    amina = browser(app, "amina")
    project = amina.post("/projects", json={"name": "Slides"}).json()["id"]
    number = amina.get("/session").json()["user"]["id"]
    given = {"role": "admin", "name": "second"}
    assert amina.put(f"/projects/{project}/members/{other}", json=given).status_code == 200
    second = browser(app, "second")
    at_once(
        lambda: amina.delete(f"/projects/{project}/members/{other}"),
        lambda: second.put(f"/projects/{project}/members/{number}", json={"role": "viewer"}),
    )
    with database.session() as opened:
        admins = select(func.count()).where(Member.project_id == project, Member.role == "admin")
        assert opened.scalar(admins) == 1


def test_the_first_link_used_twice_at_once(database: Database, tiny_bundle: Bundle) -> None:
    from hemosight.service.security.secrets import kept
    from hemosight.service.storage import sign_ins

    with database.session() as opened:
        sign_ins.offer_first_run(opened, kept("link"))
    app = app_on(database, tiny_bundle)
    visitors = [Visitor(app) for _ in range(4)]
    given = [
        {"token": "link", "name": f"root{number}", "display": f"Root {number}", "password": PASSWORD}
        for number in range(4)
    ]
    answers = at_once(*(lambda v=v, g=g: v.post("/first-run", json=g) for v, g in zip(visitors, given, strict=True)))
    assert _statuses(answers)[201] == 1
    assert _statuses(answers).keys() <= {201, 404, 409}
    with database.session() as opened:
        assert opened.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.attack(
    who="two reviewers, or one with two tabs",
    what="sign the same case at the same moment",
    held="whoever is second is told that it is locked",
)
def test_a_case_is_signed_once(database: Database, tiny_bundle: Bundle) -> None:
    project = fill(database, tiny_bundle, 0)
    images = project.add(tiny_bundle, 8, case="S-1")
    project.say({image: project.truth[image] for image in images})
    with database.session() as opened:
        identity = BundleRegistry(tiny_bundle, threads=1).identity
        opened.execute(update(KnownBundle).where(KnownBundle.id == project.bundle).values(sha256=identity))
        case = opened.scalars(select(Case.id)).one()
    alone = app_on(database, tiny_bundle, login=False)
    visitors = [Visitor(alone) for _ in range(4)]
    for visitor in visitors:
        visitor.headers["X-CSRF-Token"] = visitor.get("/session").json()["csrf"]
    body = {"case": case, "note": "looked at every cell"}
    found = _statuses(at_once(*(lambda v=v: v.post(f"/projects/{project.id}/signatures", json=body) for v in visitors)))
    assert found == {201: 1, 409: 3}
    with database.session() as opened:
        assert opened.scalar(select(func.count()).select_from(Signature)) == 1


def test_a_project_that_is_deleted_while_people_work(database: Database, tiny_bundle: Bundle) -> None:
    project = fill(database, tiny_bundle, 30)
    with database.session() as opened:
        identity = BundleRegistry(tiny_bundle, threads=1).identity
        opened.execute(update(KnownBundle).where(KnownBundle.id == project.bundle).values(sha256=identity))
    alone = app_on(database, tiny_bundle, login=False)
    path, visitors = f"/projects/{project.id}", [Visitor(alone, raises=False) for _ in range(5)]
    for visitor in visitors:
        visitor.headers["X-CSRF-Token"] = visitor.get("/session").json()["csrf"]
    deleted = threading.Event()

    def label(visitor: Visitor) -> list[int]:
        found = []
        while not deleted.is_set() or len(found) < 3:
            items = [{"image": image, "label": "blast", "version": 0} for image in project.images[:3]]
            body = {"request": str(uuid.uuid4()), "label_set": "cell_type", "items": items}
            found.append(visitor.post(f"{path}/labels", json=body).status_code)
            found.append(visitor.post(f"{path}/cases", json={"key": f"S-{uuid.uuid4()}"}).status_code)
            found.append(visitor.get(f"{path}/images").status_code)
        return found

    def delete() -> list[int]:
        answer = visitors[0].delete(path)
        deleted.set()
        return [answer.status_code]

    answers = at_once(delete, *(lambda v=v: label(v) for v in visitors[1:]))
    assert answers[0] == [204]
    assert {status for one in answers for status in one} <= {200, 201, 204, 404, 409}, answers
    assert all(one[-1] == 404 for one in answers[1:])
    with database.session() as opened:
        assert opened.get_one(Project, project.id).deleted_at is not None
        for table in (Image, Case):
            assert opened.scalar(select(func.count()).where(table.project_id == project.id)) == 0, table


# --- whoever slips in between ---


@pytest.mark.attack(
    who="somebody who knows the old password",
    what="signs in, makes a token, or sets a password of their own while the owner is given a new one",
    held="what was looked at is looked at again where it takes effect, and what is ended waits for what is being made",
)
@pytest.mark.parametrize("what", ["signs in", "makes a token", "changes the password"])
def test_a_new_password_shuts_out_who_is_halfway_in(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    stranger = Visitor(app) if what == "signs in" else browser(app, "amina")

    def reset() -> None:
        monkeypatch.undo()
        make_administrator(database, "amina", None, NEW, 10)

    if what == "signs in":
        looked = session.passwords.verify_later

        async def verify_later(*given: Any) -> Any:
            found = await looked(*given)
            await session.run_in_threadpool(reset)
            return found

        monkeypatch.setattr(session.passwords, "verify_later", verify_later)
        answer = stranger.post("/session", json={"name": "amina", "password": PASSWORD})
    elif what == "makes a token":
        secret = account.sign_ins.hold

        def hold(*given: Any) -> bool:
            reset()
            return secret(*given)

        monkeypatch.setattr(account.sign_ins, "hold", hold)
        answer = stranger.post("/account/tokens", json={"name": "mine", "scopes": ["read"]})
    else:
        looks = account.passwords.verify

        def verify(*given: Any) -> Any:
            found = looks(*given)
            reset()
            return found

        monkeypatch.setattr(account.passwords, "verify", verify)
        answer = stranger.post("/account/password", json={"old": PASSWORD, "new": "a stranger's words"})
    assert answer.status_code == 401, answer.text
    with database.session() as opened:
        assert opened.scalar(select(func.count()).select_from(SignedIn)) == 0
        assert opened.scalar(select(func.count()).where(ApiToken.revoked_at.is_(None))) == 0
    assert Visitor(app).sign_in("amina", NEW).get("/projects").status_code == 200
