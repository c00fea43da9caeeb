"""Tries to sign in: under way, wrong or right, and from which known browser."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Add the state of a try, and the browsers on which a right password was given."""
    op.alter_column("login_attempts", "ok", nullable=True)
    op.add_column("login_attempts", sa.Column("device", sa.LargeBinary(), nullable=True))
    moment = {"server_default": sa.text("clock_timestamp()"), "nullable": False}
    op.create_table(
        "devices",
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **moment),
        sa.Column("seen_at", sa.DateTime(timezone=True), **moment),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id_hash", "user_id", name=op.f("pk_devices")),
    )
    op.create_index(op.f("ix_devices_user_id"), "devices", ["user_id"])
