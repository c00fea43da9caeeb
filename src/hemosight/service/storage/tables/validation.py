"""Tables of validation at the desk: points on control charts, what was said to their flags, and dossiers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class DriftPoint(Table):
    """A point on the control charts of a scanner profile: what a version of a case's record looked like.

    Written in the transaction of its first signature. It goes with its profile when that is merged into another.
    ``measures`` is :class:`hemosight.service.desk.drift.CaseMeasures` as JSON.
    """

    __tablename__ = "drift_points"
    __table_args__ = (Index(None, "project_id", "profile_id", "signature_id"),)
    signature_id: Mapped[int] = ref("signatures.id", key=True)
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    profile_id: Mapped[int] = ref("profiles.id", cascade=True)
    case_id: Mapped[int] = ref("cases.id")
    measures: Mapped[dict[str, Any]]


class DriftAnswer(Table):
    """What somebody said to the flags of a scanner profile: its cause was found, or it was validated anew.

    ``until`` is the first signature of the newest case on the charts then, 0 where there was none. After a validation
    the cases that follow say what is usual.
    """

    __tablename__ = "drift_answers"
    __table_args__ = (
        CheckConstraint("kind IN ('explained', 'validated')", name="kind"),
        Index(None, "profile_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    profile_id: Mapped[int] = ref("profiles.id", cascade=True)
    until: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    note: Mapped[str]
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()


class DossierRow(Table):
    """A validation that somebody asked for: its protocol (TOML) as it was then, and the dossier once it is made.

    A worker that runs ``bundle_id`` makes it; ``seen_at`` is its sign of life, by which another one takes over from one
    that died. ``said`` is what the command wrote, ``summary`` what was found
    (:class:`hemosight.service.work.dossiers.Summary` as JSON), ``archive`` a zip of every file, ``pdf`` one of these.
    Of an old dossier the files are dropped (``dropped_at``), and the fingerprint of the archive stays.
    """

    __tablename__ = "dossiers"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'made', 'failed')", name="state"),
        CheckConstraint("(state = 'made' AND dropped_at IS NULL) = (archive IS NOT NULL)", name="archive"),
        Index(None, "project_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    bundle_id: Mapped[int] = ref("bundles.id")
    protocol: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    asked_by: Mapped[int] = ref("users.id")
    asked_at: Mapped[Moment] = now()
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    seen_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    said: Mapped[str] = mapped_column(server_default="")
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    archive: Mapped[bytes | None] = mapped_column(deferred=True)  # megabytes: read where it is taken away
    pdf: Mapped[bytes | None] = mapped_column(deferred=True)
    archive_sha256: Mapped[str | None]
    dropped_at: Mapped[Moment | None]
