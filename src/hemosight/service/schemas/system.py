"""Shapes of what administrators are told about the machine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DiskShown(BaseModel):
    """The disk that holds the data."""

    free: int = Field(description="Bytes.")
    total: int = Field(description="Bytes.")
    state: Literal["enough", "low", "full"] = Field(description="`low`: make room. `full`: uploads are refused.")


class BackupShown(BaseModel):
    """What became of a backup, and of restoring it on trial."""

    file: str
    at: str
    bytes: int
    seconds: float
    rows: dict[str, int] | None = Field(description="Restored rows by table; None where it was not restored.")
    audit_intact: bool | None = Field(description="Whether the audit trail in it fits its seals.")
    fault: str | None = Field(description="None where all went well.")


class SystemShown(BaseModel):
    """How the service stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "0.4.0",
                    "database_bytes": 316000000,
                    "disk": {"free": 71000000000, "total": 252000000000, "state": "enough"},
                    "last_backup": None,
                    "warnings": [],
                }
            ]
        }
    )
    version: str
    database_bytes: int
    disk: DiskShown | None = Field(description="None where another PostgreSQL holds the data.")
    last_backup: BackupShown | None = Field(description="None where none has been made.")
    warnings: list[str] = Field(description="What an administrator has to do something about, in sentences.")
