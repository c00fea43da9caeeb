"""Validation at the desk: control charts of scanner profiles, answers to their flags, and dossiers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"

_NOW = sa.text("clock_timestamp()")


def _ref(table: str, column: str, target: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="CASCADE" if cascade else None)


def upgrade() -> None:
    """Add three tables; cases that were signed before have no point on the charts. Panels of before were timed."""
    op.add_column("panels", sa.Column("timed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE panels SET timed = true")
    op.add_column("panels", sa.Column("teaches", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "drift_points",
        sa.Column("signature_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("measures", JSONB(), nullable=False),
        _ref("drift_points", "signature_id", "signatures"),
        _ref("drift_points", "project_id", "projects", cascade=True),
        _ref("drift_points", "profile_id", "profiles", cascade=True),
        _ref("drift_points", "case_id", "cases"),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_drift_points")),
    )
    op.create_index(
        op.f("ix_drift_points_project_id_profile_id_signature_id"),
        "drift_points",
        ["project_id", "profile_id", "signature_id"],
    )
    op.create_table(
        "drift_answers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("kind IN ('explained', 'validated')", name=op.f("ck_drift_answers_kind")),
        _ref("drift_answers", "project_id", "projects", cascade=True),
        _ref("drift_answers", "profile_id", "profiles", cascade=True),
        _ref("drift_answers", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_answers")),
    )
    op.create_index(op.f("ix_drift_answers_profile_id_id"), "drift_answers", ["profile_id", "id"])
    op.create_table(
        "dossiers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("bundle_id", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", JSONB(), nullable=True),
        sa.Column("archive", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'running', 'made', 'failed')", name=op.f("ck_dossiers_state")),
        sa.CheckConstraint("(state = 'made') = (archive IS NOT NULL)", name=op.f("ck_dossiers_archive")),
        _ref("dossiers", "project_id", "projects", cascade=True),
        _ref("dossiers", "bundle_id", "bundles"),
        _ref("dossiers", "asked_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dossiers")),
    )
    op.create_index(op.f("ix_dossiers_project_id_id"), "dossiers", ["project_id", "id"])
