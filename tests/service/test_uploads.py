"""Files in: each fails alone, none is added twice, every one that is added has a job."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from crops import crops, form, zipped
from fastapi import FastAPI
from gate import Visitor, add_user, app_on, browser
from PIL import Image as Pillow
from sqlalchemy import select, text

from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.images.catalog import Catalog
from hemosight.service.intake.uploads import plain_name
from hemosight.service.storage import embeddings
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Case, Image, LabelRecord, Picture


@pytest.fixture
def app(database: Database, tiny_bundle: Bundle) -> FastAPI:
    add_user(database, "ada", is_admin=True)
    return app_on(database, tiny_bundle)


@pytest.fixture
def ada(app: FastAPI) -> Visitor:
    return browser(app, "ada")


@pytest.fixture
def project(ada: Visitor) -> str:
    return f"/projects/{ada.post('/projects', json={'name': 'p'}).json()['id']}"


@pytest.fixture
def upload(ada: Visitor, project: str) -> str:
    return begin(ada, project)


def begin(visitor: Visitor, project: str, **given: Any) -> str:
    answer = visitor.post(f"{project}/uploads", json=given)
    assert answer.status_code == 201, answer.text
    return f"{project}/uploads/{answer.json()['id']}"


def send(visitor: Visitor, upload: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
    answer = visitor.post(f"{upload}/files", files=form(files))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def queued(database: Database) -> list[tuple[int, list[int]]]:
    """Priority and images of every waiting job, in the order in which they are taken."""
    query = text(
        "SELECT priority, args->'images' FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id"
    )
    with database.session() as session:
        return [(priority, images) for priority, images in session.execute(query)]


def test_files_become_images_in_their_order_with_jobs(
    database: Database, ada: Visitor, upload: str, drawn_smear: Path
) -> None:
    files = crops(drawn_smear)
    items = send(ada, upload, files)
    assert [item["name"] for item in items] == list(files)
    assert {item["state"] for item in items} == {"added"}
    ids = [item["image"] for item in items]
    assert ids == sorted(ids)
    jobs = queued(database)
    assert [image for _, images in jobs for image in images] == ids
    assert max(len(images) for _, images in jobs) <= 32
    with database.session() as session:
        stored = dict(
            session.execute(select(Image.id, Picture.data).join(Picture, Picture.sha256 == Image.sha256)).all()
        )
    assert [stored[number] for number in ids] == list(files.values())
    shown = ada.get(upload).json()
    assert {key: shown[key] for key in ("total", "read", "refused", "waiting", "cancelled")} == {
        "total": len(files), "read": 0, "refused": 0, "waiting": len(files), "cancelled": False
    }  # fmt: skip


def test_the_first_of_an_upload_go_ahead_of_what_remains_of_larger_ones(
    database: Database, ada: Visitor, project: str, drawn_smear: Path
) -> None:
    files = crops(drawn_smear)  # 72
    large, small = begin(ada, project), begin(ada, project)
    several = [bytes([*data]) + b"\0" * pad for pad in (0, 1) for data in files.values()]
    send(ada, large, {f"{row}.png": data for row, data in enumerate(several)})
    (last,) = [item["image"] for item in send(ada, small, {"one.png": several[0] + b"\0\0"})]
    jobs = queued(database)
    taken = [image for _, images in jobs for image in images]
    assert taken.index(last) == 64
    assert len(taken) == 2 * len(files) + 1


def test_known_files_are_not_added_again(database: Database, ada: Visitor, project: str, drawn_smear: Path) -> None:
    files = crops(drawn_smear, 3)
    names = list(files)
    first = send(ada, begin(ada, project), {**files, "copy.png": files[names[0]]})
    assert [item["state"] for item in first] == ["added", "added", "added", "known"]
    assert first[3]["image"] == first[0]["image"]
    again = send(ada, begin(ada, project), files)
    assert [(item["state"], item["image"]) for item in again] == [("known", item["image"]) for item in first[:3]]
    assert sum(len(images) for _, images in queued(database)) == 3
    other = f"/projects/{ada.post('/projects', json={'name': 'q'}).json()['id']}"
    elsewhere = send(ada, begin(ada, other), files)
    assert {item["state"] for item in elsewhere} == {"added"}
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM pictures")) == 3  # the bytes are shared


def test_an_upload_goes_on_where_it_broke_off(ada: Visitor, project: str, upload: str, drawn_smear: Path) -> None:
    files = crops(drawn_smear, 4)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    sent = send(ada, upload, dict(list(files.items())[:2]))
    known = ada.post(f"{project}/known", json={"sha256": list(sums.values())}).json()["known"]
    assert known == {sums[item["name"]]: item["image"] for item in sent}
    assert ada.post(f"{project}/known", json={"sha256": ["zz"]}).status_code == 422


def test_what_is_no_crop_is_refused_alone(ada: Visitor, upload: str, drawn_smear: Path, slide: bytes) -> None:
    (good,) = crops(drawn_smear, 1).values()
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(buffer, "PNG")
    passes = io.BytesIO()
    Pillow.new("RGB", (1000, 1000)).save(passes, "JPEG", progressive=True)
    many = passes.getvalue()
    many = many[:-2] + many[many.rindex(b"\xff\xda") : -2] * 600 + many[-2:]
    items = send(
        ada,
        upload,
        {"note.txt": b"hello", "": b"", "empty.jpg": b"", "slide.png": slide, "many.jpg": many,
         "tiny.png": buffer.getvalue(), "good.png": good, ".DS_Store": b"x", "Thumbs.db": b"x"},
    )  # fmt: skip
    states = {item["name"]: (item["state"], item["reason"]) for item in items}
    assert states.pop("good.png") == ("added", None)
    assert set(states) == {"note.txt", "empty.jpg", "slide.png", "many.jpg", "tiny.png", ".DS_Store", "Thumbs.db"}
    assert all(state == "refused" and reason for state, reason in states.values())
    assert "megapixels" in (states["slide.png"][1] or "")
    assert "passes" in (states["many.jpg"][1] or "")
    assert ada.get(upload).json()["refused"] == 7


def test_a_damaged_crop_is_added_without_a_thumbnail(
    database: Database, ada: Visitor, upload: str, drawn_smear: Path
) -> None:
    """Its header is good; the reading will say what is wrong."""
    (good,) = crops(drawn_smear, 1).values()
    (item,) = send(ada, upload, {"cut.png": good[: len(good) // 2]})
    assert item["state"] == "added"
    with database.session() as session:
        assert session.scalars(select(Picture.thumbnail)).all() == [None]


def test_thumbnails_are_small_squares(database: Database, ada: Visitor, upload: str, drawn_smear: Path) -> None:
    send(ada, upload, crops(drawn_smear, 2))
    with database.session() as session:
        thumbnails = session.scalars(select(Picture.thumbnail)).all()
    for thumbnail in thumbnails:
        assert thumbnail is not None
        with Pillow.open(io.BytesIO(thumbnail)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (160, 160))


def test_a_zip_of_folders_is_its_files(ada: Visitor, upload: str, drawn_smear: Path) -> None:
    files = crops(drawn_smear, 5)
    packed = zipped({**{f"slide 7/{name}": data for name, data in files.items()}, "__MACOSX/._a.png": b"x", "a/": b""})
    items = send(ada, upload, {"folder.zip": packed})
    assert [item["name"] for item in items] == [f"slide 7/{name}" for name in files]
    assert {item["state"] for item in items} == {"added"}


@pytest.mark.attack(
    who="a member",
    what="sends zip bombs, nested, encrypted or damaged zips",
    held="sizes are limited before and while unpacking",
)
def test_bombs_and_damaged_zips_are_refused(
    database: Database, tiny_bundle: Bundle, drawn_smear: Path, project: str, ada: Visitor
) -> None:
    app = app_on(database, tiny_bundle, max_file_bytes=4 << 20, max_zip_bytes=8 << 20, max_zip_files=20)
    bob = browser(app, "ada")
    upload = begin(bob, project)
    (good,) = crops(drawn_smear, 1).values()
    zeros = bytes(3 << 20)
    cut = zipped({"good.png": good})
    broken = bytearray(zipped({"a.png": good, "b.png": good}))
    broken[60:90] = os.urandom(30)  # inside the first entry
    for name, data, reason in (
        ("many.zip", zipped({f"{row}.png": good for row in range(21)}), "21 files"),
        ("large.zip", zipped({f"{row}.png": zeros for row in range(3)}, zipfile.ZIP_DEFLATED), "unpacks to"),
        ("cut.zip", cut[: len(cut) // 2], "damaged zip"),
    ):
        (item,) = send(bob, upload, {name: data})
        assert (item["state"], reason in item["reason"]) == ("refused", True), item
    items = send(bob, upload, {"tight.zip": zipped({"z.png": zeros, "g.png": good}, zipfile.ZIP_DEFLATED)})
    assert [item["state"] for item in items] == ["refused", "added"]
    items = send(bob, upload, {"broken.zip": bytes(broken)})
    assert [item["state"] for item in items] == ["refused", "known"]
    (item,) = send(bob, upload, {"big.png": good + bytes(4 << 20)})
    assert "more than 4 MB" in item["reason"]
    (item,) = send(bob, upload, {"inner.zip": zipped({"in.zip": zipped({"a.png": good})})})
    assert item["state"] == "refused"


def test_too_many_files_and_no_form_are_refused(
    database: Database, tiny_bundle: Bundle, drawn_smear: Path, project: str, ada: Visitor
) -> None:
    bob = browser(app_on(database, tiny_bundle, max_request_files=2), "ada")
    upload = begin(bob, project)
    assert bob.post(f"{upload}/files", files=form(crops(drawn_smear, 3))).status_code == 413
    assert bob.post(f"{upload}/files", content=b"abc").status_code == 422
    cut = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\nContent-Dispo", b"--y\r\n\r\n", b"garbage"):
        assert bob.post(f"{upload}/files", content=body, headers=cut).status_code == 422
    assert bob.post(f"{project}/uploads/999/files", files=form({"a.png": b"x"})).status_code == 404


def test_a_case_is_made_where_it_does_not_exist(
    database: Database, ada: Visitor, project: str, drawn_smear: Path
) -> None:
    files = crops(drawn_smear, 2)
    for (name, data), key in zip(files.items(), ("S-1", "S-1"), strict=True):
        send(ada, begin(ada, project, case=key), {name: data})
    with database.session() as session:
        assert session.scalars(select(Case.key)).all() == ["S-1"]
        assert len(set(session.scalars(select(Image.case_id)))) == 1


def test_cancelling_takes_back_what_waits_and_nothing_else(
    database: Database, ada: Visitor, project: str, upload: str, drawn_smear: Path
) -> None:
    files = crops(drawn_smear, 6)
    ids = [item["image"] for item in send(ada, upload, files)]
    with database.session() as session:
        session.execute(
            text(
                "INSERT INTO embeddings (image_id, bundle_id, status) SELECT :image, bundle_id, 'damaged' FROM projects"
            ),
            {"image": ids[0]},
        )
        image = session.get_one(Image, ids[1])
        session.execute(
            text("INSERT INTO comments (image_id, user_id, text) SELECT :image, id, 'look' FROM users"),
            {"image": image.id},
        )
    shown = ada.delete(upload).json()
    assert (shown["cancelled"], shown["removed"], shown["total"]) == (True, 4, 2)
    assert queued(database) == []
    refused = ada.post(f"{upload}/files", files=form(files))
    assert refused.status_code == 409
    again = send(ada, begin(ada, project), files)
    assert [item["state"] for item in again] == ["known", "known", *["added"] * 4]
    with database.session() as session:
        assert session.scalars(select(LabelRecord.id)).all() == []


@pytest.mark.attack(
    who="a reviewer",
    what="has cells read at another scale, and cancels their upload while they wait",
    held="what may have been read before stays",
)
def test_cancelling_removes_no_cell_that_waits_to_be_read_again(
    ada: Visitor, project: str, upload: str, drawn_smear: Path
) -> None:
    send(ada, upload, crops(drawn_smear, 3))
    (profile,) = ada.get(f"{project}/profiles").json()["items"]
    assert ada.patch(f"{project}/profiles/{profile['id']}", json={"scale": 1.3}).status_code == 200
    assert ada.delete(upload).json()["removed"] == 0


@pytest.mark.attack(
    who="a member",
    what="gives files names with ../, control characters, or without end",
    held="names are made harmless when they come in",
)
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("C:\\slides\\7\\b.jpg", "C:/slides/7/b.jpg"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/./x.png", "abs/x.png"),
        ("nul\0l\n.png", "nul_l_.png"),
        ("half \ud800.png", "half _.png"),
        ("", "unnamed"),
        ("x" * 1000 + ".png", "x" * 396 + ".png"),
    ],
)
def test_names_are_kept_harmless(name: str, kept: str) -> None:
    assert plain_name(name) == kept


def test_a_request_in_pieces_is_one_request(ada: Visitor, upload: str, drawn_smear: Path) -> None:
    """Boundaries, headers and files may be cut anywhere by the network."""
    files = crops(drawn_smear, 2)
    request = ada.build_request("POST", f"{upload}/files", files=form(files))
    body = request.read()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 997):
            yield body[start : start + 997]

    answer = ada.post(f"{upload}/files", content=pieces(), headers={"Content-Type": request.headers["Content-Type"]})
    assert [item["name"] for item in answer.json()["items"]] == list(files)


@pytest.mark.attack(
    who="a member",
    what="sends pictures made to break the decoder",
    held="each costs its own row alone",
)
def test_one_bad_picture_costs_its_own_row_alone(ada: Visitor, upload: str, drawn_smear: Path) -> None:
    tags = [(256, 3, 0, 200), (257, 3, 1, 200), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 200), (279, 4, 1, 40000)]
    body = b"II*\0" + struct.pack("<I", 40008) + b"\x80" * 40000 + struct.pack("<H", len(tags))
    bad = body + b"".join(struct.pack("<HHII", *tag) for tag in tags) + b"\0" * 4
    good = crops(drawn_smear, 5)
    items = send(ada, upload, {**good, "width_without_value.tif": bad, "a.gif": b"GIF89a" + bytes(40)})
    assert [item["state"] for item in items] == ["added"] * 5 + ["refused"] * 2
    assert "width or height has no value" in items[5]["reason"]
    assert "GIF" in items[6]["reason"]


def test_names_come_in_composed_and_as_they_were_written(ada: Visitor, project: str, drawn_smear: Path) -> None:
    data = list(crops(drawn_smear, 3).values())
    raw = "ohne flag/\u00dcbersicht.jpg".encode()
    stand_in = b"@".ljust(len(raw), b"x")
    archive = zipped({stand_in.decode(): data[0]}).replace(stand_in, raw)
    upload = begin(ada, project, case="Mu\u0308ller")
    items = send(ada, upload, {"z.zip": archive, "u\u0308ber.jpg": data[1], "@eaDir/thumb.jpg": data[2]})
    names = ["ohne flag/\u00dcbersicht.jpg", "\u00fcber.jpg", "@eaDir/thumb.jpg"]
    assert [(item["file"], item["name"]) for item in items] == list(enumerate(names))
    for words in ("\u00fcber", "u\u0308ber", "M\u00fcller"):
        found = ada.get(f"{project}/images", params={"text": words}).json()["items"]
        assert len(found) == 2, words


def test_a_zip_whose_files_lie_upon_one_another_is_refused_at_once(ada: Visitor, upload: str) -> None:
    data = zipped({"a.jpg": b"\xff\xd8\xff" + bytes(900)}, zipfile.ZIP_DEFLATED)
    end = data.rindex(b"PK\5\6")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    entry, count = data[start:end], 300
    entries = b"".join(entry[:46] + b"%05d" % k + entry[51:] for k in range(count))
    overlap = data[:start] + entries
    overlap += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entries), start, 0)
    (item,) = send(ada, upload, {"overlap.zip": overlap})
    assert item["state"] == "refused"
    assert "upon one another" in item["reason"]


def test_a_zip_of_many_entries_is_refused_before_its_directory_is_read(
    database: Database,
    tiny_bundle: Bundle,
    project: str,
    ada: Visitor,
    drawn_smear: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bob = browser(app_on(database, tiny_bundle, max_zip_files=5), "ada")
    upload = begin(bob, project)
    pictures = crops(drawn_smear, 5)
    leftovers = {f"__MACOSX/._{name}": b"leftover" for name in pictures}
    items = send(bob, upload, {"mac.zip": zipped({**pictures, **leftovers})})
    assert [item["state"] for item in items] == ["added"] * 5, "a Mac packs twice as many"
    many = zipped({f"{row}/": b"" for row in range(2000)})
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    (item,) = send(bob, upload, {"many.zip": many})
    assert (item["state"], "more than 1,010 entries" in item["reason"]) == ("refused", True), item


@pytest.mark.parametrize("name", ["Export/Trash/1.png", "Thumbs/1.png", "papierkorb\\1.png", ".hidden.png"])
def test_what_is_called_as_litter_is_refused_and_says_so(
    ada: Visitor, upload: str, drawn_smear: Path, name: str
) -> None:
    (good,) = crops(drawn_smear, 1).values()
    (item,) = send(ada, upload, {name: good})
    assert (item["state"], item["image"], "rename it" in item["reason"]) == ("refused", None, True)
    # Of a zip, whose maker put it there, it is passed over; but not where nothing is left.
    packed = zipped({name: good, "Cells/2.png": good})
    assert [item["name"] for item in send(ada, upload, {"all.zip": packed})] == ["Cells/2.png"]
    (item,) = send(ada, upload, {"none.zip": zipped({name: good, "Cells/": b""})})
    assert (item["name"], item["state"], item["reason"]) == ("none.zip", "refused", "a zip without a file in it")


def test_each_answer_says_which_file_it_is_of(ada: Visitor, upload: str, drawn_smear: Path) -> None:
    first, second, third = crops(drawn_smear, 3).values()
    long = "x" * 500 + ".png"
    sent = {"a.zip": zipped({"1.png": first, "2.txt": b"words"}), long: second, "u\u0308.png": b"none", "b.png": third}
    found = [(item["file"], item["name"], item["state"]) for item in send(ada, upload, sent)]
    assert found == [
        (0, "1.png", "added"), (0, "2.txt", "refused"), (1, long[-400:], "added"), (2, "\u00fc.png", "refused"),
        (3, "b.png", "added"),
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "called"), [(9, "Deflate64"), (98, "PPMd"), (94, "method 94")])
def test_a_zip_that_is_packed_otherwise_is_not_called_damaged(
    ada: Visitor, upload: str, drawn_smear: Path, method: int, called: str
) -> None:
    (good,) = crops(drawn_smear, 1).values()
    data = bytearray(zipped({"a.png": good}))
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        place = data.index(mark) + at
        data[place : place + 2] = struct.pack("<H", method)
    (item,) = send(ada, upload, {"z.zip": bytes(data)})
    assert item["state"] == "refused"
    assert item["reason"].startswith(f"packed as {called}")
    assert item["reason"].endswith("pack the zip with Deflate")


def test_a_folder_of_a_zip_with_backslashes_is_no_empty_file(ada: Visitor, upload: str, drawn_smear: Path) -> None:
    (good,) = crops(drawn_smear, 1).values()
    items = send(ada, upload, {"old.zip": zipped({"S-1\\": b"", "S-1\\a.png": good})})
    assert [(item["name"], item["state"]) for item in items] == [("S-1/a.png", "added")]


def test_bits_of_an_upload_say_which_value_is_white(
    database: Database, ada: Visitor, project: str, drawn_catalog: Catalog, tiny_bundle: Bundle
) -> None:
    pixels = np.asarray(Pillow.open(drawn_catalog.paths[0]).convert("RGB"))
    data = tiff(np.rint(pixels / 255 * 4095).astype(np.uint16))
    (item,) = send(ada, begin(ada, project), {"deep.tif": data})
    assert item["state"] == "refused"
    assert "`bits` of an upload" in item["reason"]
    # With them it is read, shown and explained as the picture it is.
    (item,) = send(ada, begin(ada, project, bits=12), {"deep.tif": data})
    assert item["state"] == "added"
    image = f"{project}/images/{item['image']}"
    assert ada.get(f"{image}/thumbnail").status_code == 200
    shown = ada.get(f"{image}/picture", headers={"Sec-Fetch-Dest": "image"})
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(shown.content))), pixels)
    assert ada.get(f"{image}/picture").content == data, "a program gets the file"
    assert ada.get(f"{image}/heat").status_code == 200
    with database.session() as session:
        (todo,) = embeddings.unembedded(session, int(project.rpartition("/")[2]), 1, [item["image"]])
    assert todo.bits == 12
    (point,) = Engine(tiny_bundle, threads=1).network.points([todo.data], bits=[todo.bits])
    (plain,) = Engine(tiny_bundle, threads=1).network.points([pixels])
    assert point.vector is not None
    assert plain.vector is not None
    assert np.allclose(point.vector, plain.vector, atol=1e-6)
    assert ada.post(f"{project}/uploads", json={"bits": 0}).status_code == 422
    assert ada.post(f"{project}/uploads", json={"bits": 33}).status_code == 422


def tiff(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="rgb")
    return buffer.getvalue()


def test_an_upload_into_a_case_that_is_deleted_meanwhile_takes_no_more_files(
    database: Database, ada: Visitor, project: str, drawn_smear: Path
) -> None:
    upload = begin(ada, project, case="24-1187")
    files = crops(drawn_smear, 3)
    send(ada, upload, dict(list(files.items())[:1]))
    (case,) = ada.get(f"{project}/cases").json()["items"]
    assert ada.delete(f"{project}/cases/{case['id']}").status_code in (200, 204)
    for late in (files, {"note.txt": b"no picture"}):
        refused = ada.post(f"{upload}/files", files=form(late))
        assert refused.status_code == 409
        assert "or whose case was deleted" in refused.json()["error"]["came"], "nobody cancelled it"
    with database.session() as session:
        assert len(session.scalars(select(Image.id)).all()) == 1, "the one that was there before"
