"""What people judged, worked out from the label records: what measures of the model and of agreement are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.scoring.agreement import Judgement
from hemosight.service.storage.tables import Image, LabelRecord, Project


@dataclass(frozen=True)
class _Standing:
    """Of an image after a record: the judgement that its label comes from, and all that count."""

    origin: int | None = None
    counted: tuple[int, ...] = ()


def judgements(session: Session, project: int, label_set: int, case: int | None = None) -> list[Judgement]:
    """Every sure label that people gave, in order, without those undone, taken back, unsure or of deleted cells.

    ``case`` 0 is the cells without a case. A label that was given many at once says so (``single``). What another
    bundle than the project's present one had read is left out (``earlier``): it measures that one.
    """
    bundle = session.scalar(select(Project.bundle_id).where(Project.id == project)) or 0
    rows = records(session, project, label_set)
    sizes = Counter(row.request for row in rows)  # of all cells: one request may reach several cases
    wanted = select(Image.id).where(Image.project_id == project)
    if case is not None:
        wanted = wanted.where(Image.case_id == case if case else Image.case_id.is_(None))
    images = set(session.scalars(wanted))
    counted = standing(row for row in rows if row.image_id in images)
    return [judgement(row, alone(row, sizes), bundle) for row in rows if row.id in counted and row.label != UNSURE]


def records(session: Session, project: int, label_set: int, after: int = 0) -> Sequence[Any]:
    """The label records after one, in order, with what judgements are worked out from."""
    columns = (LabelRecord.id, LabelRecord.image_id, LabelRecord.user_id, LabelRecord.kind, LabelRecord.label)
    columns += (LabelRecord.predicted, LabelRecord.undoes, LabelRecord.request, LabelRecord.bundle_id)
    query = select(*columns).order_by(LabelRecord.id)
    query = query.where(LabelRecord.project_id == project, LabelRecord.label_set_id == label_set)
    return session.execute(query.where(LabelRecord.id > after)).all()


def alone(row: Any, sizes: Mapping[Any, int]) -> bool:
    """Whether somebody looked at this cell to label it; ``sizes`` is how many labels each request wrote.

    The last cell of an accepted group may be written by itself, and nobody looked at it either.
    """
    return sizes[row.request] == 1 and row.kind != "group"


def judgement(row: Any, single: bool, bundle: int) -> Judgement:
    """A record as agreement knows it; ``bundle`` is the number of the project's."""
    read = row.predicted if row.bundle_id == bundle else None
    return Judgement(row.image_id, row.user_id, row.label, read, single, row.bundle_id != bundle)


def standing(rows: Iterable[Any]) -> set[int]:
    """Ids of the records that are judgements still, of records in order (id, image_id, kind, label, undoes).

    An undo takes back what it undoes: a label does not count any more, one that was undone counts again (a redo), and
    so does one that was cleared. A clearing drops the judgement whose label it took away; those before it stand.
    """
    now: dict[int, _Standing] = {}
    before: dict[int, _Standing] = {}
    for row in rows:
        was = before[row.id] = now.get(row.image_id, _Standing())
        if row.kind == "undo":
            now[row.image_id] = before.get(row.undoes, _Standing())
        elif row.label is None:
            kept = tuple(one for one in was.counted if one != was.origin)
            now[row.image_id] = _Standing(None, kept)
        else:
            now[row.image_id] = _Standing(row.id, (*was.counted, row.id))
    return {one for state in now.values() for one in state.counted}
