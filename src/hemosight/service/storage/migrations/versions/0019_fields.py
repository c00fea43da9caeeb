"""Fields of a camera: kept with the white cells that were found in them, and those that people added or removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_NOW = sa.text("clock_timestamp()")


def _ref(table: str, column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add the tables ``fields`` and ``field_cells``."""
    op.create_table(
        "fields",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("upload_id", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("red_cell_px", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("scale_from", sa.Text(), nullable=False),
        sa.Column("covered", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("fine", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("checked_by", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(deleted_at IS NULL) = (project_id IS NOT NULL) AND (deleted_at IS NULL) = (sha256 IS NOT NULL)",
            name=op.f("ck_fields_deleted"),
        ),
        sa.CheckConstraint("(checked_by IS NULL) = (checked_at IS NULL)", name=op.f("ck_fields_checked")),
        _ref("fields", "project_id", "projects.id", cascade=True),
        _ref("fields", "case_id", "cases.id"),
        _ref("fields", "upload_id", "uploads.id"),
        _ref("fields", "sha256", "pictures.sha256"),
        _ref("fields", "checked_by", "users.id"),
        _ref("fields", "uploaded_by", "users.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fields")),
        sa.UniqueConstraint("project_id", "sha256", name=op.f("uq_fields_project_id_sha256")),
    )
    for columns in (["project_id", "id"], ["case_id", "id"], ["upload_id"], ["sha256"]):
        op.create_index(op.f(f"ix_fields_{'_'.join(columns)}"), "fields", columns)
    op.create_table(
        "field_cells",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("field_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("x", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("y", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("width", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("height", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("score", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("marks", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("added_by", sa.BigInteger(), nullable=True),
        sa.Column("removed_by", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(removed_at IS NULL) = (image_id IS NOT NULL) AND (removed_at IS NULL) = (removed_by IS NULL)",
            name=op.f("ck_field_cells_removed"),
        ),
        _ref("field_cells", "field_id", "fields.id", cascade=True),
        _ref("field_cells", "image_id", "images.id", cascade=True),
        _ref("field_cells", "added_by", "users.id"),
        _ref("field_cells", "removed_by", "users.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_cells")),
        sa.UniqueConstraint("image_id", name=op.f("uq_field_cells_image_id")),
    )
    op.create_index(op.f("ix_field_cells_field_id"), "field_cells", ["field_id"])
