"""Queries about scanner profiles: what scanner and stain a project's cases came from, and at which pixel scale.

A case of which nobody chose a profile, and cells of no case, are of the project's oldest one. When a scale changes, or
a case goes to a profile of another scale, its cells are read again: their embeddings are forgotten here, and the
caller queues them. Cells of a signed case keep the embedding that was signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ScalarSelect, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.storage import amendments, cases, drift, events
from hemosight.service.storage.database import pairs
from hemosight.service.storage.live_events import ProfileEvent
from hemosight.service.storage.tables import Case, CellEmbedding, Image, Profile, Signature

_SCALES = 0x48535343
"""First key of the advisory lock that who stores embeddings shares, and that who changes a scale has alone."""
_SAME = 1e-6
"""Scales that differ less are one."""


def hold_scales(session: Session, project: int) -> None:
    """Keep the project's scales as they are until the transaction ends; take it before any other lock."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key, :project)"), {"key": _SCALES, "project": project})


def take_scales(session: Session, project: int) -> None:
    """Be the only one who stores embeddings or changes scales of the project; take it before any other lock.

    With it comes the project's turn: who deletes cells has the turn, and waits for embeddings that are forgotten here.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key, :project)"), {"key": _SCALES, "project": project})
    events.take_turn(session, project)


def oldest(project: Any) -> ScalarSelect[int]:
    """A subquery: the number of a project's oldest profile; ``project`` is a column or a number."""
    return select(func.min(Profile.id)).where(Profile.project_id == project).scalar_subquery()


