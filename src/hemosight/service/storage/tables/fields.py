"""Tables of fields: what a camera took, and the white cells in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class CameraField(Table):
    """A field of view that was searched for white cells (table ``fields``); its file is a picture.

    ``red_cell_px`` is the scale it was searched at, ``covered``, ``fine`` and ``reasons`` are what
    :mod:`hemosight.images.finding.fairness` measured. ``checked_by`` looked at the whole field: only there is it known
    what the search missed. ``least`` is the score from which something was taken for a white cell. ``film``, ``x`` and
    ``y`` say where its upper left corner lies on the film, in its pixels, where its name does; ``film`` is a hash of
    what fields of one film have in common. ``attempts`` is how often a worker began to recrop its uncounted cells and
    did not end. A deleted field stays as the row that the audit trail names: of no project and no picture.
    """

    __tablename__ = "fields"
    __table_args__ = (
        CheckConstraint(
            "(deleted_at IS NULL) = (project_id IS NOT NULL) AND (deleted_at IS NULL) = (sha256 IS NOT NULL)",
            name="deleted",
        ),
        CheckConstraint("(checked_by IS NULL) = (checked_at IS NULL)", name="checked"),
        CheckConstraint("(film IS NULL) = (x IS NULL) AND (film IS NULL) = (y IS NULL)", name="place"),
        UniqueConstraint("project_id", "sha256"),
        Index(None, "project_id", "id"),
        Index(None, "case_id", "id"),
        Index(None, "upload_id"),
        Index(None, "sha256"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int | None] = ref("projects.id", cascade=True)
    case_id: Mapped[int | None] = ref("cases.id")
    upload_id: Mapped[int | None] = ref("uploads.id")
    sha256: Mapped[bytes | None] = mapped_column(ForeignKey("pictures.sha256"))
    name: Mapped[str]
    red_cell_px: Mapped[float]
    scale_from: Mapped[str]
    covered: Mapped[float]
    fine: Mapped[float | None]
    reasons: Mapped[list[str]]
    least: Mapped[float] = mapped_column(server_default=text("0.5"))
    film: Mapped[str | None]
    x: Mapped[float | None]
    y: Mapped[float | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    checked_by: Mapped[int | None] = ref("users.id")
    checked_at: Mapped[Moment | None]
    uploaded_by: Mapped[int | None] = ref("users.id")
    uploaded_at: Mapped[Moment] = now()
    deleted_at: Mapped[Moment | None]


class FieldCell(Table):
    """A white cell in a field (table ``field_cells``): its box in the field's pixels, and the image that was cut out.

    ``score`` is the search's, null where the search saw nothing; ``added_by`` is null where the search found it. One
    that a person removed as no white cell keeps its box and has no image any more; nor has one that is counted as the
    cell ``seen_in`` of a field beside it. One without an image that is neither was found and is not counted: the cell
    that stood for it was deleted, and it could not be cut out instead.
    """

    __tablename__ = "field_cells"
    __table_args__ = (
        CheckConstraint(
            "(image_id IS NULL OR (removed_at IS NULL AND seen_in IS NULL)) "
            "AND (removed_at IS NULL) = (removed_by IS NULL)",
            name="removed",
        ),
        UniqueConstraint("image_id"),
    )
    id: Mapped[int] = row_id()
    field_id: Mapped[int] = ref("fields.id", index=True, cascade=True)
    image_id: Mapped[int | None] = ref("images.id", cascade=True)
    x: Mapped[float]
    y: Mapped[float]
    width: Mapped[float]
    height: Mapped[float]
    score: Mapped[float | None]
    marks: Mapped[list[str]]
    seen_in: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("field_cells.id", ondelete="SET NULL"), index=True
    )
    added_by: Mapped[int | None] = ref("users.id")
    removed_by: Mapped[int | None] = ref("users.id")
    removed_at: Mapped[Moment | None]
