"""Specimen fields of a case; cells and projects that were deleted and leave their trace.

Labels, comments and the audit trail are never deleted and name their image: a deleted image stays as an empty row, of
no project and without its picture, and so does a deleted project without its cells.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add columns; let an image be of no project once it is deleted."""
    op.add_column("cases", sa.Column("accession", sa.Text(), server_default="", nullable=False))
    op.add_column("cases", sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("cases", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("cases", sa.Column("wbc", sa.DOUBLE_PRECISION(), nullable=True))
    op.add_column("cases", sa.Column("assigned_to", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_cases_assigned_to"), "cases", "users", ["assigned_to"], ["id"])
    op.create_check_constraint(op.f("ck_cases_wbc"), "cases", "wbc > 0")
    op.add_column("projects", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("images", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("images", "project_id", nullable=True)
    op.alter_column("images", "sha256", nullable=True)
    op.create_check_constraint(
        op.f("ck_images_deleted"),
        "images",
        "(deleted_at IS NULL) = (project_id IS NOT NULL) AND (deleted_at IS NULL) = (sha256 IS NOT NULL)",
    )
