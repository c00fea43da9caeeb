"""Labels: records are appended, the current label is kept beside them, nobody overwrites what they have not seen.

All writers of a project take their turn (an advisory lock), so that no other label is written between reading the
current ones and writing the new record, and records are numbered in the order of commits. Whoever submits an older
version than that of the current label gets a conflict and changes nothing.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from hemosight.blood.palette import UNSURE
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.service.errors import NothingThere, Refusal
from hemosight.service.storage import amendments, audit, class_facts, events, label_history
from hemosight.service.storage.audit import Actor
from hemosight.service.storage.database import pairs
from hemosight.service.storage.live_events import LabelOfEvent, LabelsEvent
from hemosight.service.storage.tables import CurrentLabelRow, Image, LabelRecord, LabelSet


@dataclass(frozen=True)
class SubmittedLabel:
    """A label as a person submits it: the class of an image, and the version of the label that they saw.

    ``label`` is None to withdraw a label; ``version`` is 0 where they saw none. ``predicted`` and ``probability``
    (0 to 1) are what the model said of the image at that moment.
    """

    image: int
    label: str | None
    version: int
    predicted: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class StoredLabel:
    """A label as it was stored; ``version`` is the id of its record."""

    image: int
    version: int
    label: str | None
    label_set: str


@dataclass(frozen=True)
class Conflict:
    """An image with another current label than the submitter saw; nothing was written for it.

    ``label`` is the current label, ``submitted`` the one that this request would have written.
    """

    image: int
    version: int
    label: str | None
    by: int | None
    at: datetime.datetime | None
    submitted: str | None


@dataclass(frozen=True)
class LabelOutcome:
    """The labels that a request stored, and the images it left alone.

    ``taught_until`` is the newest label that it made: the classifier is about to learn up to here. Where it made none,
    it is what the classifier had learnt when it was asked.
    """

    labels: list[StoredLabel]
    conflicts: list[Conflict]
    taught_until: int


@dataclass(frozen=True)
class LabelRequest:
    """Who labels, in which project, under which number; the same number twice is the same request."""

    project: int
    user: int
    actor: Actor
    number: uuid.UUID
    bundle: int
    taught_until: int


def submit(
    session: Session, request: LabelRequest, label_set: str, items: Sequence[SubmittedLabel], kind: str
) -> LabelOutcome:
    """Store labels of the images whose version is still current; the others become conflicts.

    ``kind`` is ``set``, ``agree``, ``group`` or ``clear``. Raises :class:`~hemosight.service.errors.NothingThere` for
    an image or a label set that the project does not have and :class:`~hemosight.service.errors.Refusal` for a label
    that is no class of it, and for cell types of a signed case that nobody amends.
    """
    row = label_set_of(session, request.project, label_set)
    known = {*class_facts.in_use(row.classes), UNSURE, None}
    for item in items:
        if item.label not in known:
            raise unknown(row, item.label)
    events.take_turn(session, request.project)
    found = _looked_up(session, request, row.id, [item.image for item in items])
    of_cases = {image: one.case_id for image, one in found.items()}
    stands = {image: one for image, one in found.items() if one.label_id is not None}
    before = _of_request(session, request) if any(one.repeated for one in found.values()) else []
    repeated = {record.image_id for record in before if record.label_set_id == row.id}
    if label_set == CELL_TYPE:
        _require_unlocked(session, request, of_cases, {item.image for item in items} - repeated)
    records, conflicts = [], []
    for item in items:
        if item.image in repeated:
            continue
        now = stands.get(item.image)
        if (now.label_id if now else 0) != item.version or before:
            conflicts.append(_conflict(item.image, now, item.label))
            continue
        records.append(_record(request, row.id, item, "clear" if item.label is None else kind, None))
    made = _write(session, request, records, {row.id: label_set})
    made += [StoredLabel(record.image_id, record.id, record.label, label_set) for record in before]
    return LabelOutcome(made, conflicts, max((record.version for record in made), default=request.taught_until))


def undo(session: Session, request: LabelRequest, records: Sequence[int]) -> LabelOutcome:
    """Restore the label before each record, by a new record, as long as that record is the current one.

    Raises :class:`~hemosight.service.errors.NothingThere` for a record that is not of the project and
    :class:`~hemosight.service.errors.Refusal` as :func:`submit`.
    """
    events.take_turn(session, request.project)
    query = select(LabelRecord).where(LabelRecord.project_id == request.project, LabelRecord.id.in_(records))
    rows = {row.id: row for row in session.scalars(query)}
    if missing := set(records) - rows.keys():
        raise NothingThere(kind=f"the label record {min(missing)} of this project")
    of_cases = _cases_of(session, request.project, [row.image_id for row in rows.values()])
    names = dict(
        session.execute(select(LabelSet.id, LabelSet.name).where(LabelSet.project_id == request.project)).all()
    )
    before = _of_request(session, request)
    repeated = {(record.image_id, record.label_set_id) for record in before}
    signed = {row.image_id for row in rows.values() if names[row.label_set_id] == CELL_TYPE}
    _require_unlocked(session, request, of_cases, signed - {image for image, _ in repeated})
    histories = label_history.of_images(session, list(rows.values()))
    new, conflicts = [], []
    for label_set in sorted({row.label_set_id for row in rows.values()}):
        undone = [row for row in rows.values() if row.label_set_id == label_set]
        stands = current(session, label_set, [row.image_id for row in undone])
        for row in undone:
            now = stands.get(row.image_id)
            if (row.image_id, label_set) in repeated:
                continue
            past = histories[row.image_id, label_set]
            earlier = past.before(row.id)
            if now is None or row.id not in past.standing(now.label_id) or before:
                conflicts.append(_conflict(row.image_id, now, earlier))
                continue
            item = SubmittedLabel(row.image_id, earlier, row.id, row.predicted, row.probability)
            new.append(_record(request, label_set, item, "undo", row.id))
    made = _write(session, request, new, names)
    made += [StoredLabel(record.image_id, record.id, record.label, names[record.label_set_id]) for record in before]
    return LabelOutcome(made, conflicts, max((record.version for record in made), default=request.taught_until))


def records_after(session: Session, project: int, after: int, limit: int) -> list[tuple[LabelRecord, str]]:
    """The project's label records with an id greater than ``after``, in order, each with the name of its label set."""
    query = (
        select(LabelRecord, LabelSet.name)
        .join(LabelSet, LabelSet.id == LabelRecord.label_set_id)
        .where(LabelRecord.project_id == project, LabelRecord.id > after)
        .order_by(LabelRecord.id)
        .limit(limit)
    )
    return [(record, name) for record, name in session.execute(query)]


