"""A first signature stands under the specimen, reference ranges and laboratory that its signer saw, or under none."""

from __future__ import annotations

from typing import Any

import pytest
from scanners import Desk, two_scanners

from hemosight.engine.bundle import Bundle
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    return two_scanners(module_database, tiny_bundle, role="admin")


def signing(desk: Desk) -> dict[str, Any]:
    return desk.get(f"/cases/{desk.cases['home']}/signing")


def enter(desk: Desk, **facts: Any) -> None:
    answer = desk.visitor.patch(f"{desk.path}/cases/{desk.cases['home']}", json=facts)
    assert answer.status_code == 200, answer.text


def settle(desk: Desk, **settings: Any) -> None:
    answer = desk.visitor.put(f"{desk.path}/report-settings", json=settings)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("name", "seen", "other"),
    [("wbc", 6.0, 60.0), ("accession", "H26-1", "H26-2"), ("collected_at", "2026-03-02T07:40:00Z", None)],
)
def test_a_specimen_that_was_changed_behind_the_question_is_not_signed(
    desk: Desk, name: str, seen: object, other: object
) -> None:
    enter(desk, **{name: seen})
    asked = signing(desk)
    enter(desk, **{name: other})
    refused = desk.sign("home", facts=asked["facts"])
    assert refused.status_code == 409, refused.text
    assert (
        "the specimen, scanner profile and report's settings that you looked at" in refused.json()["error"]["expected"]
    )
    now = signing(desk)
    assert now["specimen"] != asked["specimen"], "the page says what is otherwise"
    signed = desk.sign("home", facts=now["facts"])
    assert signed.status_code == 201, signed.text
    assert desk.get(f"/signatures/{signed.json()['id']}")["specimen"] == now["specimen"]


def test_reference_ranges_that_were_changed_behind_the_question_are_not_signed(desk: Desk) -> None:
    settle(desk, laboratory="North", ranges=[{"label": "neutrophil", "low": 40, "high": 75}])
    asked = signing(desk)
    settle(desk, laboratory="North", ranges=[{"label": "neutrophil", "low": 4, "high": 75}])
    assert desk.sign("home", facts=asked["facts"]).status_code == 409
    now = signing(desk)
    assert [one["low"] for one in now["settings"]["ranges"]] == [4]
    settle(desk, laboratory="South", ranges=now["settings"]["ranges"])
    assert desk.sign("home", facts=now["facts"]).status_code == 409, "nor another laboratory's name"
    signed = desk.sign("home", facts=signing(desk)["facts"])
    assert signed.status_code == 201, signed.text
    report = desk.get(f"/signatures/{signed.json()['id']}")["report"]
    assert {name: report[name] for name in now["settings"]} == signing(desk)["settings"]


def test_a_case_that_was_put_to_another_scanner_behind_the_question_is_not_signed(desk: Desk) -> None:
    """Of the same scale, so that nothing is read again and the counts are those that were seen."""
    asked, counts = signing(desk), desk.get("/differential", case=desk.cases["home"])["digest"]
    other = desk.visitor.post(f"{desk.path}/profiles", json={"name": "Scanner of the other house"}).json()
    path = f"{desk.path}/cases/{desk.cases['home']}/profile"
    assert desk.visitor.put(path, json={"profile": other["id"]}).status_code == 200
    refused = desk.sign("home", facts=asked["facts"], digest=counts)
    assert refused.status_code == 409, refused.text
    now = signing(desk)
    assert (asked["profile"]["name"], now["profile"]["name"]) == ("Scanner 1", "Scanner of the other house")
    signed = desk.sign("home", facts=now["facts"], digest=counts)
    assert signed.status_code == 201, signed.text
    assert desk.get(f"/signatures/{signed.json()['id']}")["profile"] == now["profile"]


def test_who_says_nothing_of_them_signs_a_case_without_a_specimen_alone(desk: Desk) -> None:
    enter(desk, wbc=6.0)
    refused = desk.sign("home")
    assert (refused.status_code, "`facts`" in refused.json()["error"]["expected"]) == (409, True)
    enter(desk, wbc=None)
    settle(desk, ranges=[{"label": "neutrophil", "high": 75}])
    assert desk.sign("home").status_code == 409
    # Programs that know nothing of specimens go on as they did.
    settle(desk, laboratory="North", ranges=[])
    assert desk.sign("home").status_code == 201


def test_text_blocks_are_no_part_of_what_was_seen(desk: Desk) -> None:
    enter(desk, wbc=6.0)
    asked = signing(desk)["facts"]
    settle(desk, blocks=[{"key": "ls", "text": "Left shift."}])
    assert desk.sign("home", facts=asked).status_code == 201
