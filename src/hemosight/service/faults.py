"""Faults as answers of one shape: what was expected, what came, how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import InterfaceError as DriverInterfaceError
from psycopg import OperationalError as DriverOperationalError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from hemosight.errors import HemoSightError, UnreadableImage
from hemosight.service.errors import Refusal, ServiceFault

log = structlog.get_logger()
_RETRY_AFTER = 2
"""Seconds after which a request is worth sending again; a server that was killed is back after about that long."""


ALPHABETS = {
    r"^[\w.@+-]+$": "letters, digits and . _ @ + - only, without spaces",
    r"^[a-z0-9][a-z0-9_-]{0,59}$": "small letters, digits, _ and - only, 60 at most, and a letter or digit first",
    r"^[^\x00-\x1f/\\?]+$": "no slash, backslash, question mark or line break",
    r"^[^\x00-\x1f\x7f]+$": "no line break",
    r"^[^;\x00-\x1f\x7f]+$": "no semicolon or line break",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits",
    r"^#[0-9a-f]{6}$": "a colour as # and six hexadecimal digits, in small letters",
    r"^[A-Za-z0-9]$": "one letter or digit",
    r"^\S+$": "no space",
    r"^/([\w.?=&%~-][!-~]*)?$": "a path of the page: / and what follows, never another site",
}
"""What a text may consist of, in words, by the pattern that checks it: nobody is shown a regular expression."""


class FieldFault(BaseModel):
    """What is wrong with one part of a request."""

    where: str
    message: str


class Fault(BaseModel):
    """Why a request was not answered as it hoped."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "nothing_there",
                    "message": "expected a project you have access to; found none of that name or number. ...",
                    "expected": "a project you have access to",
                    "came": "none of that name or number",
                    "mend": "Check the address; a project's administrator can make you a member.",
                    "fields": [],
                }
            ]
        }
    )
    code: str
    message: str
    expected: str
    came: str
    mend: str
    fields: list[FieldFault] = []


class FaultAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: Fault


RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": {"model": FaultAnswer, "description": "Why not."}}
"""What every route may answer besides what it promises."""


def status_of(fault: HemoSightError) -> int:
    """HTTP's number for a fault: its own, 503 for one of the service, 415 for what is not a picture, else 400."""
    if isinstance(fault, Refusal):
        return fault.status
    if isinstance(fault, ServiceFault):
        return 503
    return 415 if isinstance(fault, UnreadableImage) else 400


def body(
    code: str, expected: str, came: str, mend: str, fields: list[FieldFault] | None = None
) -> dict[str, dict[str, Any]]:
    """The one shape."""
    message = f"expected {expected}; found {came}. {mend}"
    fault = Fault(code=code, message=message, expected=expected, came=came, mend=mend, fields=fields or [])
    return {"error": fault.model_dump()}


def answer(fault: HemoSightError) -> JSONResponse:
    """A fault as an answer."""
    headers = {}
    if isinstance(fault, Refusal) and fault.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(fault.retry_after)))
    status = status_of(fault)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="HemoSight"'
    return JSONResponse(_printable(body(fault.code, *fault.parts)), status, headers)


async def _on_fault(_: Request, error: Any) -> JSONResponse:
    if isinstance(error, ServiceFault):
        log.warning("unavailable", code=error.code)
        return unavailable()
    return answer(error)


def unavailable() -> JSONResponse:
    """The answer while the database is away. Its text, which may name folders and hosts, is for the log alone."""
    parts = ("a database that answers", "none at the moment", "Send the same again in a few seconds.")
    return JSONResponse(body("unavailable", *parts), 503, {"Retry-After": str(_RETRY_AFTER)})


async def _on_lost(_: Request, error: Exception) -> JSONResponse:
    """The database went away, is starting, has no room, or let one of two that wait for each other go."""
    log.warning("unavailable", kind=type(getattr(error, "orig", None) or error).__name__)
    return unavailable()


def _in_words(fault: Mapping[str, Any]) -> str:
    """What is wrong with a field, as pydantic says it or in plainer words."""
    if fault["type"] == "string_pattern_mismatch":
        return ALPHABETS.get(fault["ctx"]["pattern"], "a text of another form")
    return str(fault["msg"]).removeprefix("Value error, ")


async def _on_invalid(_: Request, error: Any) -> JSONResponse:
    fields = [
        FieldFault(where=".".join(str(part) for part in fault["loc"]), message=_in_words(fault))
        for fault in error.errors()
    ]
    first = fields[0]
    parts = ("a request as the API describes it", f"{first.where}: {first.message}", "Mend the fields that are named.")
    return JSONResponse(_printable(body("invalid", *parts, fields)), HTTPStatus.UNPROCESSABLE_ENTITY)


async def _on_http(_: Request, error: Any) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, status.phrase.replace(" ", "_").lower())
    parts = ("a route of the API", f"{status.phrase.lower()}", "See /api/openapi.json for every route.")
    if status not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        parts = ("a request as the API describes it", str(error.detail), parts[2])
    return JSONResponse(_printable(body(code, *parts)), status, error.headers)


async def _on_value(_: Request, error: Exception) -> JSONResponse:
    """A value PostgreSQL cannot hold: a NUL or half a surrogate in a text, a number out of its range."""
    log.info("value_refused", kind=type(error).__name__)
    came = "a text with a character that cannot be stored, or a number out of range"
    return JSONResponse(body("invalid", "values that can be stored", came, "Mend them."), 422)


async def _on_conflict(_: Request, error: Exception) -> JSONResponse:
    """Two requests at once, of which the database let one through."""
    log.info("conflict", kind=type(error).__name__)
    parts = ("a change that fits what is there", "one that another request has overtaken", "Read again and repeat it.")
    return JSONResponse(body("conflict", *parts), 409)


async def _on_bug(_: Request, __: Exception) -> JSONResponse:
    # The fault itself goes on to the server, which logs it: see operations/logs.
    parts = ("an answer", "a fault of ours; it is in the log", "Try again; report it with the log if it comes back.")
    return JSONResponse(body("internal", *parts), 500, {"X-Content-Type-Options": "nosniff"})


def _printable(value: Any) -> Any:
    """Half surrogates cannot be sent; a message that quotes one shows it escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def install(app: FastAPI) -> None:
    """Make the app answer every fault in this shape."""
    app.add_exception_handler(HemoSightError, _on_fault)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(DataError, _on_value)
    app.add_exception_handler(UnicodeEncodeError, _on_value)
    app.add_exception_handler(IntegrityError, _on_conflict)
    for lost in (OperationalError, InterfaceError, PoolTimeout, DriverOperationalError, DriverInterfaceError):
        app.add_exception_handler(lost, _on_lost)
    app.add_exception_handler(Exception, _on_bug)
