"""Which cells of a case are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add a column that is null where every cell counts."""
    op.add_column("cases", sa.Column("counting", JSONB(), nullable=True))
