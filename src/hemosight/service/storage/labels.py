"""Saying what an image is: facts appended, what stands kept beside them, nobody overwritten unseen.

All writers of a project take their turn (an advisory lock), so that between reading what stands and writing the new
fact nothing comes in between, and facts are numbered in the order of commits. Whoever has an older version of an
image than the one that stands gets a conflict and changes nothing.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from hemosight.service.desk.agreement import Judgement
from hemosight.service.errors import NothingThere, Unfit
from hemosight.service.storage import audit, events
from hemosight.service.storage.audit import Actor
from hemosight.service.storage.tables import Image, LabelFact, LabelSet, Standing
from hemosight.sheet.palette import UNSURE


@dataclass(frozen=True)
class Said:
    """One thing a person says: what an image is, and the version they had before their eyes."""

    image: int
    label: str | None
    version: int
    predicted: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Made:
    """A fact that was written."""

    image: int
    version: int
    label: str | None
    label_set: str


@dataclass(frozen=True)
class Conflict:
    """An image of which something else stands by now; nothing of it was changed."""

    image: int
    version: int
    label: str | None
    by: int | None
    at: datetime.datetime | None


@dataclass(frozen=True)
class Outcome:
    """What became of a request; ``revision`` is the newest fact of the project that it knows of."""

    facts: list[Made]
    conflicts: list[Conflict]
    revision: int


@dataclass(frozen=True)
class Request:
    """Who asks, in which project, under which number; the same number twice is the same request."""

    project: int
    user: int
    actor: Actor
    number: uuid.UUID
    bundle: int
    revision: int


def say(session: Session, request: Request, label_set: str, items: Sequence[Said], kind: str) -> Outcome:
    """Write facts for the images whose version still stands; the others become conflicts.

    ``kind`` is ``set``, ``agree`` or ``clear``. Raises :class:`~hemosight.service.errors.NothingThere` for an image
    or a label set that the project does not have and :class:`~hemosight.service.errors.Unfit` for a label that is no
    class of it.
    """
    row = label_set_of(session, request.project, label_set)
    known = {facts["name"] for facts in row.classes} | {UNSURE, None}
    for item in items:
        if item.label not in known:
            raise Unfit(
                expected=f"a class of the label set {label_set}, or {UNSURE!r} for unsure",
                came=repr(item.label),
                mend="Choose one of its classes, or add the class to the label set first.",
            )
    events.take_turn(session, request.project)
    _require_images(session, request.project, [item.image for item in items])
    before = _of_request(session, request)
    repeated = {fact.image_id for fact in before if fact.label_set_id == row.id}
    stands = _standing(session, row.id, [item.image for item in items])
    facts, conflicts = [], []
    for item in items:
        if item.image in repeated:
            continue
        now = stands.get(item.image)
        if (now.fact_id if now else 0) != item.version or before:
            conflicts.append(_conflict(item.image, now))
            continue
        facts.append(_fact(request, row.id, item, "clear" if item.label is None else kind, None))
    made = _write(session, request, facts, {row.id: label_set})
    made += [Made(fact.image_id, fact.id, fact.label, label_set) for fact in before]
    return Outcome(made, conflicts, max((fact.version for fact in made), default=request.revision))


def undo(session: Session, request: Request, facts: Sequence[int]) -> Outcome:
    """Restore what stood before each fact, by a new fact, as long as that fact still stands.

    Raises :class:`~hemosight.service.errors.NothingThere` for a fact that is not of the project.
    """
    events.take_turn(session, request.project)
    query = select(LabelFact).where(LabelFact.project_id == request.project, LabelFact.id.in_(facts))
    rows = {row.id: row for row in session.scalars(query)}
    if missing := set(facts) - rows.keys():
        raise NothingThere(kind=f"the label fact {min(missing)} of this project")
    names = dict(
        session.execute(select(LabelSet.id, LabelSet.name).where(LabelSet.project_id == request.project)).all()
    )
    before = _of_request(session, request)
    repeated = {(fact.image_id, fact.label_set_id) for fact in before}
    earlier = _before(session, list(rows.values()))
    new, conflicts = [], []
    for label_set in sorted({row.label_set_id for row in rows.values()}):
        undone = [row for row in rows.values() if row.label_set_id == label_set]
        stands = _standing(session, label_set, [row.image_id for row in undone])
        for row in undone:
            now = stands.get(row.image_id)
            if (row.image_id, label_set) in repeated:
                continue
            if now is None or now.fact_id != row.id or before:
                conflicts.append(_conflict(row.image_id, now))
                continue
            item = Said(row.image_id, earlier.get(row.id), row.id, row.predicted, row.probability)
            new.append(_fact(request, label_set, item, "undo", row.id))
    made = _write(session, request, new, names)
    made += [Made(fact.image_id, fact.id, fact.label, names[fact.label_set_id]) for fact in before]
    return Outcome(made, conflicts, max((fact.version for fact in made), default=request.revision))


def facts_after(session: Session, project: int, after: int, limit: int) -> list[tuple[LabelFact, str]]:
    """The project's facts behind a number, in order, each with the name of its label set."""
    query = (
        select(LabelFact, LabelSet.name)
        .join(LabelSet, LabelSet.id == LabelFact.label_set_id)
        .where(LabelFact.project_id == project, LabelFact.id > after)
        .order_by(LabelFact.id)
        .limit(limit)
    )
    return [(fact, name) for fact, name in session.execute(query)]


