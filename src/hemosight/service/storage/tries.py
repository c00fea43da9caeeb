"""Queries about passwords that were given, wrong, right, or being looked at; and browsers known for a name."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.storage.sign_ins import now
from hemosight.service.storage.tables import Device, LoginAttempt, User

_TRYING = 0x48534C49
"""First key of the advisory locks that make tries for one name, and from one address, follow each other."""
KEPT = datetime.timedelta(days=1)
"""How long tries are kept."""
_LOOKING = datetime.timedelta(seconds=30)
"""After so long a try that has no outcome counts as wrong: its process died."""
_AHEAD = datetime.timedelta(seconds=5)
"""How far the clock of another machine may be ahead of this one's."""
_DEVICES = 20
"""Browsers that are known for one person; the ones seen longest ago are forgotten."""


@dataclass(frozen=True)
class Tries:
    """Wrong passwords lately, when the last was given, and how many are being looked at."""

    wrong: int
    last: datetime.datetime | None
    looking: int


def take_turn(session: Session, *keys: str) -> None:
    """Make tries for one name, and from one address, follow each other: a hundred at once count as a hundred."""
    for key in keys:
        session.execute(text("SELECT pg_advisory_xact_lock(:trying, hashtext(:key))"), {"trying": _TRYING, "key": key})


def clamp_future_tries(session: Session) -> None:
    """Where the clock was set back, tries lie in its future: they count from now on, and not until it has caught up."""
    moment = now()
    session.execute(update(LoginAttempt).where(LoginAttempt.at > moment + _AHEAD).values(at=moment))


def of_device(session: Session, name: str, device: bytes, since: datetime.datetime) -> Tries:
    """Tries for a name from a browser that is known for it, since its last right one."""
    return _tries(session, and_(LoginAttempt.name == name.lower(), LoginAttempt.device == device), since)


def of_name_here(session: Session, name: str, address: str, since: datetime.datetime) -> Tries:
    """Tries for a name from an address, known browsers aside, since the last right one."""
    here = and_(LoginAttempt.name == name.lower(), LoginAttempt.address == address, LoginAttempt.device.is_(None))
    return _tries(session, here, since)


def of_name(session: Session, name: str, since: datetime.datetime) -> Tries:
    """Tries for a name from anywhere, known browsers aside, since the last right one."""
    return _tries(session, and_(LoginAttempt.name == name.lower(), LoginAttempt.device.is_(None)), since)


def of_address(session: Session, address: str, since: datetime.datetime) -> Tries:
    """Tries from an address for whatever names, known browsers aside. A right one excuses none."""
    here = and_(LoginAttempt.address == address, LoginAttempt.device.is_(None))
    return _tries(session, here, since, forgiving=False)


def _tries(session: Session, which: ColumnElement[bool], since: datetime.datetime, *, forgiving: bool = True) -> Tries:
    after: ColumnElement[bool] = true()
    if forgiving:
        query = select(func.max(LoginAttempt.id)).where(which, LoginAttempt.ok.is_(True), LoginAttempt.at > since)
        after = LoginAttempt.id > func.coalesce(query.scalar_subquery(), 0)
    long_ago = now() - _LOOKING
    wrong = or_(LoginAttempt.ok.is_(False), and_(LoginAttempt.ok.is_(None), LoginAttempt.at < long_ago))
    looking = and_(LoginAttempt.ok.is_(None), LoginAttempt.at >= long_ago)
    query = select(
        func.count().filter(wrong), func.max(case((wrong, LoginAttempt.at))), func.count().filter(looking)
    ).where(which, LoginAttempt.at > since, after)
    return Tries(*session.execute(query).one())


def begin(session: Session, name: str, address: str, device: bytes | None) -> int:
    """Note a try whose password is being looked at; gives its number. Old tries are forgotten on the occasion."""
    session.execute(delete(LoginAttempt).where(LoginAttempt.at < now() - KEPT))
    row = LoginAttempt(name=name.lower(), address=address, at=now(), ok=None, device=device)
    session.add(row)
    session.flush()
    return row.id


def end(session: Session, attempt: int, *, right: bool | None) -> None:
    """That try was right or wrong; with None, nobody looked and it does not count."""
    which = LoginAttempt.id == attempt
    if right is None:
        session.execute(delete(LoginAttempt).where(which))
    else:
        session.execute(update(LoginAttempt).where(which).values(ok=right, at=now()))


# --- known browsers ---------------------------------------------------------------------------------------


def knows(session: Session, name: str, device: bytes) -> bool:
    """Whether somebody once gave the right password for a name on this browser."""
    query = select(Device.user_id).join(User, User.id == Device.user_id)
    query = query.where(Device.id_hash == device, func.lower(User.name) == name.lower(), User.active)
    return session.execute(query).first() is not None


def is_device(session: Session, device: bytes) -> bool:
    """Whether a browser is known for anybody."""
    return session.execute(select(Device.user_id).where(Device.id_hash == device)).first() is not None


def remember(session: Session, user_id: int, device: bytes) -> None:
    """The right password was given on this browser."""
    added = insert(Device).values(id_hash=device, user_id=user_id, created_at=now(), seen_at=now())
    session.execute(added.on_conflict_do_update(index_elements=["id_hash", "user_id"], set_={"seen_at": now()}))
    kept = select(Device.id_hash).where(Device.user_id == user_id).order_by(Device.seen_at.desc()).limit(_DEVICES)
    session.execute(delete(Device).where(Device.user_id == user_id, Device.id_hash.not_in(kept)))


def forget_devices(session: Session, user_id: int) -> None:
    """Know no browser of a person any more."""
    session.execute(delete(Device).where(Device.user_id == user_id))
