"""Signatures that hold what they were given under; labels say what the classifier had learnt.

Signed records themselves are not touched: their JSON stays as it was signed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Rename the two columns that were called ``revision``; let a second signature name the first."""
    op.alter_column("labels", "revision", new_column_name="taught_until")
    op.alter_column("signatures", "revision", new_column_name="reviewed_until")
    # Nobody wrote down what the classifier had learnt when an older signature was given: null says so.
    op.add_column("signatures", sa.Column("taught_until", sa.BigInteger(), nullable=True))
    op.add_column("signatures", sa.Column("countersigns", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_signatures_countersigns"), "signatures", "signatures", ["countersigns"], ["id"])
