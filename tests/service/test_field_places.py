"""Fields that overlap, and what people correct: a cell counts once, and the search of a scanner learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from film_camera import SCALE, Camera, camera_on, draw_film, two
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.errors import UnreadableImage
from hemosight.images.decode import Pixels
from hemosight.images.finding.cells import find
from hemosight.images.finding.threshold import JudgedField, ThresholdFit
from hemosight.images.synthetic.camera import DrawnField, draw_field
from hemosight.service.errors import NothingThere
from hemosight.service.intake import finder_threshold
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, CameraField, FieldCell, Profile
from hemosight.service.storage.tables import Image as Row
from hemosight.service.work import recrops

pytestmark = pytest.mark.service


@pytest.fixture
def camera(database: Database, tiny_bundle: Bundle) -> Camera:
    return camera_on(database, tiny_bundle)


def _sent_and_checked(camera: Camera, film: DrawnField) -> None:
    """Two fields of the film in which a person has looked at every cell."""
    found = camera.send("F-1", two(film, "{x}.png"))
    for one in found:
        camera.reviewer.put(camera.path(f"/fields/{one['field']}/checked"), json={"checked": True})


@pytest.fixture(scope="module")
def film() -> DrawnField:
    return draw_film()


def test_a_cell_of_two_fields_becomes_one_image(database: Database, camera: Camera, film: DrawnField) -> None:
    first, second = camera.send("F-1", two(film, "film/s1_x{x}_y0.png"))
    whole = find(film.pixels, 7.5 / SCALE)
    assert second["seen_again"] > 0, "the film that was drawn has a cell where the fields overlap"
    assert (first["placed"], second["placed"], first["seen_again"]) == (True, True, 0)
    assert first["cells"] + second["cells"] == len(whole)
    (case,) = camera.reviewer.get(camera.path("/cases")).json()["items"]
    assert case["images"] == len(whole)
    seen = camera.field(second["field"])
    assert (seen["x"], seen["y"], seen["cells"], seen["seen_again"]) == (520, 0, second["cells"], second["seen_again"])
    elsewhere = [box for box in seen["boxes"] if box["seen_in"] is not None]
    assert {(box["image"], box["seen_in"]) for box in elsewhere} == {(None, first["field"])}
    assert len(elsewhere) == second["seen_again"]
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Row).where(Row.case_id == case["id"])) == len(whole)
    (again,) = camera.send("F-1", two(film, "film/s1_x{x}_y0.png")[1:])
    assert (again["known"], again["cells"], again["seen_again"]) == (True, second["cells"], second["seen_again"])


def test_it_can_neither_be_added_nor_removed_where_it_does_not_count(camera: Camera, film: DrawnField) -> None:
    first, second = camera.send("F-1", two(film, "film/s1_x{x}_y0.png"))
    box = next(box for box in camera.field(second["field"])["boxes"] if box["seen_in"] is not None)
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    cells = camera.path(f"/fields/{second['field']}/cells")
    added = camera.reviewer.post(cells, json=at)
    assert (added.status_code, added.json()["error"]["code"]) == (409, "in_the_way")
    removed = camera.reviewer.delete(f"{cells}/{box['id']}")
    assert (removed.status_code, "another field counts" in removed.json()["error"]["message"]) == (409, True)
    camera.reviewer.put(camera.path(f"/fields/{second['field']}/checked"), json={"checked": True})
    (profile,) = camera.reviewer.get(camera.path("/profiles")).json()["items"]
    assert profile["finder"]["cells"] == second["cells"], "missed and false are counted of what counts there"
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    assert camera.recrop() == second["seen_again"]
    left = camera.field(second["field"])
    counted = second["cells"] + second["seen_again"]
    assert (left["cells"], left["seen_again"], left["uncounted"]) == (counted, 0, 0), "it was a cell of that field too"


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("F-1", ("film/1.png", "film/2.png")),  # nothing tells where they lie
        ("F-1", ("film/x0_y0.png", "film/x1_y0.png")),  # columns, not pixels
        ("F-1", ("a_x0_y0.png", "b_x520_y0.png")),  # two films
        (None, ("film/x0_y0.png", "film/x520_y0.png")),  # of no case: perhaps of two patients
    ],
)
def test_what_may_be_two_cells_counts_astwo(
    camera: Camera, film: DrawnField, case: str | None, names: tuple[str, str]
) -> None:
    pictures = [(name, pixels) for name, (_, pixels) in zip(names, two(film, "{x}"), strict=True)]
    first, second = camera.send(case, pictures)
    assert (first["seen_again"], second["seen_again"]) == (0, 0)
    assert first["cells"] + second["cells"] > len(find(film.pixels, 7.5 / SCALE))


def test_a_deleted_cell_is_cut_out_of_the_field_that_showed_it_too(camera: Camera, film: DrawnField) -> None:
    first, second = camera.send("F-1", two(film, "film/s1_x{x}_y0.png"))
    before = camera.field(second["field"])["boxes"]
    assert camera.admin.post(camera.path("/images/delete"), json={"images": first["images"]}).status_code == 200
    camera.recrop()
    seen = camera.field(second["field"])
    assert [box["id"] for box in seen["boxes"]] == [box["id"] for box in before]
    assert all(box["image"] is not None and box["seen_in"] is None for box in seen["boxes"])
    assert (seen["cells"], seen["added"], seen["seen_again"]) == (len(before), 0, 0), "found, not added by a person"


def test_one_that_cannot_be_cut_out_stays_as_found_and_can_be_counted(
    camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = camera.send("F-1", two(film, "film/s1_x{x}_y0.png"))
    assert camera.admin.delete(camera.path(f"/fields/{first['field']}")).status_code == 204
    with monkeypatch.context() as away:
        away.setattr(recrops, "decode", _unreadable)
        assert camera.recrop() == 0
    seen = camera.field(second["field"])
    assert (seen["cells"], seen["seen_again"], seen["removed"]) == (second["cells"], 0, 0)
    assert seen["uncounted"] == second["seen_again"]
    box = next(box for box in seen["boxes"] if box["image"] is None)
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    added = camera.reviewer.post(camera.path(f"/fields/{second['field']}/cells"), json=at)
    assert (added.status_code, added.json()["id"]) == (201, box["id"])
    assert camera.field(second["field"])["uncounted"] == second["seen_again"] - 1


def test_an_upload_that_is_taken_back_leaves_no_field_of_what_counted_in_it(
    database: Database, camera: Camera, film: DrawnField
) -> None:
    upload = camera.begin("F-1")
    camera.into(upload, two(film, "film/s1_x{x}_y0.png"))
    assert camera.reviewer.delete(camera.path(f"/uploads/{upload}")).status_code == 200
    assert camera.reviewer.get(camera.path("/fields")).json()["items"] == []


def test_two_slides_that_were_exported_alike_are_not_one_film(camera: Camera, film: DrawnField) -> None:
    """Both have tiles of the same names: a cell of one slide would count as the other's."""
    whole = find(film.pixels, 7.5 / SCALE)
    turned = DrawnField(np.ascontiguousarray(film.pixels[::-1]), ())
    first, second = camera.send("F-1", two(film, "Tile_x{x}_y0.png"))
    third, fourth = camera.send("F-1", two(turned, "Tile_x{x}_y0.png"))
    assert (first["same_place"], second["same_place"], second["placed"]) == (False, False, True)
    assert (third["placed"], third["same_place"], third["seen_again"]) == (False, True, 0)
    assert (fourth["placed"], fourth["same_place"], fourth["seen_again"]) == (False, True, 0)
    shown = camera.reviewer.get(camera.path("/fields")).json()["items"]
    assert {(field["film"], field["x"], field["y"]) for field in shown} == {(None, None, None)}
    assert sum(field["cells"] + field["seen_again"] for field in shown) > 2 * len(whole)
    (again,) = camera.send("F-1", two(film, "Tile_x{x}_y0.png")[:1])
    assert (again["known"], again["placed"], again["same_place"]) == (True, False, True)


