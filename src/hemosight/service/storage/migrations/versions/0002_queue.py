"""The queue: the tables of the procrastinate library."""

from __future__ import annotations

import re
from pathlib import Path

import procrastinate
from alembic import op

revision = "0002"
down_revision = "0001"

_LAST = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


_ADDED = re.compile(r"ALTER TYPE (\w+) ADD VALUE '(\w+)'(?: (BEFORE|AFTER) '(\w+)')?;\n")


def upgrade() -> None:
    """Apply the library's own migrations up to a named one; what later versions add, later revisions apply."""
    folder = Path(procrastinate.__file__).parent / "sql" / "migrations"
    files = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.sql")) if file.name <= _LAST]
    # The driver's own cursor: to SQLAlchemy the colons of PL/pgSQL would be parameters.
    op.get_bind().connection.cursor().execute(with_whole_types("\n".join(files)))


def with_whole_types(sql: str) -> str:
    """The same migrations, with the values that are added to a type later in the type from its beginning.

    A value that was added to a type cannot be used in the same transaction before PostgreSQL 17, and the revision is
    one transaction.
    """
    for kind, value, side, other in _ADDED.findall(sql):
        begin = sql.index(f"CREATE TYPE {kind} AS ENUM (")
        end = sql.index(");", begin)
        values = sql[begin:end]
        beside = f"'{other}'" if other else re.findall(r"'\w+'", values)[-1]
        both = (f"'{value}', {beside}") if side == "BEFORE" else (f"{beside}, '{value}'")
        sql = sql[:begin] + values.replace(beside, both) + sql[end:]
    return _ADDED.sub("", sql)
