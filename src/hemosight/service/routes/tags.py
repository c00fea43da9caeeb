"""Tags on cells, shared by a project."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Response

from hemosight.service.schemas.desk import NewTags, Tags, TagsChanged
from hemosight.service.security.permissions import Reviewer, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, tags

router = APIRouter(prefix="/projects/{project}/tags", tags=["tags"])


@router.get("", operation_id="list_tags", response_model=Tags)
def list_tags(seat: Viewer, session: Transaction, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Every tag of the project with its cells.

    Every tab asks again whenever somebody tags: the answer, which may have 200,000 numbers, is sent where it is new.
    """
    body = tags.as_json(session, seat.project)
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Cache-Control": "private, no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.post("", operation_id="change_tags")
def change_tags(seat: Reviewer, session: Transaction, given: NewTags) -> TagsChanged:
    """Put a tag on cells, or take it off. Cells that have it already, or have it not, are left as they are."""
    name, changed = tags.change(session, seat.project, seat.user.id, given.tag, given.images, on=given.on)
    if changed:
        action = "tag.add" if given.on else "tag.remove"
        audit.note(session, seat, action, {"tag": name, "images": changed}, seat.project)
    return TagsChanged(tag=name, on=given.on, images=changed)