def test_a_slide_exported_alike_frees_what_was_taken_for_its_cell(camera: Camera, film: DrawnField) -> None:
    """The second slide's tile at 520 came before its tile at 0 told that there are two slides."""
    (first,) = camera.send("F-1", [("Tile_x0_y0.png", film.pixels[:, :640])])
    lighter = np.clip(film.pixels[:, 520:], 0, 254) + np.uint8(1)  # its cells lie as the first's do, and are others
    (second,) = camera.send("F-1", [("Tile_x520_y0.png", lighter)])
    assert (second["placed"], second["seen_again"] > 0) == (True, True)
    (third,) = camera.send("F-1", [("Tile_x0_y0.png", np.ascontiguousarray(film.pixels[::-1, :640]))])
    assert third["same_place"]
    camera.recrop()
    left = camera.field(second["field"])
    assert (left["cells"], left["seen_again"], left["uncounted"]) == (second["cells"] + second["seen_again"], 0, 0)
    assert camera.field(first["field"])["cells"] == first["cells"]


def test_the_very_same_picture_counts_once_whatever_the_names_say(
    camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cut out of both tiles may be the same to the byte, and an image has one box."""
    first, second = camera.send("F-1", two(film, "Tile_x{x}_y0.png"))
    of_first = camera.reviewer.get(camera.path(f"/images/{first['images'][0]}/picture")).content
    monkeypatch.setattr(recrops, "png", lambda *_: of_first)
    (third,) = camera.send("F-1", [("Tile_x0_y0.png", np.ascontiguousarray(film.pixels[::-1, :640]))])
    assert third["same_place"]
    camera.recrop()
    left = camera.field(second["field"])
    assert (left["cells"], left["seen_again"], left["uncounted"]) == (second["cells"], second["seen_again"], 0)


# --- the threshold ------------------------------------------------------------------------------------------


def _taught(camera: Camera) -> Any:
    (profile,) = camera.admin.get(camera.path("/profiles")).json()["items"]
    return camera.admin.post(camera.path(f"/profiles/{profile['id']}/finder"))


def test_what_people_add_teaches_the_search_of_their_scanner(database: Database, camera: Camera) -> None:
    """The scanner's search is made too strict; people add what it misses, and new cases are searched right."""
    pictures = [
        (f"{number}.png", draw_field(480, 420, ["lymphocyte"], np.random.default_rng(number)).pixels)
        for number in range(8)
    ]
    (row,) = camera.admin.get(camera.path("/profiles")).json()["items"]
    _set_least(database, row["id"], 0.9999)
    found = camera.send("F-1", pictures)
    missed = [one for one, (_, pixels) in zip(found, pictures, strict=True) if one["cells"] < len(find(pixels, 77.0))]
    assert len(missed) >= 7
    for one, (_, pixels) in zip(found, pictures, strict=True):
        for cell in find(pixels, 77.0):
            camera.reviewer.post(
                camera.path(f"/fields/{one['field']}/cells"), json={"x": cell.middle[0], "y": cell.middle[1]}
            )
    refused = _taught(camera)
    assert (refused.status_code, "looked at as a whole" in refused.json()["error"]["message"]) == (422, True)
    for one in found:
        camera.reviewer.put(camera.path(f"/fields/{one['field']}/checked"), json={"checked": True})
    assert camera.reviewer.post(camera.path(f"/profiles/{row['id']}/finder")).status_code == 403
    taught = _taught(camera).json()
    assert (taught["fields"], taught["before"], taught["missed"]) == (8, 0.9999, 0)
    assert taught["missed_before"] >= 7
    assert taught["mended"] >= 7
    assert taught["spoilt"] == 0
    assert 0.1 < taught["least"] <= 0.95
    (shown,) = camera.admin.get(camera.path("/profiles")).json()["items"]
    assert shown["finder"]["least"] == taught["least"]
    # The case that has begun goes on by its own rule; the next one is searched by the new one.
    late, new = (
        (f"{case}.png", draw_field(480, 420, ["lymphocyte"], np.random.default_rng(seed)).pixels)
        for case, seed in (("late", 20), ("new", 21))
    )
    camera.send("F-1", [late])
    (after,) = camera.send("F-2", [new])
    assert after["cells"] == 1
    with database.session() as session:
        leasts = session.execute(select(CameraField.name, CameraField.least)).all()
        assert dict(leasts)["late.png"] == 0.9999
        assert dict(leasts)["new.png"] == taught["least"]
        noted = session.scalars(select(AuditRow.subject).where(AuditRow.action == "profile.finder")).one()
        assert (noted["before"], noted["least"], noted["fields"]) == (0.9999, taught["least"], 8)


def test_right_fields_move_nothing(database: Database, camera: Camera, film: DrawnField) -> None:
    _sent_and_checked(camera, film)
    taught = _taught(camera).json()
    assert (taught["least"], taught["before"], taught["missed_before"], taught["false_before"]) == (0.5, 0.5, 0, 0)
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(FieldCell).where(FieldCell.image_id.is_(None))) == 0


