"""The audit trail's chain: every row's hash holds the one before it, and seals keep the hash from time to time.

Rows cannot be changed through the service. Whoever changes them in the database itself, or takes some away, changes
every hash after them: the seals no longer fit. A seal that was copied elsewhere (the log, an export) also shows where
somebody made the whole chain anew.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hemosight.service.storage.tables import AuditRow, AuditSeal

BEGINNING = bytes(32)
"""What stands before the first row."""
_BEFORE_ALL = -(2**62)
"""A number before every row's."""
_SEALING = 0x48534153
"""The advisory lock under which one process seals at a time."""
_SETTLED = 60.0
"""Seconds after which a row's number cannot be one that an unfinished transaction still holds back."""
_AT_ONCE = 2000


@dataclass(frozen=True)
class Verified:
    """What going through the whole chain found; ``broken`` is the first seal that does not fit, by its row's number."""

    rows: int
    seals: int
    sealed_until: int
    head: str
    broken: int | None

    @property
    def intact(self) -> bool:
        """Whether every seal fits the rows before it."""
        return self.broken is None


def link(before: bytes, row: AuditRow) -> bytes:
    """The hash of a row: sha256 of the hash before it and of the row as JSON."""
    return hashlib.sha256(before + canonical(row).encode()).digest()


def canonical(row: AuditRow) -> str:
    """A row as the text that is hashed: JSON without spaces, keys sorted, the time in UTC to the microsecond."""
    facts = [
        row.id,
        row.at.astimezone(datetime.UTC).isoformat(timespec="microseconds"),
        row.user_id,
        row.project_id,
        row.action,
        row.subject,
        row.address,
    ]
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(session: Session, after: int = _BEFORE_ALL, before: bytes = BEGINNING) -> Iterator[tuple[AuditRow, bytes]]:
    """Every row after number ``after``, in order, with its hash; ``before`` is the hash of that row."""
    while True:
        query = select(AuditRow).where(AuditRow.id > after).order_by(AuditRow.id).limit(_AT_ONCE)
        rows = session.scalars(query.execution_options(populate_existing=True)).all()
        for row in rows:
            before = link(before, row)
            after = row.id
            yield row, before
        session.expunge_all()
        if len(rows) < _AT_ONCE:
            return


class Sealer:
    """Seals what has settled; one for each process that does it from time to time."""

    def __init__(self) -> None:
        self._candidate: tuple[float, int, int] | None = None

    def seal(self, session: Session, settled: float = _SETTLED) -> AuditSeal | None:
        """Add a seal, where there are rows that nobody can come before any more; gives it.

        A row's number may be older than its commit. So the newest number is noted first, and sealed when every
        transaction that ran then has ended.
        """
        if not session.scalar(select(func.pg_try_advisory_xact_lock(_SEALING))):
            return None
        last = session.execute(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).scalar_one_or_none()
        done, before, count = (_BEFORE_ALL, BEGINNING, 0) if last is None else (last.last, last.hash, last.rows)
        oldest, newest = session.execute(
            text(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
                " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            )
        ).one()
        made = None
        if self._candidate is not None:
            noted, until, horizon = self._candidate
            if oldest >= horizon and time.monotonic() - noted >= settled and until > done:
                for row, value in chained(session, done, before):
                    if row.id > until:
                        break
                    before, count, done = value, count + 1, row.id
                made = AuditSeal(last=done, rows=count, hash=before)
                session.add(made)
                session.flush()
                self._candidate = None
        if self._candidate is None or self._candidate[1] <= done:
            until = session.scalar(select(func.max(AuditRow.id)))
            self._candidate = (time.monotonic(), until, newest) if until is not None and until > done else None
        return made


def verify(session: Session) -> Verified:
    """Go through every row and every seal. A seal fits where the hash and the number of rows until it are the same."""
    seals = list(session.scalars(select(AuditSeal).order_by(AuditSeal.id)))
    waiting = [(seal.last, seal.rows, seal.hash) for seal in seals]
    broken: int | None = None
    count, head, at = 0, BEGINNING, 0
    for row, value in chained(session):
        while waiting and waiting[0][0] < row.id:
            broken = _fits(broken, waiting.pop(0), at, count, head)
        count, head, at = count + 1, value, row.id
    for seal in waiting:
        broken = _fits(broken, seal, at, count, head)
    return Verified(count, len(seals), seals[-1].last if seals else 0, head.hex(), broken)


def _fits(broken: int | None, seal: tuple[int, int, bytes], at: int, count: int, head: bytes) -> int | None:
    if broken is None and seal != (at, count, head):
        return seal[0]
    return broken
