"""Signing in and out, sessions that end, throttling, the first administrator, tokens, and one local person."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from gate import PASSWORD, Visitor, add_user, app_on, browser, program
from sqlalchemy import select, update
from starlette.requests import Request

from hemosight.engine.bundle import Bundle
from hemosight.service.accounts import make_administrator
from hemosight.service.errors import Refusal
from hemosight.service.security import passwords
from hemosight.service.security.permissions import still_there, viewer
from hemosight.service.security.secrets import kept
from hemosight.service.security.throttle import Rule
from hemosight.service.state import state
from hemosight.service.storage import sign_ins
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import ApiToken, FirstRun, LoginAttempt, SignedIn, User

pytestmark = pytest.mark.service

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a loaded machine a pause of a second is over before the next request: here each lasts a minute."""

    def pause(self: Rule, wrong: int) -> float:
        return 0.0 if wrong < self.tries else min(60.0, self.longest)

    monkeypatch.setattr(Rule, "pause", pause)


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "amina")
    return app_on(database, tiny_bundle, login_tries=3, login_tries_address=5)


def _sign_in(visitor: Visitor, name: str, password: str) -> Any:
    return visitor.post("/session", json={"name": name, "password": password})


def _age(database: Database, table: Any, **columns: datetime.timedelta) -> None:
    """Make every row of a table older."""
    with database.session() as session:
        session.execute(update(table).values({name: getattr(table, name) - by for name, by in columns.items()}))


# --- sessions ---


def test_signing_in_and_out(app: FastAPI) -> None:
    visitor = Visitor(app)
    nobody = visitor.get("/session").json()
    assert (nobody["user"], nobody["csrf"], nobody["login"]) == (None, "", True)
    visitor.sign_in("AMINA")
    assert visitor.get("/session").json()["user"]["name"] == "amina"
    assert visitor.delete("/session").json() == {"location": None}
    assert visitor.get("/session").json()["user"] is None
    assert visitor.get("/projects").status_code == 401


@pytest.mark.attack(
    who="a script in the page, or a listener on the line",
    what="takes the session's cookie",
    held="HttpOnly, SameSite, Secure and __Host- behind TLS",
)
def test_the_cookie_is_out_of_reach_of_scripts(app: FastAPI, database: Database, tiny_bundle: Bundle) -> None:
    flags = _sign_in(Visitor(app), "amina", PASSWORD).headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "secure" not in flags
    behind = app_on(database, tiny_bundle, behind_tls=True)
    answer = _sign_in(Visitor(behind, at="https://127.0.0.1"), "amina", PASSWORD)
    assert answer.headers["set-cookie"].startswith("__Host-hemosight=")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.attack(
    who="somebody who copied the database or a backup",
    what="signs in with what is in it",
    held="sessions and tokens are kept as hashes, passwords as argon2",
)
def test_the_database_holds_no_secret(app: FastAPI, database: Database) -> None:
    visitor = browser(app, "amina")
    secret = visitor.cookies["hemosight"]
    with database.session() as session:
        row = session.scalars(select(SignedIn)).one()
    assert row.id_hash == kept(secret)
    assert row.csrf != secret


@pytest.mark.attack(
    who="somebody who set a cookie in another's browser",
    what="waits for them to sign in (fixation)",
    held="signing in gives a new secret",
)
def test_signing_in_again_changes_the_secret_and_ends_the_old_one(app: FastAPI) -> None:
    visitor = browser(app, "amina")
    before = visitor.cookies["hemosight"]
    visitor.sign_in("amina")
    assert visitor.cookies["hemosight"] != before
    thief = Visitor(app)
    thief.cookies.set("hemosight", before)
    assert thief.get("/projects").status_code == 401


def test_a_planted_cookie_does_not_become_a_session(app: FastAPI) -> None:
    visitor = Visitor(app)
    visitor.cookies.set("hemosight", "planted", domain="127.0.0.1", path="/")
    visitor.sign_in("amina")
    planted = Visitor(app)
    planted.cookies.set("hemosight", "planted")
    assert planted.get("/projects").status_code == 401


def test_a_session_ends_when_idle_and_in_any_case(app: FastAPI, database: Database) -> None:
    visitor = browser(app, "amina")
    _age(database, SignedIn, seen_at=11 * HOUR)
    assert visitor.get("/projects").status_code == 200
    _age(database, SignedIn, seen_at=11 * HOUR)
    assert visitor.get("/projects").status_code == 200, "it was used in between"
    _age(database, SignedIn, seen_at=13 * HOUR)
    assert visitor.get("/projects").status_code == 401
    visitor.sign_in("amina")
    _age(database, SignedIn, expires_at=8 * 24 * HOUR)
    assert visitor.get("/projects").status_code == 401


