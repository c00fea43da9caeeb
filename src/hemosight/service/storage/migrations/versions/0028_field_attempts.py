"""How often a worker began to cut uncounted cells out of a field and did not end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Give every field its count, none so far."""
    op.add_column("fields", sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False))
