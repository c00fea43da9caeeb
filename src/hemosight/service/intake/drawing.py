"""Drawn cells for a project: what somebody without crops at hand can try the desk with."""

from __future__ import annotations

import io
from collections.abc import Iterator

from hemosight.images.synthetic import draw_slide
from hemosight.service.intake.uploads import UploadIntake, UploadOutcome
from hemosight.service.security.permissions import ProjectSeat
from hemosight.service.storage import audit, uploads
from hemosight.service.storage.database import Database

CASE = "drawn"
"""Key of the case of drawn cells: nobody shall take them for a patient's."""
_TOGETHER = 8
"""Cells stored at a time: the first are read while the others are still being drawn."""


def begin(database: Database, seat: ProjectSeat, count: int, seed: int) -> int:
    """Begin an upload for drawn cells. Returns its id."""
    with database.session() as session:
        row = uploads.begin(session, seat.project, seat.user.id, CASE)
        facts = {"upload": row.id, "case": row.case_id, "drawn": count, "seed": seed}
        audit.note(session, seat, "upload.begin", facts, seat.project)
        return row.id


def draw(intake: UploadIntake, count: int, seed: int) -> Iterator[list[UploadOutcome]]:
    """Draw cells into an upload. Yields the outcomes of each step.

    A step draws one cell, so that the caller can yield to other work in between. Raises what
    :class:`~hemosight.service.intake.uploads.UploadIntake` raises, where the upload is cancelled meanwhile.
    """
    for number, (name, data) in enumerate(draw_slide(count, seed), start=1):
        outcomes = intake.take(name, io.BytesIO(data))
        if number % _TOGETHER == 0:
            outcomes += intake.finish()
        yield outcomes
    yield intake.finish()