@pytest.mark.attack(
    who="whoever comes to a desk that its reviewer has left",
    what="finds the page open and signed in, days later",
    held="a line of events that stays open is no request: the session idles, and the line ends with it",
)
def test_an_open_line_of_events_does_not_keep_a_session(app: FastAPI, database: Database) -> None:
    visitor = browser(app, "amina")
    project = visitor.post("/projects", json={"name": "Slides"}).json()["id"]
    cookie = f"hemosight={visitor.cookies['hemosight']}".encode()
    request = Request({"type": "http", "method": "GET", "headers": [(b"cookie", cookie)], "app": app, "client": None})
    _age(database, SignedIn, seen_at=11 * HOUR)
    still_there(request)
    assert viewer(request, state(request), project).role == "admin"
    _age(database, SignedIn, seen_at=2 * HOUR)
    with pytest.raises(Refusal, match="signed in"):
        viewer(request, state(request), project)
    assert visitor.get("/projects").status_code == 401


def test_other_browsers_can_be_signed_out(app: FastAPI) -> None:
    here, there = browser(app, "amina"), browser(app, "amina")
    listed = here.get("/account/sessions").json()["items"]
    assert [item["current"] for item in listed].count(True) == 1
    assert len(listed) == 2
    assert here.delete("/account/sessions").json() == {"ended": 1}
    assert there.get("/projects").status_code == 401
    assert here.get("/projects").status_code == 200


# --- passwords ---


def test_a_new_password_replaces_the_old_one_everywhere(app: FastAPI) -> None:
    here, there = browser(app, "amina"), browser(app, "amina")
    wrong = here.post("/account/password", json={"old": "not it at all", "new": "another four words"})
    assert wrong.status_code == 401
    short = here.post("/account/password", json={"old": PASSWORD, "new": "short"})
    assert short.status_code == 422
    assert here.post("/account/password", json={"old": PASSWORD, "new": "another four words"}).status_code == 204
    assert here.get("/projects").status_code == 200
    assert there.get("/projects").status_code == 401
    assert _sign_in(Visitor(app), "amina", PASSWORD).status_code == 401
    assert _sign_in(Visitor(app), "amina", "another four words").status_code == 200


def test_an_unknown_name_costs_as_much_as_a_wrong_password(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    from pwdlib import PasswordHash

    compared: list[str] = []
    whole = PasswordHash.verify_and_update

    def counting(self: PasswordHash, password: str, known: str) -> tuple[bool, str | None]:
        compared.append(known)
        return whole(self, password, known)

    passwords.verify("", None)  # the hash that stands in for nobody's is made once
    monkeypatch.setattr(PasswordHash, "verify_and_update", counting)
    wrong = _sign_in(Visitor(app), "amina", "wrong password")
    unknown = _sign_in(Visitor(app), "nobody", "wrong password")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    hers, nobodys = compared
    assert hers != nobodys
    assert [part.split("$")[1:4] for part in compared] == [hers.split("$")[1:4]] * 2, "of the same cost"


def test_a_hash_that_became_too_cheap_is_renewed(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    monkeypatch.setattr(passwords, "HASHING", PasswordHash.recommended())
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),)).hash(PASSWORD)
    with database.session() as session:
        session.execute(update(User).values(password_hash=cheap))
    browser(app, "amina")
    with database.session() as session:
        renewed = session.scalars(select(User.password_hash)).one()
    assert renewed != cheap
    assert passwords.verify(PASSWORD, renewed) == (True, None)


# --- throttling ---


def test_a_name_waits_after_wrong_passwords_and_is_free_again_later(app: FastAPI, database: Database) -> None:
    visitor = Visitor(app)
    for _ in range(3):
        assert _sign_in(visitor, "amina", "wrong password").status_code == 401
    throttled = _sign_in(visitor, "Amina", PASSWORD)
    assert throttled.status_code == 429, "the right password too: else the answer would tell"
    assert int(throttled.headers["retry-after"]) >= 1
    assert throttled.json()["error"]["code"] == "too_many_tries"
    _age(database, LoginAttempt, at=datetime.timedelta(seconds=61))
    visitor.sign_in("amina")
    assert _sign_in(visitor, "amina", "wrong password").status_code == 401, "the right one wiped the slate"


def test_an_address_waits_after_wrong_passwords_for_many_names(app: FastAPI) -> None:
    visitor = Visitor(app)
    found = [_sign_in(visitor, f"name-{number}", "wrong password").status_code for number in range(6)]
    assert found == [401] * 5 + [429]


