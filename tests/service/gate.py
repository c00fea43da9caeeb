"""People at the door of a service: an app on a test's database, and clients of it, signed in or not."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from hemosight.engine.bundle import Bundle
from hemosight.service.app import API, create_app
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.project_states import ProjectStates
from hemosight.service.security import passwords
from hemosight.service.security.permissions import SCOPES
from hemosight.service.security.secrets import kept, new_token
from hemosight.service.settings import Settings, defaults
from hemosight.service.storage import sign_ins, users
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import ApiToken, KnownBundle, Member

PASSWORD = "four words in a row"  # noqa: S105 -- of accounts that live for a test
"""Everybody's."""
_HASH = passwords.hashed(PASSWORD, 10)


def told(**settings: Any) -> Settings:
    """Settings that depend on nothing around them."""
    return Settings.model_validate({**defaults().model_dump(), **settings})


def app_on(database: Database, bundle: Bundle, **settings: Any) -> FastAPI:
    """An app on a database."""
    return create_app(told(**settings), database, registry=BundleRegistry(bundle, threads=1))


class Visitor(TestClient):
    """A browser or a program that speaks to the app by paths below ``/api/v1``."""

    def __init__(
        self,
        app: FastAPI,
        headers: Mapping[str, str] | None = None,
        *,
        at: str = "http://127.0.0.1",
        address: str = "testclient",
        raises: bool = True,
    ) -> None:
        super().__init__(
            app,
            base_url=f"{at}{API}",
            headers=dict(headers or {}),
            raise_server_exceptions=raises,
            client=(address, 50000),
        )
        self._service = app

    @property
    def project_states(self) -> ProjectStates:
        """The projects that the app has in memory."""
        return self._service.state.project_states

    def sign_in(self, name: str, password: str = PASSWORD) -> Visitor:
        """Sign in; from now on every request carries the cookie and the token."""
        answer = self.post("/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        self.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return self

    def export(self, project: str, **wanted: Any) -> Any:
        """The file of an export that is asked for, of the project at a path."""
        made = self.post(f"{project}/exports", json=wanted)
        assert made.status_code == 201, made.text
        return self.get(f"{project}/exports/{made.json()['id']}")


def add_user(database: Database, name: str, *, is_admin: bool = False) -> int:
    """An account with everybody's password; gives its number."""
    with database.session() as session:
        return users.add(session, name, name.title(), _HASH, is_admin=is_admin).id


def browser(app: FastAPI, name: str) -> Visitor:
    """A browser in which somebody is signed in."""
    return Visitor(app).sign_in(name)


def register(database: Database, bundle: Bundle) -> None:
    """Make a bundle known to a database, once."""
    with database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(bundle).register(session)


def members(app: FastAPI, project: int, *roles: str) -> list[Visitor]:
    """Browsers of new accounts, each a member of a project in one of these roles."""
    database, people = app.state.database, []
    for role in roles:
        name = f"{role}-{uuid.uuid4().hex[:8]}"
        user = add_user(database, name)
        with database.session() as session:
            session.add(Member(project_id=project, user_id=user, role=role))
        people.append(browser(app, name))
    return people


def program(app: FastAPI, user: int, *scopes: str, project: int | None = None) -> Visitor:
    """A program with a token of an account; all scopes where none is named."""
    secret = new_token()
    with app.state.database.session() as session:
        session.add(
            ApiToken(
                user_id=user,
                name="test",
                hash=kept(secret),
                scopes=list(scopes or SCOPES),
                project_id=project,
                created_at=sign_ins.now(),
            )
        )
    return Visitor(app, {"Authorization": f"Bearer {secret}"})
