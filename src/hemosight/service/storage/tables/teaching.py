"""The library of teaching cells."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class TeachingCell(Table):
    """A cell that shows its type well (table ``teaching_cells``); ``label`` is the type that it was added for.

    While it is in the library the cell is not deleted: neither by a person nor by retention.
    """

    __tablename__ = "teaching_cells"
    __table_args__ = (UniqueConstraint("image_id", "label_set_id"), Index(None, "project_id", "id"))
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    label_set_id: Mapped[int] = ref("label_sets.id", cascade=True)
    image_id: Mapped[int] = ref("images.id")
    label: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
