"""Saved views of a project's table: everybody's own, and what they share."""

from __future__ import annotations

from fastapi import APIRouter

from hemosight.service.errors import Refusal
from hemosight.service.schemas.desk import NewView, View, Views, ViewShown
from hemosight.service.security.permissions import Id, Viewer, in_archive
from hemosight.service.state import Transaction
from hemosight.service.storage import audit, projects, saved_views
from hemosight.service.storage.saved_views import ListedView

router = APIRouter(prefix="/projects/{project}/views", tags=["saved views"])


@router.get("", operation_id="list_views")
def list_views(seat: Viewer, session: Transaction) -> Views:
    """One's own views of the table, then those that other members share who may review."""
    return Views(items=[_shown(one) for one in saved_views.listed(session, seat.project, seat.user.id)])


@router.put("", operation_id="keep_view")
def keep_view(seat: Viewer, session: Transaction, given: NewView) -> ViewShown:
    """Keep a view under a name; one's own of that name is replaced. Who may only look shares none.

    A project that is archived takes none.
    """
    if projects.get(session, seat.project).archived_at is not None:
        raise in_archive()
    if given.shared and seat.role == "viewer":
        raise Refusal(
            "not_allowed",
            expected="a view of one's own",
            came="one to share, from a member who may only look",
            mend="Keep it without sharing it, or ask a project administrator for another role.",
        )
    view = given.view.model_dump()
    kept = saved_views.keep(session, seat.project, seat.user.id, given.name, view, shared=given.shared)
    noted = {"view": kept.id, "name": kept.name, "shared": kept.shared}
    audit.note(session, seat, "view.keep", noted, seat.project)
    return _shown(kept)


@router.delete("/{view}", operation_id="forget_view", status_code=204)
def forget_view(seat: Viewer, session: Transaction, view: Id) -> None:
    """Forget a view: one's own, or as an administrator of the project one that is shared."""
    row = saved_views.get(session, seat.project, seat.user.id, view)
    if row.user != seat.user.id and seat.role != "admin":
        raise Refusal(
            "not_allowed",
            expected="a view of one's own",
            came=f"one that {row.by} shares",
            mend="Ask them, or a project administrator, to forget it.",
        )
    saved_views.forget(session, row.id)
    audit.note(session, seat, "view.forget", {"view": row.id, "name": row.name, "shared": row.shared}, seat.project)


def _shown(one: ListedView) -> ViewShown:
    return ViewShown(**{**vars(one), "view": View.model_validate(one.view)})
