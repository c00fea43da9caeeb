"""Every table of the review service, by what its rows are about.

Three kinds of rows live here. *Append-only records* (:data:`APPEND_ONLY`) are never changed: a trigger refuses it.
*Work* (``pictures``, ``embeddings``) is immutable and can be made again. *State* (the rest) changes, and every change
writes a row of ``audit`` in its transaction. Readings (predictions) are in no table but where they were signed: they
are computed from embeddings and labels. What people read in a panel is a record (``panel_labels``).

The procrastinate library keeps its own tables (``procrastinate_*``) in the same database.
"""

from __future__ import annotations

from hemosight.service.storage.tables.base import Moment, Table
from hemosight.service.storage.tables.desk import CellTag, SavedView
from hemosight.service.storage.tables.fields import CameraField, FieldCell
from hemosight.service.storage.tables.groups import CellGroup
from hemosight.service.storage.tables.images import (
    CellEmbedding,
    EmbeddingAttempt,
    Image,
    Picture,
    RefusedFile,
    Upload,
    WorkerSeen,
)
from hemosight.service.storage.tables.panels import Panel, PanelCell, PanelDecision, PanelReader, PanelReading
from hemosight.service.storage.tables.people import (
    ApiToken,
    Device,
    FirstRun,
    Identity,
    LoginAttempt,
    OidcTry,
    SignedIn,
    User,
)
from hemosight.service.storage.tables.projects import Case, KnownBundle, Member, OriginalName, Profile, Project
from hemosight.service.storage.tables.records import (
    Amendment,
    AuditRow,
    AuditSeal,
    Comment,
    CommentAssignment,
    CommentMark,
    CurrentLabelRow,
    Event,
    LabelRecord,
    LabelSet,
    Signature,
)
from hemosight.service.storage.tables.searches import Look
from hemosight.service.storage.tables.teaching import TeachingCell
from hemosight.service.storage.tables.validation import DossierRow, DriftAnswer, DriftPoint

__all__ = [
    "APPEND_ONLY",
    "Amendment",
    "ApiToken",
    "AuditRow",
    "AuditSeal",
    "CameraField",
    "Case",
    "CellEmbedding",
    "CellGroup",
    "CellTag",
    "Comment",
    "CommentAssignment",
    "CommentMark",
    "CurrentLabelRow",
    "Device",
    "DossierRow",
    "DriftAnswer",
    "DriftPoint",
    "EmbeddingAttempt",
    "Event",
    "FieldCell",
    "FirstRun",
    "Identity",
    "Image",
    "KnownBundle",
    "LabelRecord",
    "LabelSet",
    "LoginAttempt",
    "Look",
    "Member",
    "Moment",
    "OidcTry",
    "OriginalName",
    "Panel",
    "PanelCell",
    "PanelDecision",
    "PanelReader",
    "PanelReading",
    "Picture",
    "Profile",
    "Project",
    "RefusedFile",
    "SavedView",
    "Signature",
    "SignedIn",
    "Table",
    "TeachingCell",
    "Upload",
    "User",
    "WorkerSeen",
]

APPEND_ONLY = (
    "labels",
    "comments",
    "comment_marks",
    "comment_assignments",
    "signatures",
    "amendments",
    "audit",
    "audit_seals",
    "panel_labels",
    "panel_decisions",
)
"""Tables whose rows a trigger protects from UPDATE, DELETE and TRUNCATE."""
