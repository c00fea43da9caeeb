"""The queue: the tables of the procrastinate library."""

from __future__ import annotations

from pathlib import Path

import procrastinate
from alembic import op

revision = "0002"
down_revision = "0001"

_LAST = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def upgrade() -> None:
    """Apply the library's own migrations up to a named one; what later versions add, later revisions apply."""
    folder = Path(procrastinate.__file__).parent / "sql" / "migrations"
    for file in sorted(folder.glob("*.sql")):
        if file.name <= _LAST:
            # The driver's own cursor: to SQLAlchemy the colons of PL/pgSQL would be parameters.
            op.get_bind().connection.cursor().execute(file.read_text(encoding="utf-8"))
