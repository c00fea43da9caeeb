"""Panels: blind, shuffled, repeated; agreement, consensus, decisions; who may see what, and when."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from gate import Visitor, app_on, browser
from projects import Filled, fill
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk import panel_cells
from hemosight.service.desk import panels as desk
from hemosight.service.desk.panel_reference import reference as agreed
from hemosight.service.desk.panels import CellOfPanel, CellResult, PanelAnswer
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.security import passwords
from hemosight.service.storage import panels as storage
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, KnownBundle, LabelRecord, User


@dataclass
class Room:
    """A project of forty cells, its admin and three readers."""

    project: Filled
    path: str
    admin: Visitor
    readers: list[Visitor]

    def begin(self, **more: Any) -> int:
        """Begin a session of ten cells for the three readers."""
        given = {"title": "Session", "cells": 10, "readers": self.project.users[1:], **more}
        answer = self.admin.post(f"{self.path}/panels", json=given)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def read(self, panel: int, who: int, say: Any, *, most: int = 1000) -> list[tuple[int, int, str | None]]:
        """Read as a reader: ``say`` gives a label for (image, turn, shown); what was met, in order."""
        met = []
        place = f"{self.path}/panels/{panel}"
        now = self.readers[who].get(f"{place}/next").json()
        while now["image"] is not None and len(met) < most:
            met.append((now["image"], now["turn"], now["shown"]))
            given = {"image": now["image"], "turn": now["turn"], "label": say(*met[-1]), "ms": 1000 + who}
            answer = self.readers[who].post(f"{place}/readings", json=given)
            assert answer.status_code == 200, answer.text
            now = answer.json()
        return met

    def unlabel(self) -> None:
        """Take every label away: tests run in any order, and others leave theirs."""
        self.project.say(dict.fromkeys(self.project.images), kind="clear")
        assert self.admin.project_states.get(self.project.id).settle("cell_type", patience=60.0)

    def close(self, panel: int) -> Any:
        """Close, and give the results."""
        assert self.admin.post(f"{self.path}/panels/{panel}/close").status_code == 200
        return self.results(panel, self.admin)

    def results(self, panel: int, who: Visitor) -> Any:
        """What a closed session came to, as somebody is told."""
        answer = who.get(f"{self.path}/panels/{panel}/results")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def room(module_database: Database, tiny_bundle: Bundle) -> Room:
    project = fill(module_database, tiny_bundle, 40, people=4)
    hashed = passwords.hashed("four words in a row", 10)
    with module_database.session() as session:
        session.execute(update(User).where(User.id.in_(project.users)).values(password_hash=hashed))
        # `fill` writes a bundle of no checksum; the app reads with this one.
        identity = BundleRegistry(tiny_bundle, threads=1).identity
        session.execute(update(KnownBundle).where(KnownBundle.id == project.bundle).values(sha256=identity))
        names = [session.get_one(User, user).name for user in project.users]
    app = app_on(module_database, tiny_bundle)
    admin, *readers = (browser(app, name) for name in names)
    return Room(project, f"/projects/{project.id}", admin, readers)


def test_readers_meet_the_same_cells_in_orders_of_their_own(room: Room) -> None:
    panel = room.begin(repeated=0.3, timed=True)
    truth = room.project.truth
    met = [room.read(panel, who, lambda image, *_: truth[image]) for who in range(3)]
    firsts = [[image for image, turn, _ in one if turn == 1] for one in met]
    assert all(len(one) == 13 for one in met)
    assert len({tuple(one) for one in firsts}) == 3
    assert len({frozenset(one) for one in firsts}) == 1
    for one in met:
        for place, (image, turn, shown) in enumerate(one):
            assert shown is None  # blind
            if turn == 2:
                assert place - one.index((image, 1, None)) >= 3
    found = room.close(panel)
    assert all(reader["own"]["value"] in (1.0, None) and reader["own_cells"] == 3 for reader in found["readers"])
    assert found["together"][0]["share"] == 1
    assert not any(cell["differing"] for cell in found["cells"])
    assert [reader["median_ms"] for reader in sorted(found["readers"], key=lambda one: one["user"])] == [
        1000,
        1001,
        1002,
    ]


@pytest.mark.parametrize(("cells", "again"), [(10, 3), (10, 5), (20, 10), (10, 8), (9, 9), (2, 1), (2, 2), (1, 1)])
def test_a_repeated_cell_comes_again_a_third_of_the_session_later(cells: int, again: int) -> None:
    for seed in range(50):
        met = panel_cells.sequence(range(cells), range(again), seed, 1, aided=False)
        place = {one: at for at, one in enumerate(met)}
        assert len(place) == cells + again
        assert all(place[image, desk.AGAIN] - place[image, desk.FIRST] >= max(cells // 3, 1) for image in range(again))


def test_a_planted_reading_is_neither_the_models_nor_the_label(room: Room) -> None:
    snapshot = room.admin.project_states.get(room.project.id).readings.snapshot("cell_type")
    names = snapshot.spec.names
    row = int(np.flatnonzero(snapshot.predicted >= 0)[0])
    second, third = (int(kind) for kind in np.argsort(-snapshot.probabilities[row], kind="stable")[1:3])
    label = np.full_like(snapshot.label, -1)
    assert panel_cells.misleading(replace(snapshot, label=label), row) == names[second]
    label[row] = second
    assert panel_cells.misleading(replace(snapshot, label=label), row) == names[third]


def test_nothing_is_seen_before_it_is_closed_and_nothing_read_after(room: Room) -> None:
    panel = room.begin()
    place = f"{room.path}/panels/{panel}"
    room.read(panel, 0, lambda *_: "blast", most=2)
    for who in (room.admin, room.readers[1]):
        assert who.get(f"{place}/results").json()["error"]["code"] == "in_the_way"
        for what in ("readings", "reference"):
            assert who.post(f"{place}/{what}/export").json()["error"]["code"] == "in_the_way"
    # Only its readers read: the admin of the project is none.
    assert room.admin.get(f"{place}/next").json()["error"]["code"] == "not_allowed"
    now = room.readers[1].get(f"{place}/next").json()
    room.close(panel)
    late = {"image": now["image"], "turn": 1, "label": "blast"}
    assert room.readers[1].post(f"{place}/readings", json=late).json()["error"]["code"] == "in_the_way"
    assert room.readers[0].post(f"{place}/close").status_code == 403


def test_no_reading_lands_after_the_panel_was_closed(room: Room) -> None:
    """Closing and reading are transactions of their own: each waits for the other, and the later one knows of it."""
    panel = room.begin()
    place, reader = f"{room.path}/panels/{panel}", room.readers[1]
    now = reader.get(f"{place}/next").json()
    given = {"image": now["image"], "turn": 1, "label": "blast"}
    with ThreadPoolExecutor(1) as pool:
        with room.project.database.session() as session:
            row = storage.get(session, room.project.id, panel, hold="alone")
            row.closed_at = func.now()
            session.flush()
            answer = pool.submit(reader.post, f"{place}/readings", json=given)
            with pytest.raises(TimeoutError):
                answer.result(timeout=0.5)
        assert answer.result(timeout=30).json()["error"]["code"] == "in_the_way"
    with room.project.database.session() as session:
        assert storage.readings(session, panel) == []


def test_a_panel_is_closed_when_readings_that_are_on_their_way_are_stored(room: Room) -> None:
    panel = room.begin()
    place = f"{room.path}/panels/{panel}"
    image = room.readers[1].get(f"{place}/next").json()["image"]
    with ThreadPoolExecutor(1) as pool:
        with room.project.database.session() as session:
            storage.get(session, room.project.id, panel, hold="open")
            # Others read meanwhile.
            assert len(room.read(panel, 0, lambda *_: "blast", most=1)) == 1
            answer = pool.submit(room.admin.post, f"{place}/close")
            with pytest.raises(TimeoutError):
                answer.result(timeout=0.5)
            assert storage.read(session, panel, image, room.project.users[2], storage.FIRST, "blast", None)
        assert answer.result(timeout=30).json()["closed_at"] is not None
    with room.project.database.session() as session:
        assert len(storage.readings(session, panel)) == 2


def test_the_first_look_counts(room: Room) -> None:
    panel = room.begin()
    place, reader = f"{room.path}/panels/{panel}", room.readers[0]
    now = reader.get(f"{place}/next").json()
    given = {"image": now["image"], "turn": 1, "label": "blast"}
    after = reader.post(f"{place}/readings", json=given).json()
    assert after["done"] == 1
    # Sent twice, with a second thought: the first one stands, and nothing breaks.
    again = reader.post(f"{place}/readings", json={**given, "label": "monocyte"})
    assert (again.status_code, again.json()["done"]) == (200, 1)
    other = next(image for image in room.project.images if image not in (now["image"], after["image"]))
    assert reader.post(f"{place}/readings", json={**given, "image": other}).status_code == 409
    assert reader.post(f"{place}/readings", json={**given, "label": "unicorn"}).status_code == 422
    found = room.close(panel)
    said = [one for cell in found["cells"] for one in cell["said"]]
    assert [one["label"] for one in said] == ["blast"]
    with pytest.raises(DBAPIError, match="appended, never changed"), room.project.database.session() as session:
        session.execute(text("UPDATE panel_labels SET label = 'x'"))


def test_the_consensus_sides_with_good_readers_and_names_the_wrong_label(room: Room) -> None:
    panel = room.begin(cells=40, repeated=0)
    truth = room.project.truth
    kinds = sorted(set(truth.values()))

    def careless(image: int, *_: object) -> str:
        return truth[image] if image % 3 else kinds[(kinds.index(truth[image]) + 1) % len(kinds)]

    for who, say in ((0, lambda image, *_: truth[image]), (1, lambda image, *_: truth[image]), (2, careless)):
        room.read(panel, who, say)
    found = room.close(panel)
    assert {cell["consensus"] == truth[cell["image"]] for cell in found["cells"]} == {True}
    wrong = {cell["image"] for cell in found["cells"] if cell["differing"]}
    assert wrong == {cell["image"] for cell in found["cells"] if cell["image"] % 3 == 0}
    for cell in found["cells"]:
        suspects = {one["user"] for one in cell["said"] if one["suspect"]}
        assert suspects <= {room.project.users[3]}
    best, _, last = sorted(found["readers"], key=lambda one: one["user"])
    assert best["accuracy"]["value"] > last["accuracy"]["value"] + 0.1
    assert any(one["reference"] != one["said"] for one in last["confusion"])
    kappas = {(one["a"], one["b"]): one["kappa"]["value"] for one in found["pairs"]}
    assert kappas[room.project.users[1], room.project.users[2]] == pytest.approx(1)
    # Differences are decided side by side; the newest decision counts.
    first = found["cells"][0]
    place = f"{room.path}/panels/{panel}"
    for label in ("monocyte", truth[first["image"]]):
        answer = room.readers[0].post(f"{place}/decisions", json={"image": first["image"], "label": label})
        assert answer.status_code == 201
    shown = room.admin.get(f"{place}/results").json()["cells"][0]
    assert shown["decision"]["label"] == truth[first["image"]]
    # What was agreed on leaves as a table: decisions first, then the consensus.
    label = next(kind for kind in kinds if kind != truth[first["image"]])
    room.readers[0].post(f"{place}/decisions", json={"image": first["image"], "label": label})
    answer = room.readers[0].post(f"{place}/reference/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="panel-{panel}-reference.csv"'
    told = {row["sha256"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    # Other tests may have taken a cell of the project: what was read is what leaves.
    read = [cell["image"] for cell in found["cells"]]
    assert len(read) > 35
    with room.project.database.session() as session:
        content = storage.content_ids(session, read)
    expected = {image: truth[image] for image in read} | {first["image"]: label}
    assert {image: told[cell]["label"] for image, cell in content.items()} == expected
    assert [row["decision"] for row in told.values() if row["decision"]] == [label]
    assert told[content[first["image"]]]["consensus"] == truth[first["image"]]
    assert all(float(row["probability"]) > 0.5 and row["readings"] == "3" for row in told.values())
    assert {row["differing"] for row in told.values()} == {"true", "false"}
    with room.project.database.session() as session:
        rows_noted = session.scalars(select(AuditRow).where(AuditRow.action == "panel.export")).all()
    noted = [(row.user_id, row.subject["panel"]) for row in rows_noted if row.subject["panel"] == panel]
    assert noted == [(room.project.users[1], panel)]
    # And the readings leave as a table that `validate --readings` takes; they say how each person reads.
    own = list(csv.DictReader(io.StringIO(room.readers[1].post(f"{place}/readings/export").text)))
    assert len({row["reader"] for row in own}) == 1, "how others read is not theirs to know"
    answer = room.admin.post(f"{place}/readings/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="panel-{panel}-readings.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with room.project.database.session() as session:
        rows_noted = session.scalars(select(AuditRow).where(AuditRow.action == "panel.export_readings")).all()
    subjects = [(row.user_id, row.subject) for row in rows_noted if row.subject["panel"] == panel]
    taken = {(user, subject["readings"]) for user, subject in subjects}
    assert taken == {(room.project.users[2], len(read)), (room.project.users[0], 3 * len(read))}
    assert len(subjects) == 2
    for what in ("readings/export", "reference/export", "readings"):
        assert room.readers[0].get(f"{place}/{what}").status_code in (404, 405), "what is noted is no GET"
    assert len(rows) == 3 * len(read)
    assert {row["turn"] for row in rows} == {"1"}
    assert all(len(row["sha256"]) == 64 for row in rows)


def test_how_each_person_reads_is_told_to_administrators_and_to_themselves(room: Room) -> None:
    """Everybody in the project sees what the panel came to; who errs, and how fast, is theirs alone."""
    panel = room.begin(cells=8, repeated=0.25, timed=True)
    truth, users = room.project.truth, room.project.users[1:]
    kinds = sorted(set(truth.values()))

    def careless(image: int, *_: object) -> str:
        return truth[image] if image % 2 else kinds[(kinds.index(truth[image]) + 1) % len(kinds)]

    # The second of three errs: in the order of readers each place would be a person's.
    for who, say in ((0, lambda image, *_: truth[image]), (1, careless), (2, lambda image, *_: truth[image])):
        room.read(panel, who, say)
    whole = room.close(panel)
    assert len(whole["pairs"]) == 3
    assert {one["user"] for cell in whole["cells"] for one in cell["said"]} == set(users)
    found = room.results(panel, room.readers[1])
    assert [one["user"] for one in found["readers"]] == [users[1]]
    assert {one["user"] for one in found["times"]} <= {users[1]}
    assert [{one["a"], one["b"]} for one in found["pairs"]] == [
        pair for one in whole["pairs"] if users[1] in (pair := {one["a"], one["b"]})
    ]
    assert found["together"] == whole["together"], "the totals stay"
    for cell, its in zip(found["cells"], whole["cells"], strict=True):
        assert {**cell, "said": None} == {**its, "said": None}
        assert [one["user"] for one in cell["said"]] == [users[1], None, None]
        assert sorted(one["label"] for one in cell["said"]) == sorted(one["label"] for one in its["said"])
    # Somebody who reads in no panel of it, as one who may only look.
    outside = room.begin(cells=4, repeated=0, readers=users[:2])
    for who in range(2):
        room.read(outside, who, careless)
    room.close(outside)
    found = room.results(outside, room.readers[2])
    assert (found["readers"], found["times"], found["pairs"]) == ([], [], [])
    assert found["together"]
    for cell in found["cells"]:
        assert {one["user"] for one in cell["said"]} == {None}
        labels = [(one["label"], one["suspect"]) for one in cell["said"]]
        assert labels == sorted(labels), "not in the order of readers"


def test_automation_bias_is_how_often_a_planted_reading_is_kept(room: Room) -> None:
    truth = room.project.truth
    asked = {"title": "x", "cells": 20, "readers": room.project.users[1:], "aided": True, "planted": 0.25}
    room.unlabel()
    # Of a cell that nobody labelled it is not known which reading would be wrong.
    refused = room.admin.post(f"{room.path}/panels", json=asked)
    assert refused.json()["error"]["code"] == "in_the_way"
    assert "label" in refused.json()["error"]["expected"]
    room.project.say({image: truth[image] for image in room.project.images})
    state = room.admin.project_states.get(room.project.id)
    assert state.settle("cell_type", patience=60.0)
    panel = room.begin(cells=20, repeated=0, aided=True, planted=0.25)
    # One believes whatever is shown, one never does.
    met = room.read(panel, 0, lambda image, turn, shown: shown or truth[image])
    room.read(panel, 1, lambda image, turn, shown: truth[image])
    found = room.close(panel)
    believer, doubter, absent = sorted(found["readers"], key=lambda one: one["user"])
    assert believer["followed"]["value"] == 1
    snapshot = room.admin.project_states.get(room.project.id).readings.snapshot("cell_type")
    read = {int(image): snapshot.spec.names[row] for image, row in zip(snapshot.ids, snapshot.predicted, strict=True)}
    planted = {image: shown for image, turn, shown in met if turn == desk.AIDED and shown != read[image]}
    assert len(planted) == 5
    assert doubter["followed"]["value"] == 0
    assert absent["followed"] is None
    answer = room.admin.post(
        f"{room.path}/panels", json={"title": "x", "cells": 5, "readers": room.project.users[1:], "planted": 0.2}
    )
    assert answer.json()["error"]["code"] == "unfit"


def test_nobody_is_timed_unless_the_laboratory_asked(room: Room) -> None:
    panel = room.begin(cells=4, repeated=0)
    for who in range(3):
        room.read(panel, who, lambda image, *_: room.project.truth[image])
    found = room.close(panel)
    assert found["times"] == []
    assert {reader["median_ms"] for reader in found["readers"]} == {None}
    table = room.admin.post(f"{room.path}/panels/{panel}/readings/export").text
    assert {row["ms"] for row in csv.DictReader(io.StringIO(table))} == {""}


def test_times_are_of_each_case_blind_and_aided_and_leave_with_the_readings(room: Room, tiny_bundle: Bundle) -> None:
    room.project.add(tiny_bundle, 6, seed=31, case="24-31")
    number = next(one["id"] for one in room.admin.get(f"{room.path}/cases").json()["items"] if one["key"] == "24-31")
    panel = room.begin(cells=6, case=number, repeated=0.5, aided=True, timed=True)
    for who in range(3):
        room.read(panel, who, lambda image, *_: room.project.truth[image])
    found = room.close(panel)
    times = {row["user"]: row for row in found["times"]}
    for who, user in enumerate(room.project.users[1:]):
        row = times[user]
        assert (row["case"], row["key"], row["cells"]) == (number, "24-31", 6)
        assert row["blind_ms"] == row["aided_ms"] == 6 * (1000 + who), "repeated looks do not count"
    assert {reader["case_ms"] for reader in found["readers"]} == {6000.0, 6006.0, 6012.0}
    table = list(csv.DictReader(io.StringIO(room.admin.post(f"{room.path}/panels/{panel}/readings/export").text)))
    assert {row["case"] for row in table} == {"24-31"}
    assert all((row["shown"] != "") == (row["turn"] == "3") for row in table)


def test_only_cells_that_were_timed_in_both_turns_are_compared() -> None:
    cells = [CellOfPanel(image, case=image // 10) for image in (10, 11, 12, 20)] + [CellOfPanel(30)]
    said = [PanelAnswer(image, 1, 1, "blast", 1000 + image) for image in (10, 11, 12, 20, 30)]
    said += [PanelAnswer(10, 1, 2, "blast", 77), PanelAnswer(10, 1, 3, "blast", 500), PanelAnswer(11, 1, 3, "blast")]
    said += [PanelAnswer(20, 1, 3, "blast", 900)]
    assert desk.case_times(cells, said, [1, 2]) == [
        desk.CaseTime(1, 1, 1, 1010, 500),
        desk.CaseTime(1, 2, 1, 1020, 900),
    ]
    blind = [one for one in said if one.turn == 1]
    assert desk.case_times(cells, blind, [1]) == [
        desk.CaseTime(1, 1, 3, 1010 + 1011 + 1012, None),
        desk.CaseTime(1, 2, 1, 1020, None),
    ]


def test_what_was_given_blind_already_is_told_from_what_a_planted_reading_brought_about() -> None:
    cells = [CellOfPanel(image, "neutrophil", "blast" if image < 4 else "neutrophil") for image in range(8)]
    said = [PanelAnswer(image, 1, 1, "blast" if image == 0 else "neutrophil") for image in range(8)]
    said += [PanelAnswer(image, 1, 3, "blast" if image < 3 else "neutrophil") for image in range(8)]
    (reader,) = desk.results(cells, said, [1]).readers
    assert reader.followed is not None
    assert reader.misled is not None
    assert (reader.followed.value, reader.misled.value) == (0.75, 0.25)


def _taught_by(state: ProjectState) -> set[int]:
    found = state.readings.snapshot("cell_type").taught_by_panels
    return {one.number for panels in found.values() for one in panels}


def test_what_a_panel_agreed_on_teaches_where_nobody_labelled(module_database: Database, room: Room) -> None:
    room.unlabel()
    state = room.admin.project_states.get(room.project.id)

    def read() -> dict[int, str]:
        assert state.settle("cell_type", patience=120.0)
        now = state.readings.snapshot("cell_type")
        return {int(image): now.spec.names[row] for image, row in zip(now.ids, now.predicted, strict=True)}

    def labels() -> int:
        with module_database.session() as session:
            query = select(func.count()).where(LabelRecord.project_id == room.project.id)
            return session.scalar(query) or 0

    before = read()
    panel = room.begin(cells=30, repeated=0)
    wrong = {image: "basophil" if label != "basophil" else "blast" for image, label in before.items()}
    for who in range(3):
        room.read(panel, who, lambda image, *_: wrong[image])
    path = f"{room.path}/panels/{panel}/teaching"
    assert room.admin.put(path, json={"teaches": True}).status_code == 409, "it is still read blind"
    room.close(panel)
    given = labels()
    assert read() == before, "readings of a panel teach nothing by themselves"
    assert room.readers[0].put(path, json={"teaches": True}).status_code == 403
    shown = room.admin.put(path, json={"teaches": True})
    assert (shown.status_code, shown.json()["teaches"]) == (200, True)
    taught = read()
    assert panel in _taught_by(state)
    assert panel in room.admin.get(f"{room.path}/differential").json()["taught_by_panels"]
    with module_database.session() as session:
        cells = [one.image_id for one in storage.cells(session, panel)]
    moved = [image for image in cells if taught[image] != before[image]]
    assert sum(taught[image] == wrong[image] for image in moved) > len(cells) / 2
    # A person's label stands in the place of the consensus, and comes before it.
    chosen = next(image for image in moved if taught[image] == wrong[image])
    assert labels() == given, "no label was written"
    room.project.say({chosen: before[chosen]})
    assert read() != before
    room.unlabel()
    assert read() == taught
    assert room.admin.put(path, json={"teaches": False}).status_code == 200
    assert read() == before, "all of it can be taken back"
    assert panel not in _taught_by(state)
    with module_database.session() as session:
        query = select(AuditRow.subject).where(AuditRow.action == "panel.teach").order_by(AuditRow.id)
        assert [row["teaches"] for row in session.scalars(query)] == [True, False]


def test_a_cell_is_taught_by_its_probabilities_and_a_decision_by_itself() -> None:
    cells = [CellOfPanel(image) for image in (1, 2, 3, 4)]
    said = [PanelAnswer(image, user, 1, "blast") for image in (1, 2) for user in (1, 2, 3)]
    said += [PanelAnswer(3, user, 1, "monocyte" if user == 3 else "blast") for user in (1, 2, 3)]
    said += [PanelAnswer(4, user, 1, "?") for user in (1, 2, 3)] + [PanelAnswer(1, 1, 3, "monocyte")]
    shares = desk.teaching(cells, said, [1, 2, 3], {2: "monocyte", 9: "blast", 4: "?"})
    assert shares[2] == {"monocyte": 1.0}
    assert shares.keys() == {1, 2, 3}, "nobody named the fourth, and the ninth is not of the panel"
    assert sum(shares[3].values()) == pytest.approx(1)
    assert shares[1]["blast"] > 0.5
    (found,) = [one for one in desk.results(cells, said, [1, 2, 3]).cells if one.image == 3]
    assert found.consensus is not None
    assert shares[3][found.consensus] == pytest.approx(found.probability)
    assert desk.teaching(cells, said[:3], [1], {}) == {}, "one reader is no consensus"


def test_a_type_that_is_no_cells_most_probable_one_is_not_taught() -> None:
    cells = [CellOfPanel(image) for image in range(1, 10)]
    said = [
        PanelAnswer(image, user, 1, "blast" if image < 5 else "monocyte") for image in range(1, 9) for user in (1, 2, 3)
    ]
    said += [PanelAnswer(9, user, 1, "ig" if user == 3 else "blast") for user in (1, 2, 3)]
    shares = desk.teaching(cells, said, [1, 2, 3], {})
    assert {name for row in shares.values() for name in row} == {"blast", "monocyte"}
    assert all(sum(row.values()) == pytest.approx(1) for row in shares.values())
    assert shares[9]["blast"] > 0.9
    # Decided for a cell it is a type like others.
    assert desk.teaching(cells, said, [1, 2, 3], {1: "ig"})[9]["ig"] > 0


def test_proficiency_is_scored_against_labels_that_stood(room: Room) -> None:
    room.unlabel()
    nothing = room.admin.post(
        f"{room.path}/panels",
        json={"title": "x", "cells": 5, "kind": "proficiency", "readers": room.project.users[1:]},
    )
    assert nothing.json()["error"]["code"] == "in_the_way"
    marked = room.project.images[:8]
    truth = room.project.truth
    room.project.say({image: truth[image] for image in marked})
    state = room.admin.project_states.get(room.project.id)
    assert state.settle("cell_type", patience=60.0)
    panel = room.begin(cells=20, kind="proficiency", repeated=0)
    met = room.read(panel, 0, lambda image, *_: truth[image])
    assert {image for image, _, _ in met} == set(marked)
    # A label that changes later does not change the marks.
    room.project.say({marked[0]: next(kind for kind in truth.values() if kind != truth[marked[0]])})
    room.read(panel, 1, lambda image, *_: "?" if image == marked[0] else truth[image])
    best, unsure, _ = sorted(room.close(panel)["readers"], key=lambda one: one["user"])
    assert best["score"]["value"] == 1
    assert best["score"]["low"] < 0.7  # eight cells prove little
    assert unsure["score"]["value"] == pytest.approx(7 / 8)


def test_a_reader_has_to_be_a_reviewer_of_the_project(room: Room) -> None:
    answer = room.admin.post(f"{room.path}/panels", json={"title": "x", "cells": 5, "readers": [999_999]})
    assert answer.json()["error"]["code"] == "unfit"


def test_cells_are_chosen_evenly_or_where_label_and_reading_differ(room: Room) -> None:
    state = room.admin.project_states.get(room.project.id)
    snapshot = state.readings.snapshot("cell_type")
    even = snapshot.predicted[panel_cells.choose(snapshot, 18, "stratified", 5)]
    counts = np.bincount(even, minlength=len(snapshot.spec.names))
    most = np.bincount(snapshot.predicted[snapshot.predicted >= 0], minlength=len(counts))
    assert all(n >= min(2, have) for n, have in zip(counts.tolist(), most.tolist(), strict=True))
    apart = (snapshot.label >= 0) & (snapshot.label != snapshot.predicted)
    chosen = panel_cells.choose(snapshot, 10, "differing", 5)
    assert apart[chosen].sum() == min(10, apart.sum())
    assert (panel_cells.choose(snapshot, 10, "random", 5) == panel_cells.choose(snapshot, 10, "random", 5)).all()


def test_simulated_readers_are_recovered_within_their_intervals() -> None:
    rng = np.random.default_rng(2)
    kinds = np.array(["neutrophil", "lymphocyte", "blast"])
    truth = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    skills = {1: 0.95, 2: 0.8, 3: 0.6}
    said = [
        PanelAnswer(image, user, 1, str(kinds[truth[image] if rng.random() < skill else rng.integers(3)]))
        for image in range(300)
        for user, skill in skills.items()
    ]
    found = desk.results([CellOfPanel(image) for image in range(300)], said, list(skills))
    for reader in found.readers:
        assert reader.accuracy is not None
        true = skills[reader.user] + (1 - skills[reader.user]) / 3
        assert reader.accuracy.low - 0.02 <= true <= reader.accuracy.high + 0.02
    right = np.mean([cell.consensus == kinds[truth[cell.image]] for cell in found.cells])
    assert right > 0.9


def test_the_reference_of_a_cell_is_the_decision_then_the_consensus_then_what_all_said() -> None:
    def cell(image: int, consensus: str | None, **said: str) -> CellResult:
        labels = dict(enumerate(said.values()))
        return CellResult(image, labels, consensus, None, len(set(labels.values())) > 1, [])

    cells = [
        cell(1, "blast", a="blast", b="monocyte"),
        cell(2, "blast", a="blast"),
        cell(3, None, a="ig", b="?"),  # too few types for a consensus
        cell(4, None, a="?", b="?"),
        cell(5, None),
        cell(6, "blast", a="blast"),  # deleted since
    ]
    content = {image: f"{image:064x}" for image in range(1, 6)}
    rows = agreed(cells, {1: "monocyte"}, content)
    assert rows["label"].to_list() == ["monocyte", "blast", "ig", "?", None]
    assert rows["readings"].to_list() == [2, 1, 1, 0, 0]
