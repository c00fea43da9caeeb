"""How the service stands, for administrators."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from hemosight.service.operations import backups
from hemosight.service.operations.disk import Disk, disk
from hemosight.service.schemas.system import BackupShown, DiskShown, SystemShown
from hemosight.service.security.permissions import Administrator
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import vitals

router = APIRouter(prefix="/system", tags=["system"])


@router.get("", operation_id="get_system")
def get_system(seat: Administrator, service: Service, session: Transaction) -> SystemShown:
    """Version, size, room on the disk, the last backup, and what an administrator has to do something about."""
    found, backup = disk(service.settings), backups.last(service.settings)
    warned = backups.warning(service.settings)
    return SystemShown(
        version=version("hemosight"),
        database_bytes=vitals.database_bytes(session),
        disk=None if found is None else DiskShown(**vars(found)),
        last_backup=None if backup is None else BackupShown(**vars(backup)),
        warnings=[*([] if found is None else _about(found)), *([] if warned is None else [warned])],
    )


def _about(found: Disk) -> list[str]:
    left = f"{found.free / 1e9:,.1f} GB of {found.total / 1e9:,.1f} GB are free on the disk of the data."
    if found.state == "full":
        return [f"{left} Uploads are refused until there is more room; labels are still taken."]
    return [f"{left} Make room before uploads have to be refused."] if found.state == "low" else []
