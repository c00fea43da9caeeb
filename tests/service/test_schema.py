"""The OpenAPI is complete, and the app keeps to it: schemathesis asks what nobody would, and finds no fault of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from gate import add_user, app_on, browser, program
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import nothing
from schemathesis import GenerationMode, checks
from sqlalchemy import text

from hemosight.engine.bundle import Bundle
from hemosight.service.app import create_app
from hemosight.service.settings import defaults
from hemosight.service.storage.database import Database

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("quickly_drawn")]
ENDLESS = {"listen"}
"""Streams without an end, which a question-and-answer test cannot ask."""
EXAMPLES = 10
"""Requests of each kind for each operation."""
_PLACE: dict[str, Any] = {}


@pytest.fixture(scope="module")
def app(module_database: Database, tiny_bundle: Bundle) -> FastAPI:
    made = app_on(module_database, tiny_bundle, allowed_hosts=["testserver"])
    root = add_user(module_database, "root", is_admin=True)
    with module_database.session() as session:  # for /readyz, which else answers 503, as it should
        session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 hour')"))
    browser(made, "root").post("/projects", json={"name": "Slides"})
    _PLACE["token"] = program(made, root).headers["Authorization"]
    return made


@pytest.fixture(scope="module")
def api(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


def test_every_operation_is_described(app: FastAPI) -> None:
    described = app.openapi()
    for path, methods in described["paths"].items():
        for method, facts in methods.items():
            where = f"{method} {path}"
            assert facts.get("description", "").strip().endswith((".", "`")), where
            assert facts.get("tags"), where
            body = facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if body is not None:
                assert _examples(described, body), f"{where}: no example of what to send"


def _examples(described: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a shape has an example, or each of its fields has."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("examples") or schema.get("format") in ("password", "uuid") or schema.get("type") == "boolean":
        return True
    fields = schema.get("properties", {})
    return bool(fields) and all(_examples(described, field) for field in fields.values())


def test_the_printed_description_is_this_one(app: FastAPI) -> None:
    command = [sys.executable, "-m", "hemosight", "service", "openapi"]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(first) == json.loads(json.dumps(app.openapi()))


CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
OPERATIONS = [
    (path, method)
    for path, methods in create_app(defaults(), Database("")).openapi()["paths"].items()
    for method, facts in methods.items()
    if facts["operationId"] not in ENDLESS
]


@pytest.mark.acceptance
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfit"])
def test_nothing_breaks_and_everything_is_as_described(api: Any, path: str, method: str, mode: GenerationMode) -> None:
    try:
        cases = api[path][method].as_strategy(generation_mode=mode)
    except Unsatisfiable:
        cases = nothing()

    @given(case=cases)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Authorization": _PLACE["token"]}, checks=list(CHECKS))

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing can be asked that fits"