def test_many_tries_at_once_are_not_better_than_one_after_the_other(app: FastAPI) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: _sign_in(Visitor(app), "amina", "wrong password").status_code, range(8)))
    assert found.count(401) == 3, "three are free"
    assert set(found) == {401, 429}


def _give_wrong(app: FastAPI, name: str, times: int, address: str) -> list[int]:
    return [_sign_in(Visitor(app, address=address), name, "wrong password").status_code for _ in range(times)]


@pytest.mark.attack(
    who="somebody who knows a name",
    what="locks it by wrong passwords from elsewhere",
    held="waits are of whoever gives wrong passwords: the name's owner signs in at once",
)
def test_a_stranger_cannot_lock_a_name(app: FastAPI) -> None:
    assert 429 in _give_wrong(app, "amina", 8, "10.9.9.9")
    assert _sign_in(Visitor(app, address="10.0.0.7"), "amina", PASSWORD).status_code == 200


@pytest.mark.attack(
    who="somebody with many addresses",
    what="guesses the password of one name from all of them",
    held="the name is slowed down for strange browsers, some seconds at most; known browsers go on",
)
def test_a_name_tried_from_everywhere_is_slowed_down_and_not_locked(database: Database, tiny_bundle: Bundle) -> None:
    add_user(database, "amina")
    app = app_on(database, tiny_bundle, login_tries_name=4, login_wait_name=30)
    known = Visitor(app, address="10.0.0.7").sign_in("amina")
    for number in range(12):
        _give_wrong(app, "amina", 1, f"10.9.9.{number}")
    throttled = _sign_in(Visitor(app, address="10.0.0.8"), "amina", PASSWORD)
    assert throttled.status_code == 429
    assert int(throttled.headers["retry-after"]) <= 30
    assert _sign_in(known, "amina", PASSWORD).status_code == 200


def test_wrong_passwords_at_a_shared_address_do_not_stop_who_signed_in_there_before(app: FastAPI) -> None:
    known = Visitor(app, address="10.0.0.7").sign_in("amina")
    for number in range(7):
        _give_wrong(app, f"name-{number}", 1, "10.0.0.7")
    assert _sign_in(Visitor(app, address="10.0.0.7"), "amina", PASSWORD).status_code == 429, "a strange browser waits"
    assert _sign_in(known, "amina", PASSWORD).status_code == 200


