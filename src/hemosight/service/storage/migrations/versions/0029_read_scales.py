"""At which pixel scale each cell was read, so that an amended case is never signed at another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add ``embeddings.scale``; of what was read before nobody knows it."""
    op.add_column("embeddings", sa.Column("scale", sa.DOUBLE_PRECISION(), nullable=True))
