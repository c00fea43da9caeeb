"""Tags on cells, and saved views of the table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"

_NOW = sa.text("clock_timestamp()")


def _ref(table: str, column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "cell_tags",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _ref("cell_tags", "image_id", "images"),
        _ref("cell_tags", "project_id", "projects", cascade=True),
        _ref("cell_tags", "user_id", "users"),
        sa.PrimaryKeyConstraint("image_id", "name", name=op.f("pk_cell_tags")),
    )
    op.create_index(op.f("ix_cell_tags_project_id_name"), "cell_tags", ["project_id", "name"])
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("view", JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _ref("saved_views", "project_id", "projects", cascade=True),
        _ref("saved_views", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("project_id", "user_id", "name", name=op.f("uq_saved_views_project_id_user_id_name")),
    )
