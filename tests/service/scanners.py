"""A project with cells of two scanners, and its reviewer."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select, update

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import CellEmbedding, KnownBundle, Member


class Desk:
    """A project with a case from home and one of another scanner, and its reviewer."""

    def __init__(self, project: Filled, visitor: Visitor, home: list[int], away: list[int]) -> None:
        self.project, self.visitor, self.home, self.away = project, visitor, home, away
        self.path = f"/projects/{project.id}"
        cases = {row["key"]: row["id"] for row in self.get("/cases")["items"]}
        self.cases = cases

    def get(self, path: str, **query: Any) -> Any:
        answer = self.visitor.get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def label(self, items: dict[int, str], kind: str = "set") -> Any:
        said = [{"image": image, "label": label, "version": 0} for image, label in items.items()]
        body = {"request": str(uuid.uuid4()), "items": said, "kind": kind}
        answer = self.visitor.post(f"{self.path}/labels", json=body)
        state = self.visitor.project_states.get(self.project.id)
        assert state.settle("cell_type")
        return answer

    def familiarity(self, key: str) -> Any:
        return next(one for one in self.get("/familiarity")["items"] if one["case"] == self.cases[key])

    def sign(self, key: str, **more: Any) -> Any:
        said = {"case": self.cases[key], "note": "read by the model", **more}
        return self.visitor.post(f"{self.path}/signatures", json=said)


def looking_alike(bundle: Bundle, project: Filled, images: list[int], seed: int = 0) -> None:
    """Give cells of one poor camera: those of a type look alike, and like nothing of the bundle."""
    rng = np.random.default_rng(seed)
    vectors, names = bundle.support.labelled()
    camera = np.random.default_rng(99).normal(size=vectors.shape[1])
    for image in images:
        middle = vectors[names == project.truth[image]].mean(axis=0)
        moved = middle / np.linalg.norm(middle) + 0.5 * camera / np.linalg.norm(camera)
        moved += rng.normal(scale=0.001, size=len(middle))
        project.vectors[image] = (moved / np.linalg.norm(moved)).astype(np.float32)
    project.read(images)
    with project.database.session() as session:
        # Beyond the bundle: what the worker measures of another scanner's cells.
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(images)).values(novelty=1.3))


def two_scanners(database: Database, bundle: Bundle, role: str = "reviewer") -> Desk:
    """A desk with 20 cells from home and 60 of another scanner, of which 50 lie beyond the bundle."""
    with database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(bundle).register(session)
    project = fill(database, bundle, 0)
    home = project.add(bundle, 20, seed=1, case="home")
    away = project.add(bundle, 60, seed=2, case="away", read=False)
    looking_alike(bundle, project, away)
    name = f"one-{uuid.uuid4().hex[:8]}"
    with database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(away[50:])).values(novelty=0.5))
    user = add_user(database, name)
    with database.session() as session:
        session.add(Member(project_id=project.id, user_id=user, role=role))
    visitor = browser(app_on(database, bundle), name)
    return Desk(project, visitor, home, away)
