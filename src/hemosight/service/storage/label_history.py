"""What was said of an image before: which records an undo lets stand again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.service.storage.database import one_of
from hemosight.service.storage.tables import LabelRecord


@dataclass
class LabelHistory:
    """The records of one image in one label set, in order: number, label, the record that it undoes."""

    numbers: list[int] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    undoes: list[int | None] = field(default_factory=list)

    def before(self, number: int) -> str | None:
        """The label that a record replaced."""
        at = self.numbers.index(number)
        return self.labels[at - 1] if at else None

    def standing(self, number: int) -> set[int]:
        """Records that stand while this one is the newest: itself, and what an undo lets stand again."""
        found = {number}
        while (undone := self.undoes[self.numbers.index(number)]) is not None:
            at = self.numbers.index(undone)
            if not at:
                break
            number = self.numbers[at - 1]
            found.add(number)
        return found


def of_images(session: Session, facts: Sequence[LabelRecord]) -> dict[tuple[int, int], LabelHistory]:
    """All records of these facts' images, by image and label set."""
    columns = (LabelRecord.id, LabelRecord.image_id, LabelRecord.label_set_id, LabelRecord.label, LabelRecord.undoes)
    query = select(*columns).where(LabelRecord.image_id.in_({fact.image_id for fact in facts}))
    found: dict[tuple[int, int], LabelHistory] = {}
    for row in session.execute(query.order_by(LabelRecord.id)):
        past = found.setdefault((row.image_id, row.label_set_id), LabelHistory())
        past.numbers.append(row.id)
        past.labels.append(row.label)
        past.undoes.append(row.undoes)
    return found


def repeated(session: Session, label_set: int, images: Sequence[int]) -> set[int]:
    """Images whose label was given again as it stood: somebody looked at them a second time and left it."""
    query = select(LabelRecord.image_id, LabelRecord.label).order_by(LabelRecord.id)
    query = query.where(LabelRecord.label_set_id == label_set, one_of(LabelRecord.image_id, images))
    last: dict[int, tuple[str | None, str | None]] = {}
    for image, label in session.execute(query):
        last[image] = (last[image][1] if image in last else None, label)
    return {image for image, (before, now) in last.items() if before == now and now is not None}
