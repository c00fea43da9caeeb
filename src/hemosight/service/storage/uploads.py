"""Queries about uploads: what came in, what of it was known, what was taken back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.images.names import composed
from hemosight.service.errors import Refusal
from hemosight.service.storage import events, original_names, profiles
from hemosight.service.storage.amendments import require_unlocked
from hemosight.service.storage.live_events import CaseEvent, ProfileEvent
from hemosight.service.storage.tables import Case, CellEmbedding, Image, Picture, Project, RefusedFile, Upload

_INTAKE = 0x48534950
"""First key of the advisory lock that lets one transaction at a time add images to a project."""
_PICTURES = 0x4853504943
"""The advisory lock that uploads share while they store pictures, and that whoever removes some has alone."""
_FORGOTTEN = 1000
"""Pictures removed at once: uploads wait meanwhile."""


@dataclass(frozen=True)
class NewPicture:
    """A file that is about to become an image of a project."""

    name: str
    sha256: bytes
    data: bytes
    media_type: str
    width: int
    height: int
    thumbnail: bytes | None


@dataclass(frozen=True)
class Counts:
    """How far an upload is; ``total`` counts the images it added and still has."""

    total: int
    read: int
    refused: int
    waiting: int
    removed: int
    cancelled_at: datetime.datetime | None


def begin(
    session: Session,
    project_id: int,
    user_id: int | None,
    case_key: str | None,
    profile: int | None = None,
    bits: int | None = None,
) -> Upload:
    """A new upload, for a case that is made, of a scanner profile, where it does not exist.

    ``bits`` hold the values of its deep samples, where the files do not say.
    """
    case_id = None
    if profile is not None:
        profiles.get(session, project_id, profile)
    if case_key is not None:
        events.take_turn(session, project_id)  # before the case is held: who has the turn may give another that key
        case_id, made = _case(session, project_id, composed(case_key), profile)
        if made:
            events.tell(session, project_id, CaseEvent(case=case_id))
            if profile is not None:
                profiles.changed(session, project_id, ProfileEvent(profile=profile))
        else:
            require_unlocked(session, project_id, [case_id])
    upload = Upload(project_id=project_id, case_id=case_id, user_id=user_id, bits=bits)
    session.add(upload)
    session.flush()
    return upload


def _case(session: Session, project_id: int, key: str, profile: int | None) -> tuple[int, bool]:
    """The case of this key, and whether it is new."""
    if original_names.of_project(session, project_id) != "kept":
        return original_names.case_of(session, project_id, key, {"profile_id": profile})
    facts = {"project_id": project_id, "key": key, "profile_id": profile}
    made = session.scalar(insert(Case).values(**facts).on_conflict_do_nothing().returning(Case.id))
    if made is not None:
        return made, True
    return session.scalars(select(Case.id).where(Case.project_id == project_id, Case.key == key)).one(), False


def get(session: Session, project_id: int, upload_id: int) -> Upload | None:
    """An upload of a project."""
    return session.scalar(select(Upload).where(Upload.project_id == project_id, Upload.id == upload_id))


def require_open(upload: Upload) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where an upload was cancelled, or its case deleted."""
    if upload.cancelled_at is not None:
        raise Refusal(
            "in_the_way",
            expected="an upload that goes on",
            came="one that was cancelled, or whose case was deleted",
            mend="Begin another upload.",
        )


def enter(session: Session, upload: Upload) -> None:
    """Take the project's turn, so that nobody cancels the upload, or signs or deletes its case, until the end.

    Raises :class:`~hemosight.service.errors.Refusal` where somebody did so meanwhile.
    """
    # Before any row is held that a deletion or a cancellation changes: those have the turn when they come to it.
    events.take_turn(session, upload.project_id)
    session.refresh(upload)
    require_open(upload)
    if upload.case_id is not None:
        require_unlocked(session, upload.project_id, [upload.case_id])


