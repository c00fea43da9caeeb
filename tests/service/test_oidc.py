"""Signing in by an OpenID Connect provider, against one that runs as a process of its own."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from gate import PASSWORD, Visitor, add_user, app_on, browser, program
from provider import CLIENT, PERSON, SECRET
from sqlalchemy import select, update
from structlog.testing import capture_logs

from hemosight.engine.bundle import Bundle
from hemosight.errors import HemoSightError
from hemosight.service.settings import load
from hemosight.service.storage import identities, users
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, Identity, Member, OidcTry, User

BACK = "/session/provider"
LATE = datetime.timedelta(minutes=11)


class Hospital:
    """The provider, and what its users do in a browser."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def told(self, **words: Any) -> None:
        """Who signs in next, and what is wrong about it."""
        httpx.post(f"{self.issuer}/told", json={name.replace("_", " "): word for name, word in words.items()})

    def sent_back(self, visitor: Visitor, begun: str = BACK, **given: Any) -> str:
        """Go to the provider and sign in there; the address that it sends the browser back to."""
        answer = visitor.post(begun, json=given or None) if begun != BACK else visitor.post(begun, json=given)
        assert answer.status_code == 200, answer.text
        there = httpx.get(answer.json()["location"])
        assert there.status_code == 302, there.text
        return there.headers["location"]

    def came(self, visitor: Visitor, back: str) -> str:
        """Where the page goes on, once the browser is back."""
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        answer = visitor.get(back, headers=headers, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def signs_in(self, visitor: Visitor, **given: Any) -> str:
        """There and back."""
        return self.came(visitor, self.sent_back(visitor, **given))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    file = Path(__file__).with_name("provider.py")
    with subprocess.Popen([sys.executable, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def hospital(issuer: str) -> Iterator[Hospital]:
    made = Hospital(issuer)
    made.told()
    yield made
    made.told()


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def make_app(database: Database, tiny_bundle: Bundle, issuer: str) -> MakeApp:
    def made(**settings: Any) -> FastAPI:
        given = {"oidc_issuer": issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        return app_on(database, tiny_bundle, **{**given, **settings})

    return made


def _who(visitor: Visitor) -> str | None:
    user = visitor.get("/session").json()["user"]
    return None if user is None else user["name"]


# --- in and out ---


def test_a_person_of_the_provider_signs_in_and_out(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    app = make_app(oidc_title="General Hospital")
    visitor = Visitor(app)
    assert visitor.get("/session").json()["provider"] == "General Hospital"
    assert hospital.signs_in(visitor, goes_on="/projects/3") == "/projects/3"
    shown = visitor.get("/session").json()
    assert (shown["user"]["name"], shown["user"]["display"]) == ("amina", "Dr. Amina Diallo")
    assert (shown["user"]["is_admin"], shown["password"]) == (False, False)
    visitor.headers["X-CSRF-Token"] = shown["csrf"]
    assert visitor.get("/projects").status_code == 200
    # Again, elsewhere: the same account, whatever it is called over there by now.
    hospital.told(person={**PERSON, "preferred_username": "amina.diallo", "name": "A. D."})
    other = Visitor(app)
    hospital.signs_in(other)
    assert _who(other) == "amina"
    out = urlsplit(visitor.delete("/session").json()["location"])
    assert f"{out.scheme}://{out.netloc}{out.path}" == f"{hospital.issuer}/end"
    assert parse_qs(out.query) == {
        "client_id": [CLIENT],
        "post_logout_redirect_uri": ["http://127.0.0.1/sign-in"],
    }
    assert _who(visitor) is None
    with database.session() as session:
        assert session.scalars(select(User.name)).all() == ["amina"]
        assert session.scalars(select(User.password_hash)).all() == [None]
        assert session.scalars(select(Identity.subject)).all() == ["u-1"]


def test_what_goes_to_the_provider(hospital: Hospital, make_app: MakeApp) -> None:
    visitor = Visitor(make_app(public_url="https://hemosight.example/desk/", oidc_scopes=["openid", "groups"]))
    answer = visitor.post(BACK, json={})
    asked = {name: value for name, (value,) in parse_qs(urlsplit(answer.json()["location"]).query).items()}
    assert asked["redirect_uri"] == "https://hemosight.example/desk/api/v1/session/provider"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid groups"
    secret = visitor.cookies["hemosight-provider"]
    parts = [asked["state"], asked["nonce"], asked["code_challenge"], secret]
    assert len(set(parts)) == 4
    assert all(len(part) == 43 for part in parts)
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "secret" not in answer.json()["location"]


def test_groups_that_the_token_does_not_tell_are_asked_for(hospital: Hospital, make_app: MakeApp) -> None:
    app = make_app(oidc_groups={"readers": []})
    hospital.told(claims={"groups": None})
    visitor = Visitor(app)
    hospital.signs_in(visitor)
    assert _who(visitor) == "amina"
    hospital.told(claims={"groups": None}, me={"sub": "somebody else", "groups": ["readers"]})
    assert hospital.signs_in(Visitor(app)) == "/sign-in?refused=token"


def test_a_new_key_of_the_provider_is_looked_up(
    hospital: Hospital, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    hospital.signs_in(Visitor(app))
    hospital.told(new_key=True)
    monkeypatch.setattr("hemosight.service.oidc.AGAIN", 0)
    visitor = Visitor(app)
    assert hospital.signs_in(visitor) == "/projects"
    assert _who(visitor) == "amina"


def test_a_provider_that_is_away_is_said(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(oidc_issuer="http://127.0.0.1:9")
    answer = Visitor(app).post(BACK, json={})
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]["came"]
    # Whoever presses the button meanwhile waits for nothing.
    monkeypatch.setattr("hemosight.service.oidc.httpx2.get", lambda *_, **__: pytest.fail("asked again at once"))
    assert Visitor(app).post(BACK, json={}).status_code == 503
    add_user(app.state.database, "bela")
    assert Visitor(app).sign_in("bela").delete("/session").json() == {"location": None}


def test_without_a_provider_there_is_nothing_to_come_from(database: Database, tiny_bundle: Bundle) -> None:
    visitor = Visitor(app_on(database, tiny_bundle))
    assert visitor.get("/session").json()["provider"] is None
    assert visitor.post(BACK, json={}).status_code == 404
    assert visitor.get(BACK, follow_redirects=False).status_code == 404


# --- attacks ---


@pytest.mark.attack(
    who="somebody with a token of the provider that is not for this sign-in",
    what="comes in with an ID token of another nonce, issuer, client or time, or one that nobody, they themselves or "
    "everybody can sign",
    held="issuer, audience, azp, nonce, times and an asymmetric signature of the provider's are checked",
)
@pytest.mark.parametrize(
    "told",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": None}},
        {"claims": {"aud": [CLIENT, "another-client"]}},
        {"claims": {"aud": [CLIENT, "another-client"], "azp": "another-client"}},
        {"claims": {"azp": "another-client"}},
        {"from_now": {"exp": -3600}},
        {"claims": {"exp": None}},
        {"from_now": {"iat": 3600}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"signed": "by another"},
        {"signed": "not at all"},
        {"signed": "with the public key"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_us_lets_nobody_in(hospital: Hospital, make_app: MakeApp, told: Any) -> None:
    app, visitor = make_app(), None
    # Reckoned now: workers that collect the same tests in different seconds would call them by different names.
    moments = {claim: int(time.time()) + seconds for claim, seconds in told.get("from_now", {}).items()}
    hospital.told(**({"claims": moments} if moments else told))
    visitor = Visitor(app)
    with capture_logs() as logs:
        assert hospital.signs_in(visitor) == "/sign-in?refused=token"
    assert _who(visitor) is None
    (line,) = [line for line in logs if line["event"] == "oidc.refused"]
    assert "amina" not in str(line).lower(), "the log names nobody"
    with app.state.database.session() as session:
        assert session.scalars(select(User)).all() == []


def test_an_audience_of_several_that_names_us_is_taken(hospital: Hospital, make_app: MakeApp) -> None:
    hospital.told(claims={"aud": [CLIENT, "another-client"], "azp": CLIENT})
    assert hospital.signs_in(Visitor(make_app())) == "/projects"


@pytest.mark.attack(
    who="somebody who saw the address a browser came back with",
    what="comes back with it again, or in another browser, or later",
    held="a state is good once, for ten minutes, in the browser that it was made for",
)
def test_an_answer_is_good_once_and_in_one_browser(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    app = make_app()
    visitor = Visitor(app)
    back = hospital.sent_back(visitor)
    secret = visitor.cookies["hemosight-provider"]
    assert hospital.came(Visitor(app), back) == "/sign-in?refused=again", "another browser"
    strange = Visitor(app)
    hospital.sent_back(strange)
    assert hospital.came(strange, back) == "/sign-in?refused=again", "one on a way of its own"
    assert hospital.came(visitor, back) == "/projects"
    thief = Visitor(app)
    thief.cookies.set("hemosight-provider", secret)
    assert hospital.came(thief, back) == "/sign-in?refused=again", "replayed, with the cookie"
    late = Visitor(app)
    back = hospital.sent_back(late)
    with database.session() as session:
        session.execute(update(OidcTry).values(created_at=OidcTry.created_at - LATE))
    assert hospital.came(late, back) == "/sign-in?refused=again"
    assert _who(late) is None


@pytest.mark.attack(
    who="a stranger",
    what="begins to sign in by the provider over and over, so that nobody else can",
    held="the oldest of those who did not come back are forgotten; nobody is refused",
)
def test_strangers_on_the_way_keep_nobody_out(
    hospital: Hospital, make_app: MakeApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "MOST", 5)
    app = make_app()
    back = hospital.sent_back(early := Visitor(app))
    for _ in range(4):
        assert Visitor(app).post(BACK, json={}).status_code == 200
    assert hospital.came(early, back) == "/projects", "others came since, but not as many"
    for _ in range(12):
        assert Visitor(app).post(BACK, json={}).status_code == 200
    assert hospital.signs_in(Visitor(app)) == "/projects"
    with database.session() as session:
        assert len(session.scalars(select(OidcTry)).all()) <= 5


@pytest.mark.attack(
    who="another web page",
    what="signs a reviewer in as somebody else, with an answer of its own (login CSRF)",
    held="only the browser that asked may come back; to ask is a POST of our own page",
)
def test_another_page_begins_nothing(hospital: Hospital, make_app: MakeApp) -> None:
    app = make_app()
    victim = Visitor(app, {"Sec-Fetch-Site": "cross-site"})
    assert victim.post(BACK, json={}).status_code == 403
    attacker = Visitor(app)
    assert hospital.came(victim, hospital.sent_back(attacker)) == "/sign-in?refused=again"
    assert _who(victim) is None
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert attacker.post(BACK, json={"goes_on": elsewhere}).status_code == 422, "no open redirect"


@pytest.mark.attack(
    who="a person of the provider who may choose a name or an e-mail address there",
    what="is called like a local account, an administrator's for instance, to come into it",
    held="an account belongs to the provider's subject, never to a name; its owner connects it, signed in",
)
@pytest.mark.parametrize("name", ["Chief", "chief", " chief ", "local", "erased-7", ""])
def test_a_name_takes_no_account_over(hospital: Hospital, make_app: MakeApp, database: Database, name: str) -> None:
    add_user(database, "chief", is_admin=True)
    app = make_app()
    hospital.told(person={"sub": "u-9", "preferred_username": name, "email": "chief", "email_verified": True})
    visitor = Visitor(app)
    assert hospital.signs_in(visitor) == "/sign-in?refused=name"
    assert _who(visitor) is None
    with database.session() as session:
        assert session.scalars(select(Identity)).all() == []


@pytest.mark.attack(
    who="another provider, or somebody between it and the browser",
    what="answers in the provider's place (mix-up)",
    held="the provider has to call itself as the setting does, in its description and in its answer",
)
def test_another_provider_is_not_believed(hospital: Hospital, make_app: MakeApp) -> None:
    hospital.told(answers_as="https://evil.example")
    assert hospital.signs_in(Visitor(make_app())) == "/sign-in?refused=provider"
    hospital.told(issuer="https://evil.example")
    answer = Visitor(make_app()).post(BACK, json={})
    assert answer.status_code == 503
    assert "calls itself otherwise" in answer.json()["error"]["came"]


def test_a_no_of_the_provider_and_a_made_up_code(hospital: Hospital, make_app: MakeApp) -> None:
    app = make_app()
    hospital.told(error="access_denied")
    assert hospital.signs_in(Visitor(app)) == "/sign-in?refused=provider"
    hospital.told()
    visitor = Visitor(app)
    back = urlsplit(hospital.sent_back(visitor))
    query = {name: value for name, (value,) in parse_qs(back.query).items()}
    made_up = f"{back.path}?state={query['state']}&iss={query['iss']}&code=guessed"
    assert hospital.came(visitor, f"http://127.0.0.1{made_up}") == "/sign-in?refused=provider"


# --- an account that exists ---


def test_an_account_is_connected_by_its_owner(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    chief = add_user(database, "chief", is_admin=True)
    add_user(database, "bela")
    app = make_app()
    owner = browser(app, "chief")
    assert hospital.came(owner, hospital.sent_back(owner, "/account/provider")) == "/account"
    again = Visitor(app)
    hospital.signs_in(again)
    assert _who(again) == "chief"
    # The provider's account is taken; another local one does not get it.
    bela = browser(app, "bela")
    assert hospital.came(bela, hospital.sent_back(bela, "/account/provider")) == "/account?refused=taken"
    # Whoever is signed in when it comes back has to be who began.
    hospital.told(person={**PERSON, "sub": "u-2"})
    back = hospital.sent_back(bela, "/account/provider")
    bela.sign_in("chief")
    assert hospital.came(bela, back) == "/account?refused=again"
    assert program(app, chief).post("/account/provider").status_code == 403, "a token connects nothing"
    with database.session() as session:
        assert session.scalars(select(Identity.user_id)).all() == [chief]


def test_who_is_inactive_or_erased_does_not_come_in(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    app = make_app()
    hospital.signs_in(Visitor(app))
    with database.session() as session:
        session.execute(update(User).values(active=False))
    assert hospital.signs_in(Visitor(app)) == "/sign-in?refused=inactive"
    with database.session() as session:
        users.erase(session, session.scalars(select(User)).one())
    hospital.signs_in(Visitor(app))
    with database.session() as session:
        assert session.scalars(select(User.name).order_by(User.id)).all() == ["erased-1", "amina"], "a new account"


# --- groups ---


def test_groups_give_rights_and_take_them(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    add_user(database, "root", is_admin=True)
    root = browser(make_app(), "root")
    one, two = (root.post("/projects", json={"name": name}).json()["id"] for name in ("One", "Two"))
    groups = {
        "heads": ["administrator"],
        "readers": [f"reviewer:{one}", f"viewer:{two}"],
        "guests": [f"viewer:{one}", "viewer:999"],
        "lab": [],
    }
    app = make_app(oidc_groups=groups)

    def roles(*given: str) -> tuple[bool, dict[int, str]]:
        hospital.told(person={**PERSON, "groups": list(given)})
        visitor = Visitor(app)
        assert hospital.signs_in(visitor) == "/projects"
        user = visitor.get("/session").json()["user"]
        with database.session() as session:
            found = session.execute(select(Member.project_id, Member.role).where(Member.user_id == user["id"]))
            return user["is_admin"], {row.project_id: row.role for row in found}

    assert roles("readers", "guests") == (False, {one: "reviewer", two: "viewer"}), "the higher of two"
    assert roles("heads", "guests") == (True, {one: "viewer"})
    assert roles("lab") == (False, {})
    with database.session() as session:
        rows = session.scalars(select(AuditRow.action).where(AuditRow.subject["by"].astext == "provider")).all()
    assert rows.count("user.change") == 2
    assert rows.count("member.set") == 3
    assert rows.count("member.remove") == 2


@pytest.mark.attack(
    who="somebody who left the hospital, or the group",
    what="goes on with a session or a token of an account whose groups may no longer come in",
    held="the next sign-in ends all of them; a session is over after its days in any case",
)
def test_no_group_takes_the_last_administrator_away(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    hospital.told(person={**PERSON, "groups": ["heads", "lab"]})
    app = make_app(local_accounts=False, oidc_groups={"heads": ["administrator"], "lab": []})
    assert hospital.signs_in(Visitor(app)) == "/projects"
    hospital.told(person={**PERSON, "groups": ["lab"]})
    visitor = Visitor(app)
    assert hospital.signs_in(visitor) == "/projects"
    assert visitor.get("/session").json()["user"]["is_admin"]
    add_user(database, "root", is_admin=True)
    # A right that no group gives is not the provider's to take.
    hospital.signs_in(Visitor(make_app(oidc_groups={"lab": []})))
    with database.session() as session:
        assert session.scalars(select(User.is_admin).where(User.name == PERSON["preferred_username"])).one()
    # With another one there, and a group that gives it, it goes.
    hospital.signs_in(Visitor(make_app(oidc_groups={"heads": ["administrator"], "lab": []})))
    with database.session() as session:
        assert not session.scalars(select(User.is_admin).where(User.name == PERSON["preferred_username"])).one()


def test_who_left_the_groups_is_out(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    app = make_app(oidc_groups={"readers": []})
    visitor = Visitor(app)
    hospital.signs_in(visitor)
    with database.session() as session:
        user = session.scalars(select(User.id)).one()
    token = program(app, user)
    assert token.get("/projects").status_code == visitor.get("/projects").status_code == 200
    hospital.told(person={**PERSON, "groups": ["kitchen"]})
    assert hospital.signs_in(Visitor(app)) == "/sign-in?refused=group"
    assert token.get("/projects").status_code == visitor.get("/projects").status_code == 401


# --- no local accounts ---


@pytest.mark.attack(
    who="somebody who knows a password of a laboratory that signs in by its provider alone",
    what="signs in with it, goes on with an old session, or makes the first administrator",
    held="without `local_accounts` no password is looked at, and sessions that came by one are over",
)
def test_without_local_accounts_no_password_signs_in(hospital: Hospital, make_app: MakeApp, database: Database) -> None:
    add_user(database, "chief", is_admin=True)
    old = browser(make_app(), "chief")
    app = make_app(local_accounts=False, oidc_groups={"readers": ["administrator"]})
    shown = Visitor(app).get("/session").json()
    assert (shown["local_accounts"], shown["first_run"]) == (False, False)
    assert Visitor(app).post("/session", json={"name": "chief", "password": PASSWORD}).status_code == 403
    claimed = Visitor(app)
    claimed.cookies.set("hemosight", old.cookies["hemosight"])
    assert claimed.get("/projects").status_code == 401
    first = {"token": "x", "name": "evil", "display": "E", "password": PASSWORD}
    assert Visitor(app).post("/first-run", json=first).status_code == 403
    visitor = Visitor(app)
    hospital.signs_in(visitor)
    shown = visitor.get("/session").json()
    assert shown["user"]["is_admin"]
    visitor.headers["X-CSRF-Token"] = shown["csrf"]
    new = {"name": "jonas", "display": "J", "password": PASSWORD}
    assert visitor.post("/users", json=new).status_code == 403
    changed = visitor.post("/account/password", json={"old": PASSWORD, "new": "another four words"})
    assert changed.status_code == 403


def test_the_last_administrator_may_be_one_of_the_provider(
    hospital: Hospital, make_app: MakeApp, database: Database
) -> None:
    app = make_app(oidc_groups={"readers": ["administrator"]})
    visitor = Visitor(app)
    hospital.signs_in(visitor)
    shown = visitor.get("/session").json()
    visitor.headers["X-CSRF-Token"] = shown["csrf"]
    assert not Visitor(app).get("/session").json()["first_run"], "there is an administrator"
    answer = visitor.patch(f"/users/{shown['user']['id']}", json={"is_admin": False})
    assert answer.status_code == 409


# --- settings ---


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_issuer": "http://login.example", "oidc_client_id": "x"}, "https"),
        ({"oidc_issuer": "login.example", "oidc_client_id": "x"}, "an address"),
        ({"oidc_issuer": "https://login.example"}, "oidc_client_id"),
        ({"local_accounts": False}, "oidc_issuer"),
        ({"local_accounts": False, "oidc_issuer": "https://x.example", "oidc_client_id": "x"}, "administrator"),
        ({"oidc_groups": {"a": ["owner:3"]}}, "reviewer:N"),
        ({"oidc_groups": {"a": ["reviewer:0"]}}, "reviewer:N"),
    ],
)
def test_settings_that_would_let_nobody_in_or_anybody_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(HemoSightError, match=said):
        load(**given)
