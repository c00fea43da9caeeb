"""Queries about searches for a rare type: what was looked at, how it was drawn, and what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import Look

RANKED, DRAWN = "ranked", "random"
"""How a cell came to be looked at: as the likeliest of those left, or drawn."""


@dataclass(frozen=True)
class SearchKey:
    """Which search: of a case (None for the whole project, 0 for cells without a case), for a class of a label set."""

    project: int
    case: int | None
    label_set: int
    target: str


def of(session: Session, key: SearchKey) -> Sequence[Look]:
    """What a search has looked at, in the order it was first looked at."""
    query = select(Look).where(
        Look.project_id == key.project,
        Look.case_number == (-1 if key.case is None else key.case),
        Look.label_set_id == key.label_set,
        Look.target == key.target,
    )
    return session.scalars(query.order_by(Look.id)).all()


def add(session: Session, key: SearchKey, user: int, image: int, way: str, found: bool) -> None:
    """Keep what somebody saw; who looks again may change what it was, not how it was drawn."""
    query = insert(Look).values(
        project_id=key.project,
        case_number=-1 if key.case is None else key.case,
        label_set_id=key.label_set,
        target=key.target,
        image_id=image,
        way=way,
        found=found,
        user_id=user,
    )
    again = {"found": query.excluded.found, "user_id": query.excluded.user_id, "at": query.excluded.at}
    session.execute(query.on_conflict_do_update(constraint="uq_looks_search", set_=again))
