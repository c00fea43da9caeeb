"""Queries about fields: what a camera took, the white cells in it, and what people added to the search or took from it.

An image of a field's cell is an image like any other; here is only where it lies. Who adds or removes cells takes the
locks in the order that uploads take them: intake, then the project's turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.images.finding.cells import FOUND
from hemosight.images.finding.places import FieldPlace
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import cases, deletion, events, profiles, uploads
from hemosight.service.storage.database import one_of
from hemosight.service.storage.tables import CameraField, Case, FieldCell, Picture, Upload
from hemosight.service.storage.uploads import NewPicture


@dataclass(frozen=True)
class NewCell:
    """A white cell's box in its field's pixels (left, top, size), its score and marks, and its image.

    One that is counted in another field has no image, and ``seen_in`` is the number of that cell.
    """

    x: float
    y: float
    width: float
    height: float
    score: float | None
    marks: tuple[str, ...]
    image: int | None
    seen_in: int | None = None


@dataclass(frozen=True)
class NewField:
    """A searched field: its file, scale and least score of the search, whether counting is fair in it, its place."""

    picture: NewPicture
    red_cell_px: float
    scale_from: str
    covered: float
    fine: float | None
    reasons: tuple[str, ...]
    least: float = FOUND
    place: FieldPlace | None = None


@dataclass(frozen=True)
class FieldCounts:
    """White cells in a field: that stand, and of those the ones that people added; those they removed as false; and
    those that another field counts, and those that are found and count nowhere, since the cell that stood for them is
    deleted.
    """

    cells: int = 0
    added: int = 0
    removed: int = 0
    seen_again: int = 0
    uncounted: int = 0


@dataclass(frozen=True)
class FinderCounts:
    """What the search did for a scanner: fields and how many of them were looked at as a whole; and in those, the white
    cells that stand, those of them that it missed, and what it took for one that is none.
    """

    fields: int = 0
    checked: int = 0
    cells: int = 0
    missed: int = 0
    false_cells: int = 0


def get(session: Session, project: int, field: int) -> CameraField:
    """A field of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(CameraField, field, populate_existing=True)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a field of this project")
    return row


def known(session: Session, project: int, sha256: bytes) -> CameraField | None:
    """The field that a file is in a project already."""
    return session.scalar(select(CameraField).where(CameraField.project_id == project, CameraField.sha256 == sha256))


def listed(session: Session, project: int, case: int | None, after: int, limit: int) -> Sequence[CameraField]:
    """Fields in the order they came, those behind number ``after``; of one case, of none, or all where None."""
    query = select(CameraField).where(CameraField.project_id == project, CameraField.id > after)
    if case is not None:
        query = query.where(CameraField.case_id == case if case != cases.WITHOUT else CameraField.case_id.is_(None))
    return session.scalars(query.order_by(CameraField.id).limit(limit)).all()


def beside(session: Session, row: CameraField) -> tuple[int | None, int | None]:
    """Numbers of the fields before and after one among those of its case."""
    same = (CameraField.project_id == row.project_id, CameraField.case_id.is_not_distinct_from(row.case_id))
    before = select(func.max(CameraField.id)).where(*same, CameraField.id < row.id)
    after = select(func.min(CameraField.id)).where(*same, CameraField.id > row.id)
    return session.scalar(before), session.scalar(after)


def sizes(session: Session, rows: Sequence[CameraField]) -> dict[int, tuple[int, int]]:
    """Width and height of fields in pixels, by their number."""
    query = select(CameraField.id, Picture.width, Picture.height).join(Picture, Picture.sha256 == CameraField.sha256)
    found = session.execute(query.where(CameraField.id.in_([row.id for row in rows])))
    return {field: (width, height) for field, width, height in found}


def counts(session: Session, rows: Sequence[CameraField]) -> dict[int, FieldCounts]:
    """How many cells each field has; none for one without any."""
    stands, added = FieldCell.image_id.is_not(None), FieldCell.added_by.is_not(None)
    columns = (
        func.count().filter(stands),
        func.count().filter(stands, added),
        func.count().filter(FieldCell.removed_at.is_not(None), ~added),
        func.count().filter(FieldCell.seen_in.is_not(None), FieldCell.removed_at.is_(None)),
        func.count().filter(~stands, FieldCell.seen_in.is_(None), FieldCell.removed_at.is_(None)),
    )
    query = select(FieldCell.field_id, *columns).where(FieldCell.field_id.in_([row.id for row in rows]))
    return {row[0]: FieldCounts(*row[1:]) for row in session.execute(query.group_by(FieldCell.field_id))}


