"""Queries about fields that lie beside one another on a film: where they are, and where a cell of two counts.

A field keeps the place that its name gives. Where two fields of a case keep the same one, they are of two slides that
were exported under the same names: of that film no place is known, and a cell of it that another field counted is freed
to be counted by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.places import FieldPlace
from hemosight.service.storage.amendments import signed
from hemosight.service.storage.database import pairs
from hemosight.service.storage.fields import cells
from hemosight.service.storage.tables import CameraField, FieldCell, Picture, Project

ATTEMPTS = 3
"""How often recropping the cells of a field may fail, or end its worker, before it is left to people."""

_RECROPPING = 0x48534654
"""First key of the advisory lock under which one worker at a time recrops the cells of a field."""

_UNCOUNTED = (FieldCell.image_id.is_(None), FieldCell.seen_in.is_(None), FieldCell.removed_at.is_(None))
"""Of a cell of a field: it is neither an image nor seen again in another field, and nobody removed it."""


@dataclass(frozen=True)
class OnFilm:
    """Fields of a film that are there: number, name's hash, place and size of each, and the cells that count in them.

    A cell is the number of its row and its box on the film, with its score and marks.
    """

    placed: dict[str, tuple[FieldPlace, int, int]]
    cells: list[tuple[int, FoundCell]]


def on_film(session: Session, project: int, case: int | None, film: str) -> OnFilm:
    """What a case has of a film already; nothing where there is no case, since loose fields may be anybody's."""
    if case is None:
        return OnFilm({}, [])
    query = (
        select(CameraField, Picture.width, Picture.height)
        .join(Picture, Picture.sha256 == CameraField.sha256)
        .where(CameraField.project_id == project, CameraField.case_id == case, CameraField.film == film)
    )
    placed: dict[str, tuple[FieldPlace, int, int]] = {}
    found: list[tuple[int, FoundCell]] = []
    for row, width, height in session.execute(query):
        place = FieldPlace(film, row.x or 0.0, row.y or 0.0)
        placed[str(row.id)] = (place, width, height)
        for cell in cells(session, row.id):
            if cell.image_id is not None:
                box = FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0, tuple(cell.marks))
                found.append((cell.id, box.moved(place.x, place.y)))
    return OnFilm(placed, found)


def of_two_films(session: Session, rows: Sequence[CameraField]) -> set[tuple[int | None, str | None]]:
    """Case and film of such fields as are on a film on which two fields lie at one place."""
    query = (
        select(CameraField.case_id, CameraField.film)
        .where(
            CameraField.project_id.in_({row.project_id for row in rows}),
            CameraField.film.in_({row.film for row in rows if row.film is not None}),
        )
        .group_by(CameraField.case_id, CameraField.film, CameraField.x, CameraField.y)
        .having(func.count() > 1)
    )
    return {(case, film) for case, film in session.execute(query)}


def free(session: Session, row: CameraField) -> None:
    """Let no cell of a field's film be counted in another field any more: those are now :func:`uncounted`.

    Call it with the project's intake taken (:func:`hemosight.service.storage.uploads.take_intake`).
    """
    own = select(CameraField.id).where(
        CameraField.project_id == row.project_id, CameraField.case_id == row.case_id, CameraField.film == row.film
    )
    session.execute(
        update(FieldCell).where(FieldCell.field_id.in_(own), FieldCell.seen_in.is_not(None)).values(seen_in=None)
    )


def uncounted(
    session: Session, *, project: int | None = None, bundle: int | None = None, field: int | None = None
) -> list[FieldCell]:
    """Cells that are in no count, since the one that stood for them is gone, and may be recropped; by field and number.

    Of one project, of those that a bundle reads, or of one field. Left out are those of a locked case and of a project
    in the archive: once it is open, they are among these. So are those of a field that was given up
    (:func:`begin_attempt`).
    """
    query = (
        select(FieldCell, Project.id, CameraField.case_id)
        .join(CameraField, CameraField.id == FieldCell.field_id)
        .join(Project, Project.id == CameraField.project_id)
        .where(*_UNCOUNTED)
        .where(Project.archived_at.is_(None), Project.deleted_at.is_(None), CameraField.attempts <= ATTEMPTS)
    )
    if project is not None:
        query = query.where(Project.id == project)
    if bundle is not None:
        query = query.where(Project.bundle_id == bundle)
    if field is not None:
        query = query.where(CameraField.id == field)
    query = query.order_by(FieldCell.field_id, FieldCell.id).execution_options(populate_existing=True)
    found = session.execute(query).all()
    cases: dict[int, set[int]] = {}
    for _, number, case in found:
        if case is not None:
            cases.setdefault(number, set()).add(case)
    locked = {
        case for number, among in cases.items() for case, one in signed(session, number, among).items() if one.locked
    }
    return [cell for cell, _, case in found if case not in locked]


def uncounted_of(session: Session, case: int) -> int:
    """How many cells of a case's fields are in no count, those of a field that was given up too."""
    query = (
        select(func.count())
        .select_from(FieldCell)
        .join(CameraField, CameraField.id == FieldCell.field_id)
        .where(CameraField.case_id == case)
        .where(*_UNCOUNTED)
    )
    return session.scalar(query) or 0


def take_field(session: Session, field: int) -> bool:
    """Be the only one who recrops a field's cells until the transaction ends; False where somebody else is at it."""
    key = {"key": _RECROPPING, "field": field}
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key, CAST(:field AS int))"), key))


def begin_attempt(session: Session, field: int) -> int:
    """Note that recropping the cells of a field begins; commit it before what may end the process.

    Returns how often that has begun without an end, this time counted: above :data:`ATTEMPTS` the field is given up.
    """
    again = update(CameraField).where(CameraField.id == field).values(attempts=CameraField.attempts + 1)
    return session.scalar(again.returning(CameraField.attempts)) or 0


def end_attempts(session: Session, field: int) -> None:
    """Forget the attempts on a field whose cells were recropped, or that was not to blame."""
    session.execute(update(CameraField).where(CameraField.id == field).values(attempts=0))


def recropped(session: Session, cell: FieldCell, image: int) -> None:
    """Let an uncounted cell be the image of its crop; where another field has the very same picture, be seen there."""
    holder = session.scalar(select(FieldCell.id).where(FieldCell.image_id == image))
    if holder is None:
        cell.image_id = image
    else:
        cell.seen_in = holder
    session.flush()


def counted_in(session: Session, rows: Sequence[FieldCell]) -> dict[int, int]:
    """Of cells that another field counts the number of that field, by the number of the cell."""
    query = select(FieldCell.id, FieldCell.field_id).where(
        FieldCell.id.in_([row.seen_in for row in rows if row.seen_in is not None])
    )
    fields_of = pairs(session, query)
    return {row.id: fields_of[row.seen_in] for row in rows if row.seen_in in fields_of}
