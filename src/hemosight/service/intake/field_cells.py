"""A cell that the search missed: cut out of its field where a person clicked, and read like the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hemosight.images.decode import Pixels, decode
from hemosight.images.finding.cells import FoundCell, find, shared
from hemosight.images.finding.fields import Scale, crop_side, of_pixels, png
from hemosight.images.thumbnails import thumbnail
from hemosight.service.errors import Refusal
from hemosight.service.operations.disk import require_room
from hemosight.service.security.permissions import ProjectSeat
from hemosight.service.settings import Settings
from hemosight.service.storage import audit, events, fields, images, profiles, uploads
from hemosight.service.storage.amendments import require_unlocked
from hemosight.service.storage.database import Database
from hemosight.service.storage.fields import NewCell
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.projects import get as get_project
from hemosight.service.storage.tables import FieldCell
from hemosight.service.storage.uploads import NewPicture
from hemosight.service.work import jobs

_AROUND = 6.0
"""In red cells: how far around the click a nucleus is looked for. Enough for the level of the stain."""
_LEAST = 0.02
"""Score from which what lies under the click is taken for the cell that was meant."""
_ALONE = 1.9
"""In red cells: width of the box where the search sees nothing at all."""
_SAME = 0.45
"""A box of which so much is another cell's is that cell's."""


@dataclass(frozen=True)
class _Seen:
    """A field as it was before a cell is added."""

    pixels: Pixels
    scale: Scale
    name: str
    side: int
    cells: Sequence[FieldCell]


def add_cell(database: Database, settings: Settings, seat: ProjectSeat, field: int, x: float, y: float) -> int:
    """Add the cell that lies at ``x``, ``y`` in a field's pixels. Returns the number of its box.

    Where a removed one lies there, that comes back. Raises :class:`~hemosight.service.errors.Refusal` beside the field,
    on a cell that is there, and where the case is locked.
    """
    require_room(settings)
    seen = _look(database, seat.project, field)
    height, width, _ = seen.pixels.shape
    if x >= width or y >= height:
        raise Refusal(
            "unfit",
            expected=f"a place in the field, which has {width} x {height} pixels",
            came=f"{x:.0f}, {y:.0f}",
            mend="Give the place in pixels of the whole field, from its upper left corner.",
        )
    _require_free(seen.cells, x, y)
    cell = _meant(seen, x, y)
    name = f"{seen.name}/added at {round(cell.middle[0])},{round(cell.middle[1])}.png"
    data = png(of_pixels(seen.pixels, seen.scale, [cell]), cell, seen.side)
    picture = NewPicture(name, hashlib.sha256(data).digest(), data, "image/png", seen.side, seen.side, thumbnail(data))
    with database.session() as session:
        # Before any row is held, the field's case among them: who deletes it has the turn, and waits for it.
        uploads.take_intake(session, seat.project)
        events.take_turn(session, seat.project)
        row = fields.get(session, seat.project, field)
        upload = fields.begin_upload(session, row, seat.user.id)
        added, known = uploads.add(session, upload, [picture])
        if row.case_id is not None:
            require_unlocked(session, seat.project, [row.case_id])
        _require_free(fields.cells(session, field), x, y)
        image = {**known, **added}[picture.sha256]
        score = None if cell.score < _LEAST else cell.score
        box = NewCell(cell.x, cell.y, cell.width, cell.height, score, cell.marks, image)
        placed = fields.place(session, row, box, seat.user.id)
        if added:
            bundle = get_project(session, seat.project).bundle_id
            jobs.enqueue(
                session, project_id=seat.project, bundle_id=bundle, images=[image], upload_id=upload.id, done=0
            )
        noted = {"field": field, "cell": placed.id, "image": image, "case": row.case_id}
        noted |= {"x": round(cell.middle[0]), "y": round(cell.middle[1]), "missed": placed.added_by is not None}
        audit.note(session, seat, "field.cell.add", noted, seat.project)
        session.flush()
        events.tell(session, seat.project, ImagesEvent(added=len(added), upload=upload.id))
        return placed.id


def _look(database: Database, project: int, field: int) -> _Seen:
    with database.session() as session:
        row = fields.get(session, project, field)
        side = crop_side(profiles.of_case(session, project, fields.case_of(session, row)).scale)
        data, _ = images.picture(session, row.sha256 or b"")
        bits = fields.bits(session, row)
        seen = (Scale(row.red_cell_px, row.scale_from), row.name, side, fields.cells(session, field))
        session.expunge_all()
    return _Seen(decode(data, bits), *seen)


def _require_free(cells: Sequence[FieldCell], x: float, y: float) -> None:
    """Raise where a cell that stands, or that another field counts, lies at the place."""
    for cell in cells:
        if cell.seen_in is not None and _holds(cell, x, y):
            raise Refusal(
                "in_the_way",
                expected="a place where no cell was found",
                came="the place of a cell that another field shows and counts",
                mend="Leave it there: it counts once.",
            )
        if cell.image_id is not None and _holds(cell, x, y):
            raise Refusal(
                "in_the_way",
                expected="a place where no cell was found",
                came=f"the place of the cell {cell.image_id}",
                mend="Choose the middle of the cell that is missing.",
            )


def _holds(cell: FieldCell | FoundCell, x: float, y: float) -> bool:
    return cell.x <= x < cell.x + cell.width and cell.y <= y < cell.y + cell.height


def _meant(seen: _Seen, x: float, y: float) -> FoundCell:
    """The box of the cell at a place: of one that was removed there, of a nucleus that the search sees, or a square."""
    for cell in sorted(seen.cells, key=lambda cell: cell.removed_at is not None):
        if cell.image_id is None and _holds(cell, x, y):
            return FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0, tuple(cell.marks))
    height, width, _ = seen.pixels.shape
    red_cell_px = seen.scale.red_cell_px
    reach = round(_AROUND * red_cell_px)
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    window = seen.pixels[top : top + 2 * reach, left : left + 2 * reach]
    stands = [
        FoundCell(cell.x, cell.y, cell.width, cell.height, 0.0) for cell in seen.cells if cell.image_id is not None
    ]
    near = [cell.moved(left, top) for cell in find(window, red_cell_px, _LEAST)]
    near = [cell for cell in near if _holds(cell, x, y) and all(shared(cell, other) < _SAME for other in stands)]
    if near:
        # What touches the window's border may lie well inside of the field.
        best = near[0]
        return FoundCell(best.x, best.y, best.width, best.height, best.score)
    half = _ALONE * red_cell_px / 2
    x0, y0, x1, y1 = max(x - half, 0), max(y - half, 0), min(x + half, width), min(y + half, height)
    return FoundCell(x0, y0, x1 - x0, y1 - y0, 0.0)
