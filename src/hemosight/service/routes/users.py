"""Accounts, for administrators."""

from __future__ import annotations

from fastapi import APIRouter

from hemosight.service.errors import Refusal
from hemosight.service.schemas.pages import After, Limit, cursor
from hemosight.service.schemas.people import NewUser, UserChange, Users, UserShown
from hemosight.service.security import passwords
from hemosight.service.security.permissions import Administrator, Id
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, sign_ins, tries, users

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
    users.require_local_accounts(service.settings)
    password = passwords.hashed(given.password.get_secret_value(), service.settings.password_length)
    user = users.add(session, given.name, given.display, password, is_admin=given.is_admin)
    audit.note(session, seat, "user.create", {"user": user.id, "is_admin": user.is_admin})
    return UserShown.model_validate(user, from_attributes=True)


@router.patch("/{user}", operation_id="change_user")
def change_user(seat: Administrator, service: Service, session: Transaction, user: Id, given: UserChange) -> UserShown:
    """Change an account. One without rights, or with a new password, is signed out everywhere, and its tokens end."""
    row = users.get(session, user)
    changes = given.model_dump(exclude_none=True, exclude={"password"})
    if row.name == users.LOCAL and (given.active is False or given.password is not None):
        raise Refusal(
            "in_the_way",
            expected="an account that a person signs in with",
            came="the one of a service without login",
            mend="Make another account.",
        )
    if given.password is not None:
        users.require_local_accounts(service.settings)
    if row.is_admin and users.comes_in(session, row) and (given.active is False or given.is_admin is False):
        users.keep_an_administrator(session, row.id)
    for name, value in changes.items():
        setattr(row, name, value)
    if given.password is not None:
        row.password_hash = passwords.hashed(given.password.get_secret_value(), service.settings.password_length)
        changes["password"] = True
    if given.active is False or given.password is not None:
        sign_ins.end_all(session, row.id, keep=seat.session)
        tries.forget_devices(session, row.id)
    audit.note(session, seat, "user.change", {"user": row.id, **changes})
    return UserShown.model_validate(row, from_attributes=True)


@router.delete("/{user}", operation_id="erase_user", status_code=204)
def erase_user(seat: Administrator, session: Transaction, user: Id) -> None:
    """Erase an account: whatever names the person goes, the records keep its number. It cannot be taken back."""
    row = users.get(session, user)
    if row.id == seat.user.id or row.name == users.LOCAL:
        raise Refusal(
            "in_the_way",
            expected="another person's account",
            came="one's own, or the one of a service without login",
            mend="Ask another administrator.",
        )
    if row.is_admin and users.comes_in(session, row):
        users.keep_an_administrator(session, row.id)
    users.erase(session, row)
    audit.note(session, seat, "user.erase", {"user": row.id})
