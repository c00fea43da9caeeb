"""Groups of cells that get one label together, on the word of a random sample."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class CellGroup(Table):
    """A group of cells without a label, and the sample of it that a person answers (table ``cell_groups``).

    A trigger keeps what was drawn as it was drawn; only ``ended_at`` and ``outcome`` are written, once. ``until`` is
    the project's newest label record at that moment: cells that were labelled after it are left alone.
    ``drawn_before`` is how many earlier draws for this label share a cell with this one. ``outcome`` =
    {accepted, answers, right, bound, labelled, left}; the last five where it was accepted.
    """

    __tablename__ = "cell_groups"
    __table_args__ = (
        Index(None, "project_id", "id"),
        # A person answers one sample after the other.
        Index(
            "uq_cell_groups_open",
            "project_id",
            "label_set_id",
            "user_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    label_set_id: Mapped[int] = ref("label_sets.id", cascade=True)
    label: Mapped[str]
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    images: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    sample: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    seed: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)
    drawn_before: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[Moment | None]
    outcome: Mapped[dict[str, Any] | None]
