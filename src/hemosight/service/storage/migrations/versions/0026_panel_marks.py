"""What a cell of a marked set is called: its mark, as the glossary has it."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0021"


def upgrade() -> None:
    """Rename the column."""
    op.alter_column("panel_cells", "truth", new_column_name="mark")