@pytest.mark.attack(
    who="somebody who found a browser that is known",
    what="guesses on it without end",
    held="its own wrong passwords slow it down like any other",
)
def test_a_known_browser_waits_for_its_own_wrong_passwords(app: FastAPI) -> None:
    known = browser(app, "amina")
    assert [_sign_in(known, "amina", "wrong password").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_right_passwords_at_the_same_time_are_no_wrong_ones(app: FastAPI, database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [f"person-{number}" for number in range(9)]
    for name in names:
        add_user(database, name)
    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(lambda name: _sign_in(Visitor(app), name, PASSWORD).status_code, names))
    assert found == [200] * 9, "five wrong ones are free at an address, and none of these is wrong"


def test_a_clock_set_back_keeps_nobody_out(app: FastAPI, database: Database) -> None:
    _give_wrong(app, "amina", 3, "testclient")
    _age(database, LoginAttempt, at=-HOUR)
    throttled = _sign_in(Visitor(app), "amina", PASSWORD)
    assert throttled.status_code == 429
    assert int(throttled.headers["retry-after"]) <= 60, "not an hour"
    _age(database, LoginAttempt, at=datetime.timedelta(seconds=61))
    assert _sign_in(Visitor(app), "amina", PASSWORD).status_code == 200


@pytest.mark.attack(
    who="somebody at an unlocked screen",
    what="guesses the password under *Account*",
    held="wrong ones count as at signing in",
)
def test_guesses_at_the_change_of_a_password_are_slowed_down(app: FastAPI) -> None:
    visitor = browser(app, "amina")
    given = {"old": "wrong password", "new": "another four words"}
    assert [visitor.post("/account/password", json=given).status_code for _ in range(4)] == [401, 401, 401, 429]


@pytest.mark.attack(
    who="somebody who copied a token",
    what="goes on with it after the password was changed or reset",
    held="a new password ends sessions, tokens and known browsers",
)
@pytest.mark.parametrize("how", ["changed by its owner", "reset by an administrator", "reset on the server"])
def test_a_new_password_ends_sessions_and_tokens(app: FastAPI, database: Database, how: str) -> None:
    add_user(database, "root", is_admin=True)
    other = browser(app, "amina")
    visitor = browser(app, "amina")
    secret = visitor.post("/account/tokens", json={"name": "analyzer", "scopes": ["read"]}).json()["secret"]
    token = Visitor(app, {"Authorization": f"Bearer {secret}"})
    assert token.get("/projects").status_code == 200
    new = "another four words"
    if how.startswith("changed"):
        assert visitor.post("/account/password", json={"old": PASSWORD, "new": new}).status_code == 204
    elif how.endswith("administrator"):
        number = visitor.get("/session").json()["user"]["id"]
        assert browser(app, "root").patch(f"/users/{number}", json={"password": new}).status_code == 200
    else:
        make_administrator(database, "amina", None, new, 10)
    assert token.get("/projects").status_code == 401
    assert other.get("/projects").status_code == 401
    assert Visitor(app).sign_in("amina", new).get("/projects").status_code == 200


# --- names that people read ---


@pytest.mark.attack(
    who="a member",
    what="calls themselves as a colleague is called, signs, and takes the name back",
    held="nobody names themselves as another account is called, or so that it reads alike",
)
@pytest.mark.parametrize(
    "called", ["Amina", "AMINA", " a m i n a ", "\u200bAmina\u202e", "\uff21mina", "Am\u00adina", "A.mina", "amina"]
)
def test_nobody_calls_themselves_as_another(app: FastAPI, database: Database, called: str) -> None:
    add_user(database, "mallory")
    mallory = browser(app, "mallory")
    refused = mallory.patch("/account", json={"display": called})
    assert refused.status_code == 409, refused.text
    assert mallory.get("/session").json()["user"]["display"] == "Mallory"
    assert browser(app, "amina").patch("/account", json={"display": "Amina"}).status_code == 200, "one's own"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Dr. Özgür\r\nSigned: Dr. No", "Dr. Özgür Signed: Dr. No"),
        ("\u202eonitraM\u2066 Silva\u0000\u0007", "onitraM Silva"),
        ("Zo\u0065\u0301", "Zoé"),
        ("र\u200dया", "र\u200dया"),
        ("\u200b\u2060", None),
        ("...", None),
    ],
)
def test_a_name_is_what_it_looks_like(app: FastAPI, given: str, kept: str | None) -> None:
    visitor = browser(app, "amina")
    answer = visitor.patch("/account", json={"display": given})
    assert answer.status_code == (422 if kept is None else 200), answer.text
    assert visitor.get("/session").json()["user"]["display"] == (kept or "Amina")


# --- the first administrator ---


@pytest.fixture
def new_app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    return app_on(database, tiny_bundle)


FIRST = {"name": "root", "display": "Root", "password": PASSWORD}


def test_the_first_link_makes_an_administrator_once(new_app: FastAPI, database: Database) -> None:
    with database.session() as session:
        sign_ins.offer_first_run(session, kept("older"))
    with database.session() as session:
        sign_ins.offer_first_run(session, kept("secret"))
    visitor = Visitor(new_app)
    assert visitor.get("/session").json()["first_run"] is True
    assert visitor.post("/first-run", json={**FIRST, "token": "guess"}).status_code == 404
    assert visitor.post("/first-run", json={**FIRST, "token": "older"}).status_code == 404
    made = visitor.post("/first-run", json={**FIRST, "token": "secret"})
    assert made.status_code == 201
    assert made.json()["user"]["is_admin"] is True
    visitor.headers["X-CSRF-Token"] = made.json()["csrf"]
    assert visitor.get("/users").status_code == 200
    assert visitor.get("/session").json()["first_run"] is False
    assert Visitor(new_app).post("/first-run", json={**FIRST, "token": "secret"}).status_code == 409


def test_a_refused_first_link_stays_good(new_app: FastAPI, database: Database) -> None:
    with database.session() as session:
        sign_ins.offer_first_run(session, kept("secret"))
    visitor = Visitor(new_app)
    assert visitor.post("/first-run", json={**FIRST, "token": "secret", "password": "short"}).status_code == 422
    assert visitor.post("/first-run", json={**FIRST, "token": "secret"}).status_code == 201


def test_the_first_link_is_good_for_a_day(new_app: FastAPI, database: Database) -> None:
    with database.session() as session:
        sign_ins.offer_first_run(session, kept("secret"))
    _age(database, FirstRun, created_at=25 * HOUR)
    assert Visitor(new_app).post("/first-run", json={**FIRST, "token": "secret"}).status_code == 404


# --- tokens ---


