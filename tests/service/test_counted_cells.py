"""Which cells of a case are counted: drawn with a seed, recorded, signed, and all that counts follows it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hemosight.blood.intervals import wilson
from hemosight.engine.bundle import Bundle
from hemosight.scoring.counting_area import first_field, order
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.routes import counting as routes
from hemosight.service.storage import events
from hemosight.service.storage import labels as label_sets
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import (
    AuditRow,
    CameraField,
    Case,
    FieldCell,
    KnownBundle,
    Member,
    Picture,
    Project,
)
from hemosight.service.storage.tables import Image as Row

pytestmark = pytest.mark.service

CELLS = 240


@dataclass
class Film:
    """A project with one case of many cells, and the people at it."""

    filled: Filled
    case: int
    images: list[int]
    reviewer: Visitor
    viewer: Visitor
    bundle: Bundle
    name: str

    def path(self, rest: str = "") -> str:
        return f"/projects/{self.filled.id}{rest}"

    def draw(self, leukocytes: int | None, visitor: Visitor | None = None, **more: Any) -> Any:
        body = {"leukocytes": leukocytes, **more}
        return (visitor or self.reviewer).put(self.path(f"/cases/{self.case}/counting"), json=body)

    def differential(self) -> dict[str, Any]:
        return self.reviewer.get(self.path(f"/differential?case={self.case}")).json()

    def label(self, image: int, label: str) -> None:
        body = {"request": str(uuid.uuid4()), "items": [{"image": image, "label": label, "version": 0}]}
        answer = self.reviewer.post(self.path("/labels"), json=body)
        assert answer.status_code == 200, answer.text
        assert not answer.json()["conflicts"]

    def chosen(self, database: Database) -> list[int]:
        with database.session() as session:
            return session.scalar(select(Case.counting).where(Case.id == self.case))["images"]  # type: ignore[index]

    def counted(self) -> int:
        shown = self.differential()
        return sum(row["after"]["count"] for row in shown["rows"]) + sum(
            one["after"] for one in shown["apart"].values()
        )


@pytest.fixture
def film(database: Database, tiny_bundle: Bundle) -> Film:
    with database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(database, tiny_bundle, 0)
    images = project.add(tiny_bundle, CELLS, case="C-1")
    app = app_on(database, tiny_bundle)
    people, names = [], []
    for role in ("reviewer", "viewer"):
        name = f"{role}-{uuid.uuid4().hex[:8]}"
        names.append(name)
        with database.session() as session:
            session.add(Member(project_id=project.id, user_id=add_user(database, name), role=role))
        people.append(browser(app, name))
    with database.session() as session:
        case = session.scalar(select(Case.id).where(Case.project_id == project.id))
    assert case is not None
    return Film(project, case, images, people[0], people[1], tiny_bundle, names[0])


def _in_fields(database: Database, film: Film, reasons: list[list[str]]) -> dict[int, tuple[int, float]]:
    """Lay the cells of the film into fields, a share each; gives each cell's field and place."""
    places: dict[int, tuple[int, float]] = {}
    with database.session() as session:
        picture = session.scalars(select(Picture.sha256).join(Row, Row.sha256 == Picture.sha256)).all()
        for number, own in enumerate(np.array_split(film.images, len(reasons))):
            field = CameraField(
                project_id=film.filled.id,
                case_id=film.case,
                sha256=picture[number],
                name=f"{number}.png",
                red_cell_px=77.0,
                scale_from="given",
                covered=0.6,
                fine=None,
                reasons=reasons[number],
            )
            session.add(field)
            session.flush()
            for place, image in enumerate(own.tolist()):
                x = float((7 * place) % len(own))
                places[image] = (field.id, x)
                session.add(FieldCell(field_id=field.id, image_id=image, x=x, y=0, width=0, height=0, marks=[]))
    return places


def test_a_case_that_chose_none_counts_as_before(film: Film) -> None:
    shown = film.differential()
    assert shown["counting"] is None
    assert film.counted() == CELLS
    (case,) = film.reviewer.get(film.path("/cases")).json()["items"]
    assert (case["images"], case["counted"]) == (CELLS, CELLS)
    assert film.draw(100, film.viewer).status_code == 403


