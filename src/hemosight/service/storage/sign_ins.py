"""Queries about who is signed in: browsers' sessions, programs' tokens, the first link."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import ApiToken, FirstRun, SignedIn, User

_SEEN_EVERY = datetime.timedelta(minutes=1)
"""How stale ``seen_at`` may become: not every request should write."""


def now() -> datetime.datetime:
    """The present moment, with its time zone."""
    return datetime.datetime.now(datetime.UTC)


# --- browsers ---------------------------------------------------------------------------------------------


def start(session: Session, user_id: int, id_hash: bytes, csrf: str, lasts: datetime.timedelta, agent: str) -> SignedIn:
    """Note a browser that signed in; sessions that have expired are forgotten on the occasion."""
    moment = now()
    session.execute(delete(SignedIn).where(SignedIn.expires_at < moment))
    row = SignedIn(
        id_hash=id_hash,
        user_id=user_id,
        csrf=csrf,
        created_at=moment,
        seen_at=moment,
        expires_at=moment + lasts,
        agent=agent[:200],
    )
    session.add(row)
    session.flush()
    return row


def browser(
    session: Session, id_hash: bytes, idle: datetime.timedelta, *, used: bool = True
) -> tuple[SignedIn, User] | None:
    """The session under this hash and its person, unless it has expired, idled, or the person is inactive.

    Whoever looks without its being ``used`` leaves it as idle as it is.
    """
    moment = now()
    query = (
        select(SignedIn, User)
        .join(User, User.id == SignedIn.user_id)
        .where(SignedIn.id_hash == id_hash, SignedIn.expires_at > moment, SignedIn.seen_at > moment - idle, User.active)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, user = found
    if used and moment - row.seen_at > _SEEN_EVERY:
        # Another request may be doing the same: whoever comes second need not wait for it.
        fresh = select(SignedIn.id_hash).where(SignedIn.id_hash == id_hash).with_for_update(skip_locked=True)
        session.execute(update(SignedIn).where(SignedIn.id_hash.in_(fresh)).values(seen_at=moment))
    return row, user


def hold(session: Session, id_hash: bytes) -> bool:
    """Keep a session from being ended until the transaction does; whether it is still there.

    What is made with it can then be ended with it: a token of a moment ago would outlive a new password.
    """
    query = select(SignedIn.id_hash).where(SignedIn.id_hash == id_hash).with_for_update(read=True, key_share=True)
    return session.scalar(query) is not None


def browsers(session: Session, user_id: int) -> Sequence[SignedIn]:
    """A person's sessions, the last seen first."""
    query = select(SignedIn).where(SignedIn.user_id == user_id, SignedIn.expires_at > now())
    return session.scalars(query.order_by(SignedIn.seen_at.desc())).all()


def browser_of(session: Session, name: str, agent: str) -> tuple[SignedIn, User] | None:
    """The session that an account of this name has with this program, and the account."""
    query = select(SignedIn, User).join(User, User.id == SignedIn.user_id)
    query = query.where(func.lower(User.name) == name, SignedIn.agent == agent, SignedIn.expires_at > now())
    found = session.execute(query.order_by(SignedIn.seen_at.desc()).limit(1)).one_or_none()
    return None if found is None else (found[0], found[1])


def came_by_provider(session: Session, id_hash: bytes) -> bool:
    """Whether a browser signed in by the provider."""
    return bool(session.scalar(select(SignedIn.by_provider).where(SignedIn.id_hash == id_hash)))


def end(session: Session, id_hash: bytes) -> None:
    """Sign one browser out."""
    session.execute(delete(SignedIn).where(SignedIn.id_hash == id_hash))


def end_others(session: Session, user_id: int, keep: bytes | None = None) -> int:
    """Sign a person's browsers out, but one. Returns how many."""
    query = delete(SignedIn).where(SignedIn.user_id == user_id)
    if keep is not None:
        query = query.where(SignedIn.id_hash != keep)
    return len(session.execute(query.returning(SignedIn.id_hash)).all())


# --- programs ---------------------------------------------------------------------------------------------


def program(session: Session, hashed: bytes) -> tuple[ApiToken, User] | None:
    """The token under this hash and its person, unless it is revoked or expired, or the person is inactive."""
    moment = now()
    query = (
        select(ApiToken, User)
        .join(User, User.id == ApiToken.user_id)
        .where(
            ApiToken.hash == hashed,
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > moment),
            User.active,
        )
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    token, user = found
    if token.used_at is None or moment - token.used_at > _SEEN_EVERY:
        fresh = select(ApiToken.id).where(ApiToken.id == token.id).with_for_update(skip_locked=True)
        session.execute(update(ApiToken).where(ApiToken.id.in_(fresh)).values(used_at=moment))
    return token, user


def tokens(session: Session, user_id: int) -> Sequence[ApiToken]:
    """A person's tokens that are not revoked, the newest first."""
    query = select(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    return session.scalars(query.order_by(ApiToken.id.desc())).all()


def revoke(session: Session, user_id: int, token_id: int) -> bool:
    """Make a person's token useless; whether there was one."""
    query = (
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(ApiToken.id)
    )
    return session.execute(query).one_or_none() is not None


def end_all(session: Session, user_id: int, keep: bytes | None = None) -> None:
    """A person's password is another: sign every browser out but one, and make every token useless."""
    end_others(session, user_id, keep)
    revoke_all(session, user_id)


def revoke_all(session: Session, user_id: int) -> None:
    """Make every token of a person useless."""
    query = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    session.execute(query.values(revoked_at=now()))


# --- the first link ---------------------------------------------------------------------------------------


def offer_first_run(session: Session, hashed: bytes) -> None:
    """Keep a new one-time link; older ones cease to work."""
    session.execute(delete(FirstRun).where(FirstRun.used_at.is_(None)))
    session.add(FirstRun(token_hash=hashed, created_at=now()))


def use_first_run(session: Session, hashed: bytes, valid: datetime.timedelta) -> bool:
    """Use up the one-time link; whether it was the right one, in time."""
    query = (
        update(FirstRun)
        .where(FirstRun.token_hash == hashed, FirstRun.used_at.is_(None), FirstRun.created_at > now() - valid)
        .values(used_at=now())
        .returning(FirstRun.token_hash)
    )
    return session.execute(query).one_or_none() is not None