def history(session: Session, image: int) -> list[tuple[LabelFact, str]]:
    """Everything that was said of an image, in order."""
    query = select(LabelFact, LabelSet.name).join(LabelSet, LabelSet.id == LabelFact.label_set_id)
    return [
        (fact, name) for fact, name in session.execute(query.where(LabelFact.image_id == image).order_by(LabelFact.id))
    ]


def label_set_of(session: Session, project: int, name: str) -> LabelSet:
    """A label set that is in use, by name. Raises :class:`~hemosight.service.errors.NothingThere`."""
    query = select(LabelSet).where(LabelSet.project_id == project, LabelSet.name == name)
    row = session.scalars(query.where(LabelSet.archived_at.is_(None))).one_or_none()
    if row is None:
        raise NothingThere(kind=f"a label set {name!r} of this project")
    return row


# --- steps ------------------------------------------------------------------------------------------------


def _require_images(session: Session, project: int, images: Sequence[int]) -> None:
    known = set(session.scalars(select(Image.id).where(Image.project_id == project, Image.id.in_(images))))
    if missing := set(images) - known:
        raise NothingThere(kind=f"the image {min(missing)} of this project")


def _of_request(session: Session, request: Request) -> Sequence[LabelFact]:
    query = select(LabelFact).where(LabelFact.request == request.number, LabelFact.project_id == request.project)
    return session.scalars(query.order_by(LabelFact.id)).all()


def _standing(session: Session, label_set: int, images: Sequence[int]) -> dict[int, Row]:
    query = (
        select(Standing.image_id, Standing.fact_id, Standing.label, LabelFact.user_id, LabelFact.at)
        .join(LabelFact, LabelFact.id == Standing.fact_id)
        .where(Standing.label_set_id == label_set, Standing.image_id.in_(images))
        .with_for_update(of=Standing)
    )
    return {row.image_id: row for row in session.execute(query)}


def _before(session: Session, facts: Sequence[LabelFact]) -> dict[int, str | None]:
    """What each fact replaced: the fact before it of the same image and label set."""
    query = select(LabelFact.id, LabelFact.image_id, LabelFact.label_set_id, LabelFact.label)
    query = query.where(LabelFact.image_id.in_({fact.image_id for fact in facts})).order_by(LabelFact.id)
    last: dict[tuple[int, int], str | None] = {}
    wanted, found = {fact.id for fact in facts}, {}
    for number, image, label_set, label in session.execute(query):
        if number in wanted:
            found[number] = last.get((image, label_set))
        last[image, label_set] = label
    return found


def _conflict(image: int, now: Row | None) -> Conflict:
    if now is None:
        return Conflict(image, 0, None, None, None)
    return Conflict(image, now.fact_id, now.label, now.user_id, now.at)


def _fact(request: Request, label_set: int, item: Said, kind: str, undoes: int | None) -> dict[str, object]:
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
        "revision": request.revision,
        "predicted": item.predicted,
        "probability": item.probability,
    }


def _write(
    session: Session, request: Request, facts: Sequence[Mapping[str, object]], names: Mapping[int, str]
) -> list[Made]:
    """Append facts, let them stand, note them in the audit trail, tell browsers: a handful of statements."""
    if not facts:
        return []
    columns = (LabelFact.id, LabelFact.image_id, LabelFact.label_set_id, LabelFact.label)
    rows = session.execute(insert(LabelFact).values(list(facts)).returning(*columns)).all()
    standing = upsert(Standing).values(
        [
            {"image_id": row.image_id, "label_set_id": row.label_set_id, "fact_id": row.id, "label": row.label}
            for row in rows
        ]
    )
    session.execute(
        standing.on_conflict_do_update(
            index_elements=["image_id", "label_set_id"],
            set_={"fact_id": standing.excluded.fact_id, "label": standing.excluded.label},
        )
    )
    told = [
        {"image": row.image_id, "label_set": names[row.label_set_id], "label": row.label, "version": row.id}
        for row in rows
    ]
    kind = str(facts[0]["kind"])
    subject = {"request": str(request.number), "kind": kind, "facts": told}
    audit.note(session, request.actor, f"label.{kind}", subject, request.project)
    session.flush()
    data = {"facts": [{**fact, "user": request.user} for fact in told], "by": request.user}
    events.tell(session, request.project, "labels", data)
    return [Made(row.image_id, row.id, row.label, names[row.label_set_id]) for row in rows]


def judgements(session: Session, project: int, label_set: int, case: int | None = None) -> list[Judgement]:
    """Every sure label a person gave, in order; what was withdrawn, undone or unsure judges nothing."""
    query = (
        select(LabelFact.image_id, LabelFact.user_id, LabelFact.label, LabelFact.predicted)
        .where(LabelFact.project_id == project, LabelFact.label_set_id == label_set)
        .where(LabelFact.kind.in_(("set", "agree")), LabelFact.label.is_not(None), LabelFact.label != UNSURE)
        .order_by(LabelFact.id)
    )
    if case is not None:
        query = query.join(Image, Image.id == LabelFact.image_id).where(Image.case_id == case)
    return [Judgement(row.image_id, row.user_id, row.label, row.predicted) for row in session.execute(query)]