def test_what_was_drawn_counts_and_nothing_else(database: Database, film: Film) -> None:
    before = film.differential()
    answer = film.draw(100)
    assert answer.status_code == 200, answer.text
    shown, chosen = answer.json(), film.chosen(database)
    drawn = shown["counting"]
    assert (shown["total"], drawn["counted_leukocytes"], drawn["target_leukocytes"]) == (100, 100, 100)
    assert (drawn["eligible_cells"], drawn["first_field"]) == (CELLS, None)
    assert film.counted() == len(chosen) == drawn["counted_cells"] < CELLS
    assert shown["digest"] != before["digest"]
    for row in shown["rows"]:  # Rümke: the interval is that of a hundred
        low, high = wilson(row["after"]["count"], 100)
        assert (row["after"]["low"], row["after"]["high"]) == pytest.approx((low, high))
    # The order can be made again of the seed and the cells, by hand.
    along = np.array(film.images)[order(np.array(film.images), drawn["seed"], "random")]
    assert along[: len(chosen)].tolist() == chosen
    signing = film.reviewer.get(film.path(f"/cases/{film.case}/signing")).json()
    checks = {one["name"]: one for one in signing["checks"]}
    assert checks["unreviewed"]["count"] == len(chosen)
    assert checks["too_few"]["says"] == "100 leukocytes counted, of 100 to be counted"
    film.label(chosen[0], "monocyte")
    outside = next(image for image in film.images if image not in chosen)
    film.label(outside, "monocyte")
    (case,) = film.reviewer.get(film.path("/cases")).json()["items"]
    assert (case["images"], case["counted"], case["labelled"]) == (CELLS, len(chosen), 1)
    # The newest label lies outside the count, and the case is signed as it stands.
    body = {"case": film.case, "role": "first", "note": "A hundred counted.", "digest": film.differential()["digest"]}
    signed = film.reviewer.post(film.path("/signatures"), json=body)
    assert signed.status_code == 201, signed.text


def test_drawing_anew_after_labels_takes_a_reason_that_stays(database: Database, film: Film) -> None:
    film.draw(100)
    first, seed = film.chosen(database), film.differential()["counting"]["seed"]
    assert film.draw(200).status_code == 200, "nothing was labelled yet"
    film.label(first[0], "monocyte")
    refused = film.draw(100, same_order=True)
    assert refused.status_code == 409
    assert "reason" in refused.text
    assert film.draw(None).status_code == 409
    assert film.draw(100, same_order=True, reason="Two hundred are not asked for.").status_code == 200
    now = film.differential()["counting"]
    assert now["seed"] != seed, "the seed is that of the draw that stood, not of the first"
    assert now["reason"] == "Two hundred are not asked for."
    assert film.draw(None, reason="All of them, after all.").json()["counting"] is None
    assert film.counted() == CELLS
    with database.session() as session:
        query = select(AuditRow.subject).where(
            AuditRow.action == "case.counting", AuditRow.project_id == film.filled.id
        )
        rows = session.scalars(query.order_by(AuditRow.id)).all()
    assert [row["target_leukocytes"] for row in rows] == [100, 200, 100, None]
    assert rows[0]["images"] == first
    assert rows[1]["drawn_before"]["seed"] == seed == rows[0]["seed"]
    assert rows[2]["images"] == rows[1]["images"][: len(rows[2]["images"])], "the same order, less far"


def test_every_choice_is_kept_and_goes_into_the_record(database: Database, film: Film) -> None:
    """Drawing until the counts please is told, also where all cells count in the end."""
    for _ in range(3):
        assert film.draw(100).status_code == 200
    film.label(film.chosen(database)[0], "monocyte")
    assert film.draw(200, reason="Asked for 200.").status_code == 200
    assert film.draw(None, reason="All of them.").status_code == 200
    shown = film.differential()
    assert shown["counting"] is None
    told = [(one["target_leukocytes"], one["labelled_cells"], one["reason"]) for one in shown["counting_choices"]]
    assert told == [(100, 0, ""), (100, 0, ""), (100, 0, ""), (200, 1, "Asked for 200."), (None, 1, "All of them.")]
    seeds = [one["seed"] for one in shown["counting_choices"]]
    assert len(set(seeds[:4])) == 4
    assert seeds[4] is None
    body = {"case": film.case, "digest": shown["digest"], "note": "As the model reads."}
    signed = film.reviewer.post(film.path("/signatures"), json=body)
    assert signed.status_code == 201, signed.text
    record = film.reviewer.get(film.path(f"/signatures/{signed.json()['id']}")).json()
    assert record["differential"]["counting_choices"] == shown["counting_choices"]
    report = film.reviewer.post(film.path(f"/signatures/{signed.json()['id']}/report?format=fhir"))
    assert "all cells; chosen for the 5th time" in report.text
    # Another process that loads the project says the same.
    other = browser(app_on(database, film.bundle), film.name)
    assert (
        other.get(film.path(f"/differential?case={film.case}")).json()["counting_choices"] == shown["counting_choices"]
    )