def history(session: Session, image: int) -> list[tuple[LabelRecord, str]]:
    """All label records of an image in order, each with the name of its label set."""
    query = select(LabelRecord, LabelSet.name).join(LabelSet, LabelSet.id == LabelRecord.label_set_id)
    return [
        (record, name)
        for record, name in session.execute(query.where(LabelRecord.image_id == image).order_by(LabelRecord.id))
    ]


def label_set_of(session: Session, project: int, name: str) -> LabelSet:
    """A label set that is in use, by name. Raises :class:`~hemosight.service.errors.NothingThere`."""
    query = select(LabelSet).where(LabelSet.project_id == project, LabelSet.name == name)
    row = session.scalars(query.where(LabelSet.archived_at.is_(None))).one_or_none()
    if row is None:
        raise NothingThere(kind=f"a label set {name!r} of this project")
    return row


def current(session: Session, label_set: int, images: Sequence[int]) -> dict[int, Row]:
    """Current labels of these images, locked until the transaction ends; images without one are absent.

    Rows have ``image_id``, ``label_id`` (the version), ``label``, ``user_id`` and ``at``.
    """
    query = (
        select(
            CurrentLabelRow.image_id,
            CurrentLabelRow.label_id,
            CurrentLabelRow.label,
            LabelRecord.user_id,
            LabelRecord.at,
        )
        .join(LabelRecord, LabelRecord.id == CurrentLabelRow.label_id)
        .where(CurrentLabelRow.label_set_id == label_set, CurrentLabelRow.image_id.in_(images))
        .with_for_update(of=CurrentLabelRow)
    )
    return {row.image_id: row for row in session.execute(query)}


def unknown(row: LabelSet, label: str | None) -> Refusal:
    """What is said of a label that a label set does not have, or not any more."""
    mend = "Choose one of its classes, or add the class to the label set first."
    if (into := class_facts.merges(row.classes).get(label or "")) is not None:
        mend = f"It was merged into {into!r}: give that one."
    elif label in class_facts.retired(row.classes):
        mend = "It was retired: choose another one, or take it up again in the label set."
    return Refusal(
        "unfit",
        expected=f"a class of the label set {row.name} that is in use, or {UNSURE!r} for unsure",
        came=repr(label),
        mend=mend,
    )


# --- steps ------------------------------------------------------------------------------------------------


