"""The title of a dossier, its PDF beside its archive, and archives that are dropped while their fingerprint stays."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
import zipfile

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_CHECK = "ck_dossiers_archive"
# Nobody can make these any more: no worker runs a bundle for a project that has moved on.
_WAITING = """
UPDATE dossiers SET state = 'failed', ended_at = clock_timestamp(),
    said = 'The project is read with another bundle now. Ask for it anew.'
FROM projects WHERE projects.id = dossiers.project_id AND projects.bundle_id <> dossiers.bundle_id
    AND dossiers.state IN ('waiting', 'running')
"""


def upgrade() -> None:
    """Add the columns, and fill them from protocols and archives, one dossier at a time."""
    op.add_column("dossiers", sa.Column("title", sa.Text(), server_default="", nullable=False))
    op.add_column("dossiers", sa.Column("pdf", sa.LargeBinary(), nullable=True))
    op.add_column("dossiers", sa.Column("archive_sha256", sa.Text(), nullable=True))
    op.add_column("dossiers", sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE dossiers SET archive_sha256 = encode(sha256(archive), 'hex') WHERE archive IS NOT NULL")
    op.execute(_WAITING)
    connection = op.get_bind()
    for (number,) in connection.execute(sa.text("SELECT id FROM dossiers ORDER BY id")).all():
        row = sa.text("SELECT protocol, archive FROM dossiers WHERE id = :id")
        protocol, archive = connection.execute(row, {"id": number}).one()
        values = {"id": number, "title": _title(protocol), "pdf": _pdf(archive)}
        connection.execute(sa.text("UPDATE dossiers SET title = :title, pdf = :pdf WHERE id = :id"), values)
    op.drop_constraint(op.f(_CHECK), "dossiers", type_="check")
    op.create_check_constraint(
        op.f(_CHECK), "dossiers", "(state = 'made' AND dropped_at IS NULL) = (archive IS NOT NULL)"
    )


def _title(protocol: str) -> str:
    if re.search(r"(?:\.[^.\n]*){1000}", protocol):  # written to take hours of whoever reads it
        return ""
    with contextlib.suppress(ValueError, RecursionError):
        return str(tomllib.loads(protocol).get("title", "")).replace("\x00", "")
    return ""


def _pdf(archive: bytes | None) -> bytes | None:
    if archive is None:
        return None
    with contextlib.suppress(zipfile.BadZipFile, KeyError), zipfile.ZipFile(io.BytesIO(archive)) as files:
        return files.read("dossier.pdf")
    return None
