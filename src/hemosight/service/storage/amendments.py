"""Which cases are signed, and so locked, and which of those somebody opened again to amend the record.

A signed case is locked: its cells take no label in the label set that was signed. An amendment, which has a reason,
opens it until it is signed again, which makes a new version of the record, or until it is withdrawn. All of this is
read with the project's turn held (:func:`hemosight.service.storage.events.take_turn`) by whoever writes.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.service.errors import Refusal
from hemosight.service.storage import events
from hemosight.service.storage.database import one_of
from hemosight.service.storage.live_events import CaseEvent
from hemosight.service.storage.tables import Amendment, Case, Signature, User


@dataclass(frozen=True)
class OpenAmendment:
    """Why a signed case is open for changes, who opened it, and when."""

    reason: str
    user: int
    name: str
    at: datetime.datetime


@dataclass(frozen=True)
class SignedCase:
    """How a case is signed.

    Parameters
    ----------
    signature
        The first signature of the newest version.
    version
        How many versions of the record there are, this one included.
    at
        When the newest signature was given.
    reviewed_until
        The newest label that the record covers.
    second_wanted, second
        Whether it needs a second signature, and whether it has one.
    amendment
        Set while the case is open for changes.
    """

    signature: int
    version: int
    at: datetime.datetime
    reviewed_until: int
    second_wanted: bool
    second: bool
    amendment: OpenAmendment | None

    @property
    def locked(self) -> bool:
        """Whether nothing may be changed."""
        return self.amendment is None


def signed(session: Session, project: int, among: Collection[int] | None = None) -> dict[int, SignedCase]:
    """Every signed case of a project, or of those named, by number."""
    columns = (Signature.id, Signature.case_id, Signature.role, Signature.at, Signature.reviewed_until)
    query = select(*columns, Signature.second_wanted).where(Signature.project_id == project)
    query = query.where(Signature.case_id.is_not(None) if among is None else Signature.case_id.in_(among))
    found: dict[int, SignedCase] = {}
    for number, case, role, at, until, second_wanted in session.execute(query.order_by(Signature.id)):
        if case is None:
            continue
        before = found.get(case)
        if role == "first" or before is None:
            version = 1 if before is None else before.version + 1
            found[case] = SignedCase(number, version, at, until, second_wanted, role == "second", None)
        else:
            found[case] = SignedCase(**{**vars(before), "at": at, "second": True})
    opened = _open(session, [one.signature for one in found.values()])
    return {case: SignedCase(**{**vars(one), "amendment": opened.get(one.signature)}) for case, one in found.items()}


def _open(session: Session, signatures: Collection[int]) -> dict[int, OpenAmendment]:
    """What is amended now, by the signature it amends."""
    if not signatures:
        return {}
    query = select(Amendment, User.display).join(User, User.id == Amendment.user_id)
    query = query.where(one_of(Amendment.signature_id, signatures)).order_by(Amendment.id)
    newest = {row.signature_id: (row, name) for row, name in session.execute(query)}
    return {
        signature: OpenAmendment(row.reason, row.user_id, name, row.at)
        for signature, (row, name) in newest.items()
        if row.kind == "open"
    }


def require_unlocked(session: Session, project: int, among: Collection[int]) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where any of these cases is signed and nobody amends it."""
    if not among:
        return
    locked = {case: one for case, one in signed(session, project, among).items() if one.locked}
    if locked:
        case = min(locked)
        key = session.scalar(select(Case.key).where(Case.id == case))
        raise Refusal(
            "locked",
            expected="a case that is open for changes",
            came=f"the case {key}, signed on {locked[case].at:%d %B %Y}",
            mend="Begin an amendment of the case, which takes a reason; signing it again makes a new version.",
        )


def require_open(session: Session, project: int, case: int, mend: str) -> SignedCase | None:
    """How a case is signed, None where it is not; raises :class:`~hemosight.service.errors.Refusal` where nobody amends
    it, with ``mend``.
    """
    one = signed(session, project, [case]).get(case)
    if one is not None and one.locked:
        raise Refusal(
            "locked",
            expected="a case that nobody has signed, or that is being amended",
            came=f"one that was signed on {one.at:%d %B %Y}",
            mend=mend,
        )
    return one


def begin(session: Session, project: int, case: int, user: int, reason: str) -> OpenAmendment:
    """Open a signed case. Raises :class:`~hemosight.service.errors.Refusal` where it is not signed, or open already."""
    events.take_turn(session, project)
    one = signed(session, project, [case]).get(case)
    if one is None or not one.locked:
        raise Refusal(
            "in_the_way",
            expected="a signed case that nobody amends",
            came="one that nobody has signed" if one is None else "one that is being amended",
            mend="Label its cells; nothing keeps you from it.",
        )
    _write(session, project, case, one.signature, user, "open", reason)
    return _open(session, [one.signature])[one.signature]


def withdraw(session: Session, project: int, case: int, user: int) -> None:
    """Close a case again as it was signed; the caller has seen to it that nothing in it has changed.

    Raises :class:`~hemosight.service.errors.Refusal` where nobody amends it.
    """
    one = signed(session, project, [case]).get(case)
    if one is None or one.locked:
        raise Refusal(
            "in_the_way",
            expected="a case that is being amended",
            came="one that is not",
            mend="There is nothing to withdraw.",
        )
    _write(session, project, case, one.signature, user, "withdrawn", "")


def _write(session: Session, project: int, case: int, signature: int, user: int, kind: str, reason: str) -> None:
    facts = {"project_id": project, "case_id": case, "signature_id": signature, "user_id": user}
    session.add(Amendment(**facts, kind=kind, reason=reason))
    session.flush()
    events.tell(session, project, CaseEvent(case=case))
