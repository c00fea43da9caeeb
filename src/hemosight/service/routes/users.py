"""Accounts, for administrators."""

from __future__ import annotations

from fastapi import APIRouter

from hemosight.service.errors import InTheWay
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.people import NewUser, UserChange, Users, UserShown
from hemosight.service.security import passwords
from hemosight.service.security.permissions import Administrator, Id
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, sign_ins, users

router = APIRouter(prefix="/users", tags=["users"])


@router.get("", operation_id="list_users")
def list_users(seat: Administrator, session: Transaction, after: After = 0, limit: Limit = 200) -> Users:
    """Accounts, in the order they were made."""
    rows = users.listed(session, after, limit)
    shown = [UserShown.model_validate(row, from_attributes=True) for row in rows]
    return Users(items=shown, next=cursor(rows, limit, lambda row: row.id))


@router.post("", operation_id="add_user", status_code=201)
def add_user(seat: Administrator, service: Service, session: Transaction, given: NewUser) -> UserShown:
    """A new account."""
    password = passwords.hashed(given.password.get_secret_value(), service.settings.password_length)
    user = users.add(session, given.name, given.display, password, is_admin=given.is_admin)
    audit.note(session, seat, "user.create", {"user": user.id, "is_admin": user.is_admin})
    return UserShown.model_validate(user, from_attributes=True)


@router.patch("/{user}", operation_id="change_user")
def change_user(seat: Administrator, service: Service, session: Transaction, user: Id, given: UserChange) -> UserShown:
    """Change an account. One without rights, or with a new password, is signed out everywhere."""
    row = users.get(session, user)
    changes = given.model_dump(exclude_none=True, exclude={"password"})
    if row.name == users.LOCAL and (given.active is False or given.password is not None):
        raise InTheWay(
            expected="an account that a person signs in with",
            came="the one of a service without login",
            mend="Make another account.",
        )
    if row.is_admin and row.password_hash and (given.active is False or given.is_admin is False):
        users.keep_an_administrator(session, row.id)
    for name, value in changes.items():
        setattr(row, name, value)
    if given.password is not None:
        row.password_hash = passwords.hashed(given.password.get_secret_value(), service.settings.password_length)
        changes["password"] = True
    if given.active is False or given.password is not None:
        sign_ins.end_others(session, row.id, keep=seat.session)
    if given.active is False:
        sign_ins.revoke_all(session, row.id)
    audit.note(session, seat, "user.change", {"user": row.id, **changes})
    return UserShown.model_validate(row, from_attributes=True)
