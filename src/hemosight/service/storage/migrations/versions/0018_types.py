"""A laboratory's own types: how finely a label set's differential is told, and of which cell type it is asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add both to the label sets; how each class counts stands with the class."""
    op.add_column("label_sets", sa.Column("level", sa.Text(), server_default="subtype", nullable=False))
    op.add_column("label_sets", sa.Column("asked_of", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_label_sets_level"), "label_sets", "level IN ('type', 'subtype')")
