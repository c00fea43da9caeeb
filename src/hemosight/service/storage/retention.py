"""Retention: what is old and part of no signed record is deleted, and the audit trail says that it was."""

from __future__ import annotations

import datetime

import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hemosight.service.errors import Refusal
from hemosight.service.storage import audit, deletion, events, fields, uploads
from hemosight.service.storage.database import Database, one_of
from hemosight.service.storage.tables import (
    CameraField,
    Case,
    Image,
    LabelRecord,
    Project,
    RefusedFile,
    TeachingCell,
    Upload,
)

log = structlog.get_logger()
_AT_ONCE = 200
"""Cells without a case that are deleted in one transaction."""


def expire(database: Database, days: float) -> int:
    """Delete every case, and every cell without one, that nothing happened to for so many days; gives how many cells.

    Uploads and labels count as something that happened. A case that somebody signed stays, whatever its age: its
    record names its cells. Teaching cells stay as well, and their case with them, without key, specimen and names. Each
    case goes in a transaction of its own, and whether it is old is asked again where nobody can add to it any more: it
    may have had to wait for an upload or a label.
    """
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    gone = 0
    with database.session() as session:
        old = _old_cases(session, before)
    for project, number in old:
        try:
            with database.session() as session:
                uploads.take_intake(session, project)  # before the turn, as whoever adds cells does
                events.take_turn(session, project)
                row = session.get(Case, number)
                if row is None or not _old_cases(session, before, number):
                    continue
                cells, kept = deletion.expire_case(session, row)
                noted = {"case": number, "days": days, "cells": cells} | ({"teaching": kept} if kept else {})
                audit.note(session, None, "retention.case", noted, project)
                gone += len(cells)
        except Refusal:  # it is signed
            continue
        except IntegrityError:  # another case is called as this one would be; the others go all the same
            log.warning("retention.case", case=number, reason="another case has the key that it would get")
    for project, images in _old_cells(database, before).items():
        for start in range(0, len(images), _AT_ONCE):
            try:
                with database.session() as session:
                    events.take_turn(session, project)
                    wanted = one_of(Image.id, images[start : start + _AT_ONCE])
                    still = session.scalars(select(Image.id).where(wanted, *_loose(before))).all()
                    if not still:
                        continue
                    cells = deletion.delete_cells(session, project, still)
                    audit.note(session, None, "retention.image", {"days": days, "cells": cells}, project)
                    gone += len(cells)
            except Refusal:
                continue
    for project, old_fields in _old_fields(database, before).items():
        with database.session() as session:
            if number := fields.forget_loose(session, project, old_fields):
                audit.note(session, None, "retention.field", {"days": days, "fields": number}, project)
    with database.session() as session:
        # What files of no case were called that became no cell may lead to a patient as well.
        loose = select(Upload.id).where(Upload.id == RefusedFile.upload_id, Upload.case_id.is_(None))
        session.execute(delete(RefusedFile).where(RefusedFile.at < before, loose.exists()))
    if gone:
        log.info("retention", cells=gone)
    return gone


def _old_cases(session: Session, before: datetime.datetime, case: int | None = None) -> list[tuple[int, int]]:
    """Project and number of every case that is old, or of one case where it is."""
    uploaded = select(Image.id).where(Image.case_id == Case.id, Image.uploaded_at >= before)
    taken = select(CameraField.id).where(CameraField.case_id == Case.id, CameraField.uploaded_at >= before)
    labelled = (
        select(LabelRecord.id)
        .join(Image, Image.id == LabelRecord.image_id)
        .where(Image.case_id == Case.id, LabelRecord.at >= before)
    )
    # Of which retention has left teaching cells alone; where one is taken out of the library, it is looked at again.
    library = select(TeachingCell.id).where(TeachingCell.image_id == Image.id)
    others = select(Image.id).where(Image.case_id == Case.id, ~library.exists())
    left = (Case.key == func.concat("teaching ", Case.id)) & ~others.exists()
    query = select(Case.project_id, Case.id).join(Project, Project.id == Case.project_id).where(~left)
    query = query.where(Project.deleted_at.is_(None), Case.created_at < before, ~uploaded.exists(), ~labelled.exists())
    query = query.where(~taken.exists())
    if case is not None:
        query = query.where(Case.id == case)
    return [(project, case) for project, case in session.execute(query.order_by(Case.id))]


def _loose(before: datetime.datetime) -> list[ColumnElement[bool]]:
    """Of an image: it is of no case, and old."""
    labelled = select(LabelRecord.id).where(LabelRecord.image_id == Image.id, LabelRecord.at >= before)
    library = select(TeachingCell.id).where(TeachingCell.image_id == Image.id)
    own = [Image.project_id.is_not(None), Image.case_id.is_(None), Image.uploaded_at < before]
    return [*own, ~labelled.exists(), ~library.exists()]


def _old_cells(database: Database, before: datetime.datetime) -> dict[int, list[int]]:
    query = select(Image.project_id, func.array_agg(Image.id)).where(*_loose(before))
    with database.session() as session:
        found = session.execute(query.group_by(Image.project_id))
        return {project: sorted(images) for project, images in found if project is not None}


def _old_fields(database: Database, before: datetime.datetime) -> dict[int, list[int]]:
    query = select(CameraField.project_id, func.array_agg(CameraField.id)).where(
        CameraField.project_id.is_not(None), CameraField.case_id.is_(None), CameraField.uploaded_at < before
    )
    with database.session() as session:
        found = session.execute(query.group_by(CameraField.project_id))
        return {project: sorted(rows) for project, rows in found if project is not None}
