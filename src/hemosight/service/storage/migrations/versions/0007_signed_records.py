"""Signed records with their cells and checks, amendments with their reasons, comments that are dealt with.

Signatures that are there stay as they were given: what nobody wrote down then is null.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns and the two tables; protect the latter as other records are."""
    nothing = sa.text("'{}'::jsonb")
    op.add_column("projects", sa.Column("signing", postgresql.JSONB(), server_default=nothing, nullable=False))
    for name, kind, default in (
        ("amends", sa.BigInteger(), None),
        ("reason", sa.Text(), ""),
        ("checks", postgresql.JSONB(), None),
        ("second_wanted", sa.Boolean(), sa.false()),
        ("confirmed", sa.Text(), "none"),
        ("initials", sa.Text(), ""),
        ("record", postgresql.JSONB(), None),
        ("fingerprint", sa.Text(), None),
    ):
        op.add_column("signatures", sa.Column(name, kind, server_default=default, nullable=default is None))
    op.create_foreign_key(op.f("fk_signatures_amends"), "signatures", "signatures", ["amends"], ["id"])
    op.create_check_constraint(
        op.f("ck_signatures_confirmed"), "signatures", "confirmed IN ('none', 'initials', 'password')"
    )
    op.create_check_constraint(op.f("ck_signatures_amends"), "signatures", "(amends IS NULL) = (reason = '')")
    op.create_table(
        "amendments",
        *_written("amendments"),
        _reference("amendments", "project_id", "projects"),
        _reference("amendments", "case_id", "cases"),
        _reference("amendments", "signature_id", "signatures"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('open', 'withdrawn')", name=op.f("ck_amendments_kind")),
    )
    op.create_index(op.f("ix_amendments_signature_id_id"), "amendments", ["signature_id", "id"])
    op.create_table(
        "comment_marks",
        *_written("comment_marks"),
        _reference("comment_marks", "comment_id", "comments"),
        sa.Column("resolved", sa.Boolean(), nullable=False),
    )
    op.create_index(op.f("ix_comment_marks_comment_id_id"), "comment_marks", ["comment_id", "id"])
    for table in ("amendments", "comment_marks"):
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION hemosight_append_only()
        """)
        op.execute(f"""
            CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION hemosight_append_only()
        """)


def _written(table: str) -> list[sa.Column[Any] | sa.Constraint]:
    """What every record has: a number, who wrote it, when."""
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        _reference(table, "user_id", "users"),
    ]


def _reference(table: str, column: str, target: str) -> sa.Column:
    key = sa.ForeignKey(f"{target}.id", name=op.f(f"fk_{table}_{column}"))
    return sa.Column(column, sa.BigInteger(), key, nullable=False)
