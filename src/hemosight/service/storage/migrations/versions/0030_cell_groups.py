"""Groups of cells that get one label together, on the word of a random sample; their labels say so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0029"

_NOW = sa.text("clock_timestamp()")


def _ref(column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_cell_groups_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add a table whose draws stay as they were drawn, and a kind of labels."""
    op.drop_constraint(op.f("ck_labels_kind"), "labels")
    op.create_check_constraint(op.f("ck_labels_kind"), "labels", "kind IN ('set', 'agree', 'group', 'undo', 'clear')")
    op.create_table(
        "cell_groups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("label_set_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("images", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("sample", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("drawn_before", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", JSONB(), nullable=True),
        _ref("project_id", "projects", cascade=True),
        _ref("label_set_id", "label_sets", cascade=True),
        _ref("user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cell_groups")),
    )
    op.create_index(op.f("ix_cell_groups_project_id_id"), "cell_groups", ["project_id", "id"])
    op.create_index(
        "uq_cell_groups_open",
        "cell_groups",
        ["project_id", "label_set_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute("""
        CREATE FUNCTION hemosight_drawn_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.ended_at IS NOT NULL OR to_jsonb(OLD) - 'ended_at' - 'outcome'
                IS DISTINCT FROM to_jsonb(NEW) - 'ended_at' - 'outcome' THEN
                RAISE EXCEPTION 'a group stays as it was drawn, and ends once'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER drawn_once BEFORE UPDATE ON cell_groups
        FOR EACH ROW EXECUTE FUNCTION hemosight_drawn_once()
    """)
