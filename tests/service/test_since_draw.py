"""What became of a case since its cells were drawn to be counted: said on the page, asked before signing, reported."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from scanners import Desk, two_scanners

from hemosight.engine.bundle import Bundle
from hemosight.service.storage import cases
from hemosight.service.storage.counting import DrawnCells
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    return two_scanners(module_database, tiny_bundle)


def draw(desk: Desk, **more: Any) -> dict[str, Any]:
    answer = desk.visitor.put(f"{desk.path}/cases/{desk.cases['home']}/counting", json={"leukocytes": 100, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def move(desk: Desk, images: list[int], case: int | None) -> None:
    answer = desk.visitor.post(f"{desk.path}/images/move", json={"images": images, "case": case})
    assert answer.status_code == 200, answer.text


def counts(desk: Desk) -> dict[str, Any]:
    return desk.get("/differential", case=desk.cases["home"])


def checks(desk: Desk) -> dict[str, tuple[str, bool, int]]:
    found = desk.get(f"/cases/{desk.cases['home']}/signing")["checks"]
    return {one["name"]: (one["level"], one["open"], one["count"]) for one in found}


def message(desk: Desk, signature: int) -> str:
    answer = desk.visitor.post(f"{desk.path}/signatures/{signature}/report", params={"format": "hl7"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_cells_that_came_after_the_draw_are_said_on_the_page_and_in_the_report(desk: Desk, tiny_bundle: Bundle) -> None:
    assert "drawn_later" not in checks(desk), "all cells count"
    before = draw(desk)
    assert checks(desk)["drawn_later"] == ("warn", False, 0)
    desk.project.add(tiny_bundle, 25, seed=7, case="home")
    desk.project.add(tiny_bundle, 5, seed=8, case="home", read=False)
    now = counts(desk)
    assert (now["total"], now["waiting"]) == (before["total"], 0), "they count nowhere"
    assert (now["cells_since_draw"], now["drawn_cells_gone"]) == (30, 0)
    assert checks(desk)["drawn_later"] == ("warn", True, 30)
    assert desk.sign("home", digest=before["digest"]).status_code == 409, "nobody saw that they came"
    signed = desk.sign("home", digest=now["digest"])
    assert signed.status_code == 201, signed.text
    said = message(desk, signed.json()["id"])
    assert "all there are" not in said
    assert "all there were" in said
    assert "since then 30 cells that count nowhere have come" in said


def test_a_case_that_lost_drawn_cells_is_not_signed_before_it_is_drawn_again(desk: Desk) -> None:
    draw(desk)
    move(desk, desk.home[:3], None)
    now = counts(desk)
    assert (now["drawn_cells_gone"], now["cells_since_draw"]) == (3, 0)
    assert checks(desk)["drawn_gone"] == ("block", True, 3)
    refused = desk.sign("home")
    assert refused.status_code == 409
    assert "3 cells drawn to be counted, in the case no more: draw anew" in refused.text
    move(desk, desk.home[:1], desk.cases["home"])
    assert counts(desk)["drawn_cells_gone"] == 2, "one is back"
    draw(desk, same_order=True)
    assert checks(desk)["drawn_gone"] == ("block", False, 0)
    assert desk.sign("home").status_code == 201


def test_a_laboratory_that_lets_them_go_says_so_in_its_report(module_database: Database, tiny_bundle: Bundle) -> None:
    desk = two_scanners(module_database, tiny_bundle, role="admin")
    assert desk.visitor.put(f"{desk.path}/signing-rules", json={"drawn_gone": "off"}).status_code == 200
    draw(desk)
    move(desk, desk.home[:1], None)
    signed = desk.sign("home")
    assert signed.status_code == 201, signed.text
    assert "since then 1 drawn cell is gone" in message(desk, signed.json()["id"])


def test_older_cells_that_came_in_place_of_others_are_told(desk: Desk, tiny_bundle: Bundle) -> None:
    older = desk.home[:4]
    move(desk, older, None)
    desk.project.add(tiny_bundle, 300, seed=7, case="home")
    before = draw(desk)
    assert before["counting"]["counted_leukocytes"] == 100
    with desk.project.database.session() as session:
        stored = cases.get(session, desk.project.id, desk.cases["home"]).counting
    move(desk, (stored or {})["passed_over"][:4], None)
    move(desk, older, desk.cases["home"])
    now = counts(desk)
    assert (now["drawn_cells_gone"], now["cells_since_draw"]) == (0, 4), "as many went as came"
    assert checks(desk)["drawn_later"] == ("warn", True, 4)
    assert desk.sign("home", digest=before["digest"]).status_code == 409, "nobody saw that they came"


def test_what_came_since_is_whatever_the_draw_did_not_know() -> None:
    made = {"method": "random", "target_leukocytes": 100, "seed": 1, "counted_leukocytes": 3, "counted_cells": 3}
    made |= {"eligible_cells": 4, "cells_in_unfair_fields": 0, "user": 1, "name": "ada", "reason": ""}
    made |= {"at": datetime.datetime.now(datetime.UTC), "images": [11, 13, 14], "passed_over": [12]}
    drawn = DrawnCells.model_validate(made)  # of 11, 12, 13, 14
    assert drawn.since([11, 12, 13, 14]) == (0, 0)
    assert drawn.since([2, 3, 11, 12, 13, 14]) == (0, 2)
    assert drawn.since([11, 12, 14, 20]) == (1, 1)
    assert drawn.since([11, 13, 14]) == (0, 0), "a cell that was not drawn left"
    assert drawn.since([2, 11, 13, 14]) == (0, 1), "and an older one came"
    old = DrawnCells.model_validate({**made, "passed_over": None})
    assert old.since([11, 12, 20]) == (2, 0), "of an older draw nobody knows what came"
    assert "passed_over" not in drawn.draw.model_dump()
