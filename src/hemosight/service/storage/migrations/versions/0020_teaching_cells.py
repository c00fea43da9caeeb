"""The library of teaching cells, and who is to see to a comment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_NOW = sa.text("clock_timestamp()")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _ref(table: str, column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add two tables, one of them append only."""
    op.create_table(
        "teaching_cells",
        _id(),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("label_set_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _ref("teaching_cells", "project_id", "projects", cascade=True),
        _ref("teaching_cells", "label_set_id", "label_sets", cascade=True),
        _ref("teaching_cells", "image_id", "images"),
        _ref("teaching_cells", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teaching_cells")),
        sa.UniqueConstraint("image_id", "label_set_id", name=op.f("uq_teaching_cells_image_id_label_set_id")),
    )
    op.create_index(op.f("ix_teaching_cells_project_id_id"), "teaching_cells", ["project_id", "id"])
    op.create_table(
        "comment_assignments",
        _id(),
        sa.Column("comment_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("assigned_to", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _ref("comment_assignments", "comment_id", "comments"),
        _ref("comment_assignments", "user_id", "users"),
        _ref("comment_assignments", "assigned_to", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_assignments")),
    )
    op.create_index(op.f("ix_comment_assignments_comment_id_id"), "comment_assignments", ["comment_id", "id"])
    for name, when, each in (
        ("append_only", "UPDATE OR DELETE", "ROW"),
        ("no_truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {when} ON comment_assignments "
            f"FOR EACH {each} EXECUTE FUNCTION hemosight_append_only()"
        )
