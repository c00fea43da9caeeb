"""Tags on cells, shared by a project."""

from __future__ import annotations

from fastapi import APIRouter

from hemosight.service.schemas.desk import NewTags, TagListed, Tags, TagsChanged
from hemosight.service.security.permissions import Reviewer, Viewer
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, tags

router = APIRouter(prefix="/projects/{project}/tags", tags=["tags"])


@router.get("", operation_id="list_tags")
def list_tags(seat: Viewer, session: Transaction) -> Tags:
    """Every tag of the project with its cells."""
    found = tags.listed(session, seat.project)
    return Tags(items=[TagListed(name=name, images=images) for name, images in found.items()])


@router.post("", operation_id="change_tags")
def change_tags(seat: Reviewer, session: Transaction, given: NewTags) -> TagsChanged:
    """Put a tag on cells, or take it off. Cells that have it already, or have it not, are left as they are."""
    name, changed = tags.change(session, seat.project, seat.user.id, given.tag, given.images, on=given.on)
    if changed:
        action = "tag.add" if given.on else "tag.remove"
        audit.note(session, seat, action, {"tag": name, "images": changed}, seat.project)
    return TagsChanged(tag=name, on=given.on, images=changed)
