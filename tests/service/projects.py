"""A project filled without a worker: cells drawn around the support set of a bundle, straight into the tables."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select

from hemosight.blood.palette import marks
from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.engine.bundle import Bundle
from hemosight.service.storage import events, labels
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import LabelOutcome, LabelRequest, SubmittedLabel
from hemosight.service.storage.live_events import ImagesEvent, ReadingsEvent, SettingsEvent
from hemosight.service.storage.tables import (
    Case,
    CellEmbedding,
    Image,
    KnownBundle,
    LabelSet,
    Member,
    Picture,
    Profile,
    Project,
    User,
)


@dataclass(frozen=True)
class Someone:
    """An account, as the audit trail sees it."""

    id: int


@dataclass(frozen=True)
class Actor:
    """Who does something in a test."""

    user: Someone
    address: str | None = None


@dataclass
class Filled:
    """A project and what is in it."""

    database: Database
    id: int
    bundle: int
    users: list[int]
    truth: dict[int, str] = field(default_factory=dict)
    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def images(self) -> list[int]:
        """Numbers of the images, in order."""
        return sorted(self.truth)

    def add(
        self,
        bundle: Bundle,
        count: int,
        *,
        seed: int = 0,
        read: bool = True,
        case: str | None = None,
        before_commit: Callable[[], object] = lambda: None,
    ) -> list[int]:
        """Images whose vectors lie around labelled cells of the bundle; their true types stand in ``truth``.

        ``before_commit`` is what others do while the images are written and not committed yet.
        """
        rng = np.random.default_rng(seed)
        vectors, names = bundle.support.labelled()
        chosen = rng.integers(len(vectors), size=count)
        drawn = vectors[chosen] + rng.normal(scale=0.15 * vectors.std(), size=(count, vectors.shape[1]))
        drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        hashes = [hashlib.sha256(f"{self.id} {seed} {row}".encode()).digest() for row in range(count)]
        with self.database.session() as session:
            session.execute(
                insert(Picture),
                [
                    {"sha256": value, "data": b"", "media_type": "image/png", "width": 224, "height": 224}
                    for value in hashes
                ],
            )
            case_id = None
            if case is not None:
                case_id = session.scalar(select(Case.id).where(Case.project_id == self.id, Case.key == case))
                if case_id is None:
                    case_id = session.scalar(insert(Case).values(project_id=self.id, key=case).returning(Case.id))
            rows = [
                {"project_id": self.id, "sha256": value, "name": f"cell-{row}.png", "case_id": case_id}
                for row, value in enumerate(hashes)
            ]
            query = insert(Image).returning(Image.id, sort_by_parameter_order=True)
            ids = list(session.scalars(query, rows))
            before_commit()
            events.tell(session, self.id, ImagesEvent(added=count))
        self.truth |= {image: str(names[row]) for image, row in zip(ids, chosen, strict=True)}
        self.vectors |= dict(zip(ids, drawn, strict=True))
        if read:
            self.read(ids)
        return ids

    def read(self, images: Sequence[int], *, unreadable: bool = False, scale: float = 1.0) -> None:
        """Write what a worker would that brings the pixels to the reference scale with this factor."""
        rows = [
            {
                "image_id": image,
                "bundle_id": self.bundle,
                "vector": None if unreadable else self.vectors[image].tobytes(),
                "status": "torn" if unreadable else "ok",
                "novelty": None if unreadable else 0.5,
                "x": None if unreadable else 1.0,
                "y": None if unreadable else 2.0,
                "scale": scale,
            }
            for image in images
        ]
        with self.database.session() as session:
            session.execute(insert(CellEmbedding), rows)
            events.tell(session, self.id, ReadingsEvent(read=len(rows), waiting=0))

    def say(
        self,
        items: dict[int, str | None],
        *,
        label_set: str = CELL_TYPE,
        user: int = 0,
        versions: dict[int, int] | None = None,
        number: uuid.UUID | None = None,
        kind: str = "set",
    ) -> LabelOutcome:
        """Label images as one request would; the versions are those that stand, unless given."""
        with self.database.session() as session:
            if versions is None:
                row = labels.label_set_of(session, self.id, label_set)
                stands = labels.current(session, row.id, list(items))
                versions = {image: now.label_id for image, now in stands.items()}
            said = [SubmittedLabel(image, label, versions.get(image, 0)) for image, label in items.items()]
            return labels.submit(session, self.request(user, number), label_set, said, kind)

    def undo(self, versions: list[int], *, user: int = 0, number: uuid.UUID | None = None) -> LabelOutcome:
        """Undo labels, by their versions."""
        with self.database.session() as session:
            return labels.undo(session, self.request(user, number), versions)

    def request(self, user: int = 0, number: uuid.UUID | None = None) -> LabelRequest:
        """A request of one of the project's people."""
        return LabelRequest(
            self.id, self.users[user], Actor(Someone(self.users[user])), number or uuid.uuid4(), self.bundle, 0
        )

    def change(self, **settings: object) -> None:
        """Change the project's settings."""
        with self.database.session() as session:
            project = session.get(Project, self.id)
            assert project is not None
            for name, value in settings.items():
                setattr(project, name, value)
            events.tell(session, self.id, SettingsEvent(changed=sorted(settings)))


def fill(database: Database, bundle: Bundle, count: int, *, people: int = 2, name: str = "slides") -> Filled:
    """A project with the bundle's label sets, its people (the first an admin, the others reviewers) and images."""
    mark = uuid.uuid4().hex[:8]
    with database.session() as session:
        known = session.scalar(select(KnownBundle.id).limit(1))
        if known is None:
            columns = {"name": bundle.manifest.name, "version": bundle.manifest.version, "sha256": "0" * 64}
            columns |= {"space": str(bundle.space), "manifest": bundle.manifest.model_dump(mode="json")}
            known = session.scalar(insert(KnownBundle).values(**columns).returning(KnownBundle.id))
        people_rows = [
            {"name": f"reviewer-{mark}-{number}", "display": f"Reviewer {number}"} for number in range(people)
        ]
        users = list(session.scalars(insert(User).returning(User.id, sort_by_parameter_order=True), people_rows))
        project = session.scalar(insert(Project).values(name=name, bundle_id=known).returning(Project.id))
        assert project is not None
        assert known is not None
        session.add(Profile(project_id=project, name="Scanner 1"))
        for at, user in enumerate(users):
            session.add(Member(project_id=project, user_id=user, role="reviewer" if at else "admin"))
        for set_name, reader in bundle.classifiers.items():
            found = marks(reader.classes)
            classes = [
                {
                    "name": label,
                    "title": title(label),
                    "key": found[label].letter,
                    "light": found[label].light,
                    "dark": found[label].dark,
                }
                for label in found
            ]
            session.add(LabelSet(project_id=project, name=set_name, title=set_name, kind="bundle", classes=classes))
            session.flush()
    filled = Filled(database, project, known, users)
    if count:
        filled.add(bundle, count)
    return filled
