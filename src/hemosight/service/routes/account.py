"""One's own account: name, password, tokens for programs, browsers that are signed in."""

from __future__ import annotations

import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.schemas.people import (
    AccountChange,
    Browsers,
    BrowserShown,
    Ended,
    NewToken,
    PasswordChange,
    TokenMade,
    Tokens,
    TokenShown,
    UserShown,
)
from hemosight.service.security import passwords, throttle
from hemosight.service.security.permissions import Id, InPerson, Seat, not_signed_in
from hemosight.service.security.secrets import kept, new_token
from hemosight.service.state import Service, Transaction
from hemosight.service.storage import audit, projects, sign_ins, tries, users
from hemosight.service.storage.tables import ApiToken

router = APIRouter(prefix="/account", tags=["account"])


@router.patch("", operation_id="change_account")
def change_account(seat: InPerson, session: Transaction, given: AccountChange) -> UserShown:
    """Change how one is called: as nobody else is, since records and reports name who signed by it."""
    if users.called_like(session, given.display, but=seat.user.id):
        raise already_there("a name that people read")
    user = users.get(session, seat.user.id)
    user.display = given.display
    audit.note(session, seat, "account.change", {"display": given.display})
    return UserShown.model_validate(user, from_attributes=True)


@router.post("/password", operation_id="change_password", status_code=204)
def change_password(seat: InPerson, service: Service, given: PasswordChange) -> None:
    """Change one's password; every other browser is signed out, and every token ends.

    Wrong ones are counted as at signing in (429).
    """
    users.require_local_accounts(service.settings)
    attempt = throttle.may_try(service.database, service.settings, seat.user.name, seat.address, own=seat.session)
    if attempt is None:
        raise throttle.too_many(1.0)
    with service.database.session() as session:
        known = users.get(session, seat.user.id).password_hash
    right, _ = passwords.verify(given.old.get_secret_value(), known)
    with service.database.session() as session:
        tries.end(session, attempt, right=right)
    if not right:
        raise passwords.wrong()
    hashed = passwords.hashed(given.new.get_secret_value(), service.settings.password_length)
    with service.database.session() as session:
        user = users.with_password(session, seat.user.id, known)
        if user is None:
            raise passwords.wrong()
        user.password_hash = hashed
        sign_ins.end_all(session, seat.user.id, seat.session)
        tries.forget_devices(session, seat.user.id)
        audit.note(session, seat, "account.password")


@router.get("/tokens", operation_id="list_tokens")
def list_tokens(seat: InPerson, session: Transaction) -> Tokens:
    """One's tokens, the newest first."""
    return Tokens(items=[TokenShown(**_facts(row)) for row in sign_ins.tokens(session, seat.user.id)])


@router.post("/tokens", operation_id="make_token", status_code=201)
def make_token(seat: InPerson, session: Transaction, given: NewToken) -> TokenMade:
    """Make a token for a program. The answer holds its secret, which is never told again."""
    if given.project is not None:
        _may_enter(session, seat, given.project)
    if seat.session is None or not sign_ins.hold(session, seat.session):
        raise not_signed_in("a session that has ended")
    secret = new_token()
    row = ApiToken(
        user_id=seat.user.id,
        name=given.name,
        hash=kept(secret),
        scopes=sorted(set(given.scopes)),
        project_id=given.project,
        created_at=sign_ins.now(),
        expires_at=None if given.days is None else sign_ins.now() + datetime.timedelta(days=given.days),
    )
    session.add(row)
    session.flush()
    audit.note(session, seat, "token.create", {"token": row.id, "scopes": row.scopes}, given.project)
    return TokenMade(**_facts(row), secret=secret)


@router.delete("/tokens/{token}", operation_id="revoke_token", status_code=204)
def revoke_token(seat: InPerson, session: Transaction, token: Id) -> None:
    """Make one of one's tokens useless."""
    if not sign_ins.revoke(session, seat.user.id, token):
        raise NothingThere(kind="a token of yours")
    audit.note(session, seat, "token.revoke", {"token": token})


@router.get("/sessions", operation_id="list_sessions")
def list_sessions(seat: InPerson, session: Transaction) -> Browsers:
    """The browsers one is signed in with, the last used first."""
    rows = sign_ins.browsers(session, seat.user.id)
    return Browsers(
        items=[
            BrowserShown(
                current=row.id_hash == seat.session,
                created_at=row.created_at,
                seen_at=row.seen_at,
                expires_at=row.expires_at,
                agent=row.agent,
            )
            for row in rows
        ]
    )


@router.delete("/sessions", operation_id="end_other_sessions")
def end_other_sessions(seat: InPerson, session: Transaction) -> Ended:
    """Sign out every browser but this one."""
    ended = sign_ins.end_others(session, seat.user.id, seat.session)
    audit.note(session, seat, "session.end_others", {"ended": ended})
    return Ended(ended=ended)


def _facts(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes,
        "project": row.project_id,
        "created_at": row.created_at,
        "used_at": row.used_at,
        "expires_at": row.expires_at,
    }


def _may_enter(session: Session, seat: Seat, project: int) -> None:
    """A token is never good for a project its maker cannot see."""
    found = projects.listed(session, seat.user.id, everything=seat.user.is_admin, only=project, after=0, limit=1)
    if not found:
        raise Refusal(
            "not_allowed",
            expected="a project you are a member of",
            came="another",
            mend="Leave `project` away for all of yours.",
        )
