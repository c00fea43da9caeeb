"""Control charts at the desk: a point for each signed case, flags that ask for a new validation, and their answers."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import insert, select, update

from hemosight.engine.bundle import Bundle
from hemosight.scoring.control import BASELINE
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk import drift as desk
from hemosight.service.desk.drift import CaseMeasures, scanner
from hemosight.service.storage import drift as storage
from hemosight.service.storage.database import Database
from hemosight.service.storage.drift import Answer, StoredPoint
from hemosight.service.storage.tables import (
    AuditRow,
    Case,
    CellEmbedding,
    DriftPoint,
    KnownBundle,
    Member,
    Profile,
    Signature,
)


@dataclass
class Laboratory:
    """A project, its administrator, a reviewer and somebody who looks."""

    project: Filled
    bundle: Bundle
    path: str
    admin: Visitor
    reviewer: Visitor
    viewer: Visitor

    @property
    def scanner(self) -> int:
        """The number of its one scanner profile."""
        with self.project.database.session() as session:
            return session.scalars(select(Profile.id).where(Profile.project_id == self.project.id)).one()

    def case(self, key: str, cells: int = 30, *, unusual: int = 0, seed: int) -> tuple[int, list[int]]:
        """A case whose first cells are beyond the novelty limit; gives its number and its cells."""
        images = self.project.add(self.bundle, cells, seed=seed, case=key, read=False)
        self.project.read(images)
        with self.project.database.session() as session:
            far = CellEmbedding.image_id.in_(images[:unusual])
            session.execute(update(CellEmbedding).where(far).values(novelty=2.0))
            number = session.scalars(select(Case.id).where(Case.project_id == self.project.id, Case.key == key)).one()
        # The desk has heard of the cells before their novelty was another: load the project anew.
        self.admin.project_states.drop(self.project.id)
        return number, images

    def sign(self, case: int, **more: Any) -> Any:
        """Sign it as the reviewer."""
        given = {"case": case, "role": "first", "note": "read by the model alone", **more}
        answer = self.reviewer.post(f"{self.path}/signatures", json=given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def usual(self, count: int, seed: int = 1) -> None:
        """So many signed cases in which nothing is remarkable, straight into the tables."""
        rng, scanner = np.random.default_rng(seed), self.scanner
        with self.project.database.session() as session:
            for number in range(count):
                case = session.scalar(
                    insert(Case).values(project_id=self.project.id, key=f"usual-{seed}-{number}").returning(Case.id)
                )
                assert case is not None
                facts = {"case_id": case, "user_id": self.project.users[0], "role": "first", "differential": {}}
                facts |= {"bundle_id": self.project.bundle, "reviewed_until": 0, "project_id": self.project.id}
                signature = session.scalar(insert(Signature).values(**facts).returning(Signature.id))
                assert signature is not None
                looked = [float(value) for value in rng.normal([0.1, 5.0, 77.0], [0.02, 0.02, 1.5])]
                its = CaseMeasures(
                    cells=100,
                    unusual=int(rng.binomial(100, 0.03)),
                    named=50,
                    agree=int(rng.binomial(50, 0.9)),
                    leukocytes=100,
                    types={"neutrophil": int(rng.binomial(100, 0.6)), "lymphocyte": int(rng.binomial(100, 0.3))},
                    colour=looked[0],
                    light=looked[1],
                    width=looked[2],
                )
                storage.add(session, self.project.id, signature, case, scanner, its.to_json())

    def drift(self, who: Visitor | None = None) -> dict[str, Any]:
        """What the charts of the first scanner say."""
        answer = (who or self.viewer).get(f"{self.path}/drift")
        assert answer.status_code == 200, answer.text
        return answer.json()["items"][0]

    def answer(self, who: Visitor, kind: str = "explained", note: str = "a new batch of stain") -> Any:
        """Answer its flags; gives the answer."""
        cases = self.drift()["cases"]
        given = {"kind": kind, "note": note, "seen": max((one["signature"] for one in cases), default=0)}
        return who.post(f"{self.path}/profiles/{self.scanner}/drift-answers", json=given)


@pytest.fixture
def laboratory(module_database: Database, tiny_bundle: Bundle) -> Laboratory:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    mark = uuid.uuid4().hex[:8]
    for role in ("admin", "reviewer", "viewer"):
        user = add_user(module_database, f"{role}-{mark}")
        with module_database.session() as session:
            session.add(Member(project_id=project.id, user_id=user, role=role))
    app = app_on(module_database, tiny_bundle)
    people = (browser(app, f"{role}-{mark}") for role in ("admin", "reviewer", "viewer"))
    return Laboratory(project, tiny_bundle, f"/projects/{project.id}", *people)


def _chart(shown: dict[str, Any], name: str) -> dict[str, Any]:
    return next(chart for chart in shown["charts"] if chart["name"] == name)


def test_signing_puts_the_case_on_the_charts_of_its_scanner(laboratory: Laboratory) -> None:
    number, cells = laboratory.case("24-1", unusual=5, seed=5)
    laboratory.project.say({cells[0]: "neutrophil", cells[1]: "?"})
    signed = laboratory.sign(number)
    with laboratory.project.database.session() as session:
        row = session.scalars(select(DriftPoint).where(DriftPoint.project_id == laboratory.project.id)).one()
        assert (row.signature_id, row.case_id, row.profile_id) == (signed["id"], number, laboratory.scanner)
        its = row.measures
    assert (its["cells"], its["unusual"]) == (30, 5)
    differential = signed["differential"]
    assert its["leukocytes"] == differential["total"] > 10
    assert its["types"] == {one["label"]: one["after"]["count"] for one in differential["rows"]}
    assert its["width"] is None, "pictures that cannot be read say nothing, and keep nobody from signing"
    found = laboratory.drift()
    assert [case["key"] for case in found["cases"]] == ["24-1"]
    assert _chart(found, "novelty")["points"][0]["value"] == pytest.approx(5 / 30)
    assert (found["learnt"], found["baseline"], found["asks"]) == (1, BASELINE, False)


def test_agreement_is_with_what_the_model_read_before_anybody_spoke(laboratory: Laboratory) -> None:
    number, cells = laboratory.case("24-2", seed=6)
    path = f"{laboratory.path}/labels"
    shown = {one["id"]: one for one in laboratory.reviewer.get(f"{laboratory.path}/images?limit=200").json()["items"]}
    read = {image: shown[image]["predicted"] for image in cells}

    def say(items: dict[int, str], versions: dict[int, int]) -> dict[int, int]:
        said = [{"image": i, "label": label, "version": versions.get(i, 0)} for i, label in items.items()]
        answer = laboratory.reviewer.post(path, json={"request": str(uuid.uuid4()), "items": said})
        assert answer.status_code == 200, answer.text
        return {one["image"]: one["version"] for one in answer.json()["labels"]}

    other = {image: "blast" if read[image] != "blast" else "monocyte" for image in cells[:4]}
    versions = say({**other, **{image: read[image] for image in cells[4:10]}}, {})
    # Two of the four are said again as the model had them: in the end it was right.
    say({image: read[image] for image in cells[:2]}, versions)
    laboratory.admin.project_states.get(laboratory.project.id).settle("cell_type")
    laboratory.sign(number)
    with laboratory.project.database.session() as session:
        query = select(DriftPoint.measures).where(DriftPoint.project_id == laboratory.project.id)
        its = session.scalars(query).one()
    assert (its["named"], its["agree"]) == (10, 8)


def test_a_planted_drift_asks_for_a_new_validation_until_somebody_answers(laboratory: Laboratory) -> None:
    laboratory.usual(BASELINE + 3)
    assert not laboratory.drift()["asks"]
    number, _ = laboratory.case("24-3", 80, unusual=15, seed=7)
    signed = laboratory.sign(number)
    found = laboratory.drift()
    assert found["asks"]
    flag = next(flag for flag in found["flags"] if flag["chart"] == "novelty")
    assert (flag["case"], flag["key"]) == (number, "24-3")
    assert "1_3s" in flag["rules"]
    assert found["cases"][-1]["signature"] == signed["id"]
    assert found["promise"]["stretch"] > 1.4, "many charts have wider limits than one"
    for who in (laboratory.reviewer, laboratory.viewer):
        assert laboratory.answer(who).status_code == 403
    assert laboratory.answer(laboratory.admin, note=" ").status_code == 422
    assert laboratory.answer(laboratory.admin).status_code == 201
    answered = laboratory.drift()
    assert not answered["asks"]
    assert not answered["flags"]
    assert _chart(answered, "novelty")["points"][-1]["rules"], "the flag stays on the chart"
    assert answered["answers"][0]["note"] == "a new batch of stain"
    with laboratory.project.database.session() as session:
        query = select(AuditRow.subject).where(AuditRow.action == "drift.answer")
        noted = session.scalars(query.where(AuditRow.project_id == laboratory.project.id)).one()
    assert noted == {
        "profile": laboratory.scanner,
        "until": signed["id"],
        "kind": "explained",
        "note": answered["answers"][0]["note"],
        "seen": signed["id"],
    }
    again, _ = laboratory.case("24-4", 80, unusual=15, seed=8)
    laboratory.sign(again)
    assert {flag["key"] for flag in laboratory.drift()["flags"]} == {"24-4"}


def test_after_a_validation_the_next_cases_say_what_is_usual(laboratory: Laboratory) -> None:
    laboratory.usual(BASELINE + 2)
    assert laboratory.drift()["learnt"] == BASELINE + 2
    assert laboratory.answer(laboratory.admin, "validated", "dossier of 2 March").status_code == 201
    found = laboratory.drift()
    assert found["learnt"] == 0
    assert _chart(found, "scale")["centre"] is None
    laboratory.usual(BASELINE + 1, seed=2)
    assert _chart(laboratory.drift(), "scale")["centre"] == pytest.approx(77, abs=1.5)


def test_an_amended_case_counts_once_as_it_was_signed_last_and_where_it_came_first(laboratory: Laboratory) -> None:
    number, _ = laboratory.case("24-5", unusual=3, seed=9)
    first = laboratory.sign(number)
    laboratory.usual(2, seed=3)
    opened = laboratory.reviewer.post(f"{laboratory.path}/cases/{number}/amendment", json={"reason": "a second look"})
    assert opened.status_code == 201
    found = laboratory.drift()
    assert (found["cases"][0]["id"], found["cases"][0]["signature"]) == (number, first["id"]), "it stands meanwhile"
    more = laboratory.project.add(laboratory.bundle, 10, seed=19, case="24-5")
    second = laboratory.sign(number)
    found = laboratory.drift()
    assert len(found["cases"]) == 3
    assert (found["cases"][0]["id"], found["cases"][0]["signature"]) == (number, second["id"])
    assert _chart(found, "novelty")["points"][0]["value"] == pytest.approx(3 / (30 + len(more)))


def test_a_second_signature_is_no_second_point(laboratory: Laboratory) -> None:
    number, _ = laboratory.case("24-6", seed=10)
    first = laboratory.sign(number)
    given = {"case": number, "role": "second", "note": "", "countersigns": first["id"]}
    assert laboratory.admin.post(f"{laboratory.path}/signatures", json=given).status_code == 201
    assert len(laboratory.drift()["cases"]) == 1


def test_a_refused_signature_leaves_no_point(laboratory: Laboratory) -> None:
    number, _ = laboratory.case("24-7", seed=11)
    given = {"case": number, "role": "first", "note": "", "digest": "0" * 64}
    assert laboratory.reviewer.post(f"{laboratory.path}/signatures", json=given).status_code == 409
    assert laboratory.drift()["cases"] == []


def test_an_answer_is_to_what_was_seen(laboratory: Laboratory) -> None:
    """A case that was signed while somebody wrote is answered by nobody: it may be the one that flags."""
    laboratory.usual(2)
    path = f"{laboratory.path}/profiles/{laboratory.scanner}/drift-answers"
    given = {"kind": "explained", "note": "a new batch", "seen": laboratory.drift()["cases"][-1]["signature"]}
    number, _ = laboratory.case("24-9", seed=12)
    signed = laboratory.sign(number)
    refused = laboratory.admin.post(path, json=given)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_the_way")
    assert laboratory.drift()["answers"] == []
    assert laboratory.admin.post(path, json={**given, "seen": signed["id"]}).status_code == 201
    # An old case that was amended and signed again is another point, though no other case is newer.
    opened = laboratory.reviewer.post(f"{laboratory.path}/cases/{number}/amendment", json={"reason": "recount"})
    assert opened.status_code == 201, opened.text
    laboratory.sign(number)
    assert laboratory.admin.post(path, json={**given, "seen": signed["id"]}).status_code == 409
    without = {key: value for key, value in given.items() if key != "seen"}
    assert laboratory.admin.post(path, json=without).status_code == 422


def test_charts_of_a_merged_scanner_go_on_with_the_other(laboratory: Laboratory) -> None:
    laboratory.usual(3)
    laboratory.answer(laboratory.admin)
    old = laboratory.scanner
    made = laboratory.reviewer.post(f"{laboratory.path}/profiles", json={"name": "Camera 2"}).json()["id"]
    answer = laboratory.admin.post(f"{laboratory.path}/profiles/{old}/merge", json={"into": made})
    assert answer.status_code == 200, answer.text
    found = laboratory.drift()
    assert found["profile"] == made
    assert len(found["cases"]) == 3
    assert found["answers"] == []


def test_another_project_sees_nothing_of_it(laboratory: Laboratory, tiny_bundle: Bundle) -> None:
    laboratory.usual(2)
    other = fill(laboratory.project.database, tiny_bundle, 0)
    assert laboratory.viewer.get(f"/projects/{other.id}/drift").status_code == 404
    answer = laboratory.admin.post(
        f"/projects/{other.id}/profiles/{laboratory.scanner}/drift-answers",
        json={"kind": "explained", "note": "x", "seen": 2},
    )
    assert answer.status_code == 404


# --- without a database ---------------------------------------------------------------------------------------


NOW = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


def _points(values: list[dict[str, Any]], bundles: list[int] | None = None) -> list[StoredPoint]:
    return [
        StoredPoint(at + 1, f"c{at}", at + 1, at + 1, 1 if bundles is None else bundles[at], NOW, 1, measures)
        for at, measures in enumerate(values)
    ]


def _case(rng: np.random.Generator, **more: Any) -> dict[str, Any]:
    usual = CaseMeasures(
        cells=100,
        unusual=int(rng.binomial(100, 0.03)),
        named=80,
        agree=int(rng.binomial(80, 0.9)),
        leukocytes=100,
        types={"neutrophil": int(rng.binomial(100, 0.6))},
        colour=float(rng.normal(0.1, 0.02)),
        light=float(rng.normal(5, 0.02)),
        width=float(rng.normal(77, 1.5)),
    )
    return usual.to_json() | more


@pytest.mark.parametrize(
    ("chart", "planted"),
    [
        ("novelty", {"unusual": 14}),
        ("agreement", {"agree": 58}),
        ("scale", {"width": 81.5}),
        ("stain", {"colour": 0.16}),
        ("brightness", {"light": 4.94}),
        ("type:neutrophil", {"types": {"neutrophil": 42}}),
    ],
)
def test_a_drift_of_three_deviations_is_flagged_within_the_stated_run_length(
    chart: str, planted: dict[str, Any]
) -> None:
    late = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        usual, drifted = [_case(rng) for _ in range(30)], [_case(rng, **planted) for _ in range(20)]
        found = scanner(_points([*usual, *drifted]), [])
        assert found.performance is not None
        its = next(one for one in found.charts if one.name == chart)
        delays = [flag.at - 29 for flag in its.watch.flags if flag.at >= 30]
        late += not delays or delays[0] > found.performance.drifted.most
        assert found.asks or not delays
    assert late <= 2


def test_under_another_bundle_readings_are_learnt_anew_and_pictures_go_on() -> None:
    rng = np.random.default_rng(0)
    before, after = [_case(rng) for _ in range(25)], [_case(rng, unusual=20, agree=60) for _ in range(25)]
    found = scanner(_points([*before, *after], [1] * 25 + [2] * 25), [])
    by_name = {chart.name: chart.watch for chart in found.charts}
    assert not by_name["novelty"].flags
    assert by_name["novelty"].usual[25:45].all()
    assert by_name["novelty"].centre == pytest.approx(0.2, abs=0.02)
    assert not by_name["scale"].usual[20:].any()
    assert (found.usual, found.usual_readings) == (50, 25), "and the page can say so"


def test_what_another_bundle_reads_is_learnt_from_its_first_case_on() -> None:
    """The move itself begins it: nothing is usual before a case was signed under the new bundle."""
    rng = np.random.default_rng(0)
    points = _points([_case(rng) for _ in range(25)])
    moved = {chart.name: chart.watch for chart in scanner(points, [], 2).charts}
    assert np.isnan(moved["novelty"].centre)
    assert np.isnan(moved["agreement"].centre)
    assert moved["scale"].centre == pytest.approx(77, abs=2)
    assert [scanner(points, [], bundle).usual_readings for bundle in (None, 1, 2)] == [25, 25, 0]
    validated = [Answer(1, 25, "validated", "x", 1, "A", NOW)]
    assert (scanner(points, validated, 2).usual, scanner(points, validated, 2).usual_readings) == (0, 0)
    assert scanner([], [], 2).usual_readings == 0


def test_a_measure_that_no_case_has_is_no_chart_and_widens_no_limit() -> None:
    rng = np.random.default_rng(1)
    bare = [_case(rng, width=None, colour=None, light=None) for _ in range(22)]
    names = [chart.name for chart in scanner(_points(bare), []).charts]
    assert names == ["novelty", "agreement", "type:neutrophil"]
    assert scanner([], []).performance is not None
    assert not scanner([], []).asks


def test_an_answer_reaches_as_far_as_it_was_given() -> None:
    rng = np.random.default_rng(2)
    points = _points([*(_case(rng) for _ in range(22)), _case(rng, width=99.0), _case(rng), _case(rng, width=99.0)])
    assert scanner(points, []).asks
    assert scanner(points, [Answer(1, 24, "explained", "x", 1, "A", NOW)]).asks, "the last case came later"
    assert not scanner(points, [Answer(1, 25, "explained", "x", 1, "A", NOW)]).asks


def test_few_pictures_of_a_case_are_looked_at() -> None:
    assert len(desk.sampled(list(range(500)))) == desk.LOOKED
    assert desk.look_of([]) == desk.look_of([(b"", None)])
