"""The authorisation walk: every operation of the API, asked by everybody who must not have it.

The operations come from the OpenAPI itself, so a new route is walked the day it is written. Only what answers
strangers, or every account, is listed here by hand; a new route outside of a project has to be put there on purpose.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser, program
from sqlalchemy import select, text, update

from hemosight.engine.bundle import Bundle
from hemosight.service.app import API
from hemosight.service.security.csrf import SAFE
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("quickly_drawn")]
STRANGERS = {"get_session", "sign_in", "go_to_provider", "come_from_provider", "first_run", "healthz", "readyz"}
"""What answers anybody."""
ACCOUNTS = {"sign_out", "list_projects", "create_project", "get_drawn_cell"}
"""What answers every account, besides its own under /account and the facts of the model."""
FOR_ACCOUNTS = (f"{API}/account", f"{API}/model")

TAKEN = {
    "make_export",
    "export_signature",
    "export_comments",
    "export_reviews",
    "export_teaching_cells",
    "export_panel_reference",
    "export_panel_readings",
    "export_dossier",
    "take_report",
    "take_preliminary_report",
}
"""What takes data away; whoever may look may, by a token for reading as well."""
QUESTIONS = {"ask_known", "order_group", *TAKEN}
"""What is asked with a body, and changes nothing but the trail; a viewer may."""
OWN = {"keep_view", "forget_view"}
"""What everybody keeps for themselves, a viewer too; to share it takes another role."""


@dataclass(frozen=True)
class Operation:
    """One way to ask: a method, an address, a name."""

    method: str
    path: str
    name: str

    @property
    def of_project(self) -> bool:
        """Whether it is asked of one project."""
        return "{project}" in self.path

    @property
    def safe(self) -> bool:
        """Whether it changes nothing."""
        return self.method in SAFE


@dataclass(frozen=True)
class World:
    """An app with one project, and everybody's way in."""

    app: FastAPI
    project: int
    people: dict[str, int]
    operations: list[Operation]

    def ask(self, visitor: Visitor, operation: Operation) -> tuple[int, Any]:
        """Ask for an operation on the project, other numbers being 1 and the body empty; the status and the fault."""
        address = operation.path.replace("{project}", str(self.project))
        address = re.sub(r"\{\w+\}", "1", address)
        body = None if operation.safe else {}
        answer = visitor.request(operation.method, f"http://127.0.0.1{address}", json=body)
        return answer.status_code, answer.json()["error"] if answer.status_code >= 400 else None


def operations(app: FastAPI) -> Iterator[Operation]:
    """Every operation the API describes."""
    for path, methods in app.openapi()["paths"].items():
        for method, facts in methods.items():
            yield Operation(method.upper(), path, facts["operationId"])


@pytest.fixture(scope="module")
def world(module_database: Database, tiny_bundle: Bundle) -> World:
    app = app_on(module_database, tiny_bundle)
    people = {
        name: add_user(module_database, name, is_admin=name == "root")
        for name in ("root", "owner", "reviewer", "viewer", "outsider")
    }
    owner = browser(app, "owner")
    project = owner.post("/projects", json={"name": "Slides"}).json()["id"]
    for name in ("reviewer", "viewer"):
        owner.put(f"/projects/{project}/members/{people[name]}", json={"role": name, "name": name})
    return World(app, project, people, list(operations(app)))


def _answers(world: World, visitor: Visitor, asked: list[Operation]) -> dict[str, int]:
    assert asked, "a walk that goes nowhere proves nothing"
    return {operation.name: world.ask(visitor, operation)[0] for operation in asked}


def _all(asked: list[Operation], status: int) -> dict[str, int]:
    return {operation.name: status for operation in asked}


def test_operations_have_names_of_their_own(world: World) -> None:
    names = [operation.name for operation in world.operations]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names
    assert {operation.name for operation in world.operations} >= STRANGERS | ACCOUNTS


def test_every_route_of_the_app_is_described(world: World) -> None:
    described = {(operation.method, operation.path) for operation in world.operations}
    hidden = [
        (method, path)
        for path, method in _routes(world.app)
        if (method, path) not in described and method not in ("HEAD", "OPTIONS")
    ]
    assert sorted(hidden) == [("GET", "/api/openapi.json"), ("GET", "/{path:path}")]


def _routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    stack = [("", route) for route in app.routes]
    while stack:
        prefix, route = stack.pop()
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if inner is not None and getattr(inner, "routes", None) and not hasattr(route, "methods"):
            context = getattr(route, "include_context", None)
            deeper = prefix + (getattr(context, "prefix", "") or getattr(route, "path", "") or "")
            stack += [(deeper, held) for held in inner.routes]
        else:
            path = prefix + getattr(route, "path", "")
            for method in getattr(route, "methods", None) or ():
                yield path, method


