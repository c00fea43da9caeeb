"""Shapes of the audit trail."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class AuditShown(BaseModel):
    """One change: who did what to what, when, from where."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 118,
                    "at": "2026-03-02T09:12:44Z",
                    "user": {"id": 3, "name": "amina"},
                    "project": 1,
                    "action": "member.set",
                    "subject": {"user": 4, "role": "reviewer", "before": None},
                    "address": "127.0.0.1",
                }
            ]
        }
    )
    id: int
    at: datetime.datetime
    user: Doer | None
    project: int | None
    action: str
    subject: dict[str, Any]
    address: str | None


class Doer(BaseModel):
    """Whoever made a change."""

    id: int
    name: str


class AuditPage(BaseModel):
    """A page of changes, the newest first."""

    items: list[AuditShown]
    next: int | None
