"""Every table of the review service.

Three kinds of rows live here. *Facts* (``labels``, ``comments``, ``signatures``, ``audit``) are appended and never
changed: a trigger refuses it. *Work* (``pictures``, ``readings``) is immutable and can be made again. *State* (the
rest) changes, and every change writes a row of ``audit`` in its transaction. Predictions are in no table: they are
derived from readings and facts.

The procrastinate library keeps its own tables (``procrastinate_*``) in the same database.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Moment = datetime.datetime

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """What all tables share: names of constraints, and PostgreSQL types for Python's."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy looks for this very name
        str: Text(),
        float: DOUBLE_PRECISION(),
        bytes: LargeBinary(),
        Moment: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


def _id() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=False), primary_key=True)


def _now() -> Mapped[Moment]:
    return mapped_column(server_default=func.clock_timestamp())


def _ref(target: str, *, key: bool = False, index: bool = False, cascade: bool = False) -> Mapped[Any]:
    on_delete = "CASCADE" if cascade else None
    return mapped_column(BigInteger, ForeignKey(target, ondelete=on_delete), primary_key=key, index=index)


# --- people -----------------------------------------------------------------------------------------------


class User(Table):
    """A person with an account. Accounts are never deleted, only made inactive: facts name them."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_name", func.lower(text("name")), unique=True),)
    id: Mapped[int] = _id()
    name: Mapped[str]
    display: Mapped[str]
    password_hash: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(server_default=false())
    active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[Moment] = _now()


class SignedIn(Table):
    """A browser that signed in (table ``sessions``)."""

    __tablename__ = "sessions"
    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = _ref("users.id", index=True, cascade=True)
    csrf: Mapped[str]
    created_at: Mapped[Moment] = _now()
    seen_at: Mapped[Moment] = _now()
    expires_at: Mapped[Moment] = mapped_column(index=True)
    agent: Mapped[str] = mapped_column(server_default="")


class ApiToken(Table):
    """A program's way in, kept as a hash."""

    __tablename__ = "api_tokens"
    id: Mapped[int] = _id()
    user_id: Mapped[int] = _ref("users.id", index=True, cascade=True)
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    project_id: Mapped[int | None] = _ref("projects.id", cascade=True)
    created_at: Mapped[Moment] = _now()
    used_at: Mapped[Moment | None]
    expires_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]


class LoginAttempt(Table):
    """A password given; what throttling counts."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index(None, "name", "at"), Index(None, "address", "at"))
    id: Mapped[int] = _id()
    name: Mapped[str]
    address: Mapped[str]
    at: Mapped[Moment] = _now()
    ok: Mapped[bool]


class FirstRun(Table):
    """The one-time link that makes the first administrator."""

    __tablename__ = "first_run"
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    created_at: Mapped[Moment] = _now()
    used_at: Mapped[Moment | None]


# --- projects ---------------------------------------------------------------------------------------------


class KnownBundle(Table):
    """A bundle that has read something here (table ``bundles``); ``sha256`` is hexadecimal."""

    __tablename__ = "bundles"
    id: Mapped[int] = _id()
    name: Mapped[str]
    version: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    space: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    added_at: Mapped[Moment] = _now()


class Project(Table):
    """Images that are reviewed together, by the same people, with one bundle and at one pixel scale."""

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("scale > 0", name="scale"),
        CheckConstraint("teaching_weight > 0", name="teaching_weight"),
    )
    id: Mapped[int] = _id()
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    scale: Mapped[float] = mapped_column(server_default=text("1"))
    bundle_id: Mapped[int] = _ref("bundles.id")
    teaching: Mapped[bool] = mapped_column(server_default=true())
    teaching_weight: Mapped[float] = mapped_column(server_default=text("20"))
    second_signer: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[Moment] = _now()
    created_by: Mapped[int | None] = _ref("users.id")
    archived_at: Mapped[Moment | None]


class Member(Table):
    """Who may do what in a project."""

    __tablename__ = "members"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name="role"),)
    project_id: Mapped[int] = _ref("projects.id", key=True, cascade=True)
    user_id: Mapped[int] = _ref("users.id", key=True, cascade=True, index=True)
    role: Mapped[str]


class Case(Table):
    """A specimen or patient, under the key the laboratory chose."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("project_id", "key"),)
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id", cascade=True)
    key: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[Moment] = _now()


