"""Uncounted cells are recropped: of a cell that two fields show, the field that counted it is gone.

The crop of such a cell is cut out of the field that still shows it, and the cell counts again. Its row says that this
is to be done, so it outlives whoever should do it: a request asks for it in the transaction that takes the other cell
away, and every worker looks for what is left, whatever left it, when it starts, when it is asked, and each minute. It
does so beside its jobs, one field after another: a field that ends the worker takes no other with it, and pictures are
read meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from hemosight.errors import HemoSightError
from hemosight.images.decode import decode
from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.fields import Scale, Searched, crop_side, of_pixels, png
from hemosight.images.thumbnails import thumbnail
from hemosight.service.errors import NothingThere, Refusal, ServiceFault
from hemosight.service.storage import audit, events, fields, films, images, profiles, uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.projects import get as get_project
from hemosight.service.storage.tables import CameraField
from hemosight.service.storage.uploads import NewPicture
from hemosight.service.work import jobs

log = structlog.get_logger()

EVERY = 60.0
"""Seconds between looks for uncounted cells."""
TOGETHER = 8
"""Cells that are cut out and stored at a time: at a small scale a crop may have thousands of pixels a side."""


def ask(session: Session, project: int) -> None:
    """Have a worker recrop a project's uncounted cells, if there are any, when the caller's transaction commits."""
    if films.uncounted(session, project=project):
        jobs.enqueue_recrop(session, project, get_project(session, project).bundle_id)


class Recropper:
    """Recrops uncounted cells. A field on which that fails, or ends the worker, again and again is given up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopped = threading.Event()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have :meth:`go_on` look at once; to be called in its event loop."""
        self._asked.set()

    async def go_on(self, bundle: int) -> None:
        """Recrop now, when asked, and each minute, until the task is cancelled; then nothing more is begun.

        Raises where the database is away.
        """
        try:
            while True:
                self._asked.clear()
                await asyncio.to_thread(self.recrop, bundle)
                asked = asyncio.create_task(self._asked.wait())
                try:  # not wait_for: of Python 3.11 it loses a cancellation that meets what it waits for
                    await asyncio.wait((asked,), timeout=EVERY)
                finally:
                    asked.cancel()
        finally:
            self._stopped.set()  # its thread ends with the field that it is at

    def recrop(self, bundle: int) -> int:
        """Recrop every uncounted cell of the projects that a bundle reads. Returns how many count again.

        Each field is decoded once, goes by itself and fails alone; one that another worker is at is left to that one.
        Raises where the database is away.
        """
        with self._database.session() as session:
            found = films.uncounted(session, bundle=bundle)
        done = 0
        for field in dict.fromkeys(cell.field_id for cell in found):
            if self._stopped.is_set():
                break
            with self._database.session() as holding:
                # Held by the connection, so that it is free as soon as a worker that held it is dead.
                if films.take_field(holding, field):
                    done += self._try(field)
        return done

    def _try(self, field: int) -> int:
        """Recrop the cells of a field that nobody else is at meanwhile."""
        with self._database.session() as session:
            numbers = [cell.id for cell in films.uncounted(session, field=field)]
            attempts = films.begin_attempt(session, field) if numbers else 0
        if not numbers:  # another worker was at it since it was found
            return 0
        if attempts > films.ATTEMPTS:
            log.error("field.cells.given_up", field=field, cells=len(numbers), attempts=films.ATTEMPTS)
            return 0
        try:
            return _recrop(self._database, field, numbers)
        except Refusal as fault:  # the field is deleted by now, or its case signed
            self._forgive(field)
            reason = str(fault)
        except ServiceFault:
            raise
        except DBAPIError as fault:
            if fault.connection_invalidated:
                raise
            self._forgive(field)  # what the database refused, as two that waited for each other, is tried anew
            reason = type(fault).__name__
        except Exception as fault:  # of one field: those of others are recropped all the same
            reason = str(fault) if isinstance(fault, HemoSightError) else type(fault).__name__
        log.warning("field.cells.not_recropped", field=field, cells=len(numbers), reason=reason, attempt=attempts)
        return 0

    def _forgive(self, field: int) -> None:
        with self._database.session() as session:
            films.end_attempts(session, field)


def _recrop(database: Database, field: int, numbers: Sequence[int]) -> int:
    """Cut cells out of their field and store them. Returns how many; those that count by now stay as they are."""
    name, searched, boxes, side = _opened(database, field, numbers)
    done = 0
    for start in range(0, len(boxes), TOGETHER):
        part = list(boxes.items())[start : start + TOGETHER]
        cut = {number: _picture(name, png(searched, box, side), box, side) for number, box in part}
        done += _store(database, field, cut)
    with database.session() as session:
        films.end_attempts(session, field)
    return done


def _store(database: Database, field: int, pictures: Mapping[int, NewPicture]) -> int:
    """Store the crops of a field's cells; those that count by now stay as they are."""
    with database.session() as session:
        row = _field(session, field)
        project = row.project_id or 0
        # Nobody adds, removes or signs from here on: what is uncounted now is still so when it is stored.
        uploads.take_intake(session, project)
        events.take_turn(session, project)
        row = _field(session, field)
        cells = [cell for cell in films.uncounted(session, field=field) if cell.id in pictures]
        if not cells:
            return 0
        upload = fields.begin_upload(session, row, None)
        added, known = uploads.add(session, upload, [pictures[cell.id] for cell in cells])
        of_sha = {**known, **added}
        for cell in cells:
            image = of_sha[pictures[cell.id].sha256]
            films.recropped(session, cell, image)
            noted = {"field": field, "cell": cell.id, "image": image, "case": row.case_id, "again": True}
            audit.note(session, None, "field.cell.add", noted, project)
        if added:
            bundle = get_project(session, project).bundle_id
            new = sorted(added.values())
            jobs.enqueue(session, project_id=project, bundle_id=bundle, images=new, upload_id=upload.id)
        session.flush()
        events.tell(session, project, ImagesEvent(added=len(added), upload=upload.id))
    log.info("field.cells.recropped", field=field, cells=len(cells))
    return len(cells)


def _opened(database: Database, field: int, numbers: Sequence[int]) -> tuple[str, Searched, dict[int, FoundCell], int]:
    """A field's name and pixels, the boxes of its cells by their numbers, and the side of crops at the case's scale."""
    with database.session() as session:
        row = _field(session, field)
        side = crop_side(profiles.of_case(session, row.project_id or 0, fields.case_of(session, row)).scale)
        data, _ = images.picture(session, row.sha256 or b"")
        bits, name, scale = fields.bits(session, row), row.name, Scale(row.red_cell_px, row.scale_from)
        boxes = {
            cell.id: FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0, tuple(cell.marks))
            for cell in fields.cells(session, field)
            if cell.id in numbers
        }
    return name, of_pixels(decode(data, bits), scale, list(boxes.values())), boxes, side


def _picture(name: str, data: bytes, box: FoundCell, side: int) -> NewPicture:
    x, y = (round(at) for at in box.middle)
    marks = f" {'+'.join(box.marks)}" if box.marks else ""
    sha256 = hashlib.sha256(data).digest()
    return NewPicture(f"{name}/found at {x},{y}{marks}.png", sha256, data, "image/png", side, side, thumbnail(data))


def _field(session: Session, field: int) -> CameraField:
    """A field that is still there. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(CameraField, field, populate_existing=True)
    if row is None or row.project_id is None:
        raise NothingThere(kind="a field")
    return row
