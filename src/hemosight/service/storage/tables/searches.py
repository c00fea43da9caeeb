"""Searches for a rare type."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class Look(Table):
    """What a search for a rare type saw of one cell (table ``looks``): whether it is of the type, and how it was drawn.

    ``case_number`` is -1 for a search of the whole project and 0 for one of the cells without a case. ``way`` is
    ``ranked`` or ``random`` and never changes: the bound on what was missed rests on it.
    """

    __tablename__ = "looks"
    __table_args__ = (
        UniqueConstraint("project_id", "case_number", "label_set_id", "target", "image_id", name="uq_looks_search"),
        CheckConstraint("way IN ('ranked', 'random')", name="way"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    case_number: Mapped[int] = mapped_column(BigInteger)
    label_set_id: Mapped[int] = ref("label_sets.id", cascade=True)
    target: Mapped[str]
    image_id: Mapped[int] = ref("images.id", index=True, cascade=True)
    way: Mapped[str]
    found: Mapped[bool]
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
