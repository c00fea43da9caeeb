"""What a cell of a marked set is called: its mark. Every choice of the cells of a case that count is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"

# What the numbers of a draw were called, and are.
_RENAMED = """
UPDATE cases SET counting = counting - ARRAY['wanted', 'met', 'chosen', 'pool', 'unfair'] || jsonb_build_object(
    'target_leukocytes', counting->'wanted',
    'counted_leukocytes', counting->'met',
    'counted_cells', counting->'chosen',
    'eligible_cells', counting->'pool',
    'cells_in_unfair_fields', counting->'unfair',
    'first_field', NULL
) WHERE counting IS NOT NULL
"""
_CHOSEN = """
UPDATE cases SET draws = jsonb_build_array(jsonb_build_object(
    'target_leukocytes', counting->'target_leukocytes',
    'method', counting->'method',
    'seed', counting->'seed',
    'labelled_cells', NULL,
    'name', counting->'name',
    'at', counting->'at',
    'reason', counting->'reason'
)) WHERE counting IS NOT NULL
"""


def upgrade() -> None:
    """Rename what was named otherwise, and add a column for the choices, of which the one that stands is known."""
    op.alter_column("panel_cells", "truth", new_column_name="mark")
    op.add_column("cases", sa.Column("draws", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.execute(_RENAMED)
    op.execute(_CHOSEN)
