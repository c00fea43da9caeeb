"""Odd values in every place of every request: huge and tiny numbers, NaN, half surrogates, NUL, marks that turn text.

Operations and their parts come from the OpenAPI itself, so a new field is tried the day it is written. Whatever is
sent, there is an answer of ours: a refusal, or what was asked for, but never a fault of the program (5xx).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from gate import Visitor, app_on, browser
from projects import Filled, fill
from sqlalchemy import update

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.security import passwords
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import KnownBundle, User

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly_drawn")]

SEED, EACH = 7, 2
"""By what odd values are chosen, and how many of each kind stand in each place of a body."""
TEXTS = ["", "\0", "\ud800", "x" * 70_000, "\u202egnp.jpg\u2066\u200b", "%", "'; --", "../../etc/passwd", "١٢٣", "²"]
NUMBERS = [0, -1, 2**31, 2**63 - 1, 2**63, 10**400, 1.5, 1e308, -1e308, float("nan"), float("inf"), 5e-324]
OTHERS = [None, True, [], {}, [[]], {"": None}, "1", ["\ud800"], [2**63]]
_LISTENS = "/events"
"""An answer without an end: tests/acceptance/test_connections.py tries it."""
_UNTRIED = {"sign_out", "change_password", "end_other_sessions"}
"""What would end the session of whoever tries."""


@dataclass(frozen=True)
class Part:
    """A place of an operation where a value stands: in its path, query, header or body."""

    method: str
    path: str
    place: str
    name: str
    schema: dict[str, Any]


@dataclass
class Room:
    """An app, a project with something of everything in it, and its administrator, who is the service's as well."""

    visitor: Visitor
    project: Filled
    api: dict[str, Any]
    known: dict[str, Any]

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema without references and alternatives: of those the first that is not null."""
        while True:
            if "$ref" in schema:
                schema = self.api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            elif "anyOf" in schema or "oneOf" in schema:
                choices = schema.get("anyOf") or schema["oneOf"]
                schema = next((one for one in choices if one.get("type") != "null"), choices[0])
            elif "allOf" in schema:
                schema = schema["allOf"][0]
            else:
                return schema

    def usual(self, name: str, schema: dict[str, Any]) -> Any:
        """A value that may stand in a place."""
        if name in self.known:
            return self.known[name]
        schema = self.resolve(schema)
        if schema.get("examples"):
            return self.familiar(schema["examples"][0])
        if "default" in schema:
            return schema["default"]
        if "enum" in schema or "const" in schema:
            return schema.get("const", (schema.get("enum") or [None])[0])
        kind = schema.get("type")
        if kind == "object":
            properties = schema.get("properties", {})
            return {one: self.usual(one, properties[one]) for one in schema.get("required", ())}
        if kind == "array":
            return [self.usual(name.removesuffix("s"), schema.get("items", {}))] * max(1, schema.get("minItems", 1))
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        return {"integer": max(1, int(low)), "number": float(low) + 0.5, "boolean": False}.get(str(kind), "abc")

    def familiar(self, example: Any) -> Any:
        """An example, with the numbers that exist here."""
        if isinstance(example, dict):
            return {name: self.known.get(name, self.familiar(value)) for name, value in example.items()}
        return [self.familiar(value) for value in example] if isinstance(example, list) else example

    def parts(self) -> Iterator[Part]:
        """Every place of every operation."""
        for path, methods in self.api["paths"].items():
            for method, facts in methods.items():
                if path.endswith(_LISTENS) or facts["operationId"] in _UNTRIED:
                    continue
                for one in facts.get("parameters", ()):
                    yield Part(method.upper(), path, one["in"], one["name"], one["schema"])
                body = facts.get("requestBody", {}).get("content", {}).get("application/json")
                if body is not None:
                    yield Part(method.upper(), path, "body", "", body["schema"])

    def address(self, path: str, name: str = "", value: Any = None) -> str:
        """An operation's address, with the numbers that exist here, and one that is odd."""

        def number(found: re.Match[str]) -> str:
            given = self.known.get(found[1], 1) if found[1] != name else value
            return re.sub(r"[^\w.~-]", lambda sign: "".join(f"%{byte:02x}" for byte in _bytes(sign[0])), str(given))

        return "http://127.0.0.1" + re.sub(r"\{(\w+)\}", number, path)

    def body_of(self, path: str, method: str) -> dict[str, Any] | None:
        """The schema of an operation's body."""
        content = self.api["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def needed(self, part: Part) -> dict[str, Any]:
        """The parameters that an operation cannot do without."""
        facts = self.api["paths"][part.path][part.method.lower()]
        return {
            one["name"]: self.usual(one["name"], one["schema"])
            for one in facts.get("parameters", ())
            if one["in"] == "query" and one.get("required")
        }

    def send(self, part: Part, name: str = "", value: Any = None, body: Any = None) -> tuple[int, str]:
        """One request; its status and what it said."""
        params, headers = self.needed(part), {}
        if part.place == "query":
            params[name] = value
        elif part.place == "header":
            headers[name.encode()] = _bytes(re.sub(r"[\r\n\0]", "?", str(value)))
        if body is None and part.place != "body" and (schema := self.body_of(part.path, part.method)):
            body = self.usual("", schema)
        if body is not None:
            headers[b"Content-Type"] = b"application/json"
        where = self.address(part.path, name if part.place == "path" else "", value)
        query = "&".join(f"{key}={re.sub('[^a-z0-9]', _escaped, _text(given))}" for key, given in params.items())
        answer = self.visitor.request(
            part.method,
            f"{where}?{query}" if query else where,
            content=json.dumps(body).encode() if body is not None else None,
            headers=list(headers.items()),
            follow_redirects=False,
        )
        return answer.status_code, answer.text[:300]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(sign: re.Match[str]) -> str:
    return "".join(f"%{byte:02x}" for byte in _bytes(sign[0]))


def _odd(rng: random.Random, many: int) -> list[Any]:
    """Some odd values of each kind."""
    return [*rng.sample(TEXTS, many), *rng.sample(NUMBERS, many), *rng.sample(OTHERS, many)]


def _variants(room: Room, schema: dict[str, Any], rng: random.Random, many: int, depth: int = 0) -> Iterator[Any]:
    """Bodies that are right but for one place; ``many`` odd values of each kind in each."""
    schema = room.resolve(schema)
    yield from _odd(rng, many)
    if depth > 2:
        return
    if schema.get("type") == "object":
        right = room.usual("", schema)
        if not isinstance(right, dict):
            return
        for name, inner in schema.get("properties", {}).items():
            for value in _variants(room, inner, rng, many, depth + 1):
                yield {**right, name: value}
    elif schema.get("type") == "array":
        for value in _variants(room, schema.get("items", {}), rng, many, depth + 1):
            yield [value]


@pytest.fixture(scope="module")
def room(module_database: Database, tiny_bundle: Bundle) -> Room:
    project = fill(module_database, tiny_bundle, 30, people=3)
    project.add(tiny_bundle, 12, seed=5, case="S-1")
    with module_database.session() as session:
        hashed = passwords.hashed("four words in a row", 10)
        session.execute(update(User).where(User.id.in_(project.users)).values(password_hash=hashed))
        session.execute(update(User).where(User.id == project.users[0]).values(is_admin=True))
        identity = BundleRegistry(tiny_bundle, threads=1).identity
        session.execute(update(KnownBundle).where(KnownBundle.id == project.bundle).values(sha256=identity))
        name = session.get_one(User, project.users[0]).name
    app = app_on(module_database, tiny_bundle)
    project.say({image: project.truth[image] for image in project.images[:25]})
    visitor = browser(app, name)
    quiet = Visitor(app, dict(visitor.headers), raises=False)
    quiet.cookies = visitor.cookies
    path = f"/projects/{project.id}"
    given = {"title": "Session", "cells": 5, "readers": project.users[1:]}
    panel = visitor.post(f"{path}/panels", json=given)
    assert panel.status_code == 201, panel.text
    known = {
        "project": project.id,
        "image": project.images[0],
        "images": project.images[:2],
        "like": project.images[1],
        "case": visitor.get(f"{path}/cases").json()["items"][0]["id"],
        "user": project.users[2],
        "panel": panel.json()["id"],
        "profile": visitor.get(f"{path}/profiles").json()["items"][0]["id"],
        "upload": visitor.post(f"{path}/uploads", json={}).json()["id"],
        "label_set": "cell_type",
        "name": "cell_type",
        "label": "blast",
        "target": "blast",
        "readers": project.users[1:],
        "password": "four words in a row",
    }
    return Room(quiet, project, app.openapi(), known)


@pytest.mark.attack(
    who="a member, or a program with a slip",
    what="sends numbers beyond every range, NaN, NUL, half surrogates, endless texts, in each place of each request",
    held="each is checked as the API describes it; no such request meets a fault of the program",
)
@pytest.mark.parametrize("place", ["path", "query", "header", "body"])
def test_no_odd_value_meets_a_fault_of_ours(room: Room, place: str) -> None:
    rng, found, tried = random.Random(SEED), [], 0
    for part in room.parts():
        if part.place != place:
            continue
        if place == "body":
            tries = [("", None, body) for body in _variants(room, part.schema, rng, EACH)]
        else:
            shorter = (value[:9000] if isinstance(value, str) else value for value in _odd(rng, 4))  # an address ends
            tries = [(part.name, value, None) for value in shorter]
        if part.method == "DELETE":  # what exists stays, for those who come after
            tries = [one for one in tries if place == "path" and part.name != "project"]
        for name, value, body in tries:
            status, said = room.send(part, name, value, body)
            tried += 1
            if status >= 500:
                found.append(f"{part.method} {part.path} {name}={str(value)[:60]!r} {str(body)[:200]!r}: {said}")
    assert not found, f"{len(found)} of {tried}:\n" + "\n".join(found[:40])
    assert tried > {"path": 500, "query": 500, "header": 50, "body": 500}[place]
