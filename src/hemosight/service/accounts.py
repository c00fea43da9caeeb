"""Accounts made on the server itself, where no administrator is needed."""

from __future__ import annotations

from hemosight.service.security import passwords
from hemosight.service.storage import audit, sign_ins, tries, users
from hemosight.service.storage.database import Database


def make_administrator(database: Database, name: str, display: str | None, password: str, least: int) -> bool:
    """Make an account an administrator with this password; whether it is a new one.

    Its browsers and tokens end. Raises :class:`~hemosight.service.errors.Refusal` for a password that is too short.
    """
    hashed = passwords.hashed(password, least)
    with database.session() as session:
        user = users.named(session, name)
        new = user is None
        if user is None:
            user = users.add(session, name, display or name, hashed, is_admin=True)
        else:
            user.password_hash, user.is_admin, user.active = hashed, True, True
            user.display = display or user.display
            sign_ins.end_all(session, user.id)
            tries.forget_devices(session, user.id)
        audit.note(session, None, "user.create" if new else "user.change", {"user": user.id, "is_admin": True})
    return new