def test_nothing_changes_while_cells_are_drawn(
    database: Database, tiny_bundle: Bundle, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the draw is made of is compared once nobody else may write."""

    def late(change: Callable[[], object]) -> None:
        def take_turn(session: Session, project: int) -> None:
            change()
            events.take_turn(session, project)

        monkeypatch.setattr(routes, "events", SimpleNamespace(take_turn=take_turn))

    def other_bundle() -> None:
        with database.session() as session:
            row = KnownBundle(name="other", version="1", sha256=uuid.uuid4().hex * 2, space="s", manifest={})
            session.add(row)
            session.flush()
            session.execute(update(Project).where(Project.id == film.filled.id).values(bundle_id=row.id))

    def other_types() -> None:
        with database.session() as session:
            row = label_sets.label_set_of(session, film.filled.id, "cell_type")
            row.classes = [{**one, "counts": "excluded"} if one["name"] == "monocyte" else one for one in row.classes]

    for change, came in (
        (lambda: film.label(film.images[0], "monocyte"), "a label that came in meanwhile"),
        (lambda: film.filled.add(tiny_bundle, 2, seed=11, case="C-1"), "cells that were added"),
        (other_types, "types that count otherwise"),
        (other_bundle, "another bundle"),
    ):
        late(change)
        refused = film.draw(100, reason="A hundred.")
        assert refused.status_code == 409
        assert came in refused.json()["error"]["came"]
    with database.session() as session:
        row = session.get_one(Case, film.case)
        assert (row.counting, row.draws) == (None, [])


def test_a_battlement_goes_on_from_the_field_that_it_began_in(
    database: Database, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = _in_fields(database, film, [[], [], [], []])
    fields = sorted({field for field, _ in places.values()})
    # A seed by which a field that comes later would be the first.
    later = fields[-1] + 1
    known, more = np.array(fields), np.array([*fields, later])
    seed = next(one for one in range(1000) if first_field(known, one) != fields[0] and first_field(more, one) == later)
    monkeypatch.setattr(routes.secrets, "randbelow", lambda _: seed)
    drawn = film.draw(100, method="battlement").json()["counting"]
    first = first_field(known, seed)
    assert (drawn["seed"], drawn["first_field"]) == (seed, first)
    assert places[film.chosen(database)[0]][0] == first
    moved = film.images[:5]
    with database.session() as session:
        row = session.get_one(CameraField, fields[0])
        facts = {name: getattr(row, name) for name in ("project_id", "case_id", "red_cell_px", "scale_from", "covered")}
        sha256 = session.scalar(select(Row.sha256).where(Row.id == film.images[-1]))
        session.add(CameraField(id=later, sha256=sha256, name="later.png", fine=None, reasons=[], **facts))
        session.flush()
        session.execute(update(FieldCell).where(FieldCell.image_id.in_(moved)).values(field_id=later))
    again = film.draw(200, same_order=True).json()["counting"]
    assert (again["seed"], again["first_field"]) == (seed, first)
    assert places[film.chosen(database)[0]][0] == first, "not the field that came later"


def test_it_is_drawn_from_the_fields_that_are_fair(database: Database, film: Film) -> None:
    places = _in_fields(database, film, [[], ["thick"], [], []])
    fair = [image for image in film.images if image not in film.images[60:120]]
    assert film.draw(100).status_code == 200
    assert set(film.chosen(database)) <= set(fair)
    drawn = film.differential()["counting"]
    assert (drawn["eligible_cells"], drawn["cells_in_unfair_fields"]) == (180, 60)
    assert film.draw(100, method="battlement").status_code == 200
    chosen = film.chosen(database)
    fields = [places[image][0] for image in chosen]
    assert sum(one != other for one, other in pairwise(fields)) == len(set(fields)) - 1, "field after field"
    for field in set(fields[:60]):
        across = [places[image][1] for image in chosen if places[image][0] == field]
        assert across == sorted(across)


def test_a_film_with_fewer_gives_all_and_says_so(database: Database, film: Film) -> None:
    drawn = film.draw(400).json()["counting"]
    assert drawn["counted_leukocytes"] < 400
    assert sorted(film.chosen(database)) == film.images
    refused = film.draw(100, method="battlement")
    assert refused.status_code == 422
    assert "single crops" in refused.text


def test_cells_that_come_later_lie_outside_and_none_is_drawn_before_all_are_read(
    tiny_bundle: Bundle, film: Film
) -> None:
    assert film.draw(100).json()["total"] == 100
    before = film.counted()
    film.filled.add(tiny_bundle, 20, seed=9, case="C-1", read=False)
    assert film.counted() == before
    refused = film.draw(200)
    assert refused.status_code == 409
    assert "20 that wait to be read" in refused.text


def test_the_draw_is_signed_and_locked_with_the_case(database: Database, film: Film) -> None:
    film.draw(100)
    chosen = film.chosen(database)
    seen = film.differential()
    body = {"case": film.case, "digest": seen["digest"], "note": "As the model reads."}
    signed = film.reviewer.post(film.path("/signatures"), json=body)
    assert signed.status_code == 201, signed.text
    record = film.reviewer.get(film.path(f"/signatures/{signed.json()['id']}")).json()
    assert record["differential"]["counting"] == seen["counting"]
    assert record["reads_otherwise"] is False
    assert sorted(cell["image"] for cell in record["cells"] if not cell.get("outside")) == sorted(chosen)
    assert film.draw(200).status_code == 409, "a signed case is locked"
    export = film.reviewer.post(film.path(f"/signatures/{signed.json()['id']}/export"))
    assert json.loads(export.content)["signed"]["differential"]["counting"]["seed"] == seen["counting"]["seed"]
    assert b"outside" in film.reviewer.post(film.path(f"/signatures/{signed.json()['id']}/export?format=csv")).content
    assert film.reviewer.post(film.path(f"/cases/{film.case}/amendment"), json={"reason": "More."}).status_code == 201
    assert film.draw(200).status_code == 200
    withdrawn = film.reviewer.delete(film.path(f"/cases/{film.case}/amendment"))
    assert withdrawn.status_code == 409
    assert "another draw" in withdrawn.text
