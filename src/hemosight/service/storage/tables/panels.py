"""Tables of panels: sessions in which several people read the same cells, each by themselves."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, SmallInteger, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class Panel(Table):
    """A session: which cells, how they were chosen, and whether it is still open.

    ``kind`` is ``panel`` or ``proficiency`` (a marked set). ``aided``: after the blind readings every cell is read once
    more with the model's reading shown. ``planted`` is the share of those that are wrong on purpose, of which readers
    are told that there are some. ``timed``: how long readers look is kept, which they are told.
    ``teaches``: once closed, its consensus teaches the project's classifier.
    """

    __tablename__ = "panels"
    __table_args__ = (
        CheckConstraint("kind IN ('panel', 'proficiency')", name="kind"),
        CheckConstraint("choice IN ('random', 'stratified', 'differing')", name="choice"),
        Index(None, "project_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    label_set_id: Mapped[int] = ref("label_sets.id")
    bundle_id: Mapped[int] = ref("bundles.id")
    title: Mapped[str]
    kind: Mapped[str]
    choice: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    repeated: Mapped[float]
    aided: Mapped[bool] = mapped_column(server_default=false())
    planted: Mapped[float] = mapped_column(server_default=text("0"))
    timed: Mapped[bool] = mapped_column(server_default=false())
    teaches: Mapped[bool] = mapped_column(server_default=false())
    created_by: Mapped[int | None] = ref("users.id")
    created_at: Mapped[Moment] = now()
    closed_at: Mapped[Moment | None]


class PanelCell(Table):
    """A cell of a panel: what the model read when the panel was made, and what is shown and counts as right.

    ``shown`` is the reading shown in an aided session (wrong on purpose where it differs from ``predicted``); ``mark``
    is the label that stood, in a marked set.
    """

    __tablename__ = "panel_cells"
    panel_id: Mapped[int] = ref("panels.id", key=True, cascade=True)
    image_id: Mapped[int] = ref("images.id", key=True)
    position: Mapped[int] = mapped_column(Integer)
    again: Mapped[bool] = mapped_column(server_default=false())
    predicted: Mapped[str | None]
    shown: Mapped[str | None]
    mark: Mapped[str | None]


class PanelReader(Table):
    """Who reads a panel."""

    __tablename__ = "panel_readers"
    panel_id: Mapped[int] = ref("panels.id", key=True, cascade=True)
    user_id: Mapped[int] = ref("users.id", key=True)


class PanelReading(Table):
    """What one reader called one cell. Append only.

    ``turn`` is 1 for the first reading, 2 for the repeated one, 3 for the one with the model's reading shown; ``ms`` is
    how long the reader looked, null where the page did not say.
    """

    __tablename__ = "panel_labels"
    __table_args__ = (
        UniqueConstraint("panel_id", "user_id", "image_id", "turn"),
        CheckConstraint("turn IN (1, 2, 3)", name="turn"),
    )
    id: Mapped[int] = row_id()
    panel_id: Mapped[int] = ref("panels.id")
    image_id: Mapped[int] = ref("images.id")
    user_id: Mapped[int] = ref("users.id")
    turn: Mapped[int] = mapped_column(SmallInteger)
    label: Mapped[str]
    ms: Mapped[int | None] = mapped_column(Integer)
    at: Mapped[Moment] = now()


class PanelDecision(Table):
    """What was agreed on for a cell on which readers differed; the newest counts. Append only."""

    __tablename__ = "panel_decisions"
    __table_args__ = (Index(None, "panel_id", "image_id", "id"),)
    id: Mapped[int] = row_id()
    panel_id: Mapped[int] = ref("panels.id")
    image_id: Mapped[int] = ref("images.id")
    user_id: Mapped[int] = ref("users.id")
    label: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    at: Mapped[Moment] = now()
