"""Fences around every answer: headers, hosts, sizes, one shape of fault; the page's files; logs, health, metrics."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser, program, told

from hemosight.engine.bundle import Bundle
from hemosight.service import page
from hemosight.service.errors import ServiceFault
from hemosight.service.operations import logs
from hemosight.service.security.throttle import Rule
from hemosight.service.storage.database import Database
from hemosight.service.work.worker_pool import beside


@pytest.fixture(scope="module")
def app(module_database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(module_database, "amina")
    add_user(module_database, "root", is_admin=True)
    return app_on(module_database, tiny_bundle)


# --- headers, hosts, sizes ---


@pytest.mark.attack(
    who="somebody who gets a script into a name or comment",
    what="lets it run in a reviewer's browser, or frames the page",
    held="content security policy: scripts from files of our own alone, no frames",
)
@pytest.mark.parametrize(
    "path", ["/", "/projects/1", "/healthz", "/api/v1/session", "/api/v1/projects", "/api/nothing"]
)
def test_every_answer_has_the_headers(app: FastAPI, path: str) -> None:
    headers = Visitor(app).get(f"http://127.0.0.1{path}").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"], "nothing from elsewhere"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert ("no-store" in headers.get("cache-control", "")) == path.startswith("/api/")


@pytest.mark.attack(
    who="a page elsewhere",
    what="lets a name of its own point at this machine (DNS rebinding)",
    held="requests addressed to other names are refused; 421",
)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8321", 401),
        ("localhost", 401),
        ("[::1]:8321", 401),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_on_loopback_only_its_own_names_are_answered(app: FastAPI, host: str, status: int) -> None:
    answer = Visitor(app).get("/projects", headers={"Host": host})
    assert answer.status_code == status
    assert answer.json()["error"]["code"]


def test_elsewhere_the_names_that_were_allowed(module_database: Database, tiny_bundle: Bundle) -> None:
    wide = {"host": "0.0.0.0"}  # noqa: S104 -- nothing listens
    named = app_on(module_database, tiny_bundle, **wide, allowed_hosts=["Lab.example"])
    assert Visitor(named).get("/projects", headers={"Host": "lab.example:443"}).status_code == 401
    assert Visitor(named).get("/projects", headers={"Host": "127.0.0.1"}).status_code == 421
    assert Visitor(named).get("http://10.0.0.3/healthz").status_code == 200, "probes ask by address"
    unnamed = app_on(module_database, tiny_bundle, **wide)
    assert Visitor(unnamed).get("/projects", headers={"Host": "anything"}).status_code == 401


def test_a_stranger_sends_little(app: FastAPI) -> None:
    big = {"name": "a", "password": "x" * 100_000}
    assert Visitor(app).post("/session", json=big).status_code == 413

    def trickle() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    assert Visitor(app).post("/session", content=trickle()).status_code == 413, "undeclared sizes are counted"
    liar = Visitor(app)
    liar.cookies.set("hemosight", "invented")
    assert liar.post("/session", json=big).status_code == 413, "a cookie that nobody was given is worth nothing"
    assert liar.post("/session", content=trickle()).status_code == 413
    token = {"Authorization": "Bearer invented"}
    assert Visitor(app, token).post("/projects", content=trickle()).status_code == 413


def test_a_member_sends_no_endless_lists(app: FastAPI) -> None:
    amina = browser(app, "amina")
    many = amina.post("/projects", content=b"[[]," * 60_000, headers={"Content-Type": "application/json"})
    assert many.status_code == 413
    assert "lists and objects" in many.text
    assert amina.post("/projects", json={"name": "x", "description": "y" * 100_000}).status_code == 422, "it was read"
    form = {"files": ("a.jpg", b"x" * (5 << 20))}
    assert amina.post("/projects", files=form).status_code == 413, "files are taken where they are uploaded"


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("PATCH", "/session", None, 405, "method_not_allowed"),
        ("POST", "/session", b"{", 422, "invalid"),
        ("POST", "/session", b'{"name": "a", "password": "b", "more": 1}', 422, "invalid"),
        ("POST", "/session", b'{"name": "\\ud800", "password": "b"}', 422, "invalid"),
        ("POST", "/session", b'{"name": "a\\u0000", "password": "b"}', 422, "invalid"),
        ("GET", "/projects/99999999999999999999999", None, 422, "invalid"),
        ("GET", "/projects", None, 401, "not_signed_in"),
    ],
)
def test_every_fault_has_one_shape(
    app: FastAPI, method: str, path: str, sent: bytes | None, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = Visitor(app).request(method, path, content=sent, headers=headers)
    assert answer.status_code == status, answer.text
    fault = answer.json()["error"]
    assert fault["code"] == code
    assert set(fault) == {"code", "message", "expected", "came", "mend", "fields"}
    assert all(fault[part] for part in ("message", "expected", "came", "mend"))
    assert bool(fault["fields"]) == (code == "invalid" and "u0000" not in str(sent)), "a NUL is found by the database"


@pytest.mark.attack(
    who="anybody",
    what="learns from error messages",
    held="faults are logged by kind and place; the answer holds neither",
)
def test_a_bug_says_nothing_of_itself(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("patient 24-1187")

    monkeypatch.setattr("hemosight.service.routes.session.who", breaks)
    visitor = Visitor(app, raises=False)
    answer = visitor.get("/session")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "24-1187" not in answer.text


# --- the page ---


def test_the_page_and_its_files(tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>the page</p>")
    (static / "assets" / "index-BTk4xQ9a.js").write_text("1")
    (static / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("no")
    app = FastAPI()
    page.install(app, static)
    visitor = Visitor(app)

    def get(path: str):
        return visitor.get(f"http://127.0.0.1{path}")

    for path in ("/", "/projects/3/desk", "/first-run?token=x"):
        assert get(path).text == "<p>the page</p>"
        assert get(path).headers["cache-control"] == "no-cache"
    assert "immutable" in get("/assets/index-BTk4xQ9a.js").headers["cache-control"]
    assert "javascript" in get("/assets/index-BTk4xQ9a.js").headers["content-type"]
    assert get("/icon.svg").headers["cache-control"] == "no-cache"
    assert get("/assets/index-OLDhash1.js").status_code == 404, "a stale script must not be the page"
    assert get("/api/v1/nothing").status_code == 404
    for path in ("/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "/%00"):
        assert get(path).text in ("<p>the page</p>", '{"detail":"Not Found"}'), path
    (static / "index.html").unlink()
    assert get("/").status_code == 503
    assert "npm" in get("/").text


# --- health, metrics, logs ---


def test_health(app: FastAPI, module_database: Database) -> None:
    visitor = Visitor(app)
    assert visitor.get("http://127.0.0.1/healthz").json() == {"alive": True}
    answer = visitor.get("http://127.0.0.1/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": True, "migrated": True, "worker": False}
    from sqlalchemy import text

    with module_database.session() as session:
        session.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
    assert visitor.get("http://127.0.0.1/readyz").json()["ready"] is True


@pytest.mark.attack(
    who="a stranger",
    what="asks over and over whether the service is ready",
    held="the answer reads no file: which tables the program wants is known since its start",
)
def test_being_ready_costs_little(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(app)
    visitor.get("http://127.0.0.1/readyz")

    def read(*_: object) -> None:
        raise AssertionError("the migrations were read again, which takes 15 ms of processor")

    monkeypatch.setattr(ScriptDirectory, "from_config", read)
    assert visitor.get("http://127.0.0.1/readyz").json()["migrated"] is True


@pytest.mark.slow
def test_without_a_database_it_lives_and_is_not_ready(tiny_bundle: Bundle) -> None:
    visitor = Visitor(app_on(Database("host=/nowhere dbname=none"), tiny_bundle))
    assert visitor.get("http://127.0.0.1/healthz").status_code == 200
    answer = visitor.get("http://127.0.0.1/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] is False


def test_metrics_name_routes_and_not_addresses(app: FastAPI, module_database: Database) -> None:
    visitor = browser(app, "root")
    visitor.get("/projects/987654")
    text = visitor.get("http://127.0.0.1/metrics").text
    assert 'route="/projects/{project}",status="404"' in text
    assert "987654" not in text
    for name in ("images_waiting", "images_read", "workers", "teach_seconds_count", "sign_ins_total"):
        assert f"hemosight_{name}" in text
    assert browser(app, "amina").get("http://127.0.0.1/metrics").status_code == 403
    assert program(app, 2, "admin").get("http://127.0.0.1/metrics").status_code == 200


def test_metrics_may_be_open(module_database: Database, tiny_bundle: Bundle) -> None:
    opened = app_on(module_database, tiny_bundle, open_metrics=True)
    assert Visitor(opened).get("http://127.0.0.1/metrics").status_code == 200


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as the service logs it."""
    root, held = logging.getLogger(), io.StringIO()
    before, level = root.handlers, root.level
    logs.configure("info", "json", held)
    try:
        yield held
    finally:
        root.handlers = before
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.attack(
    who="somebody who reads the logs",
    what="finds patients, file names or passwords",
    held="a line names routes and numbers only",
)
def test_logs_hold_no_patient_data(app: FastAPI) -> None:
    visitor = browser(app, "amina")
    with logged() as held:
        project = visitor.post("/projects", json={"name": "SECRET-name"}).json()["id"]
        case = visitor.post(f"/projects/{project}/cases", json={"key": "SECRET-key", "note": "SECRET-note"}).json()
        visitor.patch(f"/projects/{project}/cases/{case['id']}", json={"note": "SECRET-note"})
        visitor.get("/audit", params={"project": project, "action": "SECRET-query"})
        visitor.get("http://127.0.0.1/SECRET-path")
        visitor.post(f"/projects/{project}/cases", json={"key": "SECRET\x00"})
        visitor.post("/session", json={"name": "SECRET-login", "password": "SECRET-password"})
        try:
            raise ValueError("SECRET-message") from KeyError("SECRET-cause")
        except ValueError:
            logging.getLogger("some.library").exception("it broke")
    text = held.getvalue()
    assert "SECRET" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert {"method", "route", "status", "ms", "user", "timestamp", "level"} <= requests[0].keys()
    assert any(line["route"] == "/projects/{project}/cases" and line["status"] == 201 for line in requests)
    (broke,) = [line for line in lines if line["event"] == "it broke"]
    assert broke["kind"] == "ValueError from KeyError"
    assert any("test_fences.py" in place for place in broke["trace"])


# --- the rule of waiting ---


def test_a_log_file_is_turned_over_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "hemosight.log"
    root = logging.getLogger()
    before, level = root.handlers, root.level
    logs.configure_from(told(log_file=file, log_file_bytes=4096, log_files=2))
    try:
        for number in range(200):
            structlog.get_logger().info("turned", number=number, filling="x" * 80)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = before
        root.setLevel(level)
        structlog.reset_defaults()
    assert sorted(item.name for item in file.parent.iterdir()) == [
        "hemosight.log",
        "hemosight.log.1",
        "hemosight.log.2",
    ]
    assert all(item.stat().st_size <= 4096 for item in file.parent.iterdir())
    assert json.loads(file.read_text().splitlines()[-1])["number"] == 199
    assert beside(file, 0).name == "hemosight-worker-1.log", "a worker's is its own"
    with pytest.raises(ServiceFault, match="a log file that can be written"):
        logs.configure_from(told(log_file=file / "below"))


def test_the_wait_doubles_up_to_the_longest() -> None:
    rule = Rule(tries=3, longest=10)
    assert [rule.pause(wrong) for wrong in (0, 2, 3, 4, 5, 6, 7, 5000)] == [0, 0, 1, 2, 4, 8, 10, 10]
