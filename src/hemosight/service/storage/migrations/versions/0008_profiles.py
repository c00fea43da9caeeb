"""Scanner profiles: a project's pixel scale becomes that of its first profile, by which its cases are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make a profile for each project, at the project's scale. Cases of which nobody chose one are of the oldest."""
    op.create_table(
        "profiles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scale", sa.DOUBLE_PRECISION(), server_default=sa.text("1"), nullable=False),
        sa.Column("scale_from", sa.Text(), server_default="default", nullable=False),
        sa.Column("measured", JSONB(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("scale > 0", name=op.f("ck_profiles_scale")),
        sa.CheckConstraint("scale_from IN ('default', 'measured', 'person')", name=op.f("ck_profiles_scale_from")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_profiles_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_profiles_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiles")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_profiles_project_id_name")),
    )
    op.add_column("cases", sa.Column("profile_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_cases_profile_id"), "cases", "profiles", ["profile_id"], ["id"])
    op.create_index(op.f("ix_cases_profile_id"), "cases", ["profile_id"])
    op.execute("""
        INSERT INTO profiles (project_id, name, scale, scale_from, created_by)
        SELECT id, 'Scanner 1', scale, CASE WHEN scale = 1 THEN 'default' ELSE 'person' END, created_by FROM projects
    """)
    op.drop_constraint(op.f("ck_projects_scale"), "projects")
    op.drop_column("projects", "scale")
