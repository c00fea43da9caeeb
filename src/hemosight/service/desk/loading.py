"""What a project in memory reads from the database.

Vectors come in PostgreSQL's binary format: as text they are twice as long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import Level
from hemosight.service.desk.case_profiles import CaseProfiles
from hemosight.service.desk.label_set_state import CurrentLabel, LabelSetSpec
from hemosight.service.desk.panel_teaching import TeachingPanel
from hemosight.service.desk.panels import CellOfPanel, PanelAnswer, teaching
from hemosight.service.errors import NothingThere
from hemosight.service.storage import panels, profiles
from hemosight.service.storage.tables import CurrentLabelRow, Image, LabelRecord, LabelSet, Project

_BATCH = 5000


@dataclass(frozen=True)
class ProjectSettings:
    """A project's bundle, whether its labels teach, and how many reference cells a label counts for.

    ``consensus`` is what panels teach that are to, image -> type -> probability, and ``panel_of`` which panel it is.
    """

    bundle_id: int
    teaching: bool
    weight: float
    consensus: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    panel_of: Mapping[int, TeachingPanel] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedLabel:
    """A label record: its image, its label set, and the label that stands with it."""

    image: int
    label_set: int
    current: CurrentLabel


@dataclass(frozen=True)
class NewEmbeddings:
    """Embeddings that came in, column by column; ``positions`` are places (x, y) on the landscape."""

    images: list[int]
    vectors: list[bytes | None]
    novelty: list[float | None]
    positions: list[tuple[float | None, float | None]]


def settings(session: Session, project_id: int) -> ProjectSettings:
    """Settings. Raises :class:`~hemosight.service.errors.NothingThere`."""
    row = session.get(Project, project_id, populate_existing=True)
    if row is None or row.deleted_at is not None:
        raise NothingThere(kind="a project")
    said = consensus(session, project_id)
    return ProjectSettings(
        row.bundle_id,
        row.teaching,
        row.teaching_weight,
        {image: probable for image, (_, probable) in said.items()},
        {image: panel for image, (panel, _) in said.items()},
    )


def consensus(session: Session, project_id: int) -> dict[int, tuple[TeachingPanel, dict[str, float]]]:
    """What the project's teaching panels say of their cells: image -> panel, and type -> probability.

    Of a cell in several panels the newest counts.
    """
    found: dict[int, tuple[TeachingPanel, dict[str, float]]] = {}
    for row in reversed(panels.listed(session, project_id)):
        if row.teaches and row.closed_at is not None:
            cells = [CellOfPanel(one.image_id) for one in panels.cells(session, row.id)]
            readings = panels.readings(session, row.id)
            said = [PanelAnswer(one.image_id, one.user_id, one.turn, one.label) for one in readings]
            readers = [one.user for one in panels.readers(session, row.id)]
            decided = {image: one.label for image, one in panels.decisions(session, row.id).items()}
            taught = teaching(cells, said, readers, decided)
            found |= {image: (TeachingPanel(row.id, row.title), probable) for image, probable in taught.items()}
    return found


def case_profiles(session: Session, project_id: int) -> CaseProfiles:
    """Which scanner profile each case is of."""
    known = tuple(row.id for row in profiles.listed(session, project_id))
    return CaseProfiles(known or (0,), profiles.of_cases(session, project_id))


def label_sets(session: Session, project_id: int, read: Collection[str]) -> dict[int, LabelSetSpec]:
    """The label sets that are not archived, by number, in the order in which they were made.

    ``read`` are the label sets of the bundle. One that an earlier bundle of the project read and this one does not is
    like the project's own.
    """
    query = select(LabelSet).where(LabelSet.project_id == project_id, LabelSet.archived_at.is_(None))
    found = {}
    for row in session.scalars(query.order_by(LabelSet.id)):
        kind = row.kind if row.name in read else "own"
        found[row.id] = LabelSetSpec(
            row.id, row.name, row.title, kind, tuple(row.classes), Level(row.level), row.asked_of
        )
    return found


def images(session: Session, project_id: int, after: int = 0) -> list[tuple[int, int | None]]:
    """Numbers and cases of the images after a number, in order."""
    query = select(Image.id, Image.case_id).where(Image.project_id == project_id, Image.id > after)
    return [(number, case) for number, case in session.execute(query.order_by(Image.id))]


def count(session: Session, project_id: int) -> int:
    """How many images there are."""
    return session.scalar(select(func.count()).select_from(Image).where(Image.project_id == project_id)) or 0


def new_images(session: Session, project_id: int, known: Collection[int]) -> list[tuple[int, int | None]] | None:
    """Numbers and cases of the images that are not known yet; None where one that is known is there no more."""
    more = images(session, project_id, max(known, default=0))
    if count(session, project_id) == len(known) + len(more):
        return more
    # Uploads side by side commit out of order, or a cancelled one took images back.
    everything = images(session, project_id)
    more = [(number, case) for number, case in everything if number not in known]
    return more if len(everything) - len(more) == len(known) else None


def current_labels(session: Session, project_id: int) -> dict[int, dict[int, CurrentLabel]]:
    """The labels that stand now: label set -> image -> label."""
    query = (
        select(
            CurrentLabelRow.label_set_id,
            CurrentLabelRow.image_id,
            CurrentLabelRow.label,
            CurrentLabelRow.label_id,
            LabelRecord.user_id,
        )
        .join(LabelRecord, LabelRecord.id == CurrentLabelRow.label_id)
        .where(LabelRecord.project_id == project_id)
        .order_by(CurrentLabelRow.label_id)
    )
    found: dict[int, dict[int, CurrentLabel]] = {}
    for label_set, image, label, version, user in session.execute(query):
        found.setdefault(label_set, {})[image] = CurrentLabel(label, version, user)
    return found


def last_label(session: Session, project_id: int) -> int:
    """The newest label record; 0 where there is none."""
    return session.scalar(select(func.max(LabelRecord.id)).where(LabelRecord.project_id == project_id)) or 0


def labels(session: Session, project_id: int, after: int) -> list[LoadedLabel]:
    """Label records after a number, in order."""
    columns = (LabelRecord.id, LabelRecord.image_id, LabelRecord.label_set_id, LabelRecord.label, LabelRecord.user_id)
    query = (
        select(*columns).where(LabelRecord.project_id == project_id, LabelRecord.id > after).order_by(LabelRecord.id)
    )
    return [
        LoadedLabel(row.image_id, row.label_set_id, CurrentLabel(row.label, row.id, row.user_id))
        for row in session.execute(query.order_by(LabelRecord.id))
    ]


def embeddings(session: Session, bundle_id: int, waiting: Sequence[int]) -> list[NewEmbeddings]:
    """Embeddings of those of these images that have one, in batches."""
    driver: Any = session.connection().connection.driver_connection
    found = []
    for start in range(0, len(waiting), _BATCH):
        with driver.cursor(binary=True) as cursor:
            cursor.execute(
                "SELECT image_id, vector, novelty, x, y FROM embeddings WHERE bundle_id = %s AND image_id = ANY(%s)",
                (bundle_id, list(waiting[start : start + _BATCH])),
            )
            rows = cursor.fetchall()
        if rows:
            ids, vectors, novelty, x, y = (list(column) for column in zip(*rows, strict=True))
            found.append(NewEmbeddings(ids, vectors, novelty, list(zip(x, y, strict=True))))
    return found
