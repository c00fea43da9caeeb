"""A signer who gives their password once more."""

from __future__ import annotations

from hemosight.service.errors import Refusal
from hemosight.service.security import passwords, throttle
from hemosight.service.security.permissions import Seat
from hemosight.service.state import State
from hemosight.service.storage import tries, users


def require_password(service: State, seat: Seat, password: str | None) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` unless it is the password of whoever asks."""
    attempt = throttle.may_try(service.database, service.settings, seat.user.name, seat.address, own=seat.session)
    if attempt is None:
        raise throttle.too_many(1.0)
    with service.database.session() as session:
        known = users.get(session, seat.user.id).password_hash
    if known is None:
        with service.database.session() as session:
            tries.end(session, attempt, right=None)
        raise Refusal(
            "in_the_way",
            expected="a signer with a password",
            came="an account that has none",
            mend="Start the service with accounts, or let the project ask for initials instead.",
        )
    # Outside of the transaction: it takes its time.
    right, _ = passwords.verify(password or "", known)
    with service.database.session() as session:
        tries.end(session, attempt, right=right)
    if not right:
        raise Refusal(
            "not_allowed",
            expected="the password of who signs",
            came="none" if not password else "another one",
            mend="Give the password that you sign in with.",
        )
