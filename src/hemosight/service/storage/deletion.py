"""Deleting cells, cases and projects: what was said of them stays, their pictures and embeddings go.

Labels, comments and the audit trail are append-only and name their image, so a deleted image stays as a row of no
project; every other query asks for images of a project and so finds it no more. What is part of a signed record is
never deleted, nor is a cell while it is in the library of teaching cells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Update, delete, func, select, update
from sqlalchemy.orm import Session

from hemosight.errors import UnreadableImage
from hemosight.images.bare import bare
from hemosight.images.decode import measure
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import cases, events, original_names, saved_views, tags, teaching, uploads
from hemosight.service.storage.database import one_of
from hemosight.service.storage.live_events import CaseEvent, ImagesEvent, ProjectDeletedEvent
from hemosight.service.storage.tables import (
    CameraField,
    Case,
    CellEmbedding,
    CellTag,
    CurrentLabelRow,
    EmbeddingAttempt,
    FieldCell,
    Image,
    Member,
    OriginalName,
    Picture,
    Project,
    RefusedFile,
    Signature,
    Upload,
)

log = structlog.get_logger()
_OF_CELLS = (CellEmbedding, CellTag, EmbeddingAttempt, CurrentLabelRow, FieldCell)
"""Tables whose rows go with their image."""


def delete_cells(session: Session, project: int, images: Sequence[int]) -> list[dict[str, Any]]:
    """Delete cells; gives what they were, for the audit trail.

    Raises :class:`~hemosight.service.errors.NothingThere` for a cell that the project does not have and
    :class:`~hemosight.service.errors.Refusal` where one is part of a signed record or in the library of teaching cells.
    """
    events.take_turn(session, project)
    cases.require_unsigned_cells(session, project, images)
    teaching.require_none(session, _of_project(session, project, images))
    gone = _delete(session, project, images)
    if missing := set(images) - {cell["image"] for cell in gone}:
        raise NothingThere(kind=f"the cell {min(missing)} of this project")
    events.tell(session, project, ImagesEvent(removed=len(gone)))
    return gone


def delete_case(session: Session, row: Case) -> list[dict[str, Any]]:
    """Delete a case with its cells; gives what the cells were. Raises as :func:`delete_cells`."""
    project, number = row.project_id, row.id
    events.take_turn(session, project)
    cases.require_unsigned(session, project, number)
    images = session.scalars(select(Image.id).where(Image.case_id == number)).all()
    cases.require_unsigned_cells(session, project, images)
    teaching.require_none(session, images)
    gone = _delete(session, project, images)
    forget_fields(session, CameraField.case_id == number)
    _forget_uploads(session, number)
    original_names.forget(session, project, "case", [number])
    session.delete(row)
    session.flush()
    if gone:
        events.tell(session, project, ImagesEvent(removed=len(gone)))
    events.tell(session, project, CaseEvent(case=number, deleted=True))
    return gone


def expire_case(session: Session, row: Case) -> tuple[list[dict[str, Any]], list[int]]:
    """Delete a case as :func:`delete_case`, but for its teaching cells; gives what went, and the images that stay.

    Where some stay, the case stays with them, without what leads to a patient: its key, its specimen and the names of
    its files are replaced (:func:`expired_key`), and what the files say besides pixels. Who drew which of its cells to
    be counted, and why, goes as well.
    """
    project, number = row.project_id, row.id
    uploads.take_intake(session, project)  # before the turn, as whoever adds cells does
    events.take_turn(session, project)
    images = session.scalars(select(Image.id).where(Image.case_id == number)).all()
    kept = sorted(teaching.among(session, images))
    if not kept:
        return delete_case(session, row), []
    cases.require_unsigned(session, project, number)
    cases.require_unsigned_cells(session, project, images)
    gone = _delete(session, project, [image for image in images if image not in kept])
    forget_fields(session, CameraField.case_id == number)
    _forget_uploads(session, number)
    original_names.forget(session, project, "case", [number])
    original_names.forget(session, project, "image", kept)
    _bare_files(session, kept)
    session.execute(update(Image).where(one_of(Image.id, kept)).values(name=func.concat("teaching-", Image.id)))
    row.key = expired_key(number)
    row.note = row.accession = ""
    row.findings = {}
    row.counting, row.draws = None, []  # who drew which cells, and why
    row.collected_at = row.received_at = row.wbc = None
    session.flush()
    events.tell(session, project, ImagesEvent(removed=len(gone), renamed=len(kept)))
    events.tell(session, project, CaseEvent(case=number))
    return gone, kept


def _bare_files(session: Session, images: Sequence[int]) -> None:
    """Replace the files of images by their pixels alone: a scanner may have written into them whose cells they are."""
    query = select(Image, Picture, Upload.bits).join(Picture, Picture.sha256 == Image.sha256)
    query = query.outerjoin(Upload, Upload.id == Image.upload_id).where(one_of(Image.id, images))
    for image, picture, bits in session.execute(query).all():
        try:
            data = bare(picture.data, bits)
            width, height = measure(data)
        except UnreadableImage:
            log.warning("retention.file", image=image.id, reason="it cannot be read, and stays as it came")
            continue
        sha256 = hashlib.sha256(data).digest()
        there = select(Image.id).where(Image.project_id == image.project_id, Image.sha256 == sha256)
        if session.scalar(there) is not None:  # it was bare, or the same cell came in bare as well
            continue
        kind = "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"
        uploads.store(session, [uploads.NewPicture("", sha256, data, kind, width, height, picture.thumbnail)])
        image.sha256 = sha256
    session.flush()


def expired_key(case: int) -> str:
    """What a case is called of which only teaching cells have outlived retention."""
    return f"teaching {case}"


def _of_project(session: Session, project: int, images: Sequence[int]) -> Sequence[int]:
    return session.scalars(select(Image.id).where(Image.project_id == project, one_of(Image.id, images))).all()


def _forget_uploads(session: Session, number: int) -> None:
    refused = select(Upload.id).where(Upload.case_id == number)
    session.execute(delete(RefusedFile).where(RefusedFile.upload_id.in_(refused)))
    # An upload goes on until it is cancelled, for all that is known: what came yet would have no case.
    gone = {"case_id": None, "cancelled_at": func.coalesce(Upload.cancelled_at, func.now())}
    session.execute(update(Upload).where(Upload.case_id == number).values(gone))


def delete_project(session: Session, row: Project) -> int:
    """Delete a project with its cells and cases; gives how many cells. Refuses where anything in it was signed."""
    events.take_turn(session, row.id)
    if session.scalar(select(Signature.id).where(Signature.project_id == row.id).limit(1)) is not None:
        raise Refusal(
            "in_the_way",
            expected="a project in which nobody has signed",
            came="one that holds signed records",
            mend="Put it into the archive instead, where it can only be looked at.",
        )
    teaching.forget_all(session, row.id)
    tags.forget_all(session, row.id)
    saved_views.forget_all(session, row.id)
    forget_fields(session, CameraField.project_id == row.id)
    gone = _delete_all(session, row.id)
    session.execute(
        delete(RefusedFile).where(RefusedFile.upload_id.in_(select(Upload.id).where(Upload.project_id == row.id)))
    )
    session.execute(update(Upload).where(Upload.project_id == row.id).values(case_id=None, cancelled_at=func.now()))
    session.execute(delete(OriginalName).where(OriginalName.project_id == row.id))
    session.execute(delete(Case).where(Case.project_id == row.id))
    session.execute(delete(Member).where(Member.project_id == row.id))
    row.deleted_at = func.now()
    session.flush()
    events.tell(session, row.id, ProjectDeletedEvent())
    return gone


def forget_fields(session: Session, which: ColumnElement[bool]) -> None:
    """Take away the pictures and boxes of fields; each stays as the row that the audit trail names."""
    fields = select(CameraField.id).where(which)
    session.execute(
        delete(FieldCell).where(FieldCell.field_id.in_(fields)).execution_options(synchronize_session=False)
    )
    session.execute(
        update(CameraField)
        .where(which)
        .values(project_id=None, case_id=None, upload_id=None, sha256=None, name="", deleted_at=func.now())
        .execution_options(synchronize_session=False)
    )


def _delete(session: Session, project: int, images: Sequence[int]) -> list[dict[str, Any]]:
    query = select(Image.id, Image.case_id, func.encode(Image.sha256, "hex")).where(
        Image.project_id == project, one_of(Image.id, images)
    )
    # No name: it may lead to a patient, and the audit trail is kept. Who has the file finds it by its checksum.
    gone = [
        {"image": image, "case": case, "sha256": sha256}
        for image, case, sha256 in session.execute(query.order_by(Image.id).with_for_update(of=Image))
    ]
    ids = [cell["image"] for cell in gone]
    session.execute(_bared(one_of(Image.id, ids)))
    original_names.forget(session, project, "image", ids)
    for table in _OF_CELLS:
        session.execute(delete(table).where(one_of(table.image_id, ids)).execution_options(synchronize_session=False))
    return gone


def _delete_all(session: Session, project: int) -> int:
    """Delete every cell of a project; gives how many. None is fetched: there may be a million."""
    own = select(Image.id).where(Image.project_id == project)
    held = own.order_by(Image.id).with_for_update(of=Image).subquery()
    count = session.scalar(select(func.count()).select_from(held)) or 0
    for table in _OF_CELLS:
        session.execute(delete(table).where(table.image_id.in_(own)).execution_options(synchronize_session=False))
    session.execute(_bared(Image.project_id == project))
    return count


def _bared(which: ColumnElement[bool]) -> Update:
    """Leave of images the rows that labels and the audit trail name."""
    gone = {"project_id": None, "case_id": None, "upload_id": None, "sha256": None, "name": ""}
    query = update(Image).where(which).values(**gone, deleted_at=func.now())
    return query.execution_options(synchronize_session=False)
