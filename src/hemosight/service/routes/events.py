"""Live events of a project, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from hemosight.errors import HemoSightError
from hemosight.service.errors import Refusal
from hemosight.service.schemas.events import REFERENCE
from hemosight.service.security.permissions import BIGGEST, Viewer, still_there, viewer
from hemosight.service.state import Service

router = APIRouter(prefix="/projects/{project}", tags=["events"])
_ABOUT = """\
An endless `text/event-stream`. `event:` names the kind, `data:` is one of the shapes below (`kind` included), `id:` is
what to resume after. `ping` comes at the beginning and every 15 seconds of silence; `missed` where events asked for are
forgotten (after a day): load anew what is shown."""


@router.get(
    "/events",
    operation_id="listen",
    response_class=StreamingResponse,
    responses={200: {"description": _ABOUT, "content": {"text/event-stream": {"schema": REFERENCE}}}},
)
async def listen(
    seat: Viewer,
    service: Service,
    request: Request,
    after: Annotated[
        int | None, Query(ge=0, le=BIGGEST, description="Last event that was seen; only what is new where not given.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(max_length=20, description="What a browser sends when it comes back.")
    ] = None,
) -> StreamingResponse:
    """Everything that happens in the project, as it is committed, whichever process did it.

    A line that drops is taken up again with `Last-Event-ID`, which browsers send by themselves: nothing is missed.
    The right to look is asked again every 15 seconds; an open line alone does not keep a session from idling.
    """
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = min(int(last_event_id), BIGGEST)
    most = service.settings.streams_account
    if not service.broker.enter(seat.user.id, most):
        raise Refusal(
            "busy",
            expected=f"at most {most} streams of one account",
            came="one more",
            mend="Close pages or programs that listen, and come back.",
            retry_after=15,
        )

    async def allowed() -> bool:
        still_there(request)
        try:
            await run_in_threadpool(viewer, request, service, seat.project)
        except HemoSightError:
            return False
        return True

    async def body() -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        async for message in service.broker.stream(seat.project, after, allowed=allowed):
            yield message.encode()

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _CountedStream(
        body(), lambda: service.broker.leave(seat.user.id), media_type="text/event-stream", headers=headers
    )


class _CountedStream(StreamingResponse):
    """A stream that says when it has ended, also where nobody took the first line of it."""

    def __init__(self, body: AsyncIterator[bytes], leave: Callable[[], None], **more: Any) -> None:
        super().__init__(body, **more)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; whatever ends it, it counts no more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