def _cases_of(session: Session, project: int, images: Sequence[int]) -> dict[int, int | None]:
    query = select(Image.id, Image.case_id).where(Image.project_id == project, Image.id.in_(images))
    known = pairs(session, query)
    _require_all(images, known)
    return known


def _looked_up(session: Session, request: LabelRequest, label_set: int, images: Sequence[int]) -> dict[int, Row]:
    """What a label depends on, in one query, since other writers of the project wait meanwhile.

    Rows have ``case_id``, the label that stands as :func:`current` has it (None where none does), and ``repeated``:
    whether the request was answered before. Nobody changes any of it while the caller has the project's turn.
    """
    repeated = select(LabelRecord.id).where(
        LabelRecord.request == request.number, LabelRecord.project_id == request.project
    )
    query = (
        select(
            Image.id,
            Image.case_id,
            CurrentLabelRow.label_id,
            CurrentLabelRow.label,
            LabelRecord.user_id,
            LabelRecord.at,
            repeated.exists().label("repeated"),
        )
        .outerjoin(
            CurrentLabelRow, (CurrentLabelRow.image_id == Image.id) & (CurrentLabelRow.label_set_id == label_set)
        )
        .outerjoin(LabelRecord, LabelRecord.id == CurrentLabelRow.label_id)
        .where(Image.project_id == request.project, Image.id.in_(images))
    )
    known = {row.id: row for row in session.execute(query)}
    _require_all(images, known)
    return known


def _require_all(images: Collection[int], known: Mapping[int, object]) -> None:
    if missing := set(images) - known.keys():
        raise NothingThere(kind=f"the image {min(missing)} of this project")


def _require_unlocked(
    session: Session, request: LabelRequest, of_cases: Mapping[int, int | None], images: Collection[int]
) -> None:
    cases = {case for image in images if (case := of_cases[image]) is not None}
    amendments.require_unlocked(session, request.project, cases)


def _of_request(session: Session, request: LabelRequest) -> Sequence[LabelRecord]:
    query = select(LabelRecord).where(LabelRecord.request == request.number, LabelRecord.project_id == request.project)
    return session.scalars(query.order_by(LabelRecord.id)).all()


def _conflict(image: int, now: Row | None, submitted: str | None) -> Conflict:
    if now is None:
        return Conflict(image, 0, None, None, None, submitted)
    return Conflict(image, now.label_id, now.label, now.user_id, now.at, submitted)


def _record(
    request: LabelRequest, label_set: int, item: SubmittedLabel, kind: str, undoes: int | None
) -> dict[str, object]:
    return {
        "project_id": request.project,
        "image_id": item.image,
        "label_set_id": label_set,
        "label": item.label,
        "user_id": request.user,
        "kind": kind,
        "undoes": undoes,
        "request": request.number,
        "bundle_id": request.bundle,
        "taught_until": request.taught_until,
        "predicted": item.predicted,
        "probability": item.probability,
    }


def _write(
    session: Session, request: LabelRequest, records: Sequence[Mapping[str, object]], names: Mapping[int, str]
) -> list[StoredLabel]:
    """Append records, make them the current labels, note them in the audit trail and notify browsers."""
    if not records:
        return []
    columns = (LabelRecord.id, LabelRecord.image_id, LabelRecord.label_set_id, LabelRecord.label)
    new = insert(LabelRecord).values(list(records)).returning(*columns).cte("new")
    standing = upsert(CurrentLabelRow).from_select(
        ["label_id", "image_id", "label_set_id", "label"],
        select(new.c.id, new.c.image_id, new.c.label_set_id, new.c.label),
    )
    standing = standing.on_conflict_do_update(
        index_elements=["image_id", "label_set_id"],
        set_={"label_id": standing.excluded.label_id, "label": standing.excluded.label},
    ).returning(
        CurrentLabelRow.label_id.label("id"),
        CurrentLabelRow.image_id,
        CurrentLabelRow.label_set_id,
        CurrentLabelRow.label,
    )
    rows = sorted(session.execute(standing).all(), key=lambda row: row.id)
    written = [
        {"image": row.image_id, "label_set": names[row.label_set_id], "label": row.label, "version": row.id}
        for row in rows
    ]
    kind = str(records[0]["kind"])
    subject = {"request": str(request.number), "kind": kind, "labels": written}
    audit.note(session, request.actor, f"label.{kind}", subject, request.project)
    session.flush()
    labels = [LabelOfEvent(**label, user=request.user) for label in written]
    events.tell(session, request.project, LabelsEvent(labels=labels, by=request.user))
    return [StoredLabel(row.image_id, row.id, row.label, names[row.label_set_id]) for row in rows]