# --- images and readings ----------------------------------------------------------------------------------


class Upload(Table):
    """One act of adding files, however many requests it takes. ``removed`` counts what a cancellation took back."""

    __tablename__ = "uploads"
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id", index=True, cascade=True)
    case_id: Mapped[int | None] = _ref("cases.id")
    user_id: Mapped[int | None] = _ref("users.id")
    created_at: Mapped[Moment] = _now()
    cancelled_at: Mapped[Moment | None]
    removed: Mapped[int] = mapped_column(server_default=text("0"))


class Refusal(Table):
    """A file of an upload that did not become an image, and why."""

    __tablename__ = "refusals"
    id: Mapped[int] = _id()
    upload_id: Mapped[int] = _ref("uploads.id", index=True, cascade=True)
    name: Mapped[str]
    reason: Mapped[str]
    at: Mapped[Moment] = _now()


class Picture(Table):
    """A file's bytes under their own checksum, shared by all projects; ``thumbnail`` is a JPEG, 160 px square."""

    __tablename__ = "pictures"
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    data: Mapped[bytes]
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    thumbnail: Mapped[bytes | None]


class Image(Table):
    """A picture in a project: one cell."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("project_id", "sha256"),
        Index(None, "project_id", "id"),
        Index(None, "case_id", "id"),
        Index(None, "upload_id", "id"),
        Index(None, "sha256"),
    )
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id", cascade=True)
    case_id: Mapped[int | None] = _ref("cases.id")
    upload_id: Mapped[int | None] = _ref("uploads.id")
    sha256: Mapped[bytes] = mapped_column(ForeignKey("pictures.sha256"))
    name: Mapped[str]
    uploaded_by: Mapped[int | None] = _ref("users.id")
    uploaded_at: Mapped[Moment] = _now()


class CellReading(Table):
    """What the encoder made of an image (table ``readings``): immutable, one for each image and bundle.

    ``vector`` is little-endian float32, null where the image is unreadable; ``status`` is ``ok`` or says why not.
    """

    __tablename__ = "readings"
    __table_args__ = (
        CheckConstraint("(status = 'ok') = (vector IS NOT NULL)", name="vector"),
        Index(None, "bundle_id", "image_id"),
    )
    image_id: Mapped[int] = _ref("images.id", key=True, cascade=True)
    bundle_id: Mapped[int] = _ref("bundles.id", key=True)
    vector: Mapped[bytes | None]
    status: Mapped[str]
    novelty: Mapped[float | None]
    x: Mapped[float | None] = mapped_column(REAL)
    y: Mapped[float | None] = mapped_column(REAL)
    read_at: Mapped[Moment] = _now()
    worker: Mapped[str] = mapped_column(server_default="")


class ReadingTry(Table):
    """How often an image's reading was begun alone and not ended: what tells the image that kills its worker."""

    __tablename__ = "reading_tries"
    image_id: Mapped[int] = _ref("images.id", key=True, cascade=True)
    bundle_id: Mapped[int] = _ref("bundles.id", key=True)
    tries: Mapped[int] = mapped_column(server_default=text("1"))
    at: Mapped[Moment] = _now()


class WorkerSeen(Table):
    """A process that reads (table ``workers``): with which bundle, when it last lived, how many images a second."""

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(primary_key=True)
    bundle_id: Mapped[int] = _ref("bundles.id", cascade=True)
    started_at: Mapped[Moment] = _now()
    seen_at: Mapped[Moment] = _now()
    rate: Mapped[float] = mapped_column(server_default=text("0"))


# --- labels and other facts -------------------------------------------------------------------------------


