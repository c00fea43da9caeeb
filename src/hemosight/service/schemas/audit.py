"""Shapes of the audit trail."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
    user: AuditedUser | None
    project: int | None
    action: str
    subject: dict[str, Any]
    address: str | None


class AuditedUser(BaseModel):
    """Whoever made a change."""

    id: int
    name: str


class AuditPage(BaseModel):
    """A page of changes, the newest first."""

    items: list[AuditShown]
    next: int | None


class ChainShown(BaseModel):
    """What going through the whole trail found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"intact": True, "rows": 118, "seals": 4, "sealed_until": 117, "head": "9f86d081...", "broken": None}
            ]
        }
    )
    intact: bool = Field(description="Whether every seal fits the rows before it.")
    rows: int
    seals: int
    sealed_until: int = Field(description="Number of the newest row that a seal vouches for.")
    head: str = Field(description="The hash after the newest row; keep it elsewhere to show later that none changed.")
    broken: int | None = Field(description="The first seal that does not fit, by the number of its row.")
