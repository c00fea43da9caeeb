"""What people keep at the desk beside labels: tags on cells, and views of the table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class CellTag(Table):
    """A tag on a cell (table ``cell_tags``). A tag is there as long as some cell of its project has it."""

    __tablename__ = "cell_tags"
    __table_args__ = (Index(None, "project_id", "name"),)
    image_id: Mapped[int] = ref("images.id", key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()


class SavedView(Table):
    """How somebody wants the table of a project (table ``saved_views``); ``shared``: its other members see it too."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("project_id", "user_id", "name"),)
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    user_id: Mapped[int] = ref("users.id")
    name: Mapped[str]
    shared: Mapped[bool]
    view: Mapped[dict[str, Any]]
    at: Mapped[Moment] = now()