def cells(session: Session, field: int) -> Sequence[FieldCell]:
    """The cells of a field, removed ones too, from left to right."""
    query = select(FieldCell).where(FieldCell.field_id == field).order_by(FieldCell.x, FieldCell.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def of_image(session: Session, project: int, image: int) -> FieldCell | None:
    """Where an image of a project was cut out of a field that is still there."""
    query = (
        select(FieldCell)
        .join(CameraField, CameraField.id == FieldCell.field_id)
        .where(FieldCell.image_id == image, CameraField.project_id == project)
    )
    return session.scalar(query)


def bits(session: Session, row: CameraField) -> int | None:
    """Bits of the deep samples of a field's file, as whoever uploaded it said."""
    return session.scalar(select(Upload.bits).where(Upload.id == row.upload_id))


def finder_counts(session: Session, project: int) -> dict[int, FinderCounts]:
    """What the search did, by scanner profile; none for one without fields."""
    found = session.execute(
        text("""
            WITH own AS (
                SELECT field.id, field.checked_at IS NOT NULL AS checked, COALESCE(
                    cases.profile_id, (SELECT min(id) FROM profiles WHERE project_id = :project)) AS profile
                FROM fields AS field LEFT JOIN cases ON cases.id = field.case_id WHERE field.project_id = :project
            )
            SELECT own.profile, count(DISTINCT own.id), count(DISTINCT own.id) FILTER (WHERE own.checked),
                count(cell.id) FILTER (WHERE own.checked AND cell.image_id IS NOT NULL),
                count(cell.id) FILTER (WHERE own.checked AND cell.image_id IS NOT NULL AND cell.added_by IS NOT NULL),
                count(cell.id) FILTER (WHERE own.checked AND cell.removed_at IS NOT NULL AND cell.added_by IS NULL)
            FROM own LEFT JOIN field_cells AS cell ON cell.field_id = own.id GROUP BY own.profile
        """),
        {"project": project},
    )
    return {row[0]: FinderCounts(*row[1:]) for row in found}


def least_of(session: Session, project: int, case: Case | None) -> float:
    """The score from which the fields of a case are searched: its scanner's; once it has a field, that one's.

    So that the fields of one film are searched by one rule, whatever people taught meanwhile.
    """
    if case is not None:
        query = select(CameraField.least).where(CameraField.project_id == project, CameraField.case_id == case.id)
        first = session.scalar(query.order_by(CameraField.id).limit(1))
        if first is not None:
            return first
    return profiles.of_case(session, project, case).least


def checked(session: Session, project: int, profile: int, most: int) -> Sequence[CameraField]:
    """Fields of a scanner that somebody looked at as a whole, the newest first, so many at most."""
    own = func.coalesce(Case.profile_id, profiles.oldest(project)) == profile
    query = select(CameraField).outerjoin(Case, Case.id == CameraField.case_id)
    query = query.where(CameraField.project_id == project, CameraField.checked_at.is_not(None), own)
    return session.scalars(query.order_by(CameraField.id.desc()).limit(most)).all()


# --- changes ----------------------------------------------------------------------------------------------


def add(session: Session, upload: Upload, new: NewField, found: Sequence[NewCell]) -> CameraField:
    """Keep a field with its cells. Raises as :func:`hemosight.service.storage.uploads.enter`."""
    uploads.take_intake(session, upload.project_id)
    before = known(session, upload.project_id, new.picture.sha256)
    if before is not None:
        return before
    uploads.store(session, [new.picture])
    uploads.enter(session, upload)
    row = CameraField(
        project_id=upload.project_id,
        case_id=upload.case_id,
        upload_id=upload.id,
        sha256=new.picture.sha256,
        name=new.picture.name,
        red_cell_px=new.red_cell_px,
        scale_from=new.scale_from,
        covered=new.covered,
        fine=new.fine,
        reasons=list(new.reasons),
        least=new.least,
        film=None if new.place is None else new.place.film,
        x=None if new.place is None else new.place.x,
        y=None if new.place is None else new.place.y,
        uploaded_by=upload.user_id,
    )
    session.add(row)
    session.flush()
    # One that is gone since it was looked up leaves this one uncounted; the others stay until this is stored.
    query = select(FieldCell.id).where(FieldCell.id.in_([cell.seen_in for cell in found if cell.seen_in is not None]))
    there = set(session.scalars(query.with_for_update(read=True, key_share=True)))
    for cell in found:
        _insert(session, row.id, cell if cell.seen_in in there else replace(cell, seen_in=None), None)
    return row


def place(session: Session, row: CameraField, cell: NewCell, user: int) -> FieldCell:
    """Add a cell that a person saw, or bring back the one that was removed there, or that counted nowhere.

    Where another field has the very same picture of one that counted nowhere, it is counted there.
    """
    holder = session.scalar(select(FieldCell).where(FieldCell.image_id == cell.image))
    for other in cells(session, row.id):
        removed = other.image_id is None and other.seen_in is None
        if (other.x, other.y, other.width) == (cell.x, cell.y, cell.width) and removed:
            if holder is not None and other.removed_at is None:
                other.seen_in = holder.id
                session.flush()
                return other
            if holder is not None:
                break
            other.image_id, other.removed_by, other.removed_at = cell.image, None, None
            session.flush()
            return other
    number = _insert(session, row.id, cell, user)
    if number is None:
        raise Refusal(
            "in_the_way",
            expected="a cell that is not there yet",
            came=f"the cell {cell.image}, which another field shows as well",
            mend="Leave it in one of the fields: it counts once.",
        )
    return session.get_one(FieldCell, number)


def remove(session: Session, project: int, row: FieldCell, user: int) -> dict[str, Any]:
    """Take a cell out of the counts as no white cell; gives what its image was, for the audit trail.

    Raises :class:`~hemosight.service.errors.Refusal` where it is part of a signed record, or was removed already.
    """
    events.take_turn(session, project)
    session.refresh(row)
    image = row.image_id
    if image is None:
        elsewhere = row.seen_in is not None
        raise Refusal(
            "in_the_way",
            expected="a cell that stands",
            came="one that another field counts" if elsewhere else "one that does not count",
            mend="Remove it in the field that counts it." if elsewhere else "Load the field again.",
        )
    row.image_id, row.removed_by, row.removed_at = None, user, func.clock_timestamp()
    session.flush()
    (gone,) = deletion.delete_cells(session, project, [image])
    session.refresh(row)
    return gone


def check(session: Session, row: CameraField, user: int | None) -> None:
    """Say that a person looked at the whole field, or that nobody did."""
    row.checked_by, row.checked_at = user, None if user is None else func.clock_timestamp()
    session.flush()
    session.refresh(row)


def delete_field(session: Session, row: CameraField, project: int) -> list[dict[str, Any]]:
    """Delete a field with the cells that were cut out of it; gives what they were. Raises as :func:`remove`."""
    events.take_turn(session, project)
    if row.case_id is not None:
        cases.require_unsigned(session, project, row.case_id)
    images = [cell.image_id for cell in cells(session, row.id) if cell.image_id is not None]
    gone = deletion.delete_cells(session, project, images) if images else []
    deletion.forget_fields(session, CameraField.id == row.id)
    return gone


def case_of(session: Session, row: CameraField) -> Case | None:
    """The case of a field."""
    return None if row.case_id is None else session.get(Case, row.case_id)


def begin_upload(session: Session, row: CameraField, user: int | None) -> Upload:
    """An upload for a cell that a person adds to a field."""
    upload = Upload(project_id=row.project_id, case_id=row.case_id, user_id=user)
    session.add(upload)
    session.flush()
    return upload


def _insert(session: Session, field: int, cell: NewCell, user: int | None) -> int | None:
    """A cell's row; None where another field has its image: files that share a part of the picture."""
    values = {
        "field_id": field,
        "image_id": cell.image,
        "seen_in": cell.seen_in,
        "x": cell.x,
        "y": cell.y,
        "width": cell.width,
        "height": cell.height,
        "score": cell.score,
        "marks": list(cell.marks),
        "added_by": user,
    }
    query = insert(FieldCell).values(**values).on_conflict_do_nothing(index_elements=[FieldCell.image_id])
    return session.scalar(query.returning(FieldCell.id))


def forget_loose(session: Session, project: int, fields: Sequence[int]) -> int:
    """Delete fields of no case that have no cell any more. Returns how many."""
    events.take_turn(session, project)
    stands = select(FieldCell.id).where(FieldCell.field_id == CameraField.id, FieldCell.image_id.is_not(None))
    rows = session.scalars(
        select(CameraField.id).where(one_of(CameraField.id, fields), CameraField.case_id.is_(None), ~stands.exists())
    ).all()
    deletion.forget_fields(session, one_of(CameraField.id, rows))
    return len(rows)
