"""Reports: what a laboratory prints besides counts, the findings of a case, and the name that a signer had."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; what is signed already stays as it is."""
    nothing = sa.text("'{}'::jsonb")
    op.add_column("projects", sa.Column("report", postgresql.JSONB(), server_default=nothing, nullable=False))
    op.add_column("cases", sa.Column("findings", postgresql.JSONB(), server_default=nothing, nullable=False))
    op.add_column("signatures", sa.Column("signer", sa.Text(), server_default="", nullable=False))
