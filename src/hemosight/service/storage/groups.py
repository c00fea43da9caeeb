"""Groups of cells and their samples: drawn once, answered by ordinary labels, ended once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import judgements
from hemosight.service.storage.database import one_of, pairs
from hemosight.service.storage.tables import CellGroup, CurrentLabelRow, Image, LabelRecord, LabelSet


@dataclass(frozen=True)
class UnlabelledCell:
    """A cell that has no label: its case, and the version of that (0 where nobody ever labelled it)."""

    image: int
    case: int | None
    version: int


def unlabelled(
    session: Session, project: int, label_set: int, images: Collection[int], until: int | None = None
) -> list[UnlabelledCell]:
    """Those of the images that are there and have no label; with ``until``, and have had none since that record.

    While the caller has the project's turn nobody changes it.
    """
    query = (
        select(Image.id, Image.case_id, CurrentLabelRow.label_id)
        .outerjoin(
            CurrentLabelRow, (CurrentLabelRow.image_id == Image.id) & (CurrentLabelRow.label_set_id == label_set)
        )
        .where(Image.project_id == project, one_of(Image.id, images), CurrentLabelRow.label.is_(None))
        .order_by(Image.id)
    )
    found = [UnlabelledCell(image, case, version or 0) for image, case, version in session.execute(query)]
    return [cell for cell in found if until is None or cell.version <= until]


def add(session: Session, group: CellGroup) -> CellGroup:
    """Write a draw, with the project's turn held: from now on no label is given that it does not know of.

    Raises :class:`~hemosight.service.errors.Refusal` where the person has an open one in the label set.
    """
    standing = select(CellGroup.id).where(CellGroup.project_id == group.project_id, CellGroup.ended_at.is_(None))
    standing = standing.where(CellGroup.label_set_id == group.label_set_id, CellGroup.user_id == group.user_id)
    if (other := session.scalar(standing)) is not None:
        raise Refusal(
            "in_the_way",
            expected="one sample after the other",
            came=f"another one while the sample of group {other} is open",
            mend="Answer that one and accept it, or give it up; that it was given up is kept.",
        )
    newest = select(func.max(LabelRecord.id)).where(LabelRecord.project_id == group.project_id)
    group.until = session.scalar(newest) or 0
    earlier = select(CellGroup.images).where(
        CellGroup.project_id == group.project_id,
        CellGroup.label_set_id == group.label_set_id,
        CellGroup.label == group.label,
    )
    cells = set(group.images)  # PostgreSQL compares each number of two arrays with each: minutes for large groups
    group.drawn_before = sum(not cells.isdisjoint(images) for images in session.scalars(earlier))
    session.add(group)
    session.flush()
    return group


def get(session: Session, project: int, number: int) -> tuple[CellGroup, str]:
    """A group and the name of its label set. Raises :class:`~hemosight.service.errors.NothingThere`."""
    found = _listed(session, project, number - 1, 1, None)
    if not found or found[0][0].id != number:
        raise NothingThere(kind=f"the group {number} of this project")
    return found[0]


def listed(session: Session, project: int, after: int, limit: int, user: int | None) -> list[tuple[CellGroup, str]]:
    """Groups in the order of their draws, each with the name of its label set; ``user``: the open ones of a person."""
    return _listed(session, project, after, limit, user)


def _listed(session: Session, project: int, after: int, limit: int, user: int | None) -> list[tuple[CellGroup, str]]:
    query = select(CellGroup, LabelSet.name).join(LabelSet, LabelSet.id == CellGroup.label_set_id)
    query = query.where(CellGroup.project_id == project, CellGroup.id > after).order_by(CellGroup.id).limit(limit)
    if user is not None:
        query = query.where(CellGroup.user_id == user, CellGroup.ended_at.is_(None))
    return [(group, name) for group, name in session.execute(query.execution_options(populate_existing=True))]


def answers(session: Session, group: CellGroup) -> dict[int, str]:
    """What the person who drew a sample called its cells since, one by one; cells without an answer are absent.

    Answers are ordinary labels. The last one counts that was not undone or taken back; labels given to several cells
    in one step are none, nor are other people's; and a cell that somebody calls otherwise now has none any more.
    """
    columns = (LabelRecord.id, LabelRecord.image_id, LabelRecord.user_id, LabelRecord.kind, LabelRecord.label)
    query = select(*columns, LabelRecord.undoes, LabelRecord.request).order_by(LabelRecord.id)
    query = query.where(LabelRecord.project_id == group.project_id, LabelRecord.label_set_id == group.label_set_id)
    rows: Sequence[Any] = session.execute(query.where(one_of(LabelRecord.image_id, group.sample))).all()
    rows = [row for row in rows if row.id > group.until]
    sizes = select(LabelRecord.request, func.count()).where(LabelRecord.project_id == group.project_id)
    sizes = sizes.where(one_of(LabelRecord.request, {row.request for row in rows})).group_by(LabelRecord.request)
    size: Counter[Any] = Counter(pairs(session, sizes))
    counted = judgements.standing(rows)
    said = {
        row.image_id: row.label
        for row in rows
        if row.id in counted and row.user_id == group.user_id and judgements.alone(row, size)
    }
    stands = select(CurrentLabelRow.image_id, CurrentLabelRow.label)
    stands = stands.where(CurrentLabelRow.label_set_id == group.label_set_id)
    now = pairs(session, stands.where(one_of(CurrentLabelRow.image_id, said)))
    return {image: label for image, label in said.items() if now.get(image) == label}