@pytest.mark.attack(
    who="a stranger",
    what="asks every operation of the API",
    held="401 for each that is not on the list of what answers strangers",
)
def test_a_stranger_gets_nothing(world: World) -> None:
    asked = [operation for operation in world.operations if operation.name not in STRANGERS]
    assert _answers(world, Visitor(world.app), asked) == _all(asked, 401)
    liar = Visitor(world.app, {"Authorization": "Bearer hs_nonsense"})
    assert _answers(world, liar, asked) == _all(asked, 401)


@pytest.mark.attack(
    who="a member of another project",
    what="asks for this one's cells, labels, files by their numbers",
    held="404, as if there were none",
)
def test_a_member_of_another_project_sees_none_of_this_one(world: World) -> None:
    asked = [operation for operation in world.operations if operation.of_project]
    outsider = browser(world.app, "outsider")
    assert outsider.post("/projects", json={"name": "Elsewhere"}).status_code == 201
    assert _answers(world, outsider, asked) == _all(asked, 404)
    assert [item["name"] for item in outsider.get("/projects").json()["items"]] == ["Elsewhere"]


def test_a_project_that_does_not_exist_looks_the_same(world: World) -> None:
    nowhere = World(world.app, 999_999, world.people, world.operations)
    outsider = browser(world.app, "outsider")
    for operation in [operation for operation in world.operations if operation.of_project]:
        assert world.ask(outsider, operation) == nowhere.ask(outsider, operation)


@pytest.mark.attack(
    who="a viewer",
    what="changes something",
    held="403",
)
def test_a_viewer_changes_nothing(world: World) -> None:
    changing = [operation for operation in world.operations if operation.of_project and not operation.safe]
    asked = [operation for operation in changing if operation.name not in QUESTIONS | OWN]
    assert _answers(world, browser(world.app, "viewer"), asked) == _all(asked, 403)


def test_an_account_administers_nothing(world: World) -> None:
    asked = [
        operation
        for operation in world.operations
        if not operation.of_project
        and operation.name not in STRANGERS | ACCOUNTS
        and not operation.path.startswith(FOR_ACCOUNTS)
    ]
    assert {"list_users", "add_user", "change_user", "metrics", "list_audit"} <= {operation.name for operation in asked}
    assert _answers(world, browser(world.app, "owner"), asked) == _all(asked, 403)


def test_a_browser_without_the_token_of_its_session_changes_nothing(world: World) -> None:
    asked = [operation for operation in world.operations if not operation.safe and operation.name not in STRANGERS]
    forged = browser(world.app, "root")
    del forged.headers["X-CSRF-Token"]
    assert _answers(world, forged, asked) == _all(asked, 403)
    forged.headers["X-CSRF-Token"] = "guess"
    assert _answers(world, forged, asked) == _all(asked, 403)


