"""Scanner profiles: labels teach their own, scales read again, cases find theirs by likeness; signed cases stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gate import add_user, browser
from scanners import Desk, looking_alike, two_scanners
from sqlalchemy import select, update

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import foreign
from hemosight.service.desk.columns import unpack
from hemosight.service.desk.foreign import CaseFamiliarity
from hemosight.service.desk.profile_reader import CALIBRATING
from hemosight.service.desk.trust import MOST
from hemosight.service.storage import embeddings
from hemosight.service.storage.database import Database
from hemosight.service.storage.embeddings import StoredEmbedding
from hemosight.service.storage.tables import AuditRow, CellEmbedding, Image, Member
from hemosight.service.work import jobs
from hemosight.space.familiarity import Familiarity


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    return two_scanners(module_database, tiny_bundle)


def readings(desk: Desk, images: list[int]) -> np.ndarray:
    """What the model reads of some images, images x classes."""
    snapshot = desk.visitor.project_states.get(desk.project.id).readings.snapshot(CELL_TYPE)
    return snapshot.probabilities[np.searchsorted(snapshot.ids, images)]


def begin(desk: Desk, key: str, name: str, **facts: float) -> int:
    """A new profile for a case."""
    answer = desk.visitor.post(f"{desk.path}/profiles", json={"name": name, "case": desk.cases[key], **facts})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def of_every_type(desk: Desk) -> list[int]:
    """The cells beyond the bundle, one of each type in turn."""
    seen: dict[str, int] = {}
    turn = {}
    for image in desk.away[:50]:
        label = desk.project.truth[image]
        seen[label] = turn[image] = seen.get(label, 0) + 1
    return sorted(turn, key=lambda image: (turn[image], image))


def waiting(desk: Desk) -> int:
    """Images in the queue of the workers."""
    with desk.project.database.session() as session:
        return jobs.of_project(session, desk.project.id).waiting


def actions(desk: Desk) -> list[str]:
    """What the audit trail says of profiles, in order."""
    with desk.project.database.session() as session:
        query = select(AuditRow.action).where(AuditRow.project_id == desk.project.id).order_by(AuditRow.id)
        return [action for action in session.scalars(query) if "profile" in action]


def test_labels_teach_the_profile_of_their_case_and_no_other(desk: Desk) -> None:
    begin(desk, "away", "Camera")
    home, away = readings(desk, desk.home), readings(desk, desk.away)
    wrong = dict.fromkeys(desk.away[:8], "monocyte")
    for image, label in wrong.items():
        assert desk.label({image: label}).status_code == 200
    assert readings(desk, desk.home).tobytes() == home.tobytes()
    assert np.abs(readings(desk, desk.away) - away).max() > 0.1
    shown = {one["name"]: one for one in desk.get("/profiles")["items"]}
    assert (shown["Scanner 1"]["labelled"], shown["Camera"]["labelled"]) == (0, 8)
    # In the profile of the case from home they would have counted.
    (first,) = [one["id"] for one in shown.values() if one["oldest"]]
    desk.visitor.put(f"{desk.path}/cases/{desk.cases['away']}/profile", json={"profile": first})
    assert readings(desk, desk.home).tobytes() != home.tobytes()


def test_another_scale_reads_again_all_but_signed_cells(desk: Desk) -> None:
    assert desk.sign("home").status_code == 201
    (only,) = desk.get("/profiles")["items"]
    answer = desk.visitor.patch(f"{desk.path}/profiles/{only['id']}", json={"scale": 1.3})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["scale"], answer.json()["scale_from"], answer.json()["cells"]) == (1.3, "person", 20)
    assert waiting(desk) == len(desk.away)
    status = {one["id"]: one["status"] for one in desk.get("/images", limit=200)["items"]}
    assert {status[image] for image in desk.away} == {"waiting"}
    assert {status[image] for image in desk.home} == {"ok"}
    # What a worker had in hand at the old scale comes too late; at the new one it is taken.
    image, vector = desk.away[0], desk.project.vectors[desk.away[0]]
    with desk.project.database.session() as session:
        (todo,) = embeddings.unembedded(session, desk.project.id, desk.project.bundle, [image])
        assert todo.scale == 1.3
        for scale, stored in ((1.0, []), (1.3, [image])):
            row = StoredEmbedding(image, vector, "ok", 0.5, 1.0, 2.0, scale=scale)
            assert embeddings.add(session, desk.project.id, desk.project.bundle, "test", [row]) == stored
    again = desk.visitor.patch(f"{desk.path}/profiles/{only['id']}", json={"scale": 1.3, "scale_from": "measured"})
    assert again.json()["scale_from"] == "measured"
    assert waiting(desk) == len(desk.away), "the same scale reads nothing again"
    assert actions(desk) == ["profile.change", "profile.change"]


def test_a_case_that_is_amended_is_read_at_the_scale_of_its_scanner(desk: Desk) -> None:
    """Or its next record would name a scale that none of its cells, or only some, were read at."""
    assert desk.sign("home").status_code == 201
    (only,) = desk.get("/profiles")["items"]
    desk.visitor.patch(f"{desk.path}/profiles/{only['id']}", json={"scale": 1.3})
    before = waiting(desk)
    amended = desk.visitor.post(f"{desk.path}/cases/{desk.cases['home']}/amendment", json={"reason": "the scale"})
    assert amended.status_code == 201, amended.text
    assert waiting(desk) == before + len(desk.home)
    # While it is open it follows its scanner like any other case.
    desk.project.read(desk.home)
    desk.visitor.patch(f"{desk.path}/profiles/{only['id']}", json={"scale": 1.5})
    status = {one["id"]: one["status"] for one in desk.get("/images", limit=200)["items"]}
    assert {status[image] for image in desk.home} == {"waiting"}


def test_an_amendment_at_the_scale_it_was_signed_at_reads_nothing_again(desk: Desk) -> None:
    assert desk.sign("home").status_code == 201
    before = waiting(desk)
    answer = desk.visitor.post(f"{desk.path}/cases/{desk.cases['home']}/amendment", json={"reason": "a second look"})
    assert answer.status_code == 201
    assert waiting(desk) == before


def test_a_signed_case_keeps_its_profile(desk: Desk) -> None:
    assert desk.sign("home").status_code == 201
    camera = begin(desk, "away", "Camera")
    refused = desk.visitor.put(f"{desk.path}/cases/{desk.cases['home']}/profile", json={"profile": camera})
    assert refused.status_code == 409
    assert "signed" in refused.text


def test_profiles_are_named_once_and_merged_by_an_administrator(desk: Desk) -> None:
    camera = begin(desk, "away", "Camera", scale=1.2)
    assert waiting(desk) == len(desk.away), "another scale than before"
    assert desk.visitor.post(f"{desk.path}/profiles", json={"name": "Camera"}).status_code == 409
    first = next(one["id"] for one in desk.get("/profiles")["items"] if one["oldest"])
    taken = desk.visitor.patch(f"{desk.path}/profiles/{first}", json={"name": "Camera"})
    assert taken.status_code == 409
    assert desk.visitor.post(f"{desk.path}/profiles/{camera}/merge", json={"into": first}).status_code == 403
    with desk.project.database.session() as session:
        user = add_user(desk.project.database, f"admin-{desk.project.id}")
        session.add(Member(project_id=desk.project.id, user_id=user, role="admin"))
    admin = browser(desk.visitor.app, f"admin-{desk.project.id}")  # type: ignore[arg-type]
    assert admin.post(f"{desk.path}/profiles/{camera}/merge", json={"into": camera}).status_code == 422
    # The oldest goes into the other: cells of which nobody chose a scanner go along.
    merged = admin.post(f"{desk.path}/profiles/{first}/merge", json={"into": camera})
    assert merged.status_code == 200, merged.text
    (left,) = desk.get("/profiles")["items"]
    assert (left["id"], left["oldest"], left["cases"]) == (camera, True, 2)
    assert waiting(desk) == len(desk.away) + len(desk.home)
    assert actions(desk) == ["profile.create", "profile.merge"]


def test_a_case_is_proposed_the_profile_whose_cells_it_looks_like(desk: Desk, tiny_bundle: Bundle) -> None:
    camera = begin(desk, "away", "Camera")
    late = desk.project.add(tiny_bundle, 30, seed=3, case="late", read=False)
    looking_alike(tiny_bundle, desk.project, late, seed=5)
    case = next(one["id"] for one in desk.get("/cases")["items"] if one["key"] == "late")
    found = desk.get("/profiles", case=case)
    alike = {one["id"]: one["likeness"] for one in found["items"]}
    assert found["proposed"] == camera
    assert found["of_case"] != camera
    assert alike[camera] > 0.8 > alike[found["of_case"]]
    chosen = desk.visitor.put(f"{desk.path}/cases/{case}/profile", json={"profile": found["of_case"]}).json()
    assert (chosen["chosen"], chosen["proposed"]) == (True, None), "a person's choice ends the proposal"


def test_labels_of_the_profile_open_a_later_case_of_it_and_of_no_other(desk: Desk, tiny_bundle: Bundle) -> None:
    camera = begin(desk, "away", "Camera")
    late = desk.project.add(tiny_bundle, 30, seed=3, case="late", read=False)
    looking_alike(tiny_bundle, desk.project, late, seed=5)
    desk.cases |= {one["key"]: one["id"] for one in desk.get("/cases")["items"]}
    # More than are wanted: a type that the later case does not have says nothing of it.
    desk.label({image: desk.project.truth[image] for image in of_every_type(desk)[: foreign.WANTED + 10]})
    assert not desk.familiarity("away")["foreign"]
    assert desk.familiarity("late")["foreign"], "it is of the other profile"
    assert desk.familiarity("late")["taught"] == 0
    desk.visitor.put(f"{desk.path}/cases/{desk.cases['late']}/profile", json={"profile": camera})
    assert not desk.familiarity("late")["foreign"]


def test_probabilities_are_withheld_until_the_scanner_is_known(desk: Desk) -> None:
    def shown(image: int) -> tuple[float | None, bool, bool]:
        one = desk.get(f"/images/{image}")
        return one["probability"], one["unfamiliar"], bool(one["sets"][CELL_TYPE]["probabilities"])

    last = desk.away[49]
    assert shown(last) == (None, True, False)
    assert shown(desk.home[0])[1:] == (False, True)
    case = desk.cases["away"]
    assert {one["probability"] for one in desk.get("/next", strategy="adapt", case=case)["items"]} == {None}
    table = desk.visitor.export(desk.path, format="json", case=case).json()
    assert {row["probability"] for row in table} == {None}
    assert {row["predicted"] for row in table} != {None}
    desk.label({image: desk.project.truth[image] for image in desk.away[: foreign.WANTED]})
    probability, unfamiliar, listed = shown(last)
    assert probability is not None
    assert (unfamiliar, listed) == (False, True)


def test_what_is_held_back_is_in_no_column_search_second_look_or_label_record(desk: Desk) -> None:
    def cells(**query: int) -> tuple[dict[str, Any], dict[int, float]]:
        body = desk.visitor.get(f"{desk.path}/columns", params=query)
        assert body.status_code == 200
        header, arrays = unpack(body.content)
        assert np.array_equal(np.isnan(arrays["margin"]), np.isnan(arrays["probability"]))
        return header, dict(zip(arrays["id"].astype(int).tolist(), arrays["probability"].tolist(), strict=True))

    def blank(found: dict[int, float]) -> set[int]:
        return {image for image, value in found.items() if np.isnan(value)}

    case = desk.cases["away"]
    before, found = cells()
    assert blank(found) == set(desk.away)
    assert {desk.familiarity(key)["foreign"] for key in ("home", "away")} == {False, True}
    sought = desk.get("/search", target="blast", case=case)["items"]
    assert {one["probability"] for one in sought} == {None}
    assert None not in {one["probability"] for one in desk.get("/search", case=desk.cases["home"])["items"]}
    asked = desk.get("/next", case=case)["items"]
    assert ({one["probability"] for one in asked}, {one["reason"] for one in asked}) == ({None}, {"least sure"})
    sure = desk.get("/images", min_confidence=0, limit=200)["items"]
    assert {one["id"] for one in sure} == set(desk.home), "no filter gives away what is not shown"

    wrong, home = desk.away[3], desk.home[3]
    for image in (wrong, home):
        desk.label({image: "blast" if desk.project.truth[image] != "blast" else "monocyte"})
    history = {image: desk.get(f"/images/{image}")["history"][0]["probability"] for image in (wrong, home)}
    assert history[wrong] is None, "nobody saw it"
    assert history[home] is not None
    doubted = {one["image"]: (one["own"], one["other"]) for one in desk.get("/doubts")["items"]}
    assert doubted.get(wrong, (None, None)) == (None, None)

    # Adapted: who follows by changes alone is sent every cell of the case, though most of them moved by nothing.
    others = [image for image in desk.away if image != wrong]
    desk.label({image: desk.project.truth[image] for image in others[: foreign.WANTED]})
    assert not desk.familiarity("away")["foreign"]
    after, changed = cells(since=before["event"])
    assert after["full"] is False
    assert set(desk.away) <= set(changed)
    assert blank(changed) == set()


def test_the_queue_ends_when_answers_change_little(desk: Desk) -> None:
    case, truth = desk.cases["away"], desk.project.truth
    found = desk.get("/trust", case=case)
    assert found["enough"] is False
    moved = []
    while not found["enough"]:
        assert len(moved) < MOST, "the queue does not end"
        (item,) = desk.get("/next", strategy="adapt", n=1, case=case)["items"]
        desk.label({item["image"]: truth[item["image"]]})
        found = desk.get("/trust", case=case)
        moved.append(found["moved_by_last"])
        assert not (found["enough"] and desk.familiarity("away")["foreign"])
    assert len(moved) >= foreign.WANTED
    assert moved[-1] <= 1 or len(moved) == MOST
    assert desk.get("/trust", profile=desk.get("/profiles")["items"][0]["id"])["asked"] == len(moved)


def test_the_queue_ends_at_its_limit_though_the_case_stays_held_back(desk: Desk, tiny_bundle: Bundle) -> None:
    truth = desk.project.truth
    late = desk.project.add(tiny_bundle, 60, seed=4, case="odd", read=False)
    desk.cases |= {one["key"]: one["id"] for one in desk.get("/cases")["items"]}
    case = desk.cases["odd"]
    rng = np.random.default_rng(0)
    for image in late:  # no two alike, and none like the bundle's
        vector = rng.normal(size=len(desk.project.vectors[desk.home[0]]))
        desk.project.vectors[image] = (vector / np.linalg.norm(vector)).astype(np.float32)
    desk.project.read(late)
    with desk.project.database.session() as session:
        session.execute(update(CellEmbedding).where(CellEmbedding.image_id.in_(late)).values(novelty=1.3))
    for answers, image in enumerate(late[:MOST]):
        assert desk.get("/trust", case=case)["enough"] is False, answers
        desk.label({image: truth[image]})
    assert desk.familiarity("odd")["foreign"]
    assert desk.get("/trust", case=case)["enough"]


def test_a_profile_says_what_its_probabilities_are_calibrated_on(database: Database, tiny_bundle: Bundle) -> None:
    desk = two_scanners(database, tiny_bundle.with_familiarity(Familiarity(limit=1.0, growth=1.0, start=0.5)))
    camera = begin(desk, "away", "Camera")

    def calibrations() -> dict[int, Any]:
        return {one["id"]: one["calibration"] for one in desk.get("/profiles")["items"]}

    plain = {"on": "bundle", "temperature": 1.0}
    assert set(map(str, calibrations().values())) == {str(plain)}
    for image in of_every_type(desk)[: CALIBRATING + 2]:
        desk.label({image: desk.project.truth[image]})
    found = calibrations()
    own = found.pop(camera)
    assert list(found.values()) == [plain], "labels of one scanner calibrate no other"
    assert own["on"] == "labels"
    assert own["temperature"] > 0


def test_how_many_labels_are_wanted_is_said_as_the_rule_has_it(desk: Desk) -> None:
    """Of 60 cells 20 lie beyond: from the 32nd label on 8 of them are enough, and a browser is told so."""
    truth = desk.project.truth
    with desk.project.database.session() as session:
        near = update(CellEmbedding).where(CellEmbedding.image_id.in_(desk.away[20:]))
        session.execute(near.values(novelty=0.5))
    desk.visitor.project_states.drop(desk.project.id)
    known = [*desk.away[:7], *desk.away[20 : 20 + MOST - 7]]
    for start in range(0, MOST - 1, 8):
        for image in known[start : min(start + 8, MOST - 1)]:
            assert desk.label({image: truth[image]}).status_code == 200
    before = desk.familiarity("away")
    assert (before["to_bundle"], before["taught"], before["wanted"]) == (20, 7, foreign.WANTED)
    assert desk.label({known[-1]: truth[known[-1]]}).status_code == 200
    after = desk.familiarity("away")
    assert (after["taught"], after["wanted"], after["foreign"]) == (7, 8, True)
    assert "7 of 8 labels are there" in desk.sign("away").text
    assert desk.label({desk.away[7]: truth[desk.away[7]]}).status_code == 200
    opened = desk.familiarity("away")
    assert (opened["taught"], opened["wanted"], opened["foreign"]) == (8, 8, False)


def test_a_case_with_few_cells_beyond_is_opened_by_labels_of_any_of_its_cells() -> None:
    few = CaseFamiliarity(cells=60, unfamiliar=4, to_bundle=20, median=0.9, open=29, taught=18, labelled=MOST - 1)
    assert few.foreign
    assert not replace(few, labelled=MOST).foreign
    assert replace(few, labelled=MOST, unfamiliar=12).foreign, "one in five is unlike anything known"


def test_an_upload_names_the_scanner_of_a_new_case(desk: Desk) -> None:
    camera = begin(desk, "away", "Camera")
    begun = desk.visitor.post(f"{desk.path}/uploads", json={"case": "fresh", "profile": camera})
    assert begun.status_code == 201, begun.text
    desk.visitor.post(f"{desk.path}/uploads", json={"case": "home", "profile": camera})
    desk.cases |= {one["key"]: one["id"] for one in desk.get("/cases")["items"]}
    assert desk.get("/profiles", case=desk.cases["fresh"])["of_case"] == camera
    assert desk.get("/profiles", case=desk.cases["home"])["of_case"] != camera, "a case that is there keeps its own"
    assert desk.visitor.post(f"{desk.path}/uploads", json={"case": "x", "profile": 10**6}).status_code == 404


def test_cells_moved_to_a_case_of_another_scale_are_read_again(desk: Desk) -> None:
    begin(desk, "away", "Camera", scale=1.2)
    before = waiting(desk)
    some = desk.home[:3]
    moved = desk.visitor.post(f"{desk.path}/images/move", json={"images": some, "case": desk.cases["away"]})
    assert moved.json() == {"cells": 3}
    assert waiting(desk) == before + 3
    with desk.project.database.session() as session:
        assert set(session.scalars(select(Image.case_id).where(Image.id.in_(some)))) == {desk.cases["away"]}
