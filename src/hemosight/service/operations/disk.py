"""Room on the disk of the embedded PostgreSQL: who is warned, and what is refused, before the database stops."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hemosight.service.errors import Refusal
from hemosight.service.settings import Settings
from hemosight.service.storage.embedded import default_data_dir


@dataclass(frozen=True)
class Disk:
    """Bytes of the disk that holds the data."""

    free: int
    total: int
    state: Literal["enough", "low", "full"]
    """``low`` where administrators are warned, ``full`` where uploads are refused."""


def disk(settings: Settings) -> Disk | None:
    """The disk of the data; None where another PostgreSQL holds them, or nothing can be told."""
    if settings.database is not None:
        return None
    folder = (settings.data_dir or default_data_dir()).expanduser()
    try:
        room = shutil.disk_usage(_existing(folder))
    except OSError:
        return None
    state: Literal["enough", "low", "full"] = "enough"
    if room.free < settings.disk_stop_bytes:
        state = "full"
    elif room.free < settings.disk_warn_bytes:
        state = "low"
    return Disk(room.free, room.total, state)


def require_room(settings: Settings) -> None:
    """Refuse what would fill the disk. Raises :class:`~hemosight.service.errors.Refusal`."""
    found = disk(settings)
    if found is not None and found.state == "full":
        raise Refusal(
            "disk_low",
            expected=f"{settings.disk_stop_bytes / 1e6:,.0f} MB free on the disk of the data",
            came=f"{found.free / 1e6:,.0f} MB",
            mend="Nothing was stored. An administrator has to make room; then send the files again.",
            retry_after=30,
        )


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