@pytest.mark.attack(
    who="another web page",
    what="sends requests in a reviewer's name (CSRF)",
    held="Origin, Sec-Fetch-Site and the session's token are checked",
)
def test_another_page_changes_nothing(world: World) -> None:
    asked = [operation for operation in world.operations if not operation.safe and operation.path.startswith(API)]
    forged = browser(world.app, "root")
    for name, value in (("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
        forged.headers[name] = value
        # Those that read a body first may refuse it first; none may succeed.
        found = _answers(world, forged, asked)
        assert {name: status for name, status in found.items() if status not in (403, 422)} == {}
        assert all(found[operation.name] == 403 for operation in asked if operation.name not in STRANGERS)
        del forged.headers[name]


@pytest.mark.attack(
    who="another web page",
    what="sends for an export in a reviewer's name by a link or a picture (a GET), with or without login",
    held="what leaves a mark is a POST; requests of other pages are refused, and no GET writes into the trail",
)
def test_no_get_leaves_a_mark(world: World, tiny_bundle: Bundle) -> None:
    owner = browser(world.app, "owner")
    made = owner.post(f"/projects/{world.project}/exports", json={})
    assert made.status_code == 201, made.text
    file = f"/projects/{world.project}/exports/{made.json()['id']}"
    asked = [operation for operation in world.operations if operation.method == "GET" and not _lasts(operation)]
    alone = app_on(world.app.state.database, tiny_bundle, login=False)
    for visitor in (owner, browser(world.app, "root"), Visitor(alone)):
        visitor.get("/projects")  # who came in has been noted before
        before = _trail(world)
        for operation in asked:
            address = re.sub(r"\{\w+\}", "1", operation.path.replace("{project}", str(world.project)))
            visitor.get(f"http://127.0.0.1{address}", follow_redirects=False)
        assert visitor.get(file).status_code in (200, 404)
        assert _trail(world) == before
        # Another page's requests: refused whatever they ask.
        visitor.headers["Sec-Fetch-Site"] = "cross-site"
        assert visitor.get(file).status_code == 403
        assert visitor.post(f"/projects/{world.project}/exports", json={}).status_code == 403
        del visitor.headers["Sec-Fetch-Site"]
        assert _trail(world) == before


def _lasts(operation: Operation) -> bool:
    """Whether an answer has no end."""
    return operation.path.endswith("/events")


def _trail(world: World) -> list[tuple[int, str, int | None]]:
    with world.app.state.database.session() as session:
        rows = select(AuditRow.id, AuditRow.action, AuditRow.user_id).order_by(AuditRow.id)
        return [(number, action, user) for number, action, user in session.execute(rows)]


def test_an_export_is_fetched_by_whoever_asked_for_it_and_for_an_hour(world: World) -> None:
    owner, viewer = browser(world.app, "owner"), browser(world.app, "viewer")
    made = viewer.post(f"/projects/{world.project}/exports", json={"format": "json"}).json()
    file = f"/projects/{world.project}/exports/{made['id']}"
    assert [viewer.get(file).status_code for _ in range(2)] == [200, 200]
    assert owner.get(file).status_code == 404, "another person asks for another"
    assert viewer.get(f"/projects/{world.project}/exports/1").status_code == 404, "a row of the trail that is no export"
    with world.app.state.database.session() as session:
        session.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        session.execute(
            update(AuditRow).where(AuditRow.id == made["id"]).values(at=AuditRow.at - datetime.timedelta(hours=1))
        )
        session.execute(text("ALTER TABLE audit ENABLE TRIGGER USER"))
    assert viewer.get(file).status_code == 404
    for wanted, status in (({"case": 999}, 404), ({"label_set": "none"}, 404), ({"format": "exe"}, 422)):
        assert viewer.post(f"/projects/{world.project}/exports", json=wanted).status_code == status


def test_a_reading_token_only_reads(world: World) -> None:
    free = STRANGERS | TAKEN
    asked = [operation for operation in world.operations if not operation.safe and operation.name not in free]
    token = program(world.app, world.people["root"], "read")
    assert _answers(world, token, asked) == _all(asked, 403)
    assert token.get("/projects").status_code == 200
    assert token.export(f"/projects/{world.project}", format="json").status_code == 200
    assert token.get("/users").status_code == 403


def test_a_writing_token_reviews_and_does_not_administer(world: World) -> None:
    asked = [operation for operation in world.operations if operation.of_project and not operation.safe]
    # What a reviewer may not do on the page, a token for writing may not do for an administrator.
    reviewer = _answers(world, browser(world.app, "reviewer"), asked)
    administering = [operation for operation in asked if reviewer[operation.name] == 403]
    assert {operation.name for operation in administering} >= {"change_project", "set_member", "remove_member"}
    token = program(world.app, world.people["owner"], "write")
    assert _answers(world, token, administering) == _all(administering, 403)
    assert token.post(f"/projects/{world.project}/cases", json={"key": "1"}).status_code == 201
    full = program(world.app, world.people["owner"], "admin")
    assert full.patch(f"/projects/{world.project}", json={"name": "New"}).status_code == 200


@pytest.mark.attack(
    who="somebody who copied a token",
    what="uses it for another project",
    held="a token may be confined to one",
)
def test_a_token_for_one_project_is_blind_to_others(world: World) -> None:
    asked = [operation for operation in world.operations if operation.of_project]
    owner = browser(world.app, "owner")
    other = owner.post("/projects", json={"name": "Other"}).json()["id"]
    token = program(world.app, world.people["owner"], project=other)
    assert _answers(world, token, asked) == _all(asked, 404)
    assert [item["id"] for item in token.get("/projects").json()["items"]] == [other]
    assert token.post("/projects", json={"name": "Third"}).status_code == 403
    confined = program(world.app, world.people["root"], project=other)
    administering = [operation for operation in world.operations if operation.path.startswith(f"{API}/users")]
    assert _answers(world, confined, administering) == _all(administering, 403)


@pytest.mark.attack(
    who="somebody who copied a token",
    what="makes more tokens, or changes the password",
    held="only a browser that signed in may",
)
def test_a_token_cannot_touch_its_account(world: World) -> None:
    asked = [operation for operation in world.operations if operation.path.startswith(f"{API}/account")]
    token = program(world.app, world.people["owner"])
    assert _answers(world, token, asked) == _all(asked, 403)
