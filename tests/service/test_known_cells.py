"""The known cells beside a cell: signed ones of the laboratory first, drawn ones where there are none."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from PIL import Image as Picture
from projects import Filled, fill
from sqlalchemy import func, select, update

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import (
    Amendment,
    Case,
    KnownBundle,
    LabelRecord,
    Member,
    Profile,
    Signature,
)

pytestmark = pytest.mark.service


@dataclass
class Desk:
    """A project with an open cell, and somebody who looks at it."""

    project: Filled
    open: int
    viewer: Visitor
    bundle: Bundle

    def known(self, image: int | None = None, **query: Any) -> Any:
        """What stands beside a cell."""
        answer = self.viewer.get(f"/projects/{self.project.id}/images/{image or self.open}/known", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign(self, key: str, *, second: bool = False) -> tuple[int, int]:
        """Sign a case as its labels are now; gives its number and the signature's."""
        project = self.project
        with project.database.session() as session:
            case = session.scalars(select(Case.id).where(Case.key == key, Case.project_id == project.id)).one()
            until = session.scalar(select(func.max(LabelRecord.id))) or 0
            facts = {"project_id": project.id, "case_id": case, "bundle_id": project.bundle, "differential": {}}
            facts["reviewed_until"] = until
            first = Signature(**facts, user_id=project.users[0], role="first")
            session.add(first)
            session.flush()
            if second:
                session.add(Signature(**facts, user_id=project.users[1], role="second", countersigns=first.id))
            return case, first.id


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 1)
    name = f"viewer-{uuid.uuid4().hex[:8]}"
    account = add_user(module_database, name)
    with module_database.session() as session:
        session.add(Member(project_id=project.id, user_id=account, role="viewer"))
    viewer = browser(app_on(module_database, tiny_bundle), name)
    return Desk(project, project.images[0], viewer, tiny_bundle)


def test_only_what_a_person_labelled_and_somebody_signed_is_known(desk: Desk) -> None:
    project = desk.project
    signed = project.add(desk.bundle, 6, seed=1, case="signed")
    project.say(
        {image: project.truth[image] for image in [*signed[:4], *project.add(desk.bundle, 4, seed=9, case="open")]}
    )
    project.say({signed[4]: "?"})
    assert desk.known()["signed"] == [], "labelled is not signed"
    case, number = desk.sign("signed", second=True)
    found = desk.known()
    assert {one["image"] for one in found["signed"]} == set(signed[:4])
    assert found["signed_cells"] == 4
    first = found["signed"][0]
    assert (first["case"], first["case_key"]) == (case, "signed")
    assert first["signed_by"] == ["Reviewer 0", "Reviewer 1"]
    assert first["labelled_by"] == project.users[0]
    assert {one["image"]: one["label"] for one in found["signed"]} == {
        image: project.truth[image] for image in signed[:4]
    }
    # The slow obvious loop.
    vector = project.vectors[desk.open]
    far = {image: float(np.linalg.norm(project.vectors[image] - vector)) for image in signed[:4]}
    assert [one["image"] for one in found["signed"]] == sorted(far, key=lambda image: far[image])
    assert [one["distance"] for one in found["signed"]] == pytest.approx(sorted(far.values()), abs=1e-4)
    assert len(desk.known(k=2)["signed"]) == 2
    assert signed[0] not in [one["image"] for one in desk.known(signed[0])["signed"]], "not beside itself"
    with project.database.session() as session:
        facts = {"project_id": project.id, "case_id": case, "signature_id": number, "user_id": project.users[0]}
        session.add(Amendment(**facts, kind="open", reason="another look"))
    assert desk.known()["signed"] == [], "a case that is being amended is not known meanwhile"


def test_cells_of_the_same_scanner_come_first(desk: Desk) -> None:
    project = desk.project
    own = project.add(desk.bundle, 3, seed=1, case="own")
    other = project.add(desk.bundle, 3, seed=2, case="other")
    # One of another scanner is the very same point: nearer than any.
    near = project.add(desk.bundle, 1, seed=3, case="other", read=False)
    project.vectors[near[0]] = project.vectors[desk.open]
    project.read(near)
    with project.database.session() as session:
        profile = Profile(project_id=project.id, name="Scanner 2")
        session.add(profile)
        session.flush()
        session.execute(update(Case).where(Case.key == "other").values(profile_id=profile.id))
    project.say({image: project.truth[image] for image in [*own, *other, *near]})
    for key in ("own", "other"):
        desk.sign(key)
    found = desk.known()["signed"]
    assert {one["image"] for one in found[:3]} == set(own)
    assert found[3]["image"] == near[0]
    assert [one["same_profile"] for one in found] == [True] * 3 + [False] * 4
    assert [one["same_profile"] for one in desk.known(k=3)["signed"]] == [True] * 3


def test_types_without_a_known_cell_are_drawn(desk: Desk) -> None:
    before = desk.known()
    shown = desk.viewer.get(f"/projects/{desk.project.id}/images/{desk.open}").json()
    read = shown["sets"]["cell_type"]["probabilities"]
    likely = sorted((name for name in read if read[name] >= 0.05), key=lambda name: -read[name])[:4]
    withheld = shown["probability"] is None
    assert [one["label"] for one in before["drawn"]] == (sorted(read, key=lambda n: -read[n]) if withheld else likely)
    first = before["drawn"][0]["label"]
    known = desk.project.add(desk.bundle, 1, seed=4, case="one")
    desk.project.say({known[0]: first})
    desk.sign("one")
    assert first not in [one["label"] for one in desk.known()["drawn"]]
    assert sum(one["cells"] for one in before["reference"]) == 12, "of the bundle's cells there are numbers alone"


def test_a_drawn_cell_is_a_picture_of_its_type_and_of_no_other(desk: Desk) -> None:
    answer = desk.viewer.get("/drawn-cells/1?label=platelet")
    assert answer.status_code == 200
    with Picture.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (360, 360))
        assert b"drawn" in picture.info["comment"], "whoever takes it away finds what it is"
    same = desk.viewer.get("/drawn-cells/1?label=platelet", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    assert desk.viewer.get("/drawn-cells/2?label=platelet").content != answer.content
    assert desk.viewer.get("/drawn-cells/1?label=band_neutrophil").status_code == 404, (
        "nothing stands in for what is not drawn"
    )
    desk.viewer.cookies.clear()
    assert desk.viewer.get("/drawn-cells/1?label=platelet").status_code == 401
