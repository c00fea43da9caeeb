"""What people added and removed in fields teaches the score from which their scanner's fields are searched."""

from __future__ import annotations

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode
from hemosight.images.finding.cells import FoundCell, find
from hemosight.images.finding.threshold import LEAST_SEEN, Fit, Judged, fit, judged
from hemosight.service.errors import Refusal
from hemosight.service.security.permissions import ProjectSeat
from hemosight.service.storage import audit, fields, images, profiles
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ProfileEvent

MOST = 300
"""Fields that are looked at, the newest: each is searched again."""


def teach(database: Database, seat: ProjectSeat, profile: int) -> tuple[Fit, int, float]:
    """Fit a scanner's threshold to its fields that were looked at as a whole, and keep it.

    Gives what they say, how many fields that were, and the threshold before. Raises
    :class:`~hemosight.service.errors.Refusal` where nobody looked at a field as a whole.
    """
    with database.session() as session:
        row = profiles.get(session, seat.project, profile)
        before = row.least
        numbers = [field.id for field in fields.checked(session, seat.project, profile, MOST)]
    own = [found for number in numbers if (found := _judged(database, seat.project, number)) is not None]
    if not own:
        raise Refusal(
            "unfit",
            expected="fields that somebody looked at as a whole",
            came="none",
            mend="Add and remove cells in some fields until they are right, and tick that you looked at the whole.",
        )
    found = fit(own, before)
    with database.session() as session:
        row = profiles.get(session, seat.project, profile)
        row.least = found.least
        noted = {"profile": profile, "fields": len(own), "before": before, "least": found.least}
        noted |= {"mended": found.mended, "spoilt": found.spoilt}
        audit.note(session, seat, "profile.finder", noted, seat.project)
        session.flush()
        profiles.changed(session, seat.project, ProfileEvent(profile=profile))
    return found, len(own), before


def _judged(database: Database, project: int, field: int) -> Judged | None:
    """One field searched again, however little something looks like a cell; None where its file cannot be read."""
    with database.session() as session:
        row = fields.get(session, project, field)
        data, _ = images.picture(session, row.sha256 or b"")
        bits, red_cell_px = fields.bits(session, row), row.red_cell_px
        known = [
            FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0)
            for cell in fields.cells(session, field)
            if cell.removed_at is None  # what another field counts is a cell as well
        ]
    try:
        return judged(find(decode(data, bits), red_cell_px, LEAST_SEEN), known)
    except UnreadableImage:
        return None
