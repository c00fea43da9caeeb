"""Queries about cases: the cells of one specimen each, reviewed and signed as a unit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.storage import amendments, events, original_names, projects
from hemosight.service.storage.database import one_of, pairs
from hemosight.service.storage.live_events import CaseEvent, ImagesEvent
from hemosight.service.storage.tables import CameraField, Case, FieldCell, Image, Signature, User

WITHOUT = 0
"""In place of a case's number: the cells that are of no case."""


def listed(session: Session, project: int, after: int, limit: int) -> Sequence[Case]:
    """Cases in the order they were made, those behind number ``after``."""
    query = select(Case).where(Case.project_id == project, Case.id > after)
    return session.scalars(query.order_by(Case.id).limit(limit)).all()


def keys(session: Session, project: int) -> list[tuple[int, str]]:
    """Number and key of every case, in the order they were made."""
    query = select(Case.id, Case.key).where(Case.project_id == project).order_by(Case.id)
    return [(number, key) for number, key in session.execute(query)]


def get(session: Session, project: int, case: int) -> Case:
    """A case of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(Case, case)
    if row is None or row.project_id != project:
        raise NothingThere(kind="a case of this project")
    return row


def require(session: Session, project: int, case: int) -> None:
    """Raise as :func:`get`, unless the number is :data:`WITHOUT`."""
    if case != WITHOUT:
        get(session, project, case)


def add(session: Session, project: int, key: str, note: str) -> Case:
    """A new case. Raises :class:`~hemosight.service.errors.Refusal` where its key is taken.

    In a project that keeps no names it is a number, whatever the key.
    """
    if original_names.of_project(session, project) != "kept":
        numbered, new = original_names.case_of(session, project, key, {"note": note})
        if not new:
            raise already_there("a case key")
        events.tell(session, project, CaseEvent(case=numbered))
        return get(session, project, numbered)
    events.take_turn(session, project)  # before the case is held: who has the turn may give another that key
    query = insert(Case).values(project_id=project, key=key, note=note)
    made = session.execute(query.on_conflict_do_nothing().returning(Case.id)).scalar_one_or_none()
    if made is None:
        raise already_there("a case key")
    events.tell(session, project, CaseEvent(case=made))
    return get(session, project, made)


def change(session: Session, row: Case, changes: dict[str, object]) -> None:
    """Set columns of a case.

    Raises :class:`~hemosight.service.errors.Refusal` for a key in use, and
    :class:`~hemosight.service.errors.Refusal` for a person who may not review in the project.
    """
    key = changes.get("key", row.key)
    if key != row.key and session.scalar(select(Case.id).where(Case.project_id == row.project_id, Case.key == key)):
        raise already_there("a case key")
    person = changes.get("assigned_to")
    if isinstance(person, int) and projects.role(session, row.project_id, person) not in ("reviewer", "admin"):
        raise Refusal(
            "unfit",
            expected="a reviewer or administrator of this project",
            came="another account",
            mend="Make the person a reviewer of the project first.",
        )
    for name, value in changes.items():
        setattr(row, name, value)
    session.flush()
    events.tell(session, row.project_id, CaseEvent(case=row.id))


def require_unsigned(session: Session, project: int, case: int) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where somebody signed the case."""
    query = select(Signature.at, User.display, Case.key).join(User, User.id == Signature.user_id)
    query = query.join(Case, Case.id == Signature.case_id)
    query = query.where(Signature.project_id == project, Signature.case_id == case)
    found = session.execute(query.order_by(Signature.id.desc()).limit(1)).one_or_none()
    if found is not None:
        raise Refusal(
            "in_the_way",
            expected="a case that nobody has signed",
            came=f"the case {found.key}, signed by {found.display} on {found.at:%d %B %Y}",
            mend="A signed record stays with its cells; archive the project if it should no longer be shown.",
        )


def require_unsigned_cells(session: Session, project: int, images: Sequence[int]) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where any of the cells is part of a signed record."""
    query = select(Image.case_id).where(Image.project_id == project, one_of(Image.id, images)).distinct()
    for case in session.scalars(query).all():
        if case is not None:
            require_unsigned(session, project, case)
    # Older versions let a project be signed as a whole.
    whole = session.scalar(
        select(func.max(Signature.at)).where(Signature.project_id == project, Signature.case_id.is_(None))
    )
    if whole is None:
        return
    query = select(Image.id).where(one_of(Image.id, images), Image.uploaded_at < whole).limit(1)
    if session.scalar(query) is not None:
        raise Refusal(
            "in_the_way",
            expected="cells that nobody has signed",
            came=f"cells of a project that was signed as a whole on {whole:%d %B %Y}",
            mend="A signed record stays with its cells; archive the project if it should no longer be shown.",
        )


def move(session: Session, project: int, images: Sequence[int], case: int | None) -> dict[int, int | None]:
    """Put cells into a case, or into none; gives where each of those that moved was before.

    Raises :class:`~hemosight.service.errors.NothingThere` for a cell or a case that the project does not have and
    :class:`~hemosight.service.errors.Refusal` for cells of a signed record, and where the case that they should go to
    is signed and nobody amends it.
    """
    events.take_turn(session, project)
    if case is not None:
        get(session, project, case)
        amendments.require_unlocked(session, project, [case])
    require_unsigned_cells(session, project, images)
    query = select(Image.id, Image.case_id).where(Image.project_id == project, Image.id.in_(images))
    before = pairs(session, query)
    if missing := set(images) - before.keys():
        raise NothingThere(kind=f"the cell {min(missing)} of this project")
    moved = {image: was for image, was in before.items() if was != case}
    if moved:
        session.execute(update(Image).where(Image.id.in_(moved)).values(case_id=case))
        _take_fields_along(session, list(moved), case)
        events.tell(session, project, ImagesEvent(moved=len(moved)))
    return moved


def _take_fields_along(session: Session, images: Sequence[int], case: int | None) -> None:
    """A field goes where the last of its cells went."""
    moved = select(FieldCell.field_id).where(FieldCell.image_id.in_(images))
    elsewhere = (
        select(FieldCell.id)
        .join(Image, Image.id == FieldCell.image_id)
        .where(FieldCell.field_id == CameraField.id, Image.case_id.is_distinct_from(case))
    )
    session.execute(
        update(CameraField)
        .where(CameraField.id.in_(moved), ~elsewhere.exists())
        .values(case_id=case)
        .execution_options(synchronize_session=False)
    )
