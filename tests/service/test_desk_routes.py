"""The state over HTTP: label and see it learnt, label sets invented later, next, differential, signatures, exports."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select

from hemosight.engine.bundle import Bundle
from hemosight.scoring.metrics import scores
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk import forecasts
from hemosight.service.desk.columns import unpack
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member
from hemosight.space import lda
from hemosight.space.novelty import UNUSUAL

pytestmark = pytest.mark.service

CELLS = 60


@dataclass
class Room:
    """A project, two reviewers and a viewer at their browsers."""

    project: Filled
    path: str
    one: Visitor
    two: Visitor
    viewer: Visitor

    def label(self, items: dict[int, str | None], who: Visitor | None = None, **more: Any) -> dict[str, Any]:
        """Label images over HTTP; versions are 0 unless given."""
        versions = more.pop("versions", {})
        body = {
            "request": str(uuid.uuid4()),
            "items": [
                {"image": image, "label": label, "version": versions.get(image, 0)} for image, label in items.items()
            ],
            **more,
        }
        answer = (who or self.one).post(f"{self.path}/labels", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def label_each(self, items: dict[int, str | None], who: Visitor | None = None, **more: Any) -> dict[int, int]:
        """Label images one at a time, as a person looks at them; the version of each label."""
        made = [self.label({image: label}, who, **more)["labels"][0] for image, label in items.items()]
        return {record["image"]: record["version"] for record in made}

    def get(self, path: str, **query: Any) -> Any:
        """Read as the viewer."""
        answer = self.viewer.get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def settled(self, label_set: str = "cell_type") -> None:
        """Wait until the model has learnt everything."""
        assert self.one.project_states.get(self.project.id).settle(label_set)


@pytest.fixture
def room(module_database: Database, tiny_bundle: Bundle) -> Room:
    with module_database.session() as session:
        known = session.scalar(select(KnownBundle.id).limit(1))
        if known is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, CELLS)
    mark = uuid.uuid4().hex[:8]
    names = {name: f"{name}-{mark}" for name in ("one", "two", "viewer")}
    with module_database.session() as session:
        for name, account in names.items():
            role = "viewer" if name == "viewer" else "reviewer"
            session.add(Member(project_id=project.id, user_id=add_user(module_database, account), role=role))
    app = app_on(module_database, tiny_bundle)
    return Room(project, f"/projects/{project.id}", *(browser(app, account) for account in names.values()))


def test_a_label_stands_teaches_and_is_in_the_log(room: Room) -> None:
    image = room.project.images[0]
    before = room.get(f"/images/{image}")
    assert before["label"] is None
    assert sum(before["sets"]["cell_type"]["probabilities"].values()) == pytest.approx(1)
    said = "blast" if before["predicted"] != "blast" else "ig"
    answer = room.label({image: said})
    assert answer["conflicts"] == []
    assert answer["undo"] == [answer["labels"][0]["version"]]
    room.settled()
    after = room.get(f"/images/{image}")
    assert (after["label"], after["version"]) == (said, answer["taught_until"])
    taught = after["sets"]["cell_type"]
    assert taught["taught_until"] == answer["taught_until"]
    assert taught["probabilities"][said] > before["sets"]["cell_type"]["probabilities"][said]
    (record,) = after["history"]
    assert (record["predicted"], record["taught_until"]) == (before["predicted"], 0)
    assert record["probability"] == pytest.approx(before["probability"], abs=1e-6)
    assert [one["id"] for one in room.get("/labels")["items"]] == [record["id"]]


def test_two_reviewers_never_overwrite_one_another_unseen(room: Room) -> None:
    image = room.project.images[1]
    mine = room.label({image: "blast"}, room.one)["labels"][0]
    answer = room.label({image: "ig"}, room.two)
    assert answer["labels"] == []
    (conflict,) = answer["conflicts"]
    assert (conflict["label"], conflict["version"]) == ("blast", mine["version"])
    theirs = room.label({image: "ig"}, room.two, versions={image: mine["version"]})
    assert theirs["labels"][0]["label"] == "ig"
    late = room.one.post(f"{room.path}/labels/undo", json={"request": str(uuid.uuid4()), "labels": [mine["version"]]})
    assert late.json()["labels"] == []
    undone = room.two.post(f"{room.path}/labels/undo", json={"request": str(uuid.uuid4()), "labels": theirs["undo"]})
    assert undone.json()["labels"][0]["label"] == "blast"


def test_columns_come_whole_unchanged_or_as_what_changed(room: Room) -> None:
    first = room.viewer.get(f"{room.path}/columns")
    header, columns = unpack(first.content)
    assert header["full"]
    assert header["novelty_limit"] == UNUSUAL
    assert columns["id"].tolist() == room.project.images
    again = room.viewer.get(f"{room.path}/columns", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    room.label({room.project.images[2]: "?"})
    room.settled()
    delta_header, delta = unpack(room.viewer.get(f"{room.path}/columns", params={"since": header["event"]}).content)
    assert not delta_header["full"]
    assert delta["id"].tolist() == [room.project.images[2]]
    assert delta["label"].tolist() == [254]
    now = room.viewer.get(f"{room.path}/columns", headers={"If-None-Match": first.headers["etag"]})
    assert now.status_code == 200


def test_a_label_set_invented_later_reads_every_cell(room: Room) -> None:
    axis = np.linalg.svd(_cells(room) - _cells(room).mean(axis=0), full_matrices=False)[2][0]
    order = np.array(room.project.images)[np.argsort(_cells(room) @ axis)].tolist()
    examples = [{"image": image, "label": "left"} for image in order[:6]]
    examples += [{"image": image, "label": "right"} for image in order[-6:]]
    body = {"name": "side", "title": "Side", "classes": [{"name": "left"}, {"name": "right", "title": "Right side"}]}
    made = room.one.post(f"{room.path}/label-sets", json={**body, "examples": examples})
    assert made.status_code == 201, made.text
    assert made.json()["labelled"] == {"left": 6, "right": 6}
    score = made.json()["score"]
    assert score["n"] == score["folds"] == 12
    assert score["low"] <= score["macro_f1"] <= score["high"]
    assert len({entry["key"] for entry in made.json()["classes"]}) == 2
    rest = {**dict.fromkeys(order[6:16], "left"), **dict.fromkeys(order[-16:-6], "right")}
    right = [room.get(f"/images/{image}")["sets"]["side"]["predicted"] == label for image, label in rest.items()]
    assert np.mean(right) > 0.8
    assert room.one.post(f"{room.path}/label-sets", json=body).status_code == 409
    number = made.json()["id"]
    grown = room.one.patch(f"{room.path}/label-sets/{number}", json={"classes": [{"name": "middle"}], "title": "Sides"})
    assert [entry["name"] for entry in grown.json()["classes"]] == ["left", "right", "middle"]
    assert grown.json()["classes"][:2] == made.json()["classes"], "a class keeps its key"
    assert room.label({order[30]: "middle"}, label_set="side")["labels"]
    room.settled("side")
    assert set(room.get(f"/images/{order[31]}")["sets"]["side"]["probabilities"]) == {"left", "right", "middle"}
    assert room.one.patch(f"{room.path}/label-sets/{number}", json={"archived": True}).status_code == 200
    assert "side" not in {one["name"] for one in room.get("/label-sets")["items"]}
    cell_type = room.get("/label-sets")["items"][0]
    assert room.one.patch(f"{room.path}/label-sets/{cell_type['id']}", json={"archived": True}).status_code == 409


def _cells(room: Room) -> np.ndarray:
    return np.stack([room.project.vectors[image] for image in room.project.images])


def test_neighbours_are_the_nearest(room: Room) -> None:
    image = room.project.images[3]
    found = room.get(f"/images/{image}/neighbours", k=5)["items"]
    distance = np.linalg.norm(_cells(room) - room.project.vectors[image], axis=1)
    expected = np.array(room.project.images)[np.argsort(distance)[1:6]].tolist()
    assert [one["image"] for one in found] == expected
    assert found[0]["distance"] == pytest.approx(np.sort(distance)[1], abs=1e-5)
    reference = room.get(f"/images/{image}/neighbours", k=3, among="reference")["items"]
    assert all(one["image"] is None and one["reference"] is not None and one["label"] for one in reference)


def test_next_gives_cells_nobody_has_looked_at(room: Room) -> None:
    first = room.get("/next", n=5)
    assert len(first["items"]) == 5
    room.label({first["items"][0]["image"]: "blast"})
    second = room.get("/next", n=5, skip=[first["items"][1]["image"]])
    assert not {one["image"] for one in first["items"][:2]} & {one["image"] for one in second["items"]}
    assert first["curve"] == []
    free = [image for image in room.project.images if image != first["items"][0]["image"]][:12]
    room.label_each({image: room.project.truth[image] for image in free})
    (point,) = room.get("/next", n=1)["curve"]
    assert point["labels"] == 10
    records = room.get("/labels", limit=100)["items"][:10]
    expected = scores([one["label"] for one in records], [one["predicted"] for one in records]).macro_f1
    assert (point["macro_f1"], point["low"], point["high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert point["low"] < point["high"]


def test_next_forecasts_what_more_labels_bring_and_no_request_waits_for_it(
    room: Room, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = _overlapping(room, tiny_bundle, 600)
    truth, vectors = room.project.truth, room.project.vectors
    room.label_each({image: truth[image] for image in cells[:16]})
    assert room.get("/next")["forecast"] is None, "too few labels"
    assert not _forecasts_at_work(room)
    go_on, made, original = threading.Event(), [], forecasts.forecast

    def slowly(*asked: Any) -> Any:
        assert go_on.wait(60)
        made.append(original(*asked))
        return made[-1]

    monkeypatch.setattr(forecasts, "forecast", slowly)
    room.label_each({image: truth[image] for image in cells[16:120]})
    assert room.get("/next")["forecast"] is None, "it is being worked out"
    assert room.get("/next")["forecast"] is None, "and not begun twice"
    go_on.set()
    _until_forecast(room)
    found = room.get("/next")["forecast"]
    assert found["labels"] == 120
    assert found["by_class"].keys() == {truth[image] for image in cells}
    assert 0 <= found["low"] <= found["more"] <= found["high"] <= 9 * 120
    assert sum(found["by_class"].values()) == pytest.approx(found["more"], abs=4)
    taught = lda.fit(
        np.stack([vectors[image] for image in cells[:120]]), np.array([truth[image] for image in cells[:120]])
    )
    others = cells[120:]
    read = taught.predict(np.stack([vectors[image] for image in others]))
    right = scores(np.array([truth[image] for image in others]), read, bootstraps=2).macro_f1.value
    assert found["score"] == pytest.approx(right, abs=0.06), "of cells it never saw"
    assert right < found["target"] + 0.06

    room.label_each({image: truth[image] for image in cells[120:123]})
    assert room.get("/next")["forecast"] == found, "three labels more are no reason to forecast again"
    assert not _forecasts_at_work(room)
    room.label_each({image: truth[image] for image in cells[123:160]})
    assert room.get("/next")["forecast"] == found, "what is known, until there is better"
    _until_forecast(room)
    assert room.get("/next")["forecast"]["labels"] == 160
    assert len(made) == 2


def _overlapping(room: Room, bundle: Bundle, count: int) -> list[int]:
    """Cells of four types that overlap, so that more labels tell more."""
    cells = room.project.add(bundle, count, seed=21, read=False)
    rng = np.random.default_rng(3)
    codes, dim = rng.integers(0, 4, count), len(room.project.vectors[cells[0]])
    centres = rng.normal(size=(4, dim))
    names = ("blast", "eosinophil", "monocyte", "neutrophil")
    for image, code in zip(cells, codes.tolist(), strict=True):
        room.project.truth[image] = names[code]
        room.project.vectors[image] = (centres[code] + 0.35 * np.sqrt(dim) * rng.normal(size=dim)).astype(np.float32)
    room.project.read(cells)
    return cells


def _forecasts_at_work(room: Room) -> bool:
    return room.viewer.app.state.forecasts.busy()  # type: ignore[attr-defined]


def _until_forecast(room: Room) -> None:
    deadline = time.monotonic() + 60
    while _forecasts_at_work(room):
        assert time.monotonic() < deadline, "the forecast did not come"
        time.sleep(0.05)


def test_two_people_sign_what_is_finished(room: Room, tiny_bundle: Bundle) -> None:
    case = room.project.add(tiny_bundle, 12, seed=9, case="24-1187")
    number = room.one.get(f"{room.path}/cases").json()["items"][0]["id"]
    body = {"case": number, "role": "first"}
    room.label({case[0]: "?"})
    refused = room.one.post(f"{room.path}/signatures", json=body)
    assert refused.status_code == 409
    assert "1 cell labelled unsure" in refused.json()["error"]["came"]
    assert room.one.post(f"{room.path}/signatures", json={**body, "role": "second"}).status_code == 409
    assert room.viewer.post(f"{room.path}/signatures", json={**body, "note": "seen"}).status_code == 403
    noted = room.one.post(f"{room.path}/signatures", json={**body, "note": "one smudge cell"})
    assert noted.status_code == 201, noted.text
    shown = room.get("/differential", case=number)
    assert noted.json()["differential"] == shown
    assert shown["unsure"] == 1
    body |= {"role": "second", "countersigns": noted.json()["id"]}
    same = room.one.post(f"{room.path}/signatures", json={**body, "note": "again"})
    assert "another person" in same.json()["error"]["expected"]
    second = room.two.post(f"{room.path}/signatures", json={**body, "note": "agreed"})
    assert second.status_code == 201
    assert all(one["current"] for one in room.get("/signatures")["items"])
    assert room.one.post(f"{room.path}/cases/{number}/amendment", json={"reason": "a blast"}).status_code == 201
    room.label({case[1]: "blast"})
    assert not any(one["current"] for one in room.get("/signatures")["items"])
    assert room.get("/signatures")["items"][0]["differential"] == shown, "what was signed stays as it was"
    late = room.two.post(f"{room.path}/signatures", json={**body, "note": "late"})
    assert late.status_code == 409


def test_agreement_of_people_and_model(room: Room) -> None:
    some = room.project.images[:10]
    read: dict[int, str | None] = {}
    versions: dict[int, int] = {}
    for image in some:  # one at a time, each as the model reads it by then
        room.settled()
        read[image] = room.get(f"/images/{image}")["predicted"]
        versions |= room.label_each({image: read[image]}, room.one)
    other = next(kind for kind in ("blast", "ig") if kind != read[some[0]])
    room.label_each({**read, some[0]: other}, room.two, versions=versions)
    found = room.get("/agreement")
    assert found["human_model"]["agreement"] == pytest.approx(0.9)
    (pair,) = found["humans"]
    assert pair["n"] == 10
    assert pair["kappa"] < 1


def test_exports_agree_with_one_another(room: Room, tiny_bundle: Bundle) -> None:
    images = room.project.images
    room.label({images[0]: "?", images[1]: "blast"})
    waiting = room.project.add(tiny_bundle, 1, seed=5, read=False)[0]
    room.settled()

    def body(form: str) -> bytes:
        answer = room.viewer.export(room.path, format=form)
        assert answer.status_code == 200, answer.text
        assert "attachment" in answer.headers["content-disposition"]
        return answer.content

    rows = list(csv.DictReader(io.StringIO(body("csv").decode())))
    parquet = pl.read_parquet(io.BytesIO(body("parquet")))
    listed = json.loads(body("json"))
    assert [int(row["image"]) for row in rows] == parquet["image"].to_list() == [one["image"] for one in listed]
    assert len(rows) == CELLS + 1
    unsure, blast, last = rows[0], rows[1], rows[-1]
    assert (unsure["label"], unsure["final"], blast["final"]) == ("?", "?", "blast")
    assert blast["labelled_by"].startswith("one-")
    assert blast["labelled_at"]
    assert blast["bundle"] == "tiny 0.0.1"
    assert int(blast["taught_until"]) > 0
    assert (int(last["image"]), last["status"], last["predicted"], last["final"]) == (waiting, "waiting", "", "")
    shares = [float(blast[f"p_{name}"]) for name in tiny_bundle.classifiers["cell_type"].classes]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert max(shares) == pytest.approx(float(blast["probability"]), abs=1e-5)
    coco = json.loads(body("coco"))
    assert len(coco["images"]) == CELLS + 1
    categories = {one["id"]: one["name"] for one in coco["categories"]}
    said = {one["image_id"]: categories[one["category_id"]] for one in coco["annotations"]}
    assert said == {int(row["image"]): row["final"] for row in rows if row["final"] not in ("", "?")}
    with zipfile.ZipFile(io.BytesIO(body("folder"))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert list(csv.DictReader(io.StringIO(archive.read("readings.csv").decode()))) == rows
    folders = {int(name.split("/")[-1].split("-")[0]): name.rpartition("/")[0] for name in names if "/" in name}
    assert folders == {
        int(row["image"]): {
            "?": "_unsure",
            "": f"_not_reviewed/{row['predicted']}" if row["predicted"] else "_unread",
        }.get(row["label"], row["label"])
        for row in rows
    }
    with room.project.database.session() as session:
        query = select(AuditRow).where(AuditRow.project_id == room.project.id, AuditRow.action == "project.export")
        assert len(session.scalars(query).all()) == 5, "who took the data away is in the trail"


def test_the_model_says_what_it_is(room: Room, tiny_bundle: Bundle) -> None:
    answer = room.viewer.get("/model")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["bundle"]["name"] == "tiny"
    assert shown["bundle"]["cells"] == len(tiny_bundle.support)
    assert shown["classes"] == list(tiny_bundle.classifiers["cell_type"].classes)
    assert shown["limits"][0] == tiny_bundle.manifest.notice
    assert shown["confusion"] is None, "the tiny bundle was measured on nothing"


def test_the_model_page_gets_the_curves_of_a_bundle_that_has_them(
    room: Room, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bins = [{"cells": 8, "confidence": 0.97, "accuracy": 1.0}]
    efficiency = [{"labels": 18, "macro_f1": 0.7, "low": 0.65, "high": 0.75}]
    training = [{"step": 7, "loss": 2.5}]
    figures = tiny_bundle.manifest.figures
    monkeypatch.setitem(figures, "held_out", {"calibration_error": 0.03, "reliability": bins})
    monkeypatch.setitem(figures, "label_efficiency", efficiency)
    monkeypatch.setitem(tiny_bundle.manifest.encoder_provenance, "training", training)
    shown = room.viewer.get("/model").json()
    assert shown["calibration"] == {"error": 0.03, "bins": bins}
    assert shown["label_efficiency"] == efficiency
    assert shown["training"] == training
    del figures["held_out"]["reliability"]
    assert room.viewer.get("/model").json()["calibration"] == {"error": 0.03, "bins": []}, "an older bundle"


def test_what_does_not_fit_is_refused(room: Room) -> None:
    image = room.project.images[0]
    item = {"image": image, "label": "blast", "version": 0}
    ok = {"request": str(uuid.uuid4()), "items": [item]}
    for bad in (
        {**ok, "items": [item, item]},
        {**ok, "kind": "clear"},
        {**ok, "items": []},
        {**ok, "items": [{**item, "label": "dragon"}]},
        {**ok, "request": "one"},
    ):
        assert room.one.post(f"{room.path}/labels", json=bad).status_code == 422, bad
    assert room.one.post(f"{room.path}/labels", json={**ok, "items": [{**item, "image": 10**9}]}).status_code == 404
    assert room.one.post(f"{room.path}/labels", json={**ok, "label_set": "mine"}).status_code == 404
    assert room.viewer.post(f"{room.path}/labels", json=ok).status_code == 403
    for path in ("/columns?label_set=mine", "/differential?case=999999", "/images/999999999", "/next?label_set=mine"):
        assert room.viewer.get(f"{room.path}{path}").status_code == 404, path
    assert room.get("/labels")["items"] == []
