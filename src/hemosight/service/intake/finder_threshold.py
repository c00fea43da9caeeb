"""What people added and removed in fields teaches the score from which their scanner's fields are searched."""

from __future__ import annotations

import threading
import time

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode
from hemosight.images.finding.cells import FoundCell, find
from hemosight.images.finding.threshold import LEAST_SEEN, JudgedField, ThresholdFit, fit, judged
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.security.permissions import ProjectSeat
from hemosight.service.storage import audit, events, fields, images, profiles
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ProfileEvent

MOST = 300
"""Fields that are looked at, the newest: each is searched again."""
LONGEST = 45.0
"""Seconds after which no further field is looked at: proxies give up on an answer after a minute."""
TURN = threading.Lock()
"""Held while a threshold is fitted: one at a time, so that many who ask do not hold every thread of the service."""


def teach(database: Database, seat: ProjectSeat, profile: int) -> tuple[ThresholdFit, int, float]:
    """Fit a scanner's threshold to its fields that were looked at as a whole, and keep it.

    Gives what they say, how many fields that were (the newest, as many as :data:`MOST` and :data:`LONGEST` allow), and
    the threshold before. Raises :class:`~hemosight.service.errors.Refusal` where nobody looked at a field as a whole,
    while this process fits another, and where another process fitted this one meanwhile.
    """
    if not TURN.acquire(blocking=False):
        raise Refusal(
            "busy",
            expected="one search threshold being fitted at a time",
            came="another that is at work",
            mend="Try again in a minute.",
            retry_after=LONGEST,
        )
    try:
        return _teach(database, seat, profile)
    finally:
        TURN.release()


def _teach(database: Database, seat: ProjectSeat, profile: int) -> tuple[ThresholdFit, int, float]:
    until = time.monotonic() + LONGEST
    with database.session() as session:
        row = profiles.get(session, seat.project, profile)
        before = row.least
        numbers = [field.id for field in fields.checked(session, seat.project, profile, MOST)]
    own: list[JudgedField] = []
    for number in numbers:
        if (found := _judged(database, seat.project, number)) is not None:
            own.append(found)
        if time.monotonic() > until:
            break
    if not own:
        raise Refusal(
            "unfit",
            expected="fields that somebody looked at as a whole",
            came="none",
            mend="Add and remove cells in some fields until they are right, and tick that you looked at the whole.",
        )
    fitted = fit(own, before)
    with database.session() as session:
        events.take_turn(session, seat.project)  # before the profile's row is held
        row = profiles.get(session, seat.project, profile)
        if row.least != before:  # by another process: what is mended and spoilt was counted from the one before
            raise Refusal(
                "in_the_way",
                expected=f"a search threshold that is still {before:.2f}, as when this fit began",
                came=f"one that was fitted to {row.least:.2f} meanwhile",
                mend="Fit it again.",
            )
        row.least = fitted.least
        noted = {"profile": profile, "fields": len(own), "before": before, "least": fitted.least}
        noted |= {"mended": fitted.mended, "spoilt": fitted.spoilt}
        audit.note(session, seat, "profile.finder", noted, seat.project)
        session.flush()
        profiles.changed(session, seat.project, ProfileEvent(profile=profile))
    return fitted, len(own), before


def _judged(database: Database, project: int, field: int) -> JudgedField | None:
    """One field searched again, however little something looks like a cell; None where it is gone or cannot be read."""
    try:
        with database.session() as session:
            row = fields.get(session, project, field)
            data, _ = images.picture(session, row.sha256 or b"")
            bits, red_cell_px = fields.bits(session, row), row.red_cell_px
            known = [
                FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0)
                for cell in fields.cells(session, field)
                if cell.removed_at is None  # what another field counts is a cell as well
            ]
        return judged(find(decode(data, bits), red_cell_px, LEAST_SEEN), known)
    except (UnreadableImage, NothingThere):  # somebody may delete a field while others are searched
        return None
