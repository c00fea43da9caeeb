"""A field that was dropped is kept: what people add to the search and take from it, who may, and when it goes."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gate import Visitor, app_on, members, register
from PIL import Image
from projects import Filled, fill
from sqlalchemy import func, select, update

from hemosight.engine.bundle import Bundle
from hemosight.images.decode import Pixels, decode
from hemosight.images.finding.cells import find
from hemosight.images.synthetic.camera import DrawnField, draw_field
from hemosight.service.storage import uploads
from hemosight.service.storage.database import Database
from hemosight.service.storage.retention import expire
from hemosight.service.storage.tables import (
    AuditRow,
    CameraField,
    Case,
    FieldCell,
    Picture,
    Signature,
)
from hemosight.service.storage.tables import Image as Row

pytestmark = pytest.mark.service

PLACE = ("x", "y", "width", "height")


@dataclass
class Camera:
    """A project with a case that came as fields, and the people at it."""

    filled: Filled
    admin: Visitor
    reviewer: Visitor
    viewer: Visitor
    drawn: DrawnField
    field: int

    def path(self, rest: str = "") -> str:
        return f"/projects/{self.filled.id}/fields/{self.field}{rest}"

    def seen(self) -> dict[str, Any]:
        return self.reviewer.get(self.path()).json()


def _png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _send(visitor: Visitor, project: int, case: str | None, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    upload = visitor.post(f"/projects/{project}/uploads", json={"case": case} if case else {}).json()["id"]
    files = [("files", (f"film/{number}.png", data)) for number, data in enumerate(pictures)]
    answer = visitor.post(f"/projects/{project}/uploads/{upload}/fields", files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def _blot(pixels: Pixels, x: float, y: float) -> Pixels:
    """The same field with a cell washed out to a pale shadow, which the search does not see."""
    rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    near = np.hypot(rows - y, columns - x) < 70
    pale = pixels.copy()
    pale[near] = (205 + 0.12 * pixels[near]).astype(np.uint8)
    return pale


@pytest.fixture
def camera(database: Database, tiny_bundle: Bundle) -> Camera:
    register(database, tiny_bundle)
    project = fill(database, tiny_bundle, 0)
    roles = ("admin", "reviewer", "viewer")
    admin, reviewer, viewer = members(app_on(database, tiny_bundle), project.id, *roles)
    drawn = draw_field(900, 700, ["lymphocyte", "neutrophil", "monocyte"], np.random.default_rng(4))
    assert len(drawn.cells) == 3
    pale = drawn.cells[0]
    pixels = _blot(drawn.pixels, pale.x + pale.width / 2, pale.y + pale.height / 2)
    (found,) = _send(reviewer, project.id, "F-1", [_png(pixels)])
    assert (found["cells"], found["known"]) == (2, False)
    return Camera(project, admin, reviewer, viewer, drawn, found["field"])


def _middle(camera: Camera, number: int) -> dict[str, float]:
    cell = camera.drawn.cells[number]
    return {"x": cell.x + cell.width / 2, "y": cell.y + cell.height / 2}


def _actions(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.session() as session:
        query = select(AuditRow.action, AuditRow.subject).where(AuditRow.action.like("field.%")).order_by(AuditRow.id)
        return [(action, subject) for action, subject in session.execute(query)]


def test_a_field_knows_its_cells_and_a_cell_its_field(database: Database, camera: Camera) -> None:
    path = f"/projects/{camera.filled.id}"
    case = camera.reviewer.get(f"{path}/cases").json()["items"][0]["id"]
    (listed,) = camera.viewer.get(f"{path}/fields?case={case}").json()["items"]
    assert (listed["cells"], listed["added"], listed["removed"], listed["width"]) == (2, 0, 0, 900)
    assert listed["fair"], listed["fairness"]
    assert camera.viewer.get(f"{path}/fields?case=0").json()["items"] == []
    seen = camera.seen()
    assert [box["added_by"] for box in seen["boxes"]] == [None, None]
    for box in seen["boxes"]:
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert any(
            np.hypot(one.x + one.width / 2 - middle[0], one.y + one.height / 2 - middle[1]) < 20
            for one in camera.drawn.cells[1:]
        )
        shown = camera.viewer.get(f"{path}/images/{box['image']}").json()
        where = shown["in_field"]
        assert (where["field"], *(where[key] for key in PLACE)) == (camera.field, *(box[key] for key in PLACE))
        left, top, side = where["left"], where["top"], where["side"]
        around = camera.viewer.get(f"{path}/images/{box['image']}/surroundings")
        assert side == min(round(5 * max(box["width"], box["height"])), 700)
        assert left <= box["x"]
        assert top + side <= 700
        assert decode(around.content).shape == (480, 480, 3)
    picture = camera.viewer.get(camera.path("/picture"))
    assert decode(picture.content).shape == (700, 900, 3)
    again = camera.viewer.get(camera.path("/picture"), headers={"If-None-Match": picture.headers["ETag"]})
    assert again.status_code == 304


def test_a_missed_cell_is_cut_out_and_joins_the_case(database: Database, camera: Camera) -> None:
    at = _middle(camera, 0)
    made = camera.reviewer.post(camera.path("/cells"), json=at)
    assert made.status_code == 201, made.text
    box = made.json()
    assert box["added_by"] is not None
    assert box["x"] < at["x"] < box["x"] + box["width"]
    with database.session() as session:
        row = session.get_one(Row, box["image"])
        assert (row.case_id, row.name.split("/")[-1].startswith("added at ")) == (camera.seen()["case"], True)
        assert row.sha256 is not None
        crop = decode(session.get_one(Picture, row.sha256).data)
        assert crop.shape == (360, 360, 3)
        queued = session.scalar(select(func.count()).select_from(FieldCell).where(FieldCell.image_id == box["image"]))
        assert queued == 1
    seen = camera.seen()
    assert (seen["cells"], seen["added"]) == (3, 1)
    twice = camera.reviewer.post(camera.path("/cells"), json=at)
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "in_the_way")
    beside = camera.reviewer.post(camera.path("/cells"), json={"x": 901, "y": 10})
    assert (beside.status_code, "900 x 700" in beside.json()["error"]["message"]) == (422, True)
    assert camera.viewer.post(camera.path("/cells"), json={"x": 5, "y": 5}).status_code == 403
    assert [action for action, _ in _actions(database)] == ["field.add", "field.cell.add"]


def test_a_false_cell_leaves_the_counts_and_can_come_back(database: Database, camera: Camera) -> None:
    first = camera.seen()["boxes"][0]
    address = camera.path(f"/cells/{first['id']}")
    assert camera.viewer.delete(address).status_code == 403
    gone = camera.reviewer.delete(address)
    assert gone.status_code == 200, gone.text
    assert (gone.json()["image"], gone.json()["removed_by"] is not None) == (None, True)
    seen = camera.seen()
    assert (seen["cells"], seen["removed"], len(seen["boxes"])) == (1, 1, 2)
    case = camera.reviewer.get(f"/projects/{camera.filled.id}/cases").json()["items"][0]
    assert case["images"] == 1, "it is in no count"
    assert camera.reviewer.delete(address).status_code == 409
    with database.session() as session:
        assert session.get_one(Row, first["image"]).project_id is None
        data = session.get_one(Picture, session.get_one(CameraField, camera.field).sha256).data
    (again,) = _send(camera.reviewer, camera.filled.id, "F-1", [data])
    assert (again["known"], again["cells"]) == (True, 1), "sent again it does not bring back what was removed"
    back = camera.reviewer.post(
        camera.path("/cells"), json={"x": first["x"] + first["width"] / 2, "y": first["y"] + first["height"] / 2}
    ).json()
    assert (back["id"], back["added_by"], back["removed_by"]) == (first["id"], None, None)
    assert (camera.seen()["cells"], camera.seen()["added"], camera.seen()["removed"]) == (2, 0, 0)
    removed = dict(_actions(database))["field.cell.remove"]
    assert (removed["image"], removed["found"]) == (first["image"], True)
    assert "name" not in removed


def test_what_was_missed_and_false_is_counted_where_the_whole_field_was_looked_at(
    database: Database, camera: Camera
) -> None:
    finder = lambda: camera.viewer.get(f"/projects/{camera.filled.id}/profiles").json()["items"][0]["finder"]  # noqa: E731 - asked thrice
    camera.reviewer.post(camera.path("/cells"), json=_middle(camera, 0))
    false = next(box["id"] for box in camera.seen()["boxes"] if box["added_by"] is None)
    camera.reviewer.delete(camera.path(f"/cells/{false}"))
    assert finder() == {"fields": 1, "checked": 0, "cells": 0, "missed": 0, "false_cells": 0, "least": 0.5}
    assert camera.viewer.put(camera.path("/checked"), json={"checked": True}).status_code == 403
    assert camera.reviewer.put(camera.path("/checked"), json={"checked": True}).json()["checked_by"] is not None
    assert finder() == {"fields": 1, "checked": 1, "cells": 2, "missed": 1, "false_cells": 1, "least": 0.5}
    assert camera.reviewer.put(camera.path("/checked"), json={"checked": False}).json()["checked_at"] is None
    assert finder()["checked"] == 0


def test_a_signed_case_keeps_its_fields_and_cells(database: Database, camera: Camera) -> None:
    seen = camera.seen()
    with database.session() as session:
        facts = {"user_id": camera.filled.users[0], "role": "first", "bundle_id": camera.filled.bundle}
        session.add(
            Signature(project_id=camera.filled.id, case_id=seen["case"], reviewed_until=0, differential={}, **facts)
        )
    refused = camera.reviewer.delete(camera.path(f"/cells/{seen['boxes'][0]['id']}"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_the_way")
    refused = camera.reviewer.post(camera.path("/cells"), json=_middle(camera, 0))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "locked")
    assert camera.admin.delete(camera.path()).status_code == 409
    assert camera.seen() == seen


def test_a_field_goes_with_its_case_and_leaves_its_number(database: Database, camera: Camera) -> None:
    case = camera.seen()["case"]
    assert camera.reviewer.delete(camera.path()).status_code == 403
    assert camera.admin.delete(f"/projects/{camera.filled.id}/cases/{case}").status_code == 204
    assert camera.reviewer.get(camera.path()).status_code == 404
    with database.session() as session:
        row = session.get_one(CameraField, camera.field)
        assert (row.project_id, row.sha256, row.name, row.deleted_at is not None) == (None, None, "", True)
        assert session.scalar(select(func.count()).select_from(FieldCell)) == 0
        while uploads.forget_unused_pictures(session):
            pass
        assert session.scalar(select(func.count()).select_from(Picture)) == 0


def test_a_deleted_field_takes_its_cells_along(database: Database, camera: Camera) -> None:
    images = [box["image"] for box in camera.seen()["boxes"]]
    assert camera.admin.delete(camera.path()).status_code == 204
    for image in images:
        assert camera.viewer.get(f"/projects/{camera.filled.id}/images/{image}").status_code == 404
    assert camera.viewer.get(f"/projects/{camera.filled.id}/fields").json()["items"] == []


def test_a_field_follows_the_last_of_its_cells(database: Database, camera: Camera) -> None:
    path = f"/projects/{camera.filled.id}"
    other = camera.reviewer.post(f"{path}/cases", json={"key": "F-2", "note": ""}).json()["id"]
    first, second = (box["image"] for box in camera.seen()["boxes"])
    before = camera.seen()["case"]
    camera.reviewer.post(f"{path}/images/move", json={"images": [first], "case": other})
    assert camera.seen()["case"] == before
    camera.reviewer.post(f"{path}/images/move", json={"images": [second], "case": other})
    assert camera.seen()["case"] == other


def test_old_fields_go_unless_a_cell_of_them_stays(database: Database, camera: Camera) -> None:
    drawn = draw_field(420, 360, ["lymphocyte"], np.random.default_rng(9)).pixels
    blank = np.full_like(drawn, 235) + np.random.default_rng(0).integers(0, 4, drawn.shape).astype(np.uint8)
    empty, loose = _send(camera.reviewer, camera.filled.id, None, [_png(blank), _png(drawn)])
    assert (empty["cells"], loose["cells"]) == (0, 1)
    long_ago = datetime.timedelta(days=100)
    with database.session() as session:
        session.execute(update(CameraField).values(uploaded_at=CameraField.uploaded_at - long_ago))
        session.execute(update(Row).where(Row.case_id.is_not(None)).values(uploaded_at=Row.uploaded_at - long_ago))
        session.execute(update(Case).values(created_at=Case.created_at - long_ago))
    assert expire(database, 50) == 2, "the case's cells; the loose one is of today"
    left = camera.viewer.get(f"/projects/{camera.filled.id}/fields").json()["items"]
    assert [item["id"] for item in left] == [loose["field"]]


def test_a_field_out_of_focus_is_not_fair(database: Database, camera: Camera) -> None:
    sharp = draw_field(600, 500, ["monocyte"], np.random.default_rng(2)).pixels
    blurred = np.asarray(Image.fromarray(sharp).resize((60, 50)).resize((600, 500), Image.Resampling.BICUBIC))
    assert find(sharp, 77.0)
    (found,) = _send(camera.reviewer, camera.filled.id, "F-1", [_png(blurred)])
    assert (found["fair"], "out of focus" in found["fairness"]) == (False, True)
