"""`hemosight validate` on a folder, and on a project of a server that answers as the service does."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from hemosight.cli.validation_cells import Source, upper_types
from hemosight.cli.validation_readings import readers, referred
from hemosight.engine.readings import csv
from hemosight.errors import BadTable, RequestFailed, TooFewCells
from hemosight.images.catalog import Catalog
from hemosight.lab.validation.cells import reviewed
from hemosight.lab.validation.origin import Origin

SIGNED = {
    "items": [
        {"id": 1, "case": 3, "current": False, "role": "first", "second_wanted": False},
        {"id": 2, "case": 3, "current": True, "role": "first", "second_wanted": True},
        {"id": 3, "case": 3, "current": True, "role": "second", "second_wanted": False},
        {"id": 4, "case": 4, "current": True, "role": "first", "second_wanted": False},
        {"id": 5, "case": 4, "current": False, "role": "first", "second_wanted": False},
        {"id": 6, "case": 5, "current": True, "role": "first", "second_wanted": True},
        {"id": 7, "case": None, "current": True, "role": "first", "second_wanted": False},
    ]
}
PROFILE = {"id": 2, "name": "Camera 2", "scale": 1.25, "scale_from": "measured"}


def label_record(number: int, kind: str, at: str, user: int = 1, label_set: str = "cell_type") -> dict[str, object]:
    return {"id": number, "kind": kind, "at": at, "user": user, "label_set": label_set}


LABELS = [
    label_record(11, "agree", "09:00"),  # stands under cell 0, in one step with 12, which was replaced by 13
    label_record(12, "agree", "09:00"),
    label_record(13, "set", "09:05"),
    label_record(14, "agree", "09:00", user=2),  # of somebody else, alone
    label_record(15, "agree", "09:00", label_set="nucleus_shape"),
]

TYPES = [
    {"name": "neutrophil", "counts": "in", "parent": None, "merged_into": None},
    {"name": "band_neutrophil", "counts": "in", "parent": "neutrophil", "merged_into": None},
    {"name": "stab", "counts": "in", "parent": None, "merged_into": "band_neutrophil"},
    {"name": "blast", "counts": "in", "parent": None, "merged_into": None},
    {"name": "sezary", "counts": "in", "parent": None, "merged_into": None},
    {"name": "plasma_cell", "counts": "in", "parent": "sezary", "merged_into": None},
    {"name": "smudge", "counts": "excluded", "parent": None, "merged_into": None},
]


class _Service(BaseHTTPRequestHandler):
    pictures: tuple[Path, ...] = ()
    signed: object = SIGNED
    record: object = None

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        known = {
            "/api/v1/session": {"csrf": "told"},
            "/api/v1/projects/7": {"name": "Films", "scale": 1.0},
            "/api/v1/projects/7/profiles": {
                "items": [{"id": 1, "name": "Camera 1", "scale": 1.0}, {"id": 2, "name": "Camera 2", "scale": 1.5}],
                "of_case": 2,
            },
            "/api/v1/projects/7/label-sets": {"items": [{"name": "cell_type", "classes": TYPES}]},
            "/api/v1/projects/7/signatures": self.signed,
            "/api/v1/projects/7/signatures/2": self.record,
            "/api/v1/projects/7/cases": {
                "items": [{"id": 3, "key": "24-1"}, {"id": 4, "key": "24-2"}, {"id": 5, "key": "24-3"}],
                "next": None,
            },
        }
        if place.path == "/api/v1/projects/7/labels":
            query = dict(parse_qsl(place.query))
            left = [one for one in LABELS if one["id"] > int(query["after"])]  # type: ignore[operator] -- a number
            page = left[:3]  # a service gives no more at a time than it likes
            status, body = 200, json.dumps({"items": page, "next": page[-1]["id"] if left[3:] else None}).encode()
        elif place.path in known:
            status, body = 200, json.dumps(known[place.path]).encode()
        elif place.path == "/api/v1/projects/7/exports/3":
            status, body = 200, self._archive()
        else:
            status, body = 404, b'{"detail": "expected a project; found none"}'
        self._answer(status, body)

    def do_POST(self) -> None:
        assert self.path == "/api/v1/projects/7/exports"
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert wanted == {"format": "folder", "case": 3}
        self._answer(201, json.dumps({"id": wanted["case"]}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _archive(self) -> bytes:
        buffer = io.BytesIO()
        said: list[tuple[str, str]] = []
        with zipfile.ZipFile(buffer, "w") as packed:
            # Folders of types called so; what a spreadsheet would compute is guarded, an apostrophe of its own is not.
            for number, (folder, label) in enumerate((("'x", "band_neutrophil"), ("=1", "?"), ("'=1", "blast"))):
                name = f"{folder}/{number}-{self.pictures[number].name}"
                packed.writestr(name, self.pictures[number].read_bytes())
                said.append((name, label))
            packed.writestr("_not_reviewed/blast/9-a.jpg", self.pictures[3].read_bytes())
            packed.writestr("labels.csv", csv(pl.DataFrame(said, schema=["path", "label"], orient="row")))
            packed.writestr("readings.csv", "image,name\n9,a.jpg\n")
        return buffer.getvalue()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(drawn_catalog: Catalog) -> Iterator[str]:
    ids = drawn_catalog.ids
    cells = [{"sha256": cell, "version": version} for cell, version in zip(ids, (11, 13, 14, 0), strict=False)]
    _Service.pictures, _Service.signed = tuple(drawn_catalog.paths[:4]), SIGNED
    _Service.record = {"profile": PROFILE, "cells": cells}
    server = HTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_types_are_what_the_laboratory_counts_them_as() -> None:
    upper = upper_types(TYPES)
    assert (upper["stab"], upper["band_neutrophil"], upper["sezary"]) == ("neutrophil", "neutrophil", "sezary")
    assert upper["plasma_cell"] == "sezary", "the vocabulary would have said lymphocyte"
    assert upper["smudge"] is None


def test_a_project_gives_what_people_said_of_cases_whose_signature_holds(address: str, drawn_catalog: Catalog) -> None:
    said: list[str] = []
    with Source("7", address).open(say=said.append) as (catalog, origin):
        table = catalog.table
        assert table["patient"].to_list() == ["24-1"] * 4
        assert table["label"].to_list() == ["neutrophil", None, "blast", None]  # finer types count as theirs, ? as none
        # Of a cell that nobody labelled nothing is said; the model's reading of it, a folder's name, is left behind.
        assert table["subtype"].to_list() == ["band_neutrophil", "?", "blast", None]
        assert table["id"].to_list() == drawn_catalog.ids[:4]
        assert reviewed(catalog).rows() == [("24-1", 4, 3)]
        assert table["scale"].to_list() == [1.25] * 4  # as it was signed, whatever the scanner's scale is now
        assert table["source"].to_list() == ["Camera 2"] * 4
        assert table["width"].null_count() == 0
        assert all(path.is_file() for path in catalog.paths)
    assert not any(path.is_file() for path in catalog.paths)  # pictures do not stay behind
    assert origin.words == "signed in project 7 (Films)"
    assert origin.beside_readings
    # The label that stands under cell 1 is no agreement; that of cell 2 was given alone.
    assert origin.agreed == {drawn_catalog.ids[0], drawn_catalog.ids[2]}
    assert origin.at_once == {drawn_catalog.ids[0]}
    assert any("4 cells, 3 labelled by people" in line for line in said)
    assert any("24-2" in line and "signed again" in line for line in said)
    assert any("24-3" in line and "second" in line for line in said), "half signed is not signed"


def test_a_record_of_before_there_were_profiles_has_its_scanner_of_now(address: str) -> None:
    _Service.record = {"profile": None, "cells": None}
    with Source("7", address).open(say=lambda _: None) as (catalog, origin):
        assert catalog.table["scale"].to_list() == [1.5] * 4
    assert (origin.beside_readings, origin.agreed) == (True, None), "how the labels came about is not known"


def test_a_project_without_a_signature_that_holds_is_refused(address: str) -> None:
    _Service.signed = {"items": []}
    with pytest.raises(TooFewCells, match="no case with a signature"), Source("7", address).open(say=print):
        pass
    with pytest.raises(RequestFailed, match="404"), Source("8", address).open(say=print):
        pass


@pytest.mark.slow
def test_a_folder_is_read_as_ever(drawn_smear: Path) -> None:
    with Source(str(drawn_smear)).open(say=lambda _: None) as (catalog, origin):
        assert len(catalog) == 72
        assert origin == Origin(f"from {drawn_smear.name}")


def test_further_readers_come_by_content_or_by_name(drawn_catalog: Catalog, tmp_path: Path) -> None:
    ids, paths = drawn_catalog.ids, drawn_catalog.paths
    file = tmp_path / "second.csv"
    file.write_text(f"sha256,path,reader,label\n{ids[0]},,B,band neutrophil\n,{paths[1].name},B,blast\n{ids[2]},,C,?\n")
    assert readers(file, drawn_catalog) == {"B": {ids[0]: "band_neutrophil", ids[1]: "blast"}, "C": {ids[2]: None}}
    pl.DataFrame({"label": ["blast"]}).write_csv(file)
    with pytest.raises(BadTable, match="reader, label"):
        readers(file, drawn_catalog)


def test_of_a_panel_the_first_blind_reading_of_each_reader_counts(drawn_catalog: Catalog, tmp_path: Path) -> None:
    ids = drawn_catalog.ids
    said = [
        (ids[0], "A", "blast", 1),
        (ids[0], "A", "monocyte", 2),  # the same cell again
        (ids[0], "A", "lymphocyte", 3),  # with the model's reading shown
        (ids[1], "A", "?", 1),
        (ids[1], "A", "blast", 3),  # unsure stays unsure, whatever help made of it
        (ids[2], "A", "blast", 3),  # never read blind
        (ids[3], "A", "monocyte", 2),
        (ids[3], "A", "blast", 1),  # the turn says which is the first, not the order of rows
        (ids[0], "'=B", "monocyte", 1),  # guarded against spreadsheets
    ]
    file = tmp_path / "panel.csv"
    pl.DataFrame(said, schema=["sha256", "reader", "label", "turn"], orient="row").write_csv(file)
    assert readers(file, drawn_catalog) == {
        "A": {ids[0]: "blast", ids[1]: None, ids[3]: "blast"},
        "=B": {ids[0]: "monocyte"},
    }
    own = {"blast": "monocyte", "?": "blast"}
    assert readers(file, drawn_catalog, own)["A"] == {ids[0]: "monocyte", ids[1]: None, ids[3]: "monocyte"}
    # Without turns the row that stands first counts.
    pl.read_csv(file).drop("turn").write_csv(file)
    first = dict(zip(ids, ["blast", None, "blast", "monocyte"], strict=False))
    assert readers(file, drawn_catalog)["A"] == first
    file.write_text(f"sha256,reader,label,turn\n{ids[0]},A,blast,first\n")
    with pytest.raises(BadTable, match="1 for a first reading"):
        readers(file, drawn_catalog)
    file.write_text(f"sha256,reader,label\n{ids[0]},,blast\n")
    with pytest.raises(BadTable, match="column reader"):
        readers(file, drawn_catalog)


def test_readings_come_in_tables_as_people_save_them_and_as_they_were(drawn_catalog: Catalog, tmp_path: Path) -> None:
    ids = drawn_catalog.ids
    file = tmp_path / "panel.csv"
    said = pl.DataFrame({"sha256": ids[:3], "reader": ["'=B", "=B", "B"], "label": ["=own", "'own", "blast"]})
    found = {"'=B": {ids[0]: "=own"}, "=B": {ids[1]: "'own"}, "B": {ids[2]: "blast"}}
    file.write_text(csv(said))
    assert readers(file, drawn_catalog) == found
    file.write_bytes(csv(said).replace(",", ";").encode("utf-16"))  # Excel's Unicode text
    assert readers(file, drawn_catalog) == found
    assert referred(file, drawn_catalog, Origin("w"))[0].labels()[:3] == ["=own", "'own", "blast"]


def test_a_name_of_several_cells_is_refused(drawn_catalog: Catalog, tmp_path: Path) -> None:
    rows = drawn_catalog.table.head(2)
    alike = Catalog(rows.with_columns(path=pl.Series(["a/1.png", "b/1.png"])))
    file = tmp_path / "second.csv"
    file.write_text("path,reader,label\nb/1.png,A,blast\n")
    with pytest.raises(BadTable, match="name of 2 cells"):
        readers(file, alike)


def test_a_panels_reference_stands_in_place_of_the_cells_own_labels(drawn_catalog: Catalog, tmp_path: Path) -> None:
    catalog = drawn_catalog.take(range(5))
    ids, own = catalog.ids, catalog.labels()
    other = "blast" if own[0] != "blast" else "monocyte"
    file = tmp_path / "reference.csv"
    rows = [(ids[0], other), (ids[1], own[1]), (ids[2], "?"), (ids[3], None), (drawn_catalog.ids[-1], "blast")]
    pl.DataFrame(rows, schema=["sha256", "label"], orient="row").write_csv(file)
    found, origin = referred(file, catalog, Origin("w", True))
    assert found.labels() == [other, own[1], None, own[3], own[4]]
    assert found.table["subtype"].to_list()[2] == "?", "unsure is an answer: the cell was labelled"
    assert (origin.words, origin.beside_readings) == ("w", True)
    assert origin.reference is not None
    assert origin.reference.cells == set(ids[:3])
    assert origin.reference.changed == 2
    assert origin.reference.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    # Finer types count as theirs; a laboratory's own as it says.
    file.write_text(f"sha256,label\n{ids[0]},band neutrophil\n{ids[1]},stab\n{ids[2]},smudge\n")
    found, _ = referred(file, catalog, Origin(types=upper_types(TYPES)))
    assert found.labels()[:3] == ["neutrophil", "neutrophil", None]
    for wrong, why in (
        (f"{ids[0]},blast\n{ids[0]},monocyte\n", "one label for each cell"),
        (f"{'0' * 64},blast\n", "cells that are validated"),
    ):
        file.write_text("sha256,label\n" + wrong)
        with pytest.raises(BadTable, match=why):
            referred(file, catalog, Origin())