def add(session: Session, upload: Upload, pictures: Sequence[NewPicture]) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Add pictures to an upload's project, in their order; those added and those known, by sha256.

    Raises :class:`~hemosight.service.errors.Refusal` where the upload was cancelled or its case signed meanwhile.
    """
    take_intake(session, upload.project_id)
    distinct = list({picture.sha256: picture for picture in reversed(pictures)}.values())[::-1]
    found = session.execute(
        select(Image.sha256, Image.id).where(
            Image.project_id == upload.project_id, Image.sha256.in_([picture.sha256 for picture in distinct])
        )
    )
    known = {sha256: image for sha256, image in found if sha256 is not None}
    new = [picture for picture in distinct if picture.sha256 not in known]
    if not new:
        enter(session, upload)  # for what the caller writes: a case that is deleted takes its refused files with it
        return {}, known
    store(session, new)
    enter(session, upload)  # only now, since others wait from here on
    kept = original_names.of_project(session, upload.project_id) == "kept"
    added = session.execute(
        text("""
            INSERT INTO images (project_id, case_id, upload_id, sha256, name, uploaded_by)
            SELECT :project, :case, :upload, given.sha256, given.name, :user
            FROM unnest(CAST(:shas AS bytea[]), CAST(:names AS text[])) WITH ORDINALITY AS given(sha256, name, at)
            ORDER BY given.at RETURNING sha256, id
        """),
        {
            "project": upload.project_id,
            "case": upload.case_id,
            "upload": upload.id,
            "user": upload.user_id,
            "shas": [picture.sha256 for picture in new],
            "names": [picture.name if kept else "" for picture in new],
        },
    ).all()
    if not kept:
        came = {picture.sha256: (picture.name, picture.media_type) for picture in new}
        original_names.number_cells(session, upload.project_id, {image: came[sha] for sha, image in added})
    return {row.sha256: row.id for row in added}, known


def take_intake(session: Session, project_id: int) -> None:
    """Be the only one who adds images or fields to the project, and keep every picture that is there now."""
    # In the order they came, so that a folder's cells stay together; one transaction at a time, so that two that
    # add the same pictures in another order do not wait for each other.
    session.execute(text("SELECT pg_advisory_xact_lock(:key, :project)"), {"key": _INTAKE, "project": project_id})
    # What is in the table now stays there until the images refer to it.
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _PICTURES})


def store(session: Session, pictures: Sequence[NewPicture]) -> None:
    """Store files, those that are known only once; call :func:`take_intake` before."""
    stored = insert(Picture)
    given = stored.excluded
    unmade = Picture.thumbnail.is_(None) & given.thumbnail.is_not(None)
    session.execute(
        # Of another upload, whose bits were not given, there may be no thumbnail; a version before stored the size of
        # a picture that lies on its side as it lies.
        stored.on_conflict_do_update(
            index_elements=[Picture.sha256],
            set_={
                "thumbnail": func.coalesce(Picture.thumbnail, given.thumbnail),
                "width": given.width,
                "height": given.height,
            },
            where=unmade | (Picture.width != given.width),
        ),
        [
            {
                "sha256": picture.sha256,
                "data": picture.data,
                "media_type": picture.media_type,
                "width": picture.width,
                "height": picture.height,
                "thumbnail": picture.thumbnail,
            }
            for picture in sorted(pictures, key=lambda picture: picture.sha256)  # projects share pictures
        ],
    )


def refuse(session: Session, upload_id: int, refused: Sequence[tuple[str, str]]) -> None:
    """Note files that did not become images: names and reasons."""
    if refused:
        session.execute(
            insert(RefusedFile), [{"upload_id": upload_id, "name": name, "reason": reason} for name, reason in refused]
        )


def size(session: Session, upload_id: int) -> int:
    """Images that an upload has added."""
    return session.scalar(select(func.count()).select_from(Image).where(Image.upload_id == upload_id)) or 0


def counts(session: Session, upload: Upload) -> Counts:
    """How far an upload is."""
    bundle = select(Project.bundle_id).where(Project.id == upload.project_id).scalar_subquery()
    query = (
        select(func.count(), func.count(CellEmbedding.image_id))
        .select_from(Image)
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == bundle))
        .where(Image.upload_id == upload.id)
    )
    total, read = session.execute(query).one()
    refused = (
        session.scalar(select(func.count()).select_from(RefusedFile).where(RefusedFile.upload_id == upload.id)) or 0
    )
    return Counts(total, read, refused, total - read, upload.removed, upload.cancelled_at)


def close(session: Session, upload: Upload) -> Upload:
    """Refuse what still comes. Waits for a request that is adding images, and keeps others waiting."""
    events.take_turn(session, upload.project_id)
    now = func.coalesce(Upload.cancelled_at, func.now())
    session.execute(update(Upload).where(Upload.id == upload.id).values(cancelled_at=now))
    session.refresh(upload)
    return upload


def take_back(session: Session, upload: Upload) -> int:
    """Remove what nobody has read, labelled, remarked on or signed. Returns how many images.

    A cell that stood for another field's, of another upload or of this one, leaves that one counted nowhere.

    The files can be uploaded again: they are as unknown as before. Another scale or case has cells read again, and
    until then they look unread: where one came after an image, the image stays.
    """
    # Before any row of an image or field is held: who adds a field holds it, and waits for the cells that go here.
    # And with it held nobody counts a cell in a field that goes.
    events.take_turn(session, upload.project_id)
    gone = session.execute(
        text("""
            DELETE FROM images AS image WHERE image.upload_id = :upload
                AND NOT EXISTS (SELECT FROM embeddings WHERE image_id = image.id)
                AND NOT EXISTS (SELECT FROM labels WHERE image_id = image.id)
                AND NOT EXISTS (SELECT FROM comments WHERE image_id = image.id)
                AND NOT EXISTS (SELECT FROM signatures WHERE signatures.case_id = image.case_id)
                AND NOT EXISTS (
                    SELECT FROM audit WHERE audit.project_id = image.project_id AND audit.at >= image.uploaded_at
                    AND audit.action IN ('profile.change', 'profile.merge', 'case.profile', 'image.move', 'case.amend')
                )
            RETURNING image.id
        """),
        {"upload": upload.id},
    )
    numbers = list(gone.scalars())
    removed = len(numbers)
    original_names.forget(session, upload.project_id, "image", numbers)
    session.execute(
        # Fields go with the last of their cells; one in which somebody removed a cell, or that was signed, stays.
        text("""
            DELETE FROM fields AS field WHERE field.upload_id = :upload
                AND NOT EXISTS (
                    SELECT FROM field_cells AS cell WHERE cell.field_id = field.id
                    AND (cell.image_id IS NOT NULL OR cell.seen_in IS NOT NULL OR cell.removed_at IS NOT NULL)
                )
                AND NOT EXISTS (SELECT FROM signatures WHERE signatures.case_id = field.case_id)
        """),
        {"upload": upload.id},
    )
    session.execute(update(Upload).where(Upload.id == upload.id).values(removed=Upload.removed + removed))
    session.refresh(upload)
    return removed


def forget_unused_pictures(session: Session) -> int:
    """Remove pictures that no project holds any more, :data:`_FORGOTTEN` at most. Returns how many.

    No upload meets a picture while it goes: where one is storing files, nothing is removed this time.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _PICTURES}):
        return 0
    gone = session.execute(
        text("""
            DELETE FROM pictures WHERE sha256 IN (
                SELECT sha256 FROM pictures AS picture
                WHERE NOT EXISTS (SELECT FROM images WHERE images.sha256 = picture.sha256)
                AND NOT EXISTS (SELECT FROM fields WHERE fields.sha256 = picture.sha256) LIMIT :most
            ) RETURNING 1
        """),
        {"most": _FORGOTTEN},
    )
    return len(gone.all())


def known(session: Session, project_id: int, shas: Sequence[bytes]) -> dict[bytes, int]:
    """Which files a project has already: image ids by sha256."""
    query = select(Image.sha256, Image.id).where(Image.project_id == project_id, Image.sha256.in_(shas))
    return {sha256: image for sha256, image in session.execute(query) if sha256 is not None}
