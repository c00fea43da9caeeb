"""The review of reviews: who labelled what, and what others made of it."""

from __future__ import annotations

import csv
import datetime
import io
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import insert, select

from hemosight.blood.intervals import wilson
from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.reviews import TurnFilter, count, turns
from hemosight.service.storage import labels
from hemosight.service.storage.database import Database
from hemosight.service.storage.reviews import Decision
from hemosight.service.storage.tables import (
    AuditRow,
    Case,
    KnownBundle,
    LabelRecord,
    Member,
    Panel,
    PanelDecision,
    PanelReading,
)

NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Row:
    """A label record as the query gives it."""

    id: int
    image_id: int
    user_id: int
    label: str | None
    predicted: str | None = None
    kind: str = "set"
    undoes: int | None = None
    request: int = 0

    @property
    def at(self) -> datetime.datetime:
        """A minute after the one before."""
        return NOON + datetime.timedelta(minutes=self.id)


def _fates(*rows: Row, decisions: dict[int, Decision] | None = None) -> list[tuple[int, str, str]]:
    alone = [Row(**{**vars(row), "request": row.id}) for row in rows]
    return [(turn.user, turn.label, turn.fate) for turn in turns(alone, decisions or {})]


def test_the_next_other_label_says_what_became_of_one() -> None:
    assert _fates(Row(1, 7, 1, "ig")) == [(1, "ig", "stands")]
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 2, "blast")) == [(1, "ig", "overturned"), (2, "blast", "stands")]
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 1, "blast"))[0] == (1, "ig", "revised")
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 2, "ig")) == [(1, "ig", "confirmed"), (2, "ig", "stands")]
    chain = _fates(Row(1, 7, 1, "ig"), Row(2, 7, 2, "ig"), Row(3, 7, 3, "blast"))
    assert chain == [(1, "ig", "overturned"), (2, "ig", "overturned"), (3, "blast", "stands")]
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 2, "?"))[0] == (1, "ig", "overturned")
    assert _fates(Row(1, 7, 1, "?"), Row(2, 7, 2, "ig"))[0] == (1, "?", "stands"), "unsure claims nothing"
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 8, 2, "blast"))[0] == (1, "ig", "stands"), "another cell"


def test_what_was_undone_taken_back_or_said_again_counts_once_or_not_at_all() -> None:
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 1, "ig")) == [(1, "ig", "stands")]
    undone = (Row(1, 7, 1, "ig"), Row(2, 7, 2, "blast"), Row(3, 7, 2, "ig", kind="undo", undoes=2))
    assert _fates(*undone) == [(1, "ig", "stands")], "a slip that was undone overturned nothing"
    assert _fates(Row(1, 7, 1, "ig"), Row(2, 7, 1, None, kind="clear")) == []


def test_a_panel_overturns_what_it_decided_later() -> None:
    later, earlier = NOON + datetime.timedelta(hours=1), NOON - datetime.timedelta(hours=1)
    said = Row(1, 7, 1, "ig")
    assert _fates(said, decisions={7: Decision("blast", later)}) == [(1, "ig", "by_panel")]
    assert _fates(said, decisions={7: Decision("blast", earlier)}) == [(1, "ig", "stands")]
    assert _fates(said, decisions={7: Decision("ig", later)}) == [(1, "ig", "stands")]
    assert _fates(said, decisions={8: Decision("blast", later)}) == [(1, "ig", "stands")]


def test_numbers_are_those_of_a_slow_count() -> None:
    rows = [Row(n, n, 1, "ig", predicted="ig" if n % 3 else "blast", request=n) for n in range(1, 10)]
    rows += [Row(10 + n, n, 2, "ig" if n > 2 else "blast", request=10 + n) for n in range(1, 8)]
    rows += [Row(30, 40, 1, "?", predicted="ig", request=30), Row(31, 41, 1, "ig", request=31)]
    rows += [Row(32, 42, 1, "ig", predicted="ig", request=99), Row(33, 43, 1, "ig", predicted="ig", request=99)]
    own = [turn for turn in turns(rows, {}) if turn.user == 1]
    found = count(own)
    assert (found.cells, found.labels, found.unsure, found.bulk) == (13, 13, 1, 2)
    assert (found.read, found.changed) == (11, 3), "unsure and what the model had not read change nothing"
    assert (found.confirmed, found.overturned, found.second) == (5, 2, 7)
    assert found.agreed == pytest.approx(5 / 7)
    assert (found.low, found.high) == pytest.approx(wilson(5, 7))
    nobody = count([turn for turn in own if turn.image > 20])
    assert (nobody.second, nobody.agreed, nobody.low) == (0, None, None), "no share of nothing"


def test_filters_take_person_case_and_time() -> None:
    wanted = TurnFilter(user=1, case=0, since=NOON, until=NOON + datetime.timedelta(hours=1))
    assert wanted.fits(1, None, NOON)
    assert not wanted.fits(2, None, NOON)
    assert not wanted.fits(1, 5, NOON)
    assert not wanted.fits(1, None, NOON - datetime.timedelta(seconds=1))
    assert not wanted.fits(1, None, NOON + datetime.timedelta(hours=1)), "until is not in it"
    assert TurnFilter().fits(2, 5, NOON)


# --- at the service ---------------------------------------------------------------------------------------


