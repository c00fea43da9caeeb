"""Projects that keep no names: nothing that a file or a case was called, or said of itself, is found anywhere."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from crops import form, zipped
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from PIL import Image as Pillow
from sqlalchemy import text
from structlog.testing import capture_logs

from hemosight.engine.bundle import Bundle
from hemosight.images.synthetic import Scanner
from hemosight.images.synthetic.camera import draw_field
from hemosight.service.storage.database import Database

pytestmark = pytest.mark.service

NAME, KEY, TAG = "Doe_Jane_1970", "H26-004711-Doe", "DOE^JANE"
FORMATS = ("csv", "labels", "parquet", "json", "folder", "coco", "fiftyone", "label-studio")


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "root", is_admin=True)
    add_user(database, "owner")
    return app_on(database, tiny_bundle)


@pytest.fixture
def owner(app: FastAPI) -> Visitor:
    return browser(app, "owner")


def _project(visitor: Visitor, names: str) -> str:
    answer = visitor.post("/projects", json={"name": "p", "names": names})
    assert answer.status_code == 201, answer.text
    assert answer.json()["names"] == names
    return f"/projects/{answer.json()['id']}"


def _picture(seed: int, kind: str = "JPEG") -> bytes:
    exif = Pillow.Exif()
    exif[0x010E] = TAG
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)
    Pillow.fromarray(pixels).save(out, kind, exif=exif)
    return out.getvalue()


def _send(visitor: Visitor, project: str, files: dict[str, bytes], **given: Any) -> list[dict[str, Any]]:
    begun = visitor.post(f"{project}/uploads", json=given)
    assert begun.status_code == 201, begun.text
    answer = visitor.post(f"{project}/uploads/{begun.json()['id']}/files", files=form(files))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def _found(database: Database, *secrets: str, but: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Tables in which a row holds any of the secrets, as text or as bytes."""
    found: dict[str, list[str]] = {}
    with database.session() as session:
        tables = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        assert len(tables) > 20
        for table in tables:
            rows = "\n".join(session.scalars(text(f'SELECT t::text FROM "{table}" t')))  # noqa: S608 -- our own names
            for secret in secrets:
                if secret.lower() in rows.lower() or secret.encode().hex() in rows.lower():
                    found.setdefault(table, []).append(secret)
    return {table: secrets for table, secrets in found.items() if table not in but}


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return b"\n".join(name.encode() + archive.read(name) for name in archive.namelist())


@pytest.mark.attack(
    who="whoever sees a project, its exports, the database or the log",
    what="finds a patient by a file's or a case's name, by EXIF or tags of DICOM",
    held="projects may give running numbers; files are stored without metadata; which is whose lies apart or nowhere",
)
@pytest.mark.parametrize("names", ["mapped", "dropped"])
def test_nothing_of_a_name_is_left(app: FastAPI, owner: Visitor, database: Database, names: str) -> None:
    project = _project(owner, names)
    with capture_logs() as logs:
        files = {
            f"{KEY}/{NAME}_1.jpg": _picture(1),
            f"{KEY}/{NAME}_2.png": _picture(2, "PNG"),
            f"{NAME}_broken.jpg": b"\xff\xd8\xff no picture",
            "slides.zip": zipped({f"{NAME}/3.jpg": _picture(3)}),
        }
        items = _send(owner, project, files, case=KEY)
        assert [item["state"] for item in items] == ["added", "added", "refused", "added"]
        # Sent again they are known, by what is stored of them.
        again = _send(owner, project, {f"{NAME}_again.jpg": _picture(1)}, case=KEY)
        assert [(item["state"], item["image"]) for item in again] == [("known", items[0]["image"])]
        assert owner.post(f"{project}/cases", json={"key": f"{KEY}-2"}).status_code == 201
        taken = {form: _unpacked(owner.export(project, format=form).content) for form in FORMATS}
    secrets = (NAME, KEY, TAG, "Doe")
    assert _found(database, *secrets, but=("original_names",)) == {}
    assert [(line, secret) for line in map(str, logs) for secret in secrets if secret in line] == []
    assert [(form, secret) for form, data in taken.items() for secret in secrets if secret.encode() in data] == []
    rows = list(csv.DictReader(io.StringIO(taken["csv"].decode())))
    assert [row["name"] for row in rows] == [
        f"cell-{items[0]['image']}.jpg",
        f"cell-{items[1]['image']}.png",
        f"cell-{items[3]['image']}.jpg",
    ]
    assert {row["case"] for row in rows} == {f"case-{_cases(owner, project)[0]['id']}"}
    assert bool(_found(database, NAME)) == (names == "mapped")