def test_one_threshold_is_fitted_at_a_time(camera: Camera, film: DrawnField) -> None:
    """Each searches up to 300 fields: forty who ask must not hold every thread of the service."""
    _sent_and_checked(camera, film)
    with finder_threshold.TURN:
        busy = _taught(camera)
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "busy")
    assert int(busy.headers["Retry-After"]) > 0
    assert _taught(camera).json()["fields"] == 2


def test_a_fit_that_takes_too_long_ends_with_the_newest_fields(
    camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sent_and_checked(camera, film)
    monkeypatch.setattr(finder_threshold, "LONGEST", -1.0)
    assert _taught(camera).json()["fields"] == 1


def test_a_field_that_is_deleted_meanwhile_is_left_out(
    camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sent_and_checked(camera, film)
    picture, gone = finder_threshold.images.picture, iter([True, False])

    def vanishing(session: Session, sha256: bytes) -> tuple[bytes, str]:
        if next(gone):
            raise NothingThere(kind="a picture")
        return picture(session, sha256)

    monkeypatch.setattr(finder_threshold.images, "picture", vanishing)
    taught = _taught(camera)
    assert (taught.status_code, taught.json()["fields"]) == (200, 1)


def test_a_threshold_that_another_process_fitted_meanwhile_stands(
    database: Database, camera: Camera, film: DrawnField, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in camera.send("F-1", two(film, "{x}.png")):
        camera.reviewer.put(camera.path(f"/fields/{one['field']}/checked"), json={"checked": True})
    (profile,) = camera.admin.get(camera.path("/profiles")).json()["items"]
    fitting = finder_threshold.fit

    def overtaken(own: Sequence[JudgedField], before: float) -> ThresholdFit:
        _set_least(database, profile["id"], 0.7)
        return fitting(own, before)

    monkeypatch.setattr(finder_threshold, "fit", overtaken)
    refused = _taught(camera)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_the_way")
    (shown,) = camera.admin.get(camera.path("/profiles")).json()["items"]
    assert shown["finder"]["least"] == 0.7


def _unreadable(*_: object) -> Pixels:
    raise UnreadableImage("a damaged picture")


def _set_least(database: Database, profile: int, least: float) -> None:
    with database.session() as session:
        session.execute(update(Profile).where(Profile.id == profile).values(least=least))
