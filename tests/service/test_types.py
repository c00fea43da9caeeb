"""A laboratory's own types over HTTP: added, counted, read, renamed, merged, retired; what is signed stays as it is."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2
import pytest
from gate import Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select, text

from hemosight.blood.counting import OFFERED
from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk import label_import
from hemosight.service.desk.columns import unpack
from hemosight.service.desk.label_import import ImportPlan
from hemosight.service.storage import labels
from hemosight.service.storage.database import Database
from hemosight.service.storage.labels import SubmittedLabel
from hemosight.service.storage.tables import AuditRow, CurrentLabelRow, Image, KnownBundle, Member, Signature

pytestmark = pytest.mark.service

CELLS = 60


@dataclass
class Room:
    """A project with one case, its administrator, a reviewer and a viewer."""

    project: Filled
    path: str
    set: int
    case: int
    admin: Visitor
    reviewer: Visitor
    viewer: Visitor

    def get(self, path: str, **query: Any) -> Any:
        answer = self.viewer.get(f"{self.path}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add(self, title: str, **more: Any) -> dict[str, Any]:
        """Add a type; the class as it is shown."""
        answer = self.reviewer.post(f"{self.path}/label-sets/{self.set}/types", json={"title": title, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["classes"][-1]

    def change(self, name: str, **given: Any) -> dict[str, Any]:
        answer = self.admin.patch(f"{self.path}/label-sets/{self.set}/types/{name}", json=given)
        assert answer.status_code == 200, answer.text
        return {one["name"]: one for one in answer.json()["classes"]}[name]

    def refused(self, name: str, **given: Any) -> dict[str, Any]:
        answer = self.admin.patch(f"{self.path}/label-sets/{self.set}/types/{name}", json=given)
        assert answer.status_code in (404, 409, 422), answer.text
        return answer.json()["error"]

    def label(self, items: Mapping[int, str | None], label_set: str = "cell_type") -> None:
        self.project.say(dict(items), label_set=label_set)
        self.settled(label_set)

    def settled(self, label_set: str = "cell_type") -> None:
        assert self.admin.app.state.project_states.get(self.project.id).settle(label_set)  # type: ignore[attr-defined]

    def of(self, label: str) -> list[int]:
        """Images whose true type it is."""
        return [image for image in self.project.images if self.project.truth[image] == label]

    def columns(self, label_set: str = "cell_type") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return unpack(self.viewer.get(f"{self.path}/columns", params={"label_set": label_set}).content)


@pytest.fixture
def room(module_database: Database, tiny_bundle: Bundle) -> Room:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    project.add(tiny_bundle, CELLS, case="A")
    mark = uuid.uuid4().hex[:8]
    with module_database.session() as session:
        for role in ("admin", "reviewer", "viewer"):
            session.add(Member(project_id=project.id, user_id=add_user(module_database, f"{role}-{mark}"), role=role))
    app = app_on(module_database, tiny_bundle)
    admin, reviewer, viewer = (browser(app, f"{role}-{mark}") for role in ("admin", "reviewer", "viewer"))
    path = f"/projects/{project.id}"
    sets = viewer.get(f"{path}/label-sets").json()["items"]
    case = viewer.get(f"{path}/cases").json()["items"][0]["id"]
    return Room(project, path, next(s["id"] for s in sets if s["name"] == "cell_type"), case, admin, reviewer, viewer)


def test_a_built_in_type_is_given_another_key_and_another_takes_the_one_it_had(room: Room) -> None:
    before = room.get("/label-sets")["items"]
    keys = {one["name"]: one["key"] for one in next(s for s in before if s["id"] == room.set)["classes"]}
    taken = room.refused("lymphocyte", key=keys["neutrophil"])
    assert "key" in taken["expected"]
    assert taken["came"] == f"{keys['neutrophil']}, the key of Neutrophil"
    assert "free are" in taken["mend"]
    assert "heat map" in room.refused("lymphocyte", key="h")["came"]
    assert room.change("neutrophil", key="1")["key"] == "1"
    assert room.change("lymphocyte", key=keys["neutrophil"])["key"] == keys["neutrophil"]
    classes = {one["name"]: one["key"] for one in room.columns()[0]["classes"]}
    assert (classes["neutrophil"], classes["lymphocyte"]) == ("1", keys["neutrophil"])
    (edit, *_) = room.get(f"/label-sets/{room.set}/history")["items"]
    assert (edit["subject"]["type"], edit["subject"]["before"]) == ("lymphocyte", {"key": keys["lymphocyte"]})


# --- adding ---------------------------------------------------------------------------------------------------


def test_types_are_offered_and_off_until_used(room: Room) -> None:
    offered = room.get(f"/label-sets/{room.set}/types/offered")
    assert [one["name"] for one in offered["types"]] == list(OFFERED)
    before = room.columns()[0]["classes"]
    assert not {one["name"] for one in before} & set(OFFERED)
    assert not {one["key"] for one in before} & {one["key"] for one in offered["types"]}
    assert not {one["light"] for one in before} & {one["light"] for one in offered["types"]}
    band, smudge = offered["types"][0], next(one for one in offered["types"] if one["name"] == "smudge")
    assert (band["parent"], band["counts"]) == ("neutrophil", "in")
    assert (smudge["parent"], smudge["counts"]) == (None, "apart")
    made = room.add(band["title"])
    assert {name: made[name] for name in ("name", "key", "counts", "parent")} == {
        name: band[name] for name in ("name", "key", "counts", "parent")
    }
    assert "band_neutrophil" not in {one["name"] for one in room.get(f"/label-sets/{room.set}/types/offered")["types"]}


def test_name_key_and_colour_are_never_anothers(room: Room) -> None:
    made = room.add("Hairy cell", key="y", counts="in")
    assert (made["name"], made["key"]) == ("hairy_cell", "Y")
    post = f"{room.path}/label-sets/{room.set}/types"
    taken = room.columns()[0]["classes"]
    first = taken[0]
    for body, word in (
        ({"title": "hairy CELL", "name": "other"}, "name"),
        ({"title": "Mott cell", "key": first["key"]}, "key"),
        ({"title": "Mott cell", "key": "H"}, "heat map"),
        ({"title": "Mott cell", "colour": {"light": first["light"], "dark": "#ffffff"}}, "colour"),
        ({"title": "Mott cell", "parent": "hairy"}, "hairy"),
    ):
        answer = room.reviewer.post(post, json=body)
        assert answer.status_code in (409, 422), answer.text
        assert word in answer.json()["error"]["message"]
    assert len(room.columns()[0]["classes"]) == len(taken), "nothing was added"
    assert room.viewer.post(post, json={"title": "Mott cell"}).status_code == 403
    second = room.add("Mott cell")
    assert second["key"] not in {one["key"] for one in taken}
    assert second["light"] not in {one["light"] for one in taken}


# --- reading --------------------------------------------------------------------------------------------------


def test_a_set_with_a_type_that_nobody_used_reads_as_before(room: Room) -> None:
    header, before = room.columns()
    room.label(dict.fromkeys(room.of("lymphocyte")[:3], "lymphocyte"))
    taught = room.columns()[1]
    room.add("Band neutrophil")
    room.settled()
    again_header, again = room.columns()
    assert [one["name"] for one in again_header["classes"][:-1]] == [one["name"] for one in header["classes"]]
    for name in ("predicted", "probability", "margin"):
        assert again[name] == pytest.approx(taught[name], abs=1e-6), name
    assert not np.array_equal(before["probability"], taught["probability"])


def test_a_finer_type_counts_as_the_type_above_it_unless_told_otherwise(room: Room) -> None:
    """A kind of erythroblast in the hundred would make every share of a leukocyte too small."""
    assert room.add("Orthochromatic", parent="erythroblast")["counts"] == "apart"
    assert room.add("Toxic", parent="neutrophil")["counts"] == "in"
    assert room.add("Basophilic", parent="erythroblast", counts="excluded")["counts"] == "excluded"
    assert room.add("Hairy")["counts"] == "in"


def test_a_finer_type_is_read_within_its_type_and_teaches_it(room: Room) -> None:
    room.add("Band neutrophil")
    own = room.of("neutrophil")
    axis = np.linalg.svd(_vectors(room, own) - _vectors(room, own).mean(axis=0), full_matrices=False)[2][0]
    order = np.array(own)[np.argsort(_vectors(room, own) @ axis)].tolist()
    half = len(order) // 2
    room.label(dict.fromkeys(order[: half - 1], "band_neutrophil") | dict.fromkeys(order[half + 1 :], "neutrophil"))
    state = room.admin.app.state.project_states.get(room.project.id)  # type: ignore[attr-defined]
    snapshot = state.readings.snapshot("cell_type")
    names = np.array(snapshot.spec.names)
    read = dict(zip(snapshot.ids.tolist(), names[snapshot.predicted].tolist(), strict=True))
    right = [read[image] == ("band_neutrophil" if at < half else "neutrophil") for at, image in enumerate(order)]
    assert np.mean(right) > 0.7
    others = [image for image in room.project.images if image not in own]
    assert "band_neutrophil" not in {read[image] for image in others if read[image] == room.project.truth[image]}
    assert snapshot.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def _vectors(room: Room, images: list[int]) -> np.ndarray:
    return np.stack([room.project.vectors[image] for image in images])


def test_a_type_of_its_own_is_read_as_soon_as_it_has_labels(room: Room, tiny_bundle: Bundle) -> None:
    cells = room.project.add(tiny_bundle, 12, seed=7, read=False)
    rng = np.random.default_rng(0)
    place = rng.normal(size=len(room.project.vectors[cells[0]]))
    for image in cells:  # where no type of the bundle lies
        vector = place + rng.normal(scale=0.2, size=len(place))
        room.project.vectors[image] = (vector / np.linalg.norm(vector)).astype(np.float32)
    room.project.read(cells)
    room.add("Smudge cell")
    room.label(dict.fromkeys(cells[:3], "smudge"))
    header, columns = room.columns()
    code = [one["name"] for one in header["classes"]].index("smudge")
    rest = np.isin(columns["id"], cells[3:])
    assert (columns["predicted"][rest] == code).mean() > 0.8
    assert not (columns["predicted"][~np.isin(columns["id"], cells)] == code).any()


# --- counting -------------------------------------------------------------------------------------------------


def test_the_differential_follows_the_rule_and_the_level(room: Room) -> None:
    room.label({image: room.project.truth[image] for image in room.project.images})
    before = room.get("/differential", case=room.case)
    for title in ("Band neutrophil", "Smudge cell", "Artefact"):
        room.add(title)
    neutrophils, lymphocytes = room.of("neutrophil"), room.of("lymphocyte")
    room.label({neutrophils[0]: "band_neutrophil", lymphocytes[0]: "smudge", lymphocytes[1]: "artefact"})
    fine = room.get("/differential", case=room.case)
    rows = {row["label"]: row for row in fine["rows"]}
    assert rows["band_neutrophil"]["after"]["count"] == 1
    assert rows["band_neutrophil"]["parent"] == "neutrophil"
    assert rows["neutrophil"]["after"]["count"] == len(neutrophils) - 1
    assert fine["total"] == before["total"] - 2
    assert fine["apart"]["smudge"]["after"] == 1
    assert fine["apart"]["smudge"]["per_100"] == pytest.approx(100 / fine["total"])
    assert fine["excluded"]["artefact"]["after"] == 1
    assert fine["level"] == "subtype"
    coarse = room.get("/differential", case=room.case, level="type")
    assert {row["label"]: row["after"]["count"] for row in coarse["rows"]}["neutrophil"] == len(neutrophils)
    assert "band_neutrophil" not in {row["label"] for row in coarse["rows"]}
    assert (coarse["total"], coarse["level"]) == (fine["total"], "type")
    assert coarse["digest"] != fine["digest"]
    room.change("smudge", counts="excluded")
    assert room.get("/differential", case=room.case)["excluded"]["smudge"]["after"] == 1
    answer = room.reviewer.patch(f"{room.path}/label-sets/{room.set}", json={"level": "type"})
    assert answer.json()["level"] == "type"
    assert room.get("/differential", case=room.case)["level"] == "type", "the level that the label set has"


def test_a_signed_report_sends_erythroblasts_with_their_finer_types(room: Room) -> None:
    finer = room.add("Orthochromatic", parent="erythroblast", counts="apart")["name"]
    room.label({image: room.project.truth[image] for image in room.project.images})
    one, two = room.of("neutrophil")[:3], room.of("lymphocyte")[:2]
    room.label({**dict.fromkeys(one, finer), **dict.fromkeys(two, "erythroblast")})
    counted = room.get("/differential", case=room.case)
    apart = counted["apart"]
    assert (apart[finer]["parent"], apart["erythroblast"]["parent"]) == ("erythroblast", None)
    assert apart[finer]["after"] == 3
    nucleated = 3 + apart["erythroblast"]["after"]
    assert nucleated >= 5
    assert counted["erythroblasts_per_100"] == pytest.approx(100 * nucleated / counted["total"])
    assert apart["erythroblast"]["per_100"] == counted["erythroblasts_per_100"]
    body = {"case": room.case, "digest": counted["digest"], "note": "drawn cells"}
    signed = room.reviewer.post(f"{room.path}/signatures", json=body)
    assert signed.status_code == 201, signed.text
    # What it is a kind of stands in the record: another place for it later changes nothing.
    room.change(finer, parent=None)
    sent = room.viewer.post(f"{room.path}/signatures/{signed.json()['id']}/report", params={"format": "hl7"}).text
    values = {line.split("|")[3].split("^")[0]: line.split("|")[5] for line in sent.split("\r") if line[:3] == "OBX"}
    assert values["19048-8"] == f"{100 * nucleated / counted['total']:.1f}"
    assert values[f"{finer}/100-leukocytes"] == f"{300 / counted['total']:.1f}"


def test_what_is_signed_stays_to_the_byte_whatever_becomes_of_its_types(room: Room) -> None:
    for title in ("Band neutrophil", "Smudge cell"):
        room.add(title)
    room.label({image: room.project.truth[image] for image in room.project.images})
    neutrophils = room.of("neutrophil")
    room.label({neutrophils[0]: "band_neutrophil", neutrophils[1]: "smudge"})
    counted = room.get("/differential", case=room.case, level="type")
    body = {"case": room.case, "digest": counted["digest"], "level": "type", "note": "drawn cells"}
    signed = room.reviewer.post(f"{room.path}/signatures", json=body)
    assert signed.status_code == 201, signed.text
    number = signed.json()["id"]
    assert signed.json()["differential"]["level"] == "type"
    export = f"{room.path}/signatures/{number}/export"
    first = room.viewer.get(export).content
    assert not room.get(f"/signatures/{number}")["reads_otherwise"]
    room.change("smudge", title="Basket cell", counts="excluded")
    room.change("band_neutrophil", merged_into="neutrophil")
    room.change("smudge", retired=True)
    room.reviewer.patch(f"{room.path}/label-sets/{room.set}", json={"level": "subtype"})
    assert room.viewer.get(export).content == first
    with room.project.database.session() as session:
        kept = session.get_one(Signature, number)
        assert kept.differential["apart"]["smudge"]["title"] == "Smudge cell"
        assert kept.record is not None
        cell = next(one for one in kept.record["cells"] if one["image"] == neutrophils[0])
        assert (cell["label"], cell["counted"]) == ("band_neutrophil", "band_neutrophil")
    shown = room.get(f"/signatures/{number}")
    assert shown["reads_otherwise"], "the case would count otherwise by the new rule, and that is said"
    assert shown["differential"]["digest"] == counted["digest"]


def test_a_rule_on_a_finer_type_holds_at_either_level_and_one_on_its_type_counts_it(room: Room) -> None:
    room.add("Band neutrophil")
    room.label({image: room.project.truth[image] for image in room.project.images})
    room.label(dict.fromkeys(room.of("neutrophil"), "band_neutrophil"))
    for label in ("band_neutrophil", "neutrophil"):
        rule = {"measure": "type", "label": label, "at_least": 0.05, "level": "second"}
        assert room.admin.put(f"{room.path}/signing-rules", json={"rules": [rule]}).status_code == 200
        checks = {one["name"]: one for one in room.get(f"/cases/{room.case}/signing")["checks"]}
        assert checks["rule"]["open"], label
        assert checks["rule"]["count"] == len(room.of("neutrophil"))
    body = {"case": room.case, "level": "type", "note": "drawn cells"}
    signed = room.reviewer.post(f"{room.path}/signatures", json=body).json()
    assert signed["second_wanted"]
    assert "band_neutrophil" not in {row["label"] for row in signed["differential"]["rows"]}


def test_a_preliminary_report_has_the_checks_of_who_signs_at_whatever_level_it_tells_types(room: Room) -> None:
    room.add("Band neutrophil")
    room.label(dict.fromkeys(room.of("neutrophil"), "band_neutrophil"))
    rule = {"measure": "type", "label": "band_neutrophil", "at_least": 0.05, "level": "second"}
    assert room.admin.put(f"{room.path}/signing-rules", json={"rules": [rule]}).status_code == 200
    assert room.admin.patch(f"{room.path}/label-sets/{room.set}", json={"level": "type"}).status_code == 200
    (asked,) = (one for one in room.get(f"/cases/{room.case}/signing")["checks"] if one["name"] == "rule")
    answer = room.viewer.post(f"{room.path}/cases/{room.case}/preliminary-report")
    assert answer.status_code == 200, answer.text
    pages = (page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(answer.content))
    assert asked["says"] in " ".join(" ".join(pages).split())


# --- renaming, merging, retiring ------------------------------------------------------------------------------


def test_merged_labels_mean_the_other_type_and_can_be_taken_apart_again(room: Room) -> None:
    room.add("Band neutrophil")
    room.add("Stab", counts="in", parent="neutrophil", name="stab")
    first, second = room.of("neutrophil")[:2]
    room.label({first: "band_neutrophil", second: "stab"})
    room.change("stab", merged_into="band_neutrophil")
    labelled = {one["name"]: one for one in room.get("/label-sets")["items"]}["cell_type"]["labelled"]
    assert labelled == {"band_neutrophil": 2}
    assert room.get(f"/images/{second}")["label"] == "band_neutrophil"
    assert [one["label"] for one in room.get(f"/images/{second}")["history"]] == ["stab"], "the record stays"
    counts = {row["label"]: row["after"]["count"] for row in room.get("/differential")["rows"]}
    assert counts["band_neutrophil"] >= 2
    assert "stab" not in counts
    answer = room.reviewer.post(
        f"{room.path}/labels",
        json={"request": str(uuid.uuid4()), "items": [{"image": room.of("neutrophil")[2], "label": "stab"}]},
    )
    assert answer.status_code == 422
    assert "merged into 'band_neutrophil'" in answer.json()["error"]["message"]
    room.change("stab", merged_into=None)
    assert room.get(f"/images/{second}")["label"] == "stab"


def test_a_retired_type_is_read_no_more_and_its_labels_stand(room: Room) -> None:
    room.add("Smudge cell")
    cells = room.of("platelet")
    room.label(dict.fromkeys(cells[:3], "smudge"))
    code = [one["name"] for one in room.columns()[0]["classes"]].index("smudge")
    assert (room.columns()[1]["predicted"] == code).any()
    gone = room.change("smudge", retired=True)
    assert gone["retired"]
    room.settled()
    columns = room.columns()[1]
    assert not (columns["predicted"] == code).any()
    assert (columns["label"] == code).sum() == 3
    assert room.get("/differential")["apart"]["smudge"]["after"] == 3
    reused = room.add("Mott cell", key=gone["key"])
    assert reused["key"] == gone["key"], "its key is free"
    back = room.change("smudge", retired=False)
    assert back["key"] not in {gone["key"], None}
    room.settled()
    assert (room.columns()[1]["predicted"] == code).any()


def test_what_the_model_reads_can_be_renamed_and_counted_otherwise_only(room: Room) -> None:
    assert room.change("platelet", title="Thrombocyte", counts="excluded")["title"] == "Thrombocyte"
    assert "model reads" in room.refused("platelet", retired=True)["message"]
    assert "model reads" in room.refused("platelet", merged_into="ig")["message"]
    assert "model reads" in room.refused("monocyte", parent="neutrophil")["message"]
    assert room.refused("no such type", retired=True)["code"] == "nothing_there"
    room.add("Band neutrophil")
    assert "another class" in room.refused("band_neutrophil", merged_into="band_neutrophil")["message"]
    refused = room.reviewer.patch(f"{room.path}/label-sets/{room.set}/types/platelet", json={"title": "PLT"})
    assert refused.status_code == 403, "what counts how is for the project's administrators"


def test_the_history_says_who_did_what(room: Room) -> None:
    room.add("Band neutrophil")
    room.change("band_neutrophil", title="Stab")
    room.change("band_neutrophil", retired=True)
    history = room.get(f"/label-sets/{room.set}/history")["items"]
    assert [one["action"] for one in history] == ["type.change", "type.change", "type.add"]
    assert history[1]["subject"]["before"] == {"title": "Band neutrophil"}
    assert history[0]["user"]["name"].startswith("admin-")
    assert history[2]["user"]["name"].startswith("reviewer-")
    with room.project.database.session() as session:
        query = select(AuditRow.action).where(AuditRow.project_id == room.project.id, AuditRow.action.like("type.%"))
        assert len(session.scalars(query).all()) == 3


# --- of one type only -----------------------------------------------------------------------------------------


def test_a_label_set_can_be_asked_of_one_type_alone(room: Room) -> None:
    own = room.of("neutrophil")
    room.label({image: room.project.truth[image] for image in room.project.images})
    body = {
        "name": "stage",
        "title": "Stage",
        "classes": [{"name": "band"}, {"name": "segmented"}],
        "examples": [{"image": own[0], "label": "band"}, {"image": own[1], "label": "segmented"}],
        "asked_of": "neutrophil",
    }
    refused = room.reviewer.post(f"{room.path}/label-sets", json={**body, "asked_of": "zebra"})
    assert refused.status_code == 422
    made = room.reviewer.post(f"{room.path}/label-sets", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["asked_of"] == "neutrophil"
    room.settled("stage")
    header, columns = room.columns("stage")
    assert header["asked_of"] == "neutrophil"
    asked = columns["asked"] == 1
    assert sorted(columns["id"][asked].tolist()) == sorted(own)
    assert (columns["predicted"][~asked] == 255).all()
    assert (columns["predicted"][asked] != 255).all()
    assert room.get("/differential", label_set="stage")["total"] == len(own)
    queue = room.get("/next", label_set="stage", strategy="uncertainty", n=50)["items"]
    assert {one["image"] for one in queue} <= set(own)
    other = room.of("lymphocyte")[0]
    assert room.get(f"/images/{other}")["sets"]["stage"]["probabilities"] == {}
    cursor = header["event"]
    room.label({other: "neutrophil"})
    later, delta = unpack(
        room.viewer.get(f"{room.path}/columns", params={"label_set": "stage", "since": cursor}).content
    )
    at = delta["id"].tolist().index(other)
    assert (later["full"] or len(delta["id"]) < CELLS, delta["asked"][at]) == (True, 1)


# --- from a table ---------------------------------------------------------------------------------------------


def _table(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _import(room: Room, text: str, **more: Any) -> Any:
    body = {"request": str(uuid.uuid4()), "file": "labels.csv", "content": _table(text), **more}
    return room.reviewer.post(f"{room.path}/labels/import", json=body)


def test_a_table_is_understood_before_anything_is_written(room: Room) -> None:
    images = room.get("/images", limit=100)["items"]
    names = [one["name"] for one in images]
    room.label({images[3]["id"]: "basophil", images[4]["id"]: "blast"})
    with room.project.database.session() as session:
        content = (session.get_one(Image, images[1]["id"]).sha256 or b"").hex()
    text = "\n".join(
        [
            "File name;Cell type;sha256",
            f"{names[0]};Neutrophil;",
            f";lymphocyte;{content}",
            f"C:\\export\\{names[2]};Segs;",
            f"{names[3]};blast;",
            f"{names[4]};Blast;",
            "elsewhere.png;blast;",
            f"{names[5]};blast;",
            f"{names[5]};ig;",
            f"{names[6]};;",
            f"{names[7]};?;",
        ]
    )
    checked = _import(room, text)
    assert checked.status_code == 200, checked.text
    found = checked.json()
    assert (found["written"], found["rows"], found["blank"], found["same"]) == (False, 9, 1, 1)
    assert found["labels"] == {"neutrophil": 1, "lymphocyte": 1, "?": 1}
    (unknown,) = found["unknown"]
    assert (unknown["label"], unknown["rows"]) == ("Segs", 1)
    assert unknown["proposals"][0] == {"name": "segmented_neutrophil", "title": "Segmented neutrophil", "add": True}
    assert [row["cell"] for row in found["unmatched"]["first"]] == ["elsewhere.png"]
    assert found["clashing"]["count"] == 2
    assert [row["line"] for row in found["kept"]["first"]] == [5]
    refused = _import(room, text, check=False)
    assert refused.status_code == 422
    assert "'Segs' (1 rows, perhaps segmented_neutrophil (to be added))" in refused.json()["error"]["message"]
    with room.project.database.session() as session:
        count = session.query(CurrentLabelRow).filter(CurrentLabelRow.image_id.in_([i["id"] for i in images])).count()
    assert count == 2, "nothing was written"
    done = _import(room, text, check=False, means={"Segs": "neutrophil"}, overwrite=True)
    assert done.status_code == 200, done.text
    assert done.json()["labels"] == {"neutrophil": 2, "lymphocyte": 1, "blast": 1, "?": 1}
    room.settled()
    said = {one["id"]: one["label"] for one in room.get("/images", limit=100)["items"]}
    assert [said[images[at]["id"]] for at in range(8)] == [
        "neutrophil",
        "lymphocyte",
        "neutrophil",
        "blast",
        "blast",
        None,
        None,
        "?",
    ]
    undone = room.reviewer.post(
        f"{room.path}/labels/undo", json={"request": str(uuid.uuid4()), "labels": done.json()["undo"]}
    )
    assert len(undone.json()["labels"]) == 5


def test_while_a_table_is_understood_others_label(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a million cells it takes seconds; what somebody says meanwhile is not written over unseen."""
    images = room.get("/images", limit=3)["items"]
    understood = label_import.plan

    def meanwhile(*given: Any, **more: Any) -> ImportPlan:
        found = understood(*given, **more)
        with room.project.database.session() as session:
            session.execute(text("SET LOCAL lock_timeout = '3s'"))
            said = [SubmittedLabel(images[0]["id"], "basophil", 0)]
            labels.submit(session, room.project.request(), "cell_type", said, "set")
        return found

    monkeypatch.setattr(label_import, "plan", meanwhile)
    table = "path,label\n" + "".join(f"{one['name']},blast\n" for one in images)
    refused = _import(room, table, check=False, overwrite=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_the_way"), refused.text
    monkeypatch.undo()
    said = [one["label"] for one in room.get("/images", limit=3)["items"]]
    assert said == ["basophil", None, None], "nothing of the table was written"
    assert _import(room, table, check=False, overwrite=True).json()["labels"] == {"blast": 3}


def test_the_same_name_with_the_content_of_another_picture_is_another_cell(room: Room) -> None:
    image = room.get("/images", limit=1)["items"][0]
    text = f"path,sha256,label\n{image['name']},{'ab' * 32},blast\n"
    found = _import(room, text).json()
    assert (found["labels"], found["unmatched"]["count"]) == ({}, 1)


def test_an_export_of_labels_reads_back_and_readings_do_not(room: Room) -> None:
    room.label({image: room.project.truth[image] for image in room.project.images[:6]})
    labels = room.reviewer.export(room.path, format="labels")
    found = _import(room, labels.text).json()
    assert (found["same"], found["unknown"], found["labels"]) == (6, [], {})
    readings = "path,label,probability,novelty,status\na.png,blast,0.9,0.1,ok\n"
    answer = _import(room, readings)
    assert answer.status_code in (400, 422), answer.text
    assert "what a model read" in answer.json()["error"]["message"]


def test_signed_cases_and_other_cases_are_left_alone(room: Room, tiny_bundle: Bundle) -> None:
    room.label({image: room.project.truth[image] for image in room.project.images})
    signed = room.reviewer.post(f"{room.path}/signatures", json={"case": room.case, "note": "drawn cells"})
    assert signed.status_code == 201, signed.text
    image = room.project.images[0]
    name = room.get(f"/images/{image}")["name"]
    other = next(label for label in ("ig", "blast") if label != room.project.truth[image])
    found = _import(room, f"path,label\n{name},{other}\n", case=room.case, overwrite=True).json()
    assert (found["locked"]["count"], found["labels"]) == (1, {})