def listed(session: Session, project: int) -> Sequence[Profile]:
    """The profiles of a project, the oldest first."""
    query = select(Profile).where(Profile.project_id == project).order_by(Profile.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def get(session: Session, project: int, profile: int) -> Profile:
    """A profile of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(Profile, profile, populate_existing=True)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a scanner profile of this project")
    return row


def of_case(session: Session, project: int, case: Case | None) -> Profile:
    """The profile that a case is read by, and cells of no case. Raises as :func:`get`."""
    chosen = None if case is None else case.profile_id
    number = chosen if chosen is not None else session.scalar(select(oldest(project)))
    return get(session, project, number or 0)


def of_cases(session: Session, project: int) -> dict[int, int | None]:
    """The profile of every case, None where nobody chose one."""
    query = select(Case.id, Case.profile_id).where(Case.project_id == project)
    return pairs(session, query)


def add(session: Session, project: int, name: str, user: int | None, scale: float | None = None) -> Profile:
    """A new profile, at scale 1 where none is given.

    Raises :class:`~hemosight.service.errors.Refusal` where its name is taken.
    """
    facts = {"project_id": project, "name": name, "created_by": user}
    if scale is not None:
        facts |= {"scale": scale, "scale_from": "person"}
    made = session.scalar(insert(Profile).values(**facts).on_conflict_do_nothing().returning(Profile.id))
    if made is None:
        raise already_there("a scanner profile of this name")
    changed(session, project, ProfileEvent(profile=made))
    return get(session, project, made)


def changed(session: Session, project: int, event: ProfileEvent) -> None:
    """Tell browsers, and other processes that hold the project."""
    events.tell(session, project, event)


def rename(session: Session, row: Profile, name: str) -> None:
    """Change a profile's name. Raises :class:`~hemosight.service.errors.Refusal` where it is taken."""
    query = select(Profile.id).where(Profile.project_id == row.project_id, Profile.name == name, Profile.id != row.id)
    if session.scalar(query) is not None:
        raise already_there("a scanner profile of this name")
    row.name = name
    session.flush()
    events.tell(session, row.project_id, ProfileEvent(profile=row.id))


def set_scale(session: Session, row: Profile, scale: float, by: str) -> list[int]:
    """Change a profile's scale; gives the images to be read again. Call :func:`take_scales` before."""
    again = []
    if abs(row.scale - scale) > _SAME * scale:
        row.scale = scale
        session.flush()
        again = _forget(session, row.project_id, row.id)
    row.scale_from = by
    session.flush()
    events.tell(session, row.project_id, ProfileEvent(profile=row.id, again=len(again)))
    return again


def choose(session: Session, case: Case, profile: Profile) -> list[int]:
    """Say which profile a case is of; gives the images to be read again. Call :func:`take_scales` before.

    Raises :class:`~hemosight.service.errors.Refusal` for a signed case.
    """
    cases.require_unsigned(session, case.project_id, case.id)
    before = of_case(session, case.project_id, case).scale
    case.profile_id = profile.id
    session.flush()
    again = []
    if abs(before - profile.scale) > _SAME * profile.scale:
        again = _forget(session, case.project_id, profile.id, case.id)
    events.tell(session, case.project_id, ProfileEvent(profile=profile.id, again=len(again)))
    return again


def read_amended(session: Session, project: int, case: Case) -> list[int]:
    """Forget those embeddings of a case that were not made at its scale; gives the images.

    While it was locked its scanner's scale may have been measured anew, cells may have been read at that scale (by
    another bundle, or for the first time), and the scale may be what it was again. Call :func:`take_scales` before.
    """
    own = of_case(session, project, case)
    _note_signed_scale(session, project, case.id)
    again = _forget(session, project, own.id, case.id, own.scale)
    if again:
        events.tell(session, project, ProfileEvent(profile=own.id, again=len(again)))
    return again


def _note_signed_scale(session: Session, project: int, case: int) -> None:
    """Note the scale of what was read before a case was signed first, where it was read before scales were kept.

    It is the one of that first record: whatever changed the scale of a case that was not locked yet forgot what was
    read of it. Of what was read later, or came into the case later, nobody knows it.
    """
    first = (
        select(Signature.at, Signature.record)
        .where(Signature.project_id == project, Signature.case_id == case)
        .order_by(Signature.id)
        .limit(1)
    )
    at, record = session.execute(first).one()
    whole = select(Signature.id).where(Signature.project_id == project, Signature.case_id.is_(None)).limit(1)
    if record is None or not record.get("profile") or session.scalar(whole) is not None:  # that locked cells as well
        return
    read = [cell["image"] for cell in record["cells"] if cell["status"] == "read"]
    unknown = CellEmbedding.scale.is_(None) & (CellEmbedding.status == "ok") & (CellEmbedding.embedded_at < at)
    session.execute(
        update(CellEmbedding)
        .where(CellEmbedding.image_id.in_(read), unknown)
        .values(scale=record["profile"]["scale"])
        .execution_options(synchronize_session=False)
    )


def merge(session: Session, row: Profile, into: Profile) -> list[int]:
    """Put a profile's cases, labels and all, into another; gives the images to be read again.

    Call :func:`take_scales` before. Raises :class:`~hemosight.service.errors.Refusal` for one and the same.
    """
    if row.id == into.id:
        raise Refusal("unfit", expected="two profiles", came="one and the same", mend="Choose another to merge into.")
    moved = session.scalars(
        select(Case.id).where(
            Case.project_id == row.project_id,
            func.coalesce(Case.profile_id, oldest(row.project_id)) == row.id,
        )
    ).all()
    loose = session.scalar(select(oldest(row.project_id))) == row.id
    differs = abs(row.scale - into.scale) > _SAME * into.scale
    session.execute(update(Case).where(Case.id.in_(moved)).values(profile_id=into.id))
    project, number = row.project_id, row.id
    drift.merge(session, number, into.id)
    session.delete(row)
    session.flush()
    again = []
    if differs:
        for case in moved:
            again += _forget(session, project, into.id, case)
        if loose:  # cells of no case are of the oldest profile, which now is another
            again += _forget(session, project, into.id, cases.WITHOUT)
    elif loose:
        again += _of_other_scale(session, project, into.scale)
    events.tell(session, project, ProfileEvent(profile=number, merged_into=into.id, again=len(again)))
    return sorted(again)


def scales(session: Session, project: int, images: Sequence[int]) -> dict[int, float]:
    """What brings each image's pixels to the reference scale."""
    query = (
        select(Image.id, func.coalesce(Profile.scale, 1.0))
        .outerjoin(Case, Case.id == Image.case_id)
        .outerjoin(Profile, Profile.id == func.coalesce(Case.profile_id, oldest(project)))
        .where(Image.project_id == project, Image.id.in_(images))
    )
    return pairs(session, query)


def forget_moved(session: Session, project: int, before: Mapping[int, float]) -> list[int]:
    """Forget the embeddings of moved images that had another scale ``before``; gives those images."""
    now = scales(session, project, list(before))
    again = sorted(image for image, scale in now.items() if abs(scale - before[image]) > _SAME * scale)
    if again:
        session.execute(delete(CellEmbedding).where(CellEmbedding.image_id.in_(again)))
    return again


def _of_other_scale(session: Session, project: int, scale: float) -> list[int]:
    """Forget cells of no case where the profile that is the oldest now has another scale than they were read at."""
    now = get(session, project, session.scalars(select(oldest(project))).one() or 0)
    return _forget(session, project, now.id, cases.WITHOUT) if abs(now.scale - scale) > _SAME * scale else []


def _forget(
    session: Session, project: int, profile: int, case: int | None = None, unless: float | None = None
) -> list[int]:
    """Forget the embeddings of a profile's cells, of one case where it is given; gives the images.

    With ``unless``, those alone that were made at another scale, or of which nobody knows the scale.

    Those of locked cases stay: what was signed is read no more. One that is being amended is read again with the rest.
    """
    locked = [number for number, one in amendments.signed(session, project).items() if one.locked]
    gone = session.scalars(
        text("""
            WITH own AS (
                SELECT image.id FROM images AS image LEFT JOIN cases ON cases.id = image.case_id
                WHERE image.project_id = :project AND (
                    CASE WHEN CAST(:one AS bigint) IS NULL THEN COALESCE(
                        cases.profile_id, (SELECT min(id) FROM profiles WHERE project_id = :project)) = :profile
                    ELSE COALESCE(image.case_id, 0) = :one END
                ) AND NOT COALESCE(image.case_id = ANY(:locked), false) AND NOT EXISTS (
                    SELECT FROM signatures WHERE signatures.project_id = :project
                    AND signatures.case_id IS NULL AND image.uploaded_at < signatures.at
                ) AND (CAST(:unless AS float8) IS NULL OR EXISTS (
                    SELECT FROM embeddings AS made WHERE made.image_id = image.id AND CASE WHEN made.scale IS NULL
                    THEN made.status = 'ok' ELSE abs(made.scale - :unless) > :same * :unless END
                ))
            ), gone AS (DELETE FROM embeddings USING own WHERE image_id = own.id)
            SELECT id FROM own ORDER BY id
        """),
        {"project": project, "profile": profile, "one": case, "locked": locked, "unless": unless, "same": _SAME},
    )
    return list(gone.all())