class LabelSet(Table):
    """Classes that images of a project are sorted into; ``classes`` = [{name, title, key, light, dark}]."""

    __tablename__ = "label_sets"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint("kind IN ('bundle', 'own')", name="kind"),
    )
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id", cascade=True)
    name: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    classes: Mapped[list[Any]]
    weight: Mapped[float | None]
    created_by: Mapped[int | None] = _ref("users.id")
    created_at: Mapped[Moment] = _now()
    archived_at: Mapped[Moment | None]


class LabelFact(Table):
    """Somebody said something about an image (table ``labels``). Append only.

    ``label`` is null where a label was withdrawn, ``?`` where the person is unsure. ``revision`` is the last fact that
    the model had learnt when the person saw ``predicted``. Within a project ids are in the order of commits, so
    that whoever has seen fact n has seen every fact before it.
    """

    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("request", "image_id", "label_set_id"),
        CheckConstraint("kind IN ('set', 'agree', 'undo', 'clear')", name="kind"),
        Index(None, "project_id", "id"),
        Index(None, "image_id", "id"),
    )
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id")
    image_id: Mapped[int] = _ref("images.id")
    label_set_id: Mapped[int] = _ref("label_sets.id")
    label: Mapped[str | None]
    user_id: Mapped[int] = _ref("users.id")
    at: Mapped[Moment] = _now()
    kind: Mapped[str]
    undoes: Mapped[int | None] = _ref("labels.id")
    request: Mapped[uuid.UUID]
    bundle_id: Mapped[int] = _ref("bundles.id")
    revision: Mapped[int] = mapped_column(BigInteger)
    predicted: Mapped[str | None]
    probability: Mapped[float | None]


class Standing(Table):
    """The fact that stands now for an image in a label set; written in the fact's transaction, locked for it."""

    __tablename__ = "standing"
    __table_args__ = (Index(None, "label_set_id", "image_id"),)
    image_id: Mapped[int] = _ref("images.id", key=True)
    label_set_id: Mapped[int] = _ref("label_sets.id", key=True)
    fact_id: Mapped[int] = _ref("labels.id")
    label: Mapped[str | None]


class Comment(Table):
    """What somebody wrote under an image. Append only."""

    __tablename__ = "comments"
    __table_args__ = (Index(None, "image_id", "id"),)
    id: Mapped[int] = _id()
    image_id: Mapped[int] = _ref("images.id")
    user_id: Mapped[int] = _ref("users.id")
    at: Mapped[Moment] = _now()
    text: Mapped[str]


class Signature(Table):
    """A differential that somebody signed, as it was then. Append only."""

    __tablename__ = "signatures"
    __table_args__ = (
        CheckConstraint("role IN ('first', 'second')", name="role"),
        Index(None, "project_id", "case_id", "id"),
    )
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id")
    case_id: Mapped[int | None] = _ref("cases.id")
    user_id: Mapped[int] = _ref("users.id")
    at: Mapped[Moment] = _now()
    role: Mapped[str]
    bundle_id: Mapped[int] = _ref("bundles.id")
    revision: Mapped[int] = mapped_column(BigInteger)
    differential: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(server_default="")


class AuditRow(Table):
    """Who changed what, when and from where (table ``audit``). Append only."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "user_id", "id"),
        Index(None, "action", "id"),
    )
    id: Mapped[int] = _id()
    at: Mapped[Moment] = _now()
    user_id: Mapped[int | None] = _ref("users.id")
    project_id: Mapped[int | None] = _ref("projects.id")
    action: Mapped[str]
    subject: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    address: Mapped[str | None]


class Event(Table):
    """Something browsers want to know (table ``events``); kept for a day, so that a dropped line can resume.

    Ids of a project are in the order of commits.
    """

    __tablename__ = "events"
    __table_args__ = (Index(None, "project_id", "id"), Index(None, "at"))
    id: Mapped[int] = _id()
    project_id: Mapped[int] = _ref("projects.id", cascade=True)
    at: Mapped[Moment] = _now()
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]


APPEND_ONLY = ("labels", "comments", "signatures", "audit")
"""Tables whose rows a trigger protects from UPDATE, DELETE and TRUNCATE."""
