"""Faults as answers of one shape: what was expected, what came, how to mend it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, IntegrityError
from starlette.exceptions import HTTPException

from hemosight.errors import HemoSightError, UnreadableImage
from hemosight.service.errors import Refusal, TooManyTries

log = structlog.get_logger()


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
    """HTTP's number for a fault: its own, 415 for what is not a picture, else 400."""
    if isinstance(fault, Refusal):
        return fault.status
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
    expected, came, mend = (part.format(**fault.facts) for part in (fault.expected, fault.came, fault.mend))
    headers = {}
    if isinstance(fault, TooManyTries):
        headers["Retry-After"] = str(max(1, round(fault.facts["seconds"])))
    status = status_of(fault)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="HemoSight"'
    return JSONResponse(_printable(body(_code(type(fault).__name__), expected, came, mend)), status, headers)


def _code(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


async def _on_fault(_: Request, error: Any) -> JSONResponse:
    return answer(error)


async def _on_invalid(_: Request, error: Any) -> JSONResponse:
    fields = [
        FieldFault(where=".".join(str(part) for part in fault["loc"]), message=fault["msg"]) for fault in error.errors()
    ]
    first = fields[0]
    parts = ("a request as the API describes it", f"{first.where}: {first.message}", "Mend the fields that are named.")
    return JSONResponse(_printable(body("invalid", *parts, fields)), HTTPStatus.UNPROCESSABLE_ENTITY)


async def _on_http(_: Request, error: Any) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, _code(status.phrase.replace(" ", "")))
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
    app.add_exception_handler(Exception, _on_bug)