@dataclass
class Desk:
    """A project with a case and cells without one, labelled by two, and a viewer."""

    project: Filled
    cells: list[int]
    case: int
    viewer: Visitor
    path: str

    def reviews(self, **query: Any) -> Any:
        """The review of reviews."""
        answer = self.viewer.get(f"{self.path}/reviews", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def desk(module_database: Database, tiny_bundle: Bundle) -> Desk:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 3)
    cells = project.add(tiny_bundle, 3, seed=1, case="S-0412")
    name = f"viewer-{uuid.uuid4().hex[:8]}"
    account = add_user(module_database, name)
    with module_database.session() as session:
        session.add(Member(project_id=project.id, user_id=account, role="viewer"))
        case = session.scalars(select(Case.id).where(Case.project_id == project.id)).one()
    viewer = browser(app_on(module_database, tiny_bundle), name)
    for image in cells:
        project.say({image: "ig"})
    project.say({project.images[0]: "blast"})
    project.say({cells[0]: "blast"}, user=1)
    project.say({cells[1]: "ig"}, user=1)
    return Desk(project, cells, case, viewer, f"/projects/{project.id}")


def test_it_is_told_by_person_by_type_and_by_case(desk: Desk) -> None:
    one, two = desk.project.users
    people = {row["user"]: row for row in desk.reviews()["rows"]}
    assert (people[one]["labels"], people[one]["overturned"], people[one]["confirmed"]) == (4, 1, 1)
    assert (people[two]["labels"], people[two]["overturned"]) == (2, 0)
    types = {(row["user"], row["label"]): row["labels"] for row in desk.reviews(by="type")["rows"]}
    assert types == {(one, "ig"): 3, (one, "blast"): 1, (two, "ig"): 1, (two, "blast"): 1}
    cases = {(row["user"], row["case_key"]): row["labels"] for row in desk.reviews(by="case")["rows"]}
    assert cases == {(one, "S-0412"): 3, (one, None): 1, (two, "S-0412"): 2}
    found = desk.reviews()
    (gone,) = found["overturned"]
    assert (gone["image"], gone["user"], gone["label"]) == (desk.cells[0], one, "ig")
    assert (gone["fate"], gone["other"], gone["other_by"], gone["case_key"]) == ("overturned", "blast", two, "S-0412")


def test_it_is_filtered(desk: Desk) -> None:
    one, two = desk.project.users
    assert [row["user"] for row in desk.reviews(user=two)["rows"]] == [two]
    assert [row["labels"] for row in desk.reviews(user=one, case=0)["rows"]] == [1]
    assert sum(row["labels"] for row in desk.reviews(case=desk.case)["rows"]) == 5
    with desk.project.database.session() as session:
        query = select(LabelRecord.at).where(LabelRecord.user_id == two).order_by(LabelRecord.id)
        moment = session.scalars(query).first()
    assert moment is not None
    before = desk.reviews(until=moment.isoformat())
    assert [(row["user"], row["overturned"]) for row in before["rows"]] == [(one, 1)], "fates come from any time after"
    assert [row["user"] for row in desk.reviews(since=moment.isoformat())["rows"]] == [two]
    assert desk.viewer.get(f"{desk.path}/reviews", params={"case": 10**9}).status_code == 404
    assert desk.viewer.get("/projects/999999/reviews").status_code == 404


def test_blind_readings_count_when_their_panel_is_closed(desk: Desk) -> None:
    project, (one, two) = desk.project, desk.project.users
    with project.database.session() as session:
        label_set = labels.label_set_of(session, project.id, "cell_type").id
        facts = {"project_id": project.id, "label_set_id": label_set, "bundle_id": project.bundle, "title": "March"}
        panel = Panel(**facts, kind="panel", choice="random", seed=1, repeated=0.0)
        session.add(panel)
        session.flush()
        number = panel.id
        said = [(one, image, "ig") for image in desk.cells]
        said += [(two, image, "ig" if image != desk.cells[2] else "blast") for image in desk.cells]
        rows = [{"panel_id": number, "user_id": u, "image_id": i, "turn": 1, "label": name} for u, i, name in said]
        session.execute(insert(PanelReading), rows)
        session.add(PanelDecision(panel_id=number, image_id=desk.cells[2], user_id=one, label="blast"))
    assert desk.reviews()["blind"] == [], "or an open panel's readers would learn of one another"
    people = {row["user"]: row for row in desk.reviews()["rows"]}
    assert people[one]["by_panel"] == 1
    with project.database.session() as session:
        session.get_one(Panel, number).closed_at = NOON
    found = desk.reviews()
    (pair,) = found["blind"]
    assert (pair["one"], pair["other"], pair["cells"]) == (one, two, 3)
    assert pair["share"] == pytest.approx(2 / 3)
    assert found["panels"] == 1
    assert desk.reviews(user=two)["blind"] == [pair]
    assert desk.reviews(case=0)["blind"] == []


def test_it_leaves_as_a_table_with_names(desk: Desk) -> None:
    answer = desk.viewer.post(f"{desk.path}/reviews/export", params={"by": "type", "user": desk.project.users[0]})
    assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["person"], row["type"], row["labels"]) for row in rows] == [
        ("Reviewer 0", "ig", "3"),
        ("Reviewer 0", "blast", "1"),
    ]
    assert "case" not in rows[0]
    with desk.project.database.session() as session:
        noted = session.scalars(select(AuditRow).where(AuditRow.action == "review.export")).all()
    assert noted[-1].subject["by"] == "type"
