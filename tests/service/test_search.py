"""Searching a case for a rare type: the few among the many come first, and the bound says what was missed."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from scanners import two_scanners
from sqlalchemy import select

from hemosight.engine.bundle import Bundle
from hemosight.scoring.rare import FIRST
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.search import AHEAD
from hemosight.service.desk.trust import draws
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member

pytestmark = pytest.mark.service

CELLS, RARE = 300, "blast"


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> tuple[Filled, Visitor, str]:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, CELLS)
    account = f"seeker-{uuid.uuid4().hex[:8]}"
    with module_database.session() as session:
        session.add(Member(project_id=project.id, user_id=add_user(module_database, account), role="reviewer"))
    return project, browser(app_on(module_database, tiny_bundle), account), f"/projects/{project.id}/search"


def asked(visitor: Visitor, path: str, **query: Any) -> dict[str, Any]:
    answer = visitor.get(path, params={"target": RARE, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def looked(visitor: Visitor, path: str, image: int, found: bool) -> dict[str, Any]:
    answer = visitor.post(path, json={"target": RARE, "image": image, "found": found})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_whole_search_from_the_first_look_to_the_answer(
    desk: tuple[Filled, Visitor, str], module_database: Database
) -> None:
    project, visitor, path = desk
    rare = {image for image, label in project.truth.items() if label == RARE}
    state = asked(visitor, path)
    assert (state["cells"], state["looked"], state["way"], state["estimate"]) == (CELLS, 0, "ranked", None)
    assert "random looks" in state["text"]
    order: list[int] = []
    while state["way"] == "ranked" and state["items"]:
        image = state["items"][0]["image"]
        order.append(image)
        state = looked(visitor, path, image, image in rare)
        assert len(order) <= CELLS
    assert len(order) >= FIRST
    # Those of the type come first: three times as many as by chance, with a bundle of a handful of drawn cells.
    early = 2 * len(rare)
    assert len(rare & set(order[:early])) >= 3 * early * len(rare) / CELLS

    # Random looks follow in the order that the numbers of the cells alone give.
    rest = np.array(sorted(set(project.images) - set(order)))
    expected = rest[np.argsort(draws(rest), kind="stable")]
    assert [one["image"] for one in state["items"]] == expected[:24].tolist()
    assert {one["way"] for one in state["items"]} == {"random"}
    late = visitor.post(path, json={"target": RARE, "image": int(expected[AHEAD + 5]), "found": False})
    assert late.status_code == 409
    assert "come next in this search" in late.json()["error"]["message"]
    for image in expected[:40].tolist():
        state = looked(visitor, path, image, image in rare)
    assert state["random"] == 40
    assert state["low"] <= len(rare) <= state["high"]
    assert state["text"].startswith(f"{CELLS} cells ranked, {len(order) + 40} looked at: Blast ")

    # Who looks again may change what it was; how it was drawn stays.
    first = order[0]
    again = looked(visitor, path, first, first not in rare)
    assert again["looked"] == state["looked"]
    assert abs(again["ranked_found"] - state["ranked_found"]) == 1
    with module_database.session() as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.project_id == project.id, AuditRow.action == "search.look")
        ).all()
    assert len(rows) == len(order) + 40 + 1
    assert rows[0].subject["way"] == "ranked"


def test_likeness_to_a_teaching_cell_ranks_without_a_model(desk: tuple[Filled, Visitor, str]) -> None:
    project, visitor, path = desk
    teaching = next(image for image, label in project.truth.items() if label == RARE)
    first = asked(visitor, path, like=[teaching], n=10)["items"]
    assert teaching in [one["image"] for one in first[:3]]
    assert sum(project.truth[one["image"]] == RARE for one in first) >= 4  # by chance, one of ten


def test_what_is_found_is_a_label_in_the_same_step(desk: tuple[Filled, Visitor, str]) -> None:
    project, visitor, path = desk
    image = asked(visitor, path)["items"][0]["image"]
    body = {"target": RARE, "image": image, "found": True, "label": {"request": str(uuid.uuid4()), "version": 0}}
    state = visitor.post(path, json=body).json()
    (stored,) = state["labels"]["labels"]
    assert (state["looked"], state["ranked_found"]) == (1, 1)
    assert (stored["image"], stored["label"], state["labels"]["conflicts"]) == (image, RARE, [])
    shown = visitor.get(f"/projects/{project.id}/images/{image}").json()
    assert (shown["label"], shown["version"]) == (RARE, stored["version"])
    again = visitor.post(path, json=body).json()
    assert again["looked"] == 1, "the same request again is the same look"
    assert again["labels"]["labels"] == [stored]
    # Somebody else's label that the person has not seen stands; what they saw is kept.
    late = visitor.post(path, json={**body, "label": {"request": str(uuid.uuid4()), "version": 0}}).json()
    assert [one["version"] for one in late["labels"]["conflicts"]] == [stored["version"]]
    assert visitor.post(path, json={**body, "found": False}).status_code == 422


def test_a_look_whose_label_is_refused_is_not_kept_either(module_database: Database, tiny_bundle: Bundle) -> None:
    signed = two_scanners(module_database, tiny_bundle)
    case = signed.cases["home"]
    assert signed.sign("home").status_code == 201
    image = signed.get("/search", case=case)["items"][0]["image"]
    body = {"target": RARE, "case": case, "image": image, "found": True}
    label = {"request": str(uuid.uuid4()), "version": 0}
    refused = signed.visitor.post(f"{signed.path}/search", json={**body, "label": label})
    assert refused.status_code == 409
    assert signed.get("/search", case=case)["looked"] == 0
    assert signed.visitor.post(f"{signed.path}/search", json=body).status_code == 201, "to look is no change"


def test_searches_of_a_case_and_of_other_types_are_their_own(desk: tuple[Filled, Visitor, str]) -> None:
    _, visitor, path = desk
    looked(visitor, path, asked(visitor, path)["items"][0]["image"], True)
    assert asked(visitor, path)["looked"] == 1
    assert asked(visitor, path, target="lymphocyte")["looked"] == 0
    assert asked(visitor, path, case=0)["looked"] == 0
    assert visitor.get(path, params={"target": "unicorn"}).status_code == 404
    assert visitor.get(path, params={"target": RARE, "case": 999_999}).status_code == 404
