"""Tables of projects: their bundles, members, scanner profiles and cases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, false, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class KnownBundle(Table):
    """A bundle that has read something here (table ``bundles``); ``sha256`` is hexadecimal."""

    __tablename__ = "bundles"
    id: Mapped[int] = row_id()
    name: Mapped[str]
    version: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    space: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    added_at: Mapped[Moment] = now()


class Project(Table):
    """Images that are reviewed together, by the same people; ``bundle_id`` is the bundle that reads them now."""

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("teaching_weight > 0", name="teaching_weight"),
        CheckConstraint("names IN ('kept', 'mapped', 'dropped')", name="names"),
    )
    id: Mapped[int] = row_id()
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    bundle_id: Mapped[int] = ref("bundles.id")
    teaching: Mapped[bool] = mapped_column(server_default=true())
    teaching_weight: Mapped[float] = mapped_column(server_default=text("20"))
    second_signer: Mapped[bool] = mapped_column(server_default=false())
    signing: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    names: Mapped[str] = mapped_column(server_default="kept")
    created_at: Mapped[Moment] = now()
    created_by: Mapped[int | None] = ref("users.id")
    archived_at: Mapped[Moment | None]
    deleted_at: Mapped[Moment | None]


class Member(Table):
    """Who may do what in a project."""

    __tablename__ = "members"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name="role"),)
    project_id: Mapped[int] = ref("projects.id", key=True, cascade=True)
    user_id: Mapped[int] = ref("users.id", key=True, cascade=True, index=True)
    role: Mapped[str]


class Profile(Table):
    """A scanner and its stain, as a project's people named it: what its cases are read with.

    ``scale`` brings its pixels to the reference scale; ``scale_from`` says who set it. ``measured`` is the newest
    measurement of it on red cells (:class:`hemosight.images.pixel_scale.PixelScale` as JSON), null before one.
    ``least`` is the score from which something in its fields is taken for a white cell. Every
    project has at least one profile, and the oldest is that of cells for which nobody chose one.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint("scale > 0", name="scale"),
        CheckConstraint("least > 0 AND least < 1", name="least"),
        CheckConstraint("scale_from IN ('default', 'measured', 'person')", name="scale_from"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    name: Mapped[str]
    scale: Mapped[float] = mapped_column(server_default=text("1"))
    scale_from: Mapped[str] = mapped_column(server_default="default")
    measured: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    least: Mapped[float] = mapped_column(server_default=text("0.5"))
    created_at: Mapped[Moment] = now()
    created_by: Mapped[int | None] = ref("users.id")


class Case(Table):
    """The cells of one specimen, under the key the laboratory chose: reviewed and signed as a unit.

    ``wbc`` is the leukocyte count of the specimen in 10^9 per litre; ``profile_id`` the scanner it came from, null
    where nobody chose one. ``findings`` is what its report says besides counts
    (:class:`hemosight.service.storage.findings.Findings` as JSON). ``counting`` says which of its cells count
    (:class:`hemosight.service.storage.counting.DrawnCells` as JSON), null where all do, ``draws`` how often and why
    somebody chose so (:class:`hemosight.service.storage.counting.CountingChoice`).
    """

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("project_id", "key"), CheckConstraint("wbc > 0", name="wbc"))
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    key: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    accession: Mapped[str] = mapped_column(server_default="")
    collected_at: Mapped[Moment | None]
    received_at: Mapped[Moment | None]
    wbc: Mapped[float | None]
    assigned_to: Mapped[int | None] = ref("users.id")
    profile_id: Mapped[int | None] = ref("profiles.id", index=True)
    findings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    counting: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    draws: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    created_at: Mapped[Moment] = now()


class OriginalName(Table):
    """What a file or a case was called before it came in under a number (table ``original_names``).

    Written in projects whose ``names`` are ``mapped``; administrators of the service alone may read it.
    """

    __tablename__ = "original_names"
    __table_args__ = (CheckConstraint("kind IN ('image', 'case')", name="kind"),)
    project_id: Mapped[int] = ref("projects.id", key=True, cascade=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str]
