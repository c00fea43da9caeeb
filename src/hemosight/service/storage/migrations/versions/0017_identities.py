"""Who signs in by an OpenID Connect provider; and projects whose files come in without names.

``identities`` says which person of which provider an account is, ``oidc_tries`` which sign-ins are under way.
``original_names`` keeps, where a project wants it, what files and cases were called before they were numbered.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Add three tables and two columns."""
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"])
    op.create_table(
        "oidc_tries",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("goes_on", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oidc_tries_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oidc_tries")),
    )
    op.create_index(op.f("ix_oidc_tries_created_at"), "oidc_tries", ["created_at"])
    op.add_column("sessions", sa.Column("by_provider", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("projects", sa.Column("names", sa.Text(), server_default="kept", nullable=False))
    op.create_check_constraint(op.f("ck_projects_names"), "projects", "names IN ('kept', 'mapped', 'dropped')")
    op.create_table(
        "original_names",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('image', 'case')", name=op.f("ck_original_names_kind")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_original_names_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "kind", "number", name=op.f("pk_original_names")),
    )
