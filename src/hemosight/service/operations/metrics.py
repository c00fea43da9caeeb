"""Prometheus metrics: requests by route, what waits and what was read, workers, and turns of teaching."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hemosight.service.operations.logs import route_of

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The figures of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "hemosight_request_seconds",
            "Time from a request to the end of its answer; event streams are left out.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.streams = Gauge("hemosight_streams", "Event streams that are open.", registry=self.registry)
        self.sign_ins = Counter("hemosight_sign_ins", "Tries to sign in.", ("outcome",), registry=self.registry)
        self.turns = Histogram(
            "hemosight_teach_seconds",
            "Time from a label to the readings that follow from it.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.waiting = Gauge("hemosight_images_waiting", "Images that no worker has read yet.", registry=self.registry)
        self.read = Gauge("hemosight_images_read", "Images that were read.", registry=self.registry)
        self.unreadable = Gauge("hemosight_images_unreadable", "Images that cannot be read.", registry=self.registry)
        self.workers = Gauge("hemosight_workers", "Workers that gave a sign of life lately.", registry=self.registry)

    def text(self) -> bytes:
        """Every figure in Prometheus' text format."""
        return generate_latest(self.registry)


class RequestMetrics:
    """ASGI middleware: measures every request under its route, so that addresses never become labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, stream, began = 500, False, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = int(message["status"])
                kinds = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
                stream = any(value.startswith(b"text/event-stream") for value in kinds)
                if stream:
                    self.metrics.streams.inc()
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            if stream:
                self.metrics.streams.dec()
            else:
                spent = time.perf_counter() - began
                self.metrics.requests.labels(scope["method"], route_of(scope), status).observe(spent)
