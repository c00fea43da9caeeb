"""Which cells of a case are counted: drawn with a seed, recorded, signed, and all that counts follows it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select

from hemosight.blood.intervals import wilson
from hemosight.engine.bundle import Bundle
from hemosight.scoring.counting_area import order
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, CameraField, Case, FieldCell, KnownBundle, Member, Picture
from hemosight.service.storage.tables import Image as Row

CELLS = 240


@dataclass
class Film:
    """A project with one case of many cells, and the people at it."""

    filled: Filled
    case: int
    images: list[int]
    reviewer: Visitor
    viewer: Visitor

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
    people = []
    for role in ("reviewer", "viewer"):
        name = f"{role}-{uuid.uuid4().hex[:8]}"
        with database.session() as session:
            session.add(Member(project_id=project.id, user_id=add_user(database, name), role=role))
        people.append(browser(app, name))
    with database.session() as session:
        case = session.scalar(select(Case.id).where(Case.project_id == project.id))
    assert case is not None
    return Film(project, case, images, *people)


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
    assert (shown["total"], drawn["met"], drawn["wanted"], drawn["pool"]) == (100, 100, 100, CELLS)
    assert film.counted() == len(chosen) == drawn["chosen"] < CELLS
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
    assert [row["wanted"] for row in rows] == [100, 200, 100, None]
    assert rows[0]["images"] == first
    assert rows[1]["drawn_before"]["seed"] == seed == rows[0]["seed"]
    assert rows[2]["images"] == rows[1]["images"][: len(rows[2]["images"])], "the same order, less far"


def test_it_is_drawn_from_the_fields_that_are_fair(database: Database, film: Film) -> None:
    places = _in_fields(database, film, [[], ["thick"], [], []])
    fair = [image for image in film.images if image not in film.images[60:120]]
    assert film.draw(100).status_code == 200
    assert set(film.chosen(database)) <= set(fair)
    drawn = film.differential()["counting"]
    assert (drawn["pool"], drawn["unfair"]) == (180, 60)
    assert film.draw(100, method="battlement").status_code == 200
    chosen = film.chosen(database)
    fields = [places[image][0] for image in chosen]
    assert sum(one != other for one, other in pairwise(fields)) == len(set(fields)) - 1, "field after field"
    for field in set(fields[:60]):
        across = [places[image][1] for image in chosen if places[image][0] == field]
        assert across == sorted(across)


def test_a_film_with_fewer_gives_all_and_says_so(database: Database, film: Film) -> None:
    drawn = film.draw(400).json()["counting"]
    assert drawn["met"] < 400
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
