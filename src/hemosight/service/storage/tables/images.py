"""Tables of images: uploads, the bytes, what the encoder made of them, and the workers that run it."""

from __future__ import annotations

from sqlalchemy import REAL, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class Upload(Table):
    """One act of adding files, however many requests it takes. ``removed`` counts what a cancellation took back.

    Once ``cancelled_at`` is set it takes no more files: somebody cancelled it, or deleted its case.
    ``bits`` hold the values of its deep samples, where the files do not say.
    """

    __tablename__ = "uploads"
    __table_args__ = (CheckConstraint("bits BETWEEN 1 AND 32", name="bits"),)
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", index=True, cascade=True)
    case_id: Mapped[int | None] = ref("cases.id")
    user_id: Mapped[int | None] = ref("users.id")
    created_at: Mapped[Moment] = now()
    cancelled_at: Mapped[Moment | None]
    removed: Mapped[int] = mapped_column(server_default=text("0"))
    bits: Mapped[int | None]


class RefusedFile(Table):
    """A file of an upload that did not become an image, and why."""

    __tablename__ = "refusals"
    id: Mapped[int] = row_id()
    upload_id: Mapped[int] = ref("uploads.id", index=True, cascade=True)
    name: Mapped[str]
    reason: Mapped[str]
    at: Mapped[Moment] = now()


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
    """A picture in a project: one cell.

    A deleted image stays as the row that its labels and the audit trail name: of no project, no case and no picture.
    """

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint(
            "(deleted_at IS NULL) = (project_id IS NOT NULL) AND (deleted_at IS NULL) = (sha256 IS NOT NULL)",
            name="deleted",
        ),
        UniqueConstraint("project_id", "sha256"),
        Index(None, "project_id", "id"),
        Index(None, "case_id", "id"),
        Index(None, "upload_id", "id"),
        Index(None, "sha256"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int | None] = ref("projects.id", cascade=True)
    case_id: Mapped[int | None] = ref("cases.id")
    upload_id: Mapped[int | None] = ref("uploads.id")
    sha256: Mapped[bytes | None] = mapped_column(ForeignKey("pictures.sha256"))
    name: Mapped[str]
    uploaded_by: Mapped[int | None] = ref("users.id")
    uploaded_at: Mapped[Moment] = now()
    deleted_at: Mapped[Moment | None]


class CellEmbedding(Table):
    """What the encoder made of an image (table ``embeddings``): immutable, one for each image and bundle.

    ``vector`` is little-endian float32, null where the image is unreadable; ``status`` is ``ok`` or says why not.
    ``scale`` is the factor that its pixels were read at; null where it does not matter, and in rows before 0029 until
    an amendment tells it from what was signed.
    """

    __tablename__ = "embeddings"
    __table_args__ = (
        CheckConstraint("(status = 'ok') = (vector IS NOT NULL)", name="vector"),
        Index(None, "bundle_id", "image_id"),
    )
    image_id: Mapped[int] = ref("images.id", key=True, cascade=True)
    bundle_id: Mapped[int] = ref("bundles.id", key=True)
    vector: Mapped[bytes | None]
    status: Mapped[str]
    novelty: Mapped[float | None]
    x: Mapped[float | None] = mapped_column(REAL)
    y: Mapped[float | None] = mapped_column(REAL)
    scale: Mapped[float | None]
    embedded_at: Mapped[Moment] = now()
    worker: Mapped[str] = mapped_column(server_default="")


class EmbeddingAttempt(Table):
    """How often a worker began to embed an image by itself and did not end: finds the image that kills its worker."""

    __tablename__ = "embedding_attempts"
    image_id: Mapped[int] = ref("images.id", key=True, cascade=True)
    bundle_id: Mapped[int] = ref("bundles.id", key=True)
    attempts: Mapped[int] = mapped_column(server_default=text("1"))
    at: Mapped[Moment] = now()


class WorkerSeen(Table):
    """A process that reads (table ``workers``): with which bundle, when it last lived, how many images a second."""

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(primary_key=True)
    bundle_id: Mapped[int] = ref("bundles.id", cascade=True)
    started_at: Mapped[Moment] = now()
    seen_at: Mapped[Moment] = now()
    rate: Mapped[float] = mapped_column(server_default=text("0"))
