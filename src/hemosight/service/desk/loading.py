"""What a desk reads from the database. Vectors come in PostgreSQL's binary format: as text they are twice as long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.service.desk.opinions import Question, Word
from hemosight.service.errors import NothingThere
from hemosight.service.storage.tables import Image, LabelFact, LabelSet, Project, Standing

_BATCH = 5000


@dataclass(frozen=True)
class ProjectFacts:
    """A project's settings, as far as a desk needs them."""

    bundle_id: int
    teaching: bool
    weight: float


@dataclass(frozen=True)
class Fact:
    """A label fact, as far as a desk needs it."""

    image: int
    label_set: int
    word: Word


@dataclass(frozen=True)
class Arrived:
    """Readings that came in, column by column."""

    images: list[int]
    vectors: list[bytes | None]
    novelty: list[float | None]
    places: list[tuple[float | None, float | None]]


def project(session: Session, project_id: int) -> ProjectFacts:
    """Settings. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(Project, project_id, populate_existing=True)
    if row is None:
        raise NothingThere(kind="a project")
    return ProjectFacts(row.bundle_id, row.teaching, row.teaching_weight)


def questions(session: Session, project_id: int) -> dict[int, Question]:
    """The label sets that are not archived, by number, in the order in which they were made."""
    query = select(LabelSet).where(LabelSet.project_id == project_id, LabelSet.archived_at.is_(None))
    return {
        row.id: Question(row.id, row.name, row.title, row.kind, tuple(row.classes))
        for row in session.scalars(query.order_by(LabelSet.id))
    }


def images(session: Session, project_id: int, after: int = 0) -> list[tuple[int, int | None]]:
    """Numbers and cases of the images behind a number, in order."""
    query = select(Image.id, Image.case_id).where(Image.project_id == project_id, Image.id > after)
    return [(number, case) for number, case in session.execute(query.order_by(Image.id))]


def count(session: Session, project_id: int) -> int:
    """How many images there are."""
    return session.scalar(select(func.count()).select_from(Image).where(Image.project_id == project_id)) or 0


def standing(session: Session, project_id: int) -> dict[int, dict[int, Word]]:
    """What stands now: label set -> image -> word."""
    query = (
        select(Standing.label_set_id, Standing.image_id, Standing.label, Standing.fact_id, LabelFact.user_id)
        .join(LabelFact, LabelFact.id == Standing.fact_id)
        .where(LabelFact.project_id == project_id)
        .order_by(Standing.fact_id)
    )
    found: dict[int, dict[int, Word]] = {}
    for label_set, image, label, fact, user in session.execute(query):
        found.setdefault(label_set, {})[image] = Word(label, fact, user)
    return found


def last_fact(session: Session, project_id: int) -> int:
    """The newest label fact; 0 where there is none."""
    return session.scalar(select(func.max(LabelFact.id)).where(LabelFact.project_id == project_id)) or 0


def facts(session: Session, project_id: int, after: int) -> list[Fact]:
    """Label facts behind a number, in order."""
    columns = (LabelFact.id, LabelFact.image_id, LabelFact.label_set_id, LabelFact.label, LabelFact.user_id)
    query = select(*columns).where(LabelFact.project_id == project_id, LabelFact.id > after).order_by(LabelFact.id)
    return [
        Fact(row.image_id, row.label_set_id, Word(row.label, row.id, row.user_id)) for row in session.execute(query)
    ]


def readings(session: Session, bundle_id: int, waiting: Sequence[int]) -> list[Arrived]:
    """Readings of those of these images that have one, in batches."""
    driver: Any = session.connection().connection.driver_connection
    found = []
    for start in range(0, len(waiting), _BATCH):
        with driver.cursor(binary=True) as cursor:
            cursor.execute(
                "SELECT image_id, vector, novelty, x, y FROM readings WHERE bundle_id = %s AND image_id = ANY(%s)",
                (bundle_id, list(waiting[start : start + _BATCH])),
            )
            rows = cursor.fetchall()
        if rows:
            ids, vectors, novelty, x, y = (list(column) for column in zip(*rows, strict=True))
            found.append(Arrived(ids, vectors, novelty, list(zip(x, y, strict=True))))
    return found
