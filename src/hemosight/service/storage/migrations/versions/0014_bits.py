"""How many bits hold the values of an upload's deep samples, where its files do not say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"


def upgrade() -> None:
    """Add the column."""
    op.add_column("uploads", sa.Column("bits", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_uploads_bits"), "uploads", "bits BETWEEN 1 AND 32")
