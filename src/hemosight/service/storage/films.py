"""Queries about fields that lie beside one another on a film: where they are, and where a cell of two counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.images.finding.cells import FoundCell
from hemosight.images.finding.places import Place
from hemosight.service.storage.database import pairs
from hemosight.service.storage.fields import cells
from hemosight.service.storage.tables import CameraField, FieldCell, Picture


@dataclass(frozen=True)
class OnFilm:
    """Fields of a film that are there: number, name's hash, place and size of each, and the cells that count in them.

    A cell is the number of its row and its box on the film, with its score and marks.
    """

    placed: dict[str, tuple[Place, int, int]]
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
    placed: dict[str, tuple[Place, int, int]] = {}
    found: list[tuple[int, FoundCell]] = []
    for row, width, height in session.execute(query):
        place = Place(film, row.x or 0.0, row.y or 0.0)
        placed[str(row.id)] = (place, width, height)
        for cell in cells(session, row.id):
            if cell.image_id is not None:
                box = FoundCell(cell.x, cell.y, cell.width, cell.height, cell.score or 0.0, tuple(cell.marks))
                found.append((cell.id, box.moved(place.x, place.y)))
    return OnFilm(placed, found)


def counted_in(session: Session, rows: Sequence[FieldCell]) -> dict[int, int]:
    """Of cells that another field counts the number of that field, by the number of the cell."""
    query = select(FieldCell.id, FieldCell.field_id).where(
        FieldCell.id.in_([row.seen_in for row in rows if row.seen_in is not None])
    )
    fields_of = pairs(session, query)
    return {row.id: fields_of[row.seen_in] for row in rows if row.seen_in in fields_of}
