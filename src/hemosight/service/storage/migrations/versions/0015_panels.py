"""Panels: sessions in which several people read the same cells, each by themselves.

Readings and decisions are records: they are appended, never changed, and a panel that has any cannot be deleted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_NOW = sa.text("clock_timestamp()")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _ref(table: str, column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add five tables, two of them append only."""
    op.create_table(
        "panels",
        _id(),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("label_set_id", sa.BigInteger(), nullable=False),
        sa.Column("bundle_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("repeated", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("aided", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("planted", sa.DOUBLE_PRECISION(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('panel', 'proficiency')", name=op.f("ck_panels_kind")),
        sa.CheckConstraint("choice IN ('random', 'stratified', 'differing')", name=op.f("ck_panels_choice")),
        _ref("panels", "project_id", "projects", cascade=True),
        _ref("panels", "label_set_id", "label_sets"),
        _ref("panels", "bundle_id", "bundles"),
        _ref("panels", "created_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panels")),
    )
    op.create_index(op.f("ix_panels_project_id_id"), "panels", ["project_id", "id"])
    op.create_table(
        "panel_cells",
        sa.Column("panel_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("predicted", sa.Text(), nullable=True),
        sa.Column("shown", sa.Text(), nullable=True),
        sa.Column("truth", sa.Text(), nullable=True),
        _ref("panel_cells", "panel_id", "panels", cascade=True),
        _ref("panel_cells", "image_id", "images"),
        sa.PrimaryKeyConstraint("panel_id", "image_id", name=op.f("pk_panel_cells")),
    )
    op.create_table(
        "panel_readers",
        sa.Column("panel_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        _ref("panel_readers", "panel_id", "panels", cascade=True),
        _ref("panel_readers", "user_id", "users"),
        sa.PrimaryKeyConstraint("panel_id", "user_id", name=op.f("pk_panel_readers")),
    )
    op.create_table(
        "panel_labels",
        _id(),
        sa.Column("panel_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.SmallInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("turn IN (1, 2, 3)", name=op.f("ck_panel_labels_turn")),
        _ref("panel_labels", "panel_id", "panels"),
        _ref("panel_labels", "image_id", "images"),
        _ref("panel_labels", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_labels")),
        sa.UniqueConstraint(
            "panel_id", "user_id", "image_id", "turn", name=op.f("uq_panel_labels_panel_id_user_id_image_id_turn")
        ),
    )
    op.create_table(
        "panel_decisions",
        _id(),
        sa.Column("panel_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _ref("panel_decisions", "panel_id", "panels"),
        _ref("panel_decisions", "image_id", "images"),
        _ref("panel_decisions", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_decisions")),
    )
    op.create_index(op.f("ix_panel_decisions_panel_id_image_id_id"), "panel_decisions", ["panel_id", "image_id", "id"])
    for table in ("panel_labels", "panel_decisions"):
        for name, when, each in (
            ("append_only", "UPDATE OR DELETE", "ROW"),
            ("no_truncate", "TRUNCATE", "STATEMENT"),
        ):
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {when} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION hemosight_append_only()"
            )
