"""Who waits after wrong passwords, and how long: whoever gave them, and not whoever is meant.

A browser on which the right password was given before is judged by its own tries alone. Others are judged by the tries
for that name from their address, and by all tries from their address; and a name that is tried from everywhere is
slowed down, but never beyond some seconds, so that nobody can lock it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hemosight.service.errors import Refusal
from hemosight.service.settings import Settings
from hemosight.service.storage import sign_ins, tries
from hemosight.service.storage.database import Database
from hemosight.service.storage.tries import Tries


@dataclass(frozen=True)
class Rule:
    """``tries`` wrong passwords are free; then one second, two, four ... up to ``longest`` seconds."""

    tries: int
    longest: float

    def pause(self, wrong: int) -> float:
        """Seconds between the last of so many wrong passwords and the next try."""
        if wrong < self.tries:
            return 0.0
        # 2**30 seconds are far beyond any `longest`; a larger power only overflows.
        return min(float(2 ** min(wrong - self.tries, 30)), self.longest)

    def wait(self, wrong: int, last: datetime.datetime | None, now: datetime.datetime) -> float:
        """Seconds still to wait at ``now`` when the last of ``wrong`` wrong passwords was given at ``last``.

        Never more than the pause itself, whatever the clock says.
        """
        if last is None:
            return 0.0
        pause = self.pause(wrong)
        return min(pause, max(0.0, pause - (now - last).total_seconds()))


def may_try(
    database: Database,
    settings: Settings,
    name: str,
    address: str,
    device: bytes | None = None,
    *,
    own: bytes | None = None,
) -> int | None:
    """Note a try and give its number; None where others are being looked at on which it depends: ask again soon.

    ``device`` is what a browser shows as its own; ``own`` is the session of somebody who is signed in already, and is
    judged by what was tried in it.

    Raises :class:`~hemosight.service.errors.Refusal` (``too_many_tries``) where there have been too many wrong ones.
    """
    with database.session() as session:
        tries.clamp_future_tries(session)  # a transaction of its own: a refusal would take it back
    with database.session() as session:
        known = own if own is not None else device
        if known is not None and own is None and not tries.knows(session, name, known):
            known = None
        return _may_try(session, settings, name, address, known)


def _may_try(session: Session, settings: Settings, name: str, address: str, known: bytes | None) -> int | None:
    tries.take_turn(session, name.lower(), address)
    moment = sign_ins.now()
    judged = list(_judged(session, settings, name, address, known, moment))
    wait = max(rule.wait(found.wrong, found.last, moment) for rule, found in judged)
    if wait > 0:
        raise too_many(wait)
    if any(found.looking and found.wrong + found.looking >= rule.tries for rule, found in judged):
        return None
    return tries.begin(session, name, address, known)


def _judged(
    session: Session,
    settings: Settings,
    name: str,
    address: str,
    known: bytes | None,
    moment: datetime.datetime,
) -> list[tuple[Rule, Tries]]:
    since = moment - datetime.timedelta(seconds=max(3600.0, 2 * settings.login_wait))
    here = Rule(settings.login_tries, settings.login_wait)
    if known is not None:
        return [(here, tries.of_device(session, name, known, since))]
    return [
        (here, tries.of_name_here(session, name, address, since)),
        (
            Rule(settings.login_tries_address, settings.login_wait),
            tries.of_address(session, address, since),
        ),
        (
            Rule(settings.login_tries_name, min(settings.login_wait_name, settings.login_wait)),
            tries.of_name(session, name, since),
        ),
    ]


def too_many(wait: float) -> Refusal:
    """The refusal of a try that comes too soon."""
    return Refusal(
        "too_many_tries",
        expected="a pause after several wrong passwords",
        came="another try",
        mend=f"Wait {max(1.0, wait):.0f} seconds, then try again.",
        retry_after=max(1.0, wait),
    )
