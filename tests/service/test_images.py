"""Images: the lists that people filter, the one they look at, its pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crops import crops, form
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from PIL import Image as Pillow

from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.service.storage.database import Database
from hemosight.service.work.worker import EmbeddingWorker

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def app(module_database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(module_database, "ada", is_admin=True)
    add_user(module_database, "eve")
    return app_on(module_database, tiny_bundle)


@pytest.fixture(scope="module")
def ada(app: FastAPI) -> Visitor:
    return browser(app, "ada")


@pytest.fixture(scope="module")
def files(drawn_smear: Path) -> dict[str, bytes]:
    """Crops of several types, and one that is cut off."""
    found = dict(list(crops(drawn_smear).items())[::4])
    good = next(iter(found.values()))
    return {**found, "cut.png": good[: len(good) // 2]}


@pytest.fixture(scope="module")
def project(ada: Visitor, app: FastAPI, files: dict[str, bytes], tiny_engine: Engine) -> str:
    """A project of two cases, all read but the last image."""
    number = ada.post("/projects", json={"name": "p"}).json()["id"]
    images = []
    pairs = list(files.items())
    for key, part in (("S-1", pairs[:10]), ("S_2", pairs[10:])):
        upload = ada.post(f"/projects/{number}/uploads", json={"case": key}).json()["id"]
        sent = ada.post(f"/projects/{number}/uploads/{upload}/files", files=form(dict(part))).json()["items"]
        images += [item["image"] for item in sent]
    late = ada.post(f"/projects/{number}/uploads", json={}).json()["id"]
    with app.state.database.session() as session:
        bundle = app.state.registry.register(session)
    EmbeddingWorker(app.state.database, tiny_engine, bundle, "w").read(number, images)
    buffer = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(5).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "TIFF")
    ada.post(f"/projects/{number}/uploads/{late}/files", files=form({"late.tif": buffer.getvalue()}))
    return f"/projects/{number}"


def listed(visitor: Visitor, project: str, **wanted: Any) -> list[dict[str, Any]]:
    answer = visitor.get(f"{project}/images", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_the_list_says_what_classify_says(
    ada: Visitor, project: str, files: dict[str, bytes], tiny_engine: Engine
) -> None:
    items = listed(ada, project)
    assert [item["name"] for item in items] == [*files, "late.tif"]
    for item, reading in zip(items, tiny_engine.classify(files.values()), strict=False):
        assert (item["predicted"], item["status"]) == (reading.label, reading.status)
        if reading.readable:
            best = sorted(reading.probabilities.values())[::-1]
            assert item["probability"] == pytest.approx(reading.probability, abs=1e-5)
            assert item["uncertainty"] == pytest.approx(1 - best[0] + best[1], abs=1e-5)
            assert item["novelty"] == pytest.approx(reading.novelty, abs=1e-5)
    assert items[-1]["status"] == "waiting"


@pytest.mark.parametrize("sort", ["id", "confidence", "uncertainty", "novelty"])
@pytest.mark.parametrize("limit", [1, 4, 7])
def test_pages_are_the_list(ada: Visitor, project: str, sort: str, limit: int) -> None:
    whole = listed(ada, project, sort=sort)
    pages, after = [], None
    while True:
        params = {"sort": sort, "limit": limit} | ({} if after is None else {"after": after})
        answer = ada.get(f"{project}/images", params=params).json()
        pages += answer["items"]
        after = answer["next"]
        if after is None:
            break
        assert len(answer["items"]) == limit
    assert pages == whole
    key = {
        "id": lambda item: item["id"],
        "confidence": lambda item: -(item["probability"] or -1),
        "uncertainty": lambda item: -(item["uncertainty"] if item["uncertainty"] is not None else -1),
        "novelty": lambda item: -(item["novelty"] if item["novelty"] is not None else -1),
    }[sort]
    assert whole == sorted(whole, key=lambda item: (key(item), item["id"]))


def test_filters_are_those_of_a_slow_loop(ada: Visitor, project: str) -> None:
    everything = listed(ada, project)
    predicted = everything[0]["predicted"]
    cases = {row["key"]: row["id"] for row in ada.get(f"{project}/cases").json()["items"]}
    middle = float(np.median([item["probability"] for item in everything if item["probability"] is not None]))
    for wanted, fits in (
        ({"predicted": predicted}, lambda item: item["predicted"] == predicted),
        ({"min_confidence": middle}, lambda item: (item["probability"] or 0) >= middle),
        ({"max_confidence": middle}, lambda item: item["probability"] is not None and item["probability"] <= middle),
        ({"min_novelty": 0.5}, lambda item: (item["novelty"] or 0) >= 0.5),
        ({"case": cases["S_2"]}, lambda item: item["case"] == "S_2"),
        ({"text": "s_2"}, lambda item: item["case"] == "S_2"),  # an underscore is no wildcard
        ({"text": "LATE.TIF"}, lambda item: item["name"] == "late.tif"),
        (
            {"case": cases["S-1"], "predicted": predicted},
            lambda item: item["case"] == "S-1" and item["predicted"] == predicted,
        ),
        ({"labelled": "true"}, lambda item: False),
    ):
        found = listed(ada, project, **wanted)
        assert found == [item for item in everything if fits(item)], wanted
        assert len(found) < len(everything)


def test_labels_are_listed_and_filtered(ada: Visitor, project: str) -> None:
    first, second = listed(ada, project)[:2]
    said = {
        "request": "0d6a8f5e-4f6e-4a5b-9f2e-0a1b2c3d4e5f",
        "label_set": "cell_type",
        "kind": "set",
        "items": [
            {"image": first["id"], "label": "lymphocyte", "version": 0},
            {"image": second["id"], "label": "?", "version": 0},
        ],
    }
    records = ada.post(f"{project}/labels", json=said).json()["labels"]
    readings = ada.project_states.get(int(project.rsplit("/", 1)[1]))
    assert readings.settle("cell_type"), "the readings that are compared below have followed"
    (one,) = listed(ada, project, labelled=True)
    assert (one["id"], one["label"], one["version"]) == (first["id"], "lymphocyte", records[0]["version"])
    (other,) = listed(ada, project, unsure=True)
    assert (other["id"], other["label"]) == (second["id"], "?")
    assert listed(ada, project, label="lymphocyte") == [one]
    assert listed(ada, project, label="?") == [other]
    shown = ada.get(f"{project}/images/{first['id']}").json()
    assert shown["sets"]["cell_type"]["label"] == "lymphocyte"
    assert [record["label"] for record in shown["history"]] == ["lymphocyte"]
    undo = {"request": "1d6a8f5e-4f6e-4a5b-9f2e-0a1b2c3d4e5f", "labels": [record["version"] for record in records]}
    assert ada.post(f"{project}/labels/undo", json=undo).status_code == 200
    assert listed(ada, project, labelled=True) == []
    assert readings.settle("cell_type"), "whichever test comes next finds what it would have found before"


def test_what_does_not_exist_is_said(ada: Visitor, project: str) -> None:
    for path, status in (
        ("images?predicted=nobody", 404),
        ("images?label_set=nothing", 404),
        ("images?case=999999", 404),
        ("images?case=S-1", 422),
        ("images?after=x&sort=novelty", 422),
        ("images?after=x", 422),
        ("images?after=nan_1&sort=novelty", 422),
        ("images/999999", 404),
        ("images/999999/picture", 404),
        ("images/999999/thumbnail", 404),
        ("images/999999/heat", 404),
        ("images/999999/neighbours", 404),
    ):
        assert ada.get(f"{project}/{path}").status_code == status, path


def test_one_image_is_known_in_every_label_set(ada: Visitor, project: str, files: dict[str, bytes]) -> None:
    item = listed(ada, project)[0]
    shown = ada.get(f"{project}/images/{item['id']}").json()
    assert {key: shown[key] for key in item} == item
    assert set(shown["sets"]) == {"cell_type", "nucleus_shape"}
    assert sum(shown["sets"]["cell_type"]["probabilities"].values()) == pytest.approx(1)
    with Pillow.open(io.BytesIO(files[item["name"]])) as picture:
        assert (shown["width"], shown["height"]) == picture.size


def test_pictures_come_back_byte_by_byte_and_once(ada: Visitor, project: str, files: dict[str, bytes]) -> None:
    items = listed(ada, project)
    for item in items[:3]:
        answer = ada.get(f"{project}/images/{item['id']}/picture")
        assert answer.content == files[item["name"]]
        assert answer.headers["content-type"] == "image/jpeg"
        assert "immutable" in answer.headers["cache-control"]
        again = ada.get(f"{project}/images/{item['id']}/picture", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    tiff = f"{project}/images/{items[-1]['id']}/picture"
    assert ada.get(tiff).headers["content-type"] == "image/tiff"
    assert ada.get(tiff, headers={"Sec-Fetch-Dest": "image"}).headers["content-type"] == "image/png"
    thumbnail = ada.get(f"{project}/images/{items[0]['id']}/thumbnail")
    with Pillow.open(io.BytesIO(thumbnail.content)) as picture:
        assert picture.size == (160, 160)
    cut = next(item for item in items if item["name"] == "cut.png")
    assert ada.get(f"{project}/images/{cut['id']}/thumbnail").status_code == 404


def test_heat_lies_over_the_picture(ada: Visitor, project: str) -> None:
    first, second = listed(ada, project)[:2]
    path = f"{project}/images/{first['id']}/heat"
    answers = [ada.get(path), ada.get(path, params={"label": "basophil"}), ada.get(path, params={"like": second["id"]})]
    shown = ada.get(f"{project}/images/{first['id']}").json()
    for answer in answers:
        assert answer.status_code == 200, answer.text
        with Pillow.open(io.BytesIO(answer.content)) as layer:
            assert (layer.mode, layer.size) == ("RGBA", (shown["width"], shown["height"]))
    assert len({answer.headers["etag"] for answer in answers}) == 3
    again = ada.get(path, headers={"If-None-Match": answers[0].headers["etag"]})
    assert again.status_code == 304
    assert ada.get(path, params={"label": "nobody"}).status_code == 404


def test_neighbours_are_the_nearest(ada: Visitor, project: str, files: dict[str, bytes], tiny_engine: Engine) -> None:
    items = [item for item in listed(ada, project) if item["status"] == "ok"]
    vectors = tiny_engine.network.embed_crops(files[item["name"]] for item in items).vectors
    distances = np.linalg.norm(vectors - vectors[0], axis=1)
    found = ada.get(f"{project}/images/{items[0]['id']}/neighbours", params={"k": 5}).json()["items"]
    expected = [items[row]["id"] for row in np.argsort(distances, kind="stable") if row][:5]
    assert [item["image"] for item in found] == expected
    assert [item["distance"] for item in found] == pytest.approx(np.sort(distances)[1:6].tolist(), abs=1e-4)
    reference = ada.get(f"{project}/images/{items[0]['id']}/neighbours", params={"among": "reference"}).json()["items"]
    assert len(reference) == 12
    assert reference[0]["distance"] < 0.05  # the drawn cells are the bundle's own, in eight bits
    assert {item["image"] for item in reference} == {None}
    assert all(item["label"] for item in reference)


def test_comments_stay(ada: Visitor, project: str) -> None:
    item = listed(ada, project)[2]
    answer = ada.post(f"{project}/images/{item['id']}/comments", json={"text": " toxic granules? "})
    assert answer.status_code == 201
    (comment,) = ada.get(f"{project}/images/{item['id']}").json()["comments"]
    assert comment == answer.json()
    assert (comment["text"], comment["user"]) == ("toxic granules?", ada.get("/session").json()["user"]["id"])
    assert listed(ada, project, text="GRANULES") == [item]
    assert ada.post(f"{project}/images/{item['id']}/comments", json={"text": " "}).status_code == 422


def test_strangers_see_no_pixel(app: FastAPI, ada: Visitor, project: str) -> None:
    item = listed(ada, project)[0]
    eve = browser(app, "eve")
    elsewhere = f"/projects/{eve.post('/projects', json={'name': 'hers'}).json()['id']}"
    for part in ("", "/picture", "/thumbnail", "/heat", "/neighbours"):
        assert eve.get(f"{project}/images/{item['id']}{part}").status_code == 404
        # Nor through a project of one's own.
        assert eve.get(f"{elsewhere}/images/{item['id']}{part}").status_code == 404
        assert Visitor(app).get(f"{project}/images/{item['id']}{part}").status_code == 401