def test_a_token_is_told_once_used_and_revoked(app: FastAPI, database: Database) -> None:
    visitor = browser(app, "amina")
    made = visitor.post("/account/tokens", json={"name": "analyzer", "scopes": ["write"], "days": 30}).json()
    token = Visitor(app, {"Authorization": f"Bearer {made['secret']}"})
    assert token.post("/projects", json={"name": "By a program"}).status_code == 201, "no cookie, no CSRF token"
    (listed,) = visitor.get("/account/tokens").json()["items"]
    assert "secret" not in listed
    assert listed["used_at"] is not None
    with database.session() as session:
        row = session.scalars(select(ApiToken)).one()
    assert row.hash == kept(made["secret"])
    assert visitor.delete(f"/account/tokens/{made['id']}").status_code == 204
    assert visitor.delete(f"/account/tokens/{made['id']}").status_code == 404
    assert token.get("/projects").status_code == 401
    assert visitor.get("/account/tokens").json()["items"] == []


def test_a_token_expires(app: FastAPI, database: Database) -> None:
    visitor = browser(app, "amina")
    made = visitor.post("/account/tokens", json={"name": "short", "scopes": ["read"], "days": 1}).json()
    _age(database, ApiToken, expires_at=25 * HOUR)
    assert Visitor(app, {"Authorization": f"Bearer {made['secret']}"}).get("/projects").status_code == 401


def test_a_token_is_not_made_for_a_foreign_project(app: FastAPI, database: Database) -> None:
    add_user(database, "jonas")
    project = browser(app, "jonas").post("/projects", json={"name": "His"}).json()["id"]
    answer = browser(app, "amina").post("/account/tokens", json={"name": "x", "scopes": ["read"], "project": project})
    assert answer.status_code == 403


# --- accounts ---


def test_an_administrator_keeps_the_accounts(app: FastAPI, database: Database) -> None:
    add_user(database, "root", is_admin=True)
    root = browser(app, "root")
    new = {"name": "jonas", "display": "Jonas", "password": PASSWORD}
    jonas = root.post("/users", json=new).json()["id"]
    assert root.post("/users", json={**new, "name": "JONAS"}).status_code == 409
    visitor, token = browser(app, "jonas"), program(app, jonas)
    assert token.get("/projects").status_code == 200
    assert root.patch(f"/users/{jonas}", json={"active": False}).json()["active"] is False
    assert visitor.get("/projects").status_code == 401
    assert token.get("/projects").status_code == 401
    assert _sign_in(Visitor(app), "jonas", PASSWORD).status_code == 401
    names = [item["name"] for item in root.get("/users").json()["items"]]
    assert names == ["amina", "root", "jonas"]
    actions = [row["action"] for row in root.get("/audit").json()["items"]]
    assert actions[:2] == ["user.change", "session.begin"]


def test_the_last_administrator_stays(app: FastAPI, database: Database) -> None:
    number = add_user(database, "root", is_admin=True)
    root = browser(app, "root")
    assert root.patch(f"/users/{number}", json={"is_admin": False}).status_code == 409
    assert root.patch(f"/users/{number}", json={"active": False}).status_code == 409
    other = add_user(database, "other", is_admin=True)
    assert root.patch(f"/users/{other}", json={"is_admin": False}).status_code == 200


# --- one local person ---


def test_without_login_there_is_one_person_and_the_same_fences(database: Database, tiny_bundle: Bundle) -> None:
    app = app_on(database, tiny_bundle, login=False)
    visitor = Visitor(app)
    shown = visitor.get("/session").json()
    assert (shown["user"]["name"], shown["user"]["is_admin"], shown["login"]) == ("local", True, False)
    assert visitor.post("/projects", json={"name": "Mine"}).status_code == 403, "another page could send this"
    visitor.headers["X-CSRF-Token"] = shown["csrf"]
    assert visitor.post("/projects", json={"name": "Mine"}).status_code == 201
    assert visitor.get("/audit").json()["items"][0]["user"]["name"] == "local"
    # Another page may not even read: an export would leave its mark in the trail.
    for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
        assert visitor.get("/projects", headers={"Sec-Fetch-Site": site}).status_code == status
    again = Visitor(app_on(database, tiny_bundle, login=False)).get("/session").json()
    assert again["csrf"] == shown["csrf"], "an open page survives a restart"


def test_the_local_person_cannot_come_in_where_people_sign_in(database: Database, tiny_bundle: Bundle) -> None:
    Visitor(app_on(database, tiny_bundle, login=False)).get("/session")
    app = app_on(database, tiny_bundle)
    assert _sign_in(Visitor(app), "local", "").status_code == 401
    assert Visitor(app).get("/session").json()["first_run"] is True
    for guess in ("", "no login", "local"):
        thief = Visitor(app)
        thief.cookies.set("hemosight", guess)
        assert thief.get("/projects").status_code == 401
