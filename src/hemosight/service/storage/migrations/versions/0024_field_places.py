"""Where fields lie on their film, from which score they were searched, and cells that another field counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_REMOVED = "ck_field_cells_removed"


def upgrade() -> None:
    """Add places and scores to fields, the score of a scanner, and cells that another field counts."""
    for table in ("profiles", "fields"):
        op.add_column(table, sa.Column("least", sa.DOUBLE_PRECISION(), server_default=sa.text("0.5"), nullable=False))
    op.create_check_constraint(op.f("ck_profiles_least"), "profiles", "least > 0 AND least < 1")
    op.add_column("fields", sa.Column("film", sa.Text(), nullable=True))
    op.add_column("fields", sa.Column("x", sa.DOUBLE_PRECISION(), nullable=True))
    op.add_column("fields", sa.Column("y", sa.DOUBLE_PRECISION(), nullable=True))
    op.create_check_constraint(
        op.f("ck_fields_place"), "fields", "(film IS NULL) = (x IS NULL) AND (film IS NULL) = (y IS NULL)"
    )
    op.add_column("field_cells", sa.Column("seen_in", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_field_cells_seen_in"), "field_cells", "field_cells", ["seen_in"], ["id"], ondelete="CASCADE"
    )
    op.create_index(op.f("ix_field_cells_seen_in"), "field_cells", ["seen_in"])
    op.drop_constraint(op.f(_REMOVED), "field_cells", type_="check")
    op.create_check_constraint(
        op.f(_REMOVED),
        "field_cells",
        "(removed_at IS NULL AND seen_in IS NULL) = (image_id IS NOT NULL) "
        "AND (removed_at IS NULL) = (removed_by IS NULL)",
    )
