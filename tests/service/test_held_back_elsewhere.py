"""What is not told of a foreign case: attributes, the two likeliest types, stored probabilities, small pieces of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scanners import Desk, two_scanners

from hemosight.engine.bundle import Bundle
from hemosight.service.desk.columns import unpack
from hemosight.service.desk.foreign import WANTED
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service

SHAPE = "nucleus_shape"


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    return two_scanners(module_database, tiny_bundle)


def adapt(desk: Desk) -> None:
    desk.label({image: desk.project.truth[image] for image in desk.away[:WANTED]})
    assert not desk.familiarity("away")["foreign"]


def columns(desk: Desk, **query: Any) -> tuple[dict[str, Any], dict[int, float], str]:
    answer = desk.visitor.get(f"{desk.path}/columns", params={"label_set": SHAPE, **query})
    header, arrays = unpack(answer.content)
    ids = arrays["id"].astype(int).tolist()
    return header, dict(zip(ids, arrays["probability"].tolist(), strict=True)), answer.headers.get("etag", "")


def test_attributes_are_held_back_with_the_types_and_sent_when_the_case_is_adapted(desk: Desk) -> None:
    before, found, tag = columns(desk)
    assert {image for image, value in found.items() if np.isnan(value)} == set(desk.away)
    shown = {one["id"]: one for one in desk.get("/images", label_set=SHAPE, limit=200)["items"]}
    assert {shown[image]["probability"] for image in desk.away} == {None}
    assert None not in {shown[image]["probability"] for image in desk.home}
    assert None not in {shown[image]["predicted"] for image in desk.away}, "what is read is shown"
    sets = {image: desk.get(f"/images/{image}")["sets"] for image in (desk.away[0], desk.home[0])}
    assert sets[desk.away[0]][SHAPE]["probabilities"] == {}
    assert sets[desk.home[0]][SHAPE]["probabilities"]
    table = desk.visitor.export(desk.path, format="json", case=desk.cases["away"], label_set=SHAPE).json()
    assert {row["probability"] for row in table} == {None}
    adapt(desk)
    after, changed, _ = columns(desk, since=before["event"])
    assert (after["full"], set(desk.away) <= set(changed)) == (False, True)
    assert not any(np.isnan(value) for value in changed.values())
    assert columns(desk)[2] != tag != "", "a browser that keeps the whole asks anew"


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [("margin", "between two types"), ("diversity", "unlike the others in doubt, between two types")],
)
def test_no_queue_names_the_two_likeliest_types_of_a_foreign_case(desk: Desk, strategy: str, reason: str) -> None:
    asked = desk.get("/next", strategy=strategy, case=desk.cases["away"])["items"]
    assert {one["reason"] for one in asked} == {reason}
    known = desk.get("/next", strategy=strategy, case=desk.cases["home"])["items"]
    assert reason not in {one["reason"] for one in known}


def test_a_probability_that_was_seen_elsewhere_is_not_told_while_the_cell_is_held_back(desk: Desk) -> None:
    cell, stays = desk.home[:2]
    desk.label({image: desk.project.truth[image] for image in (cell, stays)})

    def told() -> list[bool]:
        records = {one["image"]: one["probability"] for one in desk.get("/labels")["items"]}
        history = {image: desk.get(f"/images/{image}")["history"][0]["probability"] for image in (cell, stays)}
        assert {image: records[image] for image in history} == history
        return [history[image] is not None for image in (cell, stays)]

    assert told() == [True, True]
    moved = {"images": [cell], "case": desk.cases["away"]}
    assert desk.visitor.post(f"{desk.path}/images/move", json=moved).status_code == 200
    assert told() == [False, True]
    adapt(desk)
    assert told()[0], "it is kept, and told again"


def test_who_asks_for_labels_that_are_not_there_yet_has_no_project_loaded(desk: Desk) -> None:
    desk.label({image: desk.project.truth[image] for image in desk.home[:2]})
    states = desk.visitor.project_states
    states.drop(desk.project.id)
    before = len(states)
    newest = desk.get("/labels")["items"][-1]
    assert (newest["probability"] is not None, len(states)) == (True, before + 1), "what is held back is looked up"
    states.drop(desk.project.id)
    assert desk.get("/labels", after=newest["id"])["items"] == []
    assert len(states) == before


def test_a_foreign_case_is_not_opened_by_moving_a_few_of_its_cells_beside_a_familiar_one(desk: Desk) -> None:
    made = desk.visitor.post(f"{desk.path}/cases", json={"key": "small", "note": ""})
    assert made.status_code == 201, made.text
    piece = [*desk.away[:8], desk.home[0]]
    desk.cases["small"] = made.json()["id"]
    moved = {"images": piece, "case": desk.cases["small"]}
    assert desk.visitor.post(f"{desk.path}/images/move", json=moved).status_code == 200
    assert desk.familiarity("small")["foreign"]
    assert {desk.get(f"/images/{image}")["probability"] for image in piece} == {None}
    assert desk.sign("small").status_code == 409
