"""Tables of what people said and did: labels, comments, signatures, the audit trail, and the events of the day."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from hemosight.service.storage.tables.base import Moment, Table, now, ref, row_id


class LabelSet(Table):
    """Classes that images of a project are sorted into.

    ``classes`` = [{name, title, key, light, dark}], and where a laboratory said so counts, parent, retired, and what
    each was merged into.
    ``level`` is how finely the differential is told; ``asked_of`` the cell type that is asked, null for every cell.
    """

    __tablename__ = "label_sets"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint("kind IN ('bundle', 'own')", name="kind"),
        CheckConstraint("level IN ('type', 'subtype')", name="level"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    name: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    classes: Mapped[list[Any]]
    level: Mapped[str] = mapped_column(server_default="subtype")
    asked_of: Mapped[str | None]
    created_by: Mapped[int | None] = ref("users.id")
    created_at: Mapped[Moment] = now()
    archived_at: Mapped[Moment | None]


class LabelRecord(Table):
    """One statement of a person about an image (table ``labels``). Append only.

    ``label`` is null where a label was withdrawn, ``?`` where the person is unsure. ``taught_until`` is the newest
    record that the classifier had learnt when the person saw ``predicted``. The kind ``group`` is the label of a whole
    group that was accepted on a sample: nobody looked at this cell alone. Within a project ids are in the order of
    commits: whoever has seen record n has seen every record before it.
    """

    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("request", "image_id", "label_set_id"),
        CheckConstraint("kind IN ('set', 'agree', 'group', 'undo', 'clear')", name="kind"),
        Index(None, "project_id", "id"),
        Index(None, "image_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id")
    image_id: Mapped[int] = ref("images.id")
    label_set_id: Mapped[int] = ref("label_sets.id")
    label: Mapped[str | None]
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    kind: Mapped[str]
    undoes: Mapped[int | None] = ref("labels.id")
    request: Mapped[uuid.UUID]
    bundle_id: Mapped[int] = ref("bundles.id")
    taught_until: Mapped[int] = mapped_column(BigInteger)
    predicted: Mapped[str | None]
    probability: Mapped[float | None]


class CurrentLabelRow(Table):
    """The label record that stands now for an image in a label set (table ``current_labels``).

    Written in the record's own transaction, by whoever has the project's turn.
    """

    __tablename__ = "current_labels"
    __table_args__ = (Index(None, "label_set_id", "image_id"),)
    image_id: Mapped[int] = ref("images.id", key=True)
    label_set_id: Mapped[int] = ref("label_sets.id", key=True)
    label_id: Mapped[int] = ref("labels.id")
    label: Mapped[str | None]


class Comment(Table):
    """What somebody wrote under an image. Append only."""

    __tablename__ = "comments"
    __table_args__ = (Index(None, "image_id", "id"),)
    id: Mapped[int] = row_id()
    image_id: Mapped[int] = ref("images.id")
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    text: Mapped[str]


class CommentMark(Table):
    """Somebody found a comment dealt with, or open again (table ``comment_marks``). Append only; the newest counts."""

    __tablename__ = "comment_marks"
    __table_args__ = (Index(None, "comment_id", "id"),)
    id: Mapped[int] = row_id()
    comment_id: Mapped[int] = ref("comments.id")
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    resolved: Mapped[bool]


class CommentAssignment(Table):
    """Who is to see to a comment (table ``comment_assignments``); null: nobody. Append only; the newest counts."""

    __tablename__ = "comment_assignments"
    __table_args__ = (Index(None, "comment_id", "id"),)
    id: Mapped[int] = row_id()
    comment_id: Mapped[int] = ref("comments.id")
    user_id: Mapped[int] = ref("users.id")
    assigned_to: Mapped[int | None] = ref("users.id")
    at: Mapped[Moment] = now()


class Signature(Table):
    """A record that somebody signed, as it was then. Append only.

    ``reviewed_until`` is the newest label of the signed cells, ``taught_until`` the last label that the classifier had
    learnt (null in rows older than that column). ``record`` holds the specimen, the scanner profile and every cell with
    what was said and read of it, ``checks`` what was checked before signing; both are null in rows older than these
    columns. ``fingerprint`` is the SHA-256 of all that. A second signature names the first one in ``countersigns`` and
    holds the same record. A new version of a record names the signature of the one before in ``amends``, and why.
    ``signer`` is the name that was shown of the person then, empty in rows older than that column.
    """

    __tablename__ = "signatures"
    __table_args__ = (
        CheckConstraint("role IN ('first', 'second')", name="role"),
        CheckConstraint("confirmed IN ('none', 'initials', 'password')", name="confirmed"),
        CheckConstraint("(amends IS NULL) = (reason = '')", name="amends"),
        Index(None, "project_id", "case_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id")
    case_id: Mapped[int | None] = ref("cases.id")
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    role: Mapped[str]
    bundle_id: Mapped[int] = ref("bundles.id")
    reviewed_until: Mapped[int] = mapped_column(BigInteger)
    taught_until: Mapped[int | None] = mapped_column(BigInteger)
    countersigns: Mapped[int | None] = ref("signatures.id")
    differential: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(server_default="")
    amends: Mapped[int | None] = ref("signatures.id")
    reason: Mapped[str] = mapped_column(server_default="")
    checks: Mapped[list[Any] | None]
    second_wanted: Mapped[bool] = mapped_column(server_default=false())
    confirmed: Mapped[str] = mapped_column(server_default="none")
    initials: Mapped[str] = mapped_column(server_default="")
    record: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)  # of every cell: read where it is shown
    fingerprint: Mapped[str | None]
    signer: Mapped[str] = mapped_column(server_default="")


class Amendment(Table):
    """A signed case was opened for changes, and why (table ``amendments``). Append only.

    It amends the record of a signature. While that is the newest record of its case and the newest row of it is of the
    kind ``open``, cells of the case may be labelled; ``withdrawn`` ends that without a new record.
    """

    __tablename__ = "amendments"
    __table_args__ = (
        CheckConstraint("kind IN ('open', 'withdrawn')", name="kind"),
        Index(None, "signature_id", "id"),
    )
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id")
    case_id: Mapped[int] = ref("cases.id")
    signature_id: Mapped[int] = ref("signatures.id")
    user_id: Mapped[int] = ref("users.id")
    at: Mapped[Moment] = now()
    kind: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")


class AuditRow(Table):
    """Who changed what, when and from where (table ``audit``). Append only."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "user_id", "id"),
        Index(None, "action", "id"),
    )
    id: Mapped[int] = row_id()
    at: Mapped[Moment] = now()
    user_id: Mapped[int | None] = ref("users.id")
    project_id: Mapped[int | None] = ref("projects.id")
    action: Mapped[str]
    subject: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    address: Mapped[str | None]


class AuditSeal(Table):
    """The hash of the audit trail up to row ``last``, the ``rows``-th (table ``audit_seals``). Append only."""

    __tablename__ = "audit_seals"
    id: Mapped[int] = row_id()
    at: Mapped[Moment] = now()
    last: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]


class Event(Table):
    """Something browsers want to know (table ``events``); kept for a day, so that a dropped line can resume.

    Ids of a project are in the order of commits.
    """

    __tablename__ = "events"
    __table_args__ = (Index(None, "project_id", "id"), Index(None, "at"))
    id: Mapped[int] = row_id()
    project_id: Mapped[int] = ref("projects.id", cascade=True)
    at: Mapped[Moment] = now()
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
