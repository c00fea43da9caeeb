"""A cell that another field counted stays in its own field when that one's goes: found, and not counted."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"

_REMOVED = "ck_field_cells_removed"
_SEEN_IN = "fk_field_cells_seen_in"


def upgrade() -> None:
    """Set ``seen_in`` null where that cell is deleted, and allow a cell that is nowhere counted."""
    op.drop_constraint(op.f(_SEEN_IN), "field_cells", type_="foreignkey")
    op.create_foreign_key(op.f(_SEEN_IN), "field_cells", "field_cells", ["seen_in"], ["id"], ondelete="SET NULL")
    op.drop_constraint(op.f(_REMOVED), "field_cells", type_="check")
    op.create_check_constraint(
        op.f(_REMOVED),
        "field_cells",
        "(image_id IS NULL OR (removed_at IS NULL AND seen_in IS NULL)) "
        "AND (removed_at IS NULL) = (removed_by IS NULL)",
    )