def test_a_field_keeps_no_name_either(app: FastAPI, owner: Visitor, database: Database) -> None:
    project = _project(owner, "dropped")
    drawn = draw_field(600, 500, ["lymphocyte"], np.random.default_rng(4), scanner=Scanner(pixels_per_um=9.0))
    exif = Pillow.Exif()
    exif[0x010E] = TAG
    out = io.BytesIO()
    Pillow.fromarray(drawn.pixels).save(out, "PNG", exif=exif)
    upload = owner.post(f"{project}/uploads", json={}).json()["id"]
    answer = owner.post(f"{project}/uploads/{upload}/fields", files=form({f"{NAME}.png": out.getvalue()}))
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"][0]["cells"] == 1
    assert _found(database, NAME, TAG) == {}


def _cases(visitor: Visitor, project: str) -> list[dict[str, Any]]:
    return visitor.get(f"{project}/cases").json()["items"]


def test_the_map_is_for_administrators_of_the_service(app: FastAPI, owner: Visitor, database: Database) -> None:
    project = _project(owner, "mapped")
    (one,) = _send(owner, project, {f"{NAME}.jpg": _picture(1)}, case=KEY)
    (two,) = _send(owner, project, {"other.jpg": _picture(2)}, case=KEY)
    (case,) = _cases(owner, project)
    assert case["images"] == 2, "the same key is the same case"
    assert owner.post(f"{project}/original-names").status_code == 403
    root = browser(app, "root")
    answer = root.post(f"{project}/original-names")
    assert [tuple(row.values()) for row in csv.DictReader(io.StringIO(answer.text))] == [
        ("case", str(case["id"]), KEY),
        ("image", str(one["image"]), f"{NAME}.jpg"),
        ("image", str(two["image"]), "other.jpg"),
    ]
    (noted, *_) = root.get("/audit").json()["items"]
    assert (noted["action"], noted["subject"]) == ("project.original_names", {"names": 3})
    # What is deleted is forgotten.
    assert owner.post(f"{project}/images/delete", json={"images": [one["image"]]}).status_code == 200
    assert _found(database, NAME) == {}
    assert owner.delete(f"{project}/cases/{case['id']}").status_code == 204
    assert _found(database, KEY, "other.jpg") == {}


def test_without_a_map_a_key_makes_a_case_each_time(owner: Visitor) -> None:
    project = _project(owner, "dropped")
    _send(owner, project, {"a.jpg": _picture(1)}, case=KEY)
    _send(owner, project, {"b.jpg": _picture(2)}, case=KEY)
    first, _ = _cases(owner, project)
    _send(owner, project, {"c.jpg": _picture(3)}, case=first["key"])
    assert [case["images"] for case in _cases(owner, project)] == [2, 1], "its number is its key"


def test_names_that_people_type_are_refused(owner: Visitor) -> None:
    project = _project(owner, "dropped")
    (one,) = _send(owner, project, {"a.jpg": _picture(1)}, case=KEY)
    (case,) = _cases(owner, project)
    for given in ({"key": KEY}, {"accession": KEY}, {"note": TAG}, {"collected_at": "2026-03-02T09:12:44Z"}):
        assert owner.patch(f"{project}/cases/{case['id']}", json=given).status_code == 409
    assert owner.patch(f"{project}/cases/{case['id']}", json={"wbc": 7.1}).status_code == 200
    assert owner.patch(f"{project}/images/{one['image']}", json={"name": NAME}).status_code == 409
    assert owner.post(f"{project}/cases", json={"key": "x", "note": TAG}).status_code == 409


def test_it_is_chosen_before_anything_comes(owner: Visitor) -> None:
    project = _project(owner, "kept")
    assert owner.patch(project, json={"names": "mapped"}).json()["names"] == "mapped"
    assert owner.patch(project, json={"names": "kept"}).json()["names"] == "kept"
    _send(owner, project, {f"{NAME}.jpg": _picture(1)})
    refused = owner.patch(project, json={"names": "dropped"})
    assert refused.status_code == 409
    assert owner.patch(project, json={"names": "kept", "name": "new"}).status_code == 200
