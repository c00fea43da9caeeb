"""`hemosight validate`, `drift` and `compare-bundles` as a laboratory types them: what is written, and exit codes."""

from __future__ import annotations

import html
import io
import json
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pypdfium2
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hemosight.blood.palette import KNOWN
from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.cli import app
from hemosight.cli.validate import NOT_MET
from hemosight.cli.watch import FLAGGED
from hemosight.engine.bundle import Bundle
from hemosight.images.catalog import Catalog, content_id
from hemosight.images.synthetic import draw_smear
from hemosight.space.labels import SupportSet

TOKEN = f"hs_{'s3cret' * 6}"
PROTOCOL = """
title = "Drawn slides"
written_by = "A. Reviewer"
written_on = 2026-11-01
readers = ["B. Second"]
[cells]
least = 9
count = 12
[repeats]
cases = 1
conditions = ["turned"]
[limits]
least_accuracy = 0.0
"""

Command = Callable[..., Result]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Type a command; with what a record of it finds in ``sys.argv``."""

    def run(*words: object) -> Result:
        typed = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["hemosight", *typed])
        return CliRunner().invoke(app, typed)

    return run


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle.save(tmp_path_factory.mktemp("bundle") / "tiny.hemosight")


@pytest.fixture(scope="module")
def smear(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """72 drawn cells, eight of each type in turn, that the tiny bundle has not learnt."""
    folder = tmp_path_factory.mktemp("smear")
    draw_smear(folder, 8, seed=70)
    table = Catalog.read(folder / "labels.csv").table
    rank = pl.int_range(pl.len()).over("label")
    return Catalog(table.with_columns(rank=rank).sort("rank", "label").drop("rank"))


def cases(smear: Catalog, number: int, file: Path) -> Path:
    """The cells as a catalog of ``number`` cases of equal size and mix."""
    each = len(smear) // number
    case = (pl.int_range(pl.len()) // each + 1).cast(pl.String).str.zfill(2)
    Catalog(smear.table.with_columns(patient="Case " + case, source=pl.lit("Drawer"))).write(file)
    return file


def written(out: Path) -> dict[str, str]:
    """Every text that lies in a folder by its place there, a PDF's pages included."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.suffix == ".pdf":
            document = pypdfium2.PdfDocument(str(path))
            text = "".join(document[n].get_textpage().get_text_range() for n in range(len(document)))
            document.close()
        else:
            text = path.read_bytes().decode("utf-8", "replace")
        found[path.relative_to(out).as_posix()] = text
    return found


@pytest.mark.slow
def test_validate_writes_a_dossier_without_the_token_that_was_typed(
    command: Command, bundle: Path, smear: Catalog, tmp_path: Path
) -> None:
    protocol, out, second = tmp_path / "protocol.toml", tmp_path / "dossier", tmp_path / "second.csv"
    protocol.write_text(PROTOCOL)
    ids, truth = smear.ids, smear.labels()
    said = [(cell, "B. Second", label, 1) for cell, label in zip(ids, truth, strict=True)]
    said += [(cell, "B. Second", "blast", 3) for cell in ids] + [(cell, "Somebody", "blast", 1) for cell in ids]
    pl.DataFrame(said, schema=["sha256", "reader", "label", "turn"], orient="row").write_csv(second)
    words = ["validate", cases(smear, 3, tmp_path / "cells.csv"), "--protocol", protocol, "--bundle", bundle]
    words += ["--out", out, "--readings", second, f"--token={TOKEN}"]
    first = command(*words)
    assert first.exit_code == 0, first.output
    files = written(out)
    assert {"dossier.html", "dossier.pdf", "dossier.json", "tables/cells.csv", "tables/by_type.csv"} <= files.keys()
    assert not [name for name, text in files.items() if TOKEN in text]
    assert all("--token=***" in files[name] for name in ("dossier.html", "dossier.json"))
    assert "72 cells of 3 cases" in first.output
    assert "Somebody" in first.output, "a reader whom the protocol does not name is left out, and named"
    # The named reader's first reading is the reference's own, whatever they said with help later.
    pairs = pl.read_csv(out / "tables" / "pairs.csv")
    assert pairs.filter(one="reference", other="B. Second").row(0, named=True)["share"] == 1
    assert "Somebody" not in {*pairs["one"], *pairs["other"]}
    # A limit that is missed: the dossier is written all the same, and the exit code tells a script.
    protocol.write_text(PROTOCOL.replace("least_accuracy = 0.0", "least_accuracy = 1.0"))
    agreed = tmp_path / "panel-3-reference.csv"
    changed = [(cell, "blast" if label != "blast" else "monocyte") for cell, label in zip(ids[:9], truth, strict=False)]
    pl.DataFrame(changed, schema=["sha256", "label"], orient="row").write_csv(agreed)
    second_run = command(*words, "--reference", agreed)
    assert second_run.exit_code == NOT_MET == 4, second_run.output
    cells = pl.read_csv(out / "tables" / "cells.csv")
    assert cells.filter(pl.col("id").is_in(ids[:9])).select("id", "truth").sort("id").rows() == sorted(changed)
    assert json.loads((out / "dossier.json").read_text())["reference"] == content_id(agreed.read_bytes())
    assert "THE REFERENCE HAS CHANGED" in second_run.output
    assert (
        "of 9 of the 72 cells that count the label is that of the table panel-3-reference.csv"
        in (out / "dossier.html").read_text()
    )
    assert json.loads((out / "dossier.json").read_text())["verdicts"]["least_accuracy"]["judged"] == "not met"
    assert "THE PROTOCOL HAS CHANGED" in second_run.output
    assert not [name for name, text in written(out).items() if TOKEN in text]


@pytest.mark.slow
def test_validate_is_refused_before_anything_is_written(
    command: Command, bundle: Path, smear: Catalog, tmp_path: Path
) -> None:
    protocol, out = tmp_path / "protocol.toml", tmp_path / "dossier"
    protocol.write_text(PROTOCOL)
    words = ["validate", cases(smear, 3, tmp_path / "cells.csv"), "--protocol", protocol, "--bundle", bundle]
    found = command(*words, "--out", out)
    assert getattr(found.exception, "code", None) == "readers_differ", "the protocol names a reader, and none read"
    assert "B. Second" in str(found.exception)
    assert not out.exists()


def test_cases_that_do_not_count_are_told_with_the_reason(
    command: Command, bundle: Path, smear: Catalog, tmp_path: Path
) -> None:
    """A folder whose classes are the laboratory's own words has no cell of a type: 'no case' would help nobody."""
    file = cases(smear, 3, tmp_path / "cells.csv")
    Catalog(pl.read_csv(file).with_columns(label=pl.lit("unsere ") + pl.col("label"))).write(tmp_path / "own.csv")
    for words in (["drift", tmp_path / "own.csv"], ["compare-bundles", tmp_path / "own.csv", "--new", bundle]):
        found = command(*words, "--bundle" if words[0] == "drift" else "--old", bundle, "--out", tmp_path / "out")
        assert "72 cells of a type that the protocol does not ask for" in str(found.exception)
        assert "labels that are none of neutrophil, " in str(found.exception)
        assert ": unsere basophil, unsere blast, " in str(found.exception)
    few = command("drift", file, "--bundle", bundle, "--least", 30, "--out", tmp_path / "out")
    assert "found 0; left out: 3 cases with fewer than 30 cells" in str(few.exception)


def test_a_bundle_of_other_names_is_not_called_worse(
    command: Command, bundle: Path, tiny_bundle: Bundle, smear: Catalog, tmp_path: Path
) -> None:
    support = tiny_bundle.support

    def named(name: str, new: dict[str, str]) -> Path:
        labels = tuple(new.get(str(label), str(label)) for label in support.labels[CELL_TYPE])
        return Bundle.pack(
            name=name,
            version="1",
            encoder=tiny_bundle.encoder,
            backbone="one convolution",
            encoder_provenance={},
            preprocessing=tiny_bundle.preprocessing,
            support=SupportSet(support.embeddings, {CELL_TYPE: labels}, support.sources),
            sources=[{"name": "drawn", "title": "Drawn cells", "licence": "Apache-2.0", "cells": len(support)}],
            commands=["pytest"],
        ).save(tmp_path / f"{name}.hemosight")

    types = {str(label) for label in support.labels[CELL_TYPE]}
    words = ["compare-bundles", cases(smear, 4, tmp_path / "cells.csv"), "--old", bundle, "--out", tmp_path / "out"]
    other = command(*words, "--new", named("unsere", {label: f"unsere {label}" for label in types}))
    assert "found unsere 1, which reads unsere basophil" in str(other.exception)
    some = command(*words, "--new", named("halb", {"blast": "Blasten"}))
    assert "halb 1 has no class for blast: it reads each of these cells wrong" in some.output


class _Project(BaseHTTPRequestHandler):
    """Four signed cases of 18 cells: one cell of the first has no label, and two thirds of the last have none."""

    cells: Catalog
    asked: ClassVar[set[str | None]] = set()

    def labelled(self, case: int) -> dict[int, str]:
        """Place of a cell -> its label."""
        own = range(18 * (case - 1), 18 * case)
        kept = own[1:] if case == 1 else own[:6] if case == 4 else own
        return {place: str(self.cells.labels()[place]) for place in kept}

    def do_GET(self) -> None:
        self.asked.add(self.headers.get("Authorization"))
        path = urlsplit(self.path).path.removeprefix("/api/v1/projects/7")
        kinds, number = path.strip("/").partition("/")[::2]
        fixed: dict[str, Any] = {
            "": {"name": "Films"},
            "label-sets": {"items": [{"name": "cell_type", "classes": [{"name": n, "counts": "in"} for n in KNOWN]}]},
            "cases": {"items": [{"id": case, "key": f"24-{case}"} for case in range(1, 5)], "next": None},
            "signatures": {
                "items": [
                    {"id": case, "case": case, "current": True, "role": "first", "second_wanted": False}
                    for case in range(1, 5)
                ]
            },
            # The third case was agreed with in one step.
            "labels": {
                "items": [
                    {"id": 100 + place, "kind": "agree", "user": 1, "at": "09:00", "label_set": "cell_type"}
                    for place in self.labelled(3)
                ],
                "next": None,
            },
        }
        if kinds == "exports":
            return self.answer(200, self.archive(int(number)))
        if kinds == "signatures" and number:
            known = self.labelled(int(number))
            cells = [{"sha256": self.cells.ids[place], "version": 100 + place} for place in known]
            return self.answer(200, json.dumps({"profile": {"name": "Drawer", "scale": 1.0}, "cells": cells}).encode())
        return self.answer(200, json.dumps(fixed[kinds]).encode())

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(201, json.dumps({"id": wanted["case"]}).encode())

    def archive(self, case: int) -> bytes:
        buffer, labels = io.BytesIO(), self.labelled(case)
        with zipfile.ZipFile(buffer, "w") as packed:
            said = "".join(f"{label}/{place}.jpg,{label}\n" for place, label in labels.items())
            packed.writestr("labels.csv", "path,label\n" + said)
            packed.writestr("readings.csv", "image\n")
            for place in range(18 * (case - 1), 18 * case):
                folder = labels.get(place, "_not_reviewed/blast")
                packed.writestr(f"{folder}/{place}.jpg", self.cells.paths[place].read_bytes())
        return buffer.getvalue()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(smear: Catalog) -> Iterator[str]:
    _Project.cells = smear
    _Project.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), _Project)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_the_dossier_of_a_project_says_what_was_labelled_and_how(
    command: Command, address: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, out = tmp_path / "protocol.toml", tmp_path / "dossier"
    protocol.write_text(PROTOCOL.replace('readers = ["B. Second"]', ""))
    monkeypatch.setenv("HEMOSIGHT_TOKEN", TOKEN)
    made = command("validate", "7", "--address", address, "--protocol", protocol, "--bundle", bundle, "--out", out)
    assert made.exit_code == 0, made.output
    assert _Project.asked == {f"Bearer {TOKEN}"}
    assert "left out: 1 cases of which people labelled less than 90% of the cells: 24-4" in made.output
    assert "53 cells of 3 cases" in made.output
    rows = pl.read_csv(out / "tables" / "reviewed.csv").select(
        "case", "cells", "labelled", "counts", "agreed", "at_once"
    )
    assert rows.rows() == [
        ("24-4", 18, 6, False, None, None),
        ("24-1", 18, 17, True, 0, 0),
        ("24-2", 18, 18, True, 0, 0),
        ("24-3", 18, 18, True, 18, 18),
    ]
    files = written(out)
    for words in (
        "with the model's reading in sight",
        "Of 53 labels, 18 (34.0%) were given by agreeing with the reading, 18 (34.0%) so in bulk",
        "1 cell of cases that count, which nobody labelled",
        "24-4",
    ):
        assert words in html.unescape(files["dossier.html"])
        assert words in " ".join(files["dossier.pdf"].replace("\ufffe", "").split())
    assert not [name for name, text in files.items() if TOKEN in text]


@pytest.mark.slow
def test_drift_is_quiet_where_nothing_changed_and_flags_what_did(
    command: Command, bundle: Path, smear: Catalog, tmp_path: Path
) -> None:
    cells = cases(smear, 12, tmp_path / "cells.csv")
    words = ["drift", cells, "--bundle", bundle, "--least", 4, "--baseline", 10, "--token", TOKEN]
    quiet = command(*words, "--out", tmp_path / "quiet")
    assert quiet.exit_code == 0, quiet.output
    files = written(tmp_path / "quiet")
    assert {"report.html", "tables/cases.csv", "tables/charts_s0.csv"} <= files.keys()
    assert not [name for name, text in files.items() if TOKEN in text]
    assert "--token ***" in files["report.html"]
    assert "Drawer: 12 cases" in quiet.output
    assert "the first 10 say what is usual" in files["report.html"], "the page states the baseline that was asked for"
    # The last case comes from a camera whose white balance has gone: red for blue.
    table = Catalog.read(cells).table
    last = table.filter(patient="Case 12")["path"].to_list()
    for number, path in enumerate(last):
        pixels = np.asarray(Image.open(path)).astype(float) * (0.6, 1.0, 1.0)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
    moved = {path: str(tmp_path / f"{number}.png") for number, path in enumerate(last)}
    Catalog(table.with_columns(pl.col("path").replace(moved))).write(cells)
    flagged = command(*words, "--out", tmp_path / "flagged")
    assert flagged.exit_code == FLAGGED == 4, flagged.output
    assert "colour (red over blue): case Case 12" in flagged.output
    assert "FLAGS" in (tmp_path / "flagged" / "report.html").read_text()


@pytest.mark.slow
def test_compare_bundles_tells_a_worse_bundle_by_its_exit_code(
    command: Command, bundle: Path, tiny_bundle: Bundle, smear: Catalog, tmp_path: Path
) -> None:
    cells = cases(smear, 4, tmp_path / "cells.csv")
    words = ["compare-bundles", cells, "--old", bundle, "--token", TOKEN]
    same = command(*words, "--new", bundle, "--out", tmp_path / "same")
    assert same.exit_code == 0, same.output
    assert "72 cells of 4 cases, 0 read otherwise" in same.output
    files = written(tmp_path / "same")
    assert {"report.html", "tables/by_type.csv", "tables/changed_cells.csv"} <= files.keys()
    assert not [name for name, text in files.items() if TOKEN in text]
    # A bundle that was taught every type's cells under the next type's name.
    support = tiny_bundle.support
    names = sorted({label for label in support.labels[CELL_TYPE] if label is not None})
    following = dict(zip(names, [*names[1:], names[0]], strict=True))
    wrong = tuple(following[str(label)] for label in support.labels[CELL_TYPE])
    worse = Bundle.pack(
        name="worse",
        version="0.0.2",
        encoder=tiny_bundle.encoder,
        backbone="one convolution",
        encoder_provenance={"weights": "fixed random filters, seed 1"},
        preprocessing=tiny_bundle.preprocessing,
        support=SupportSet(support.embeddings, {CELL_TYPE: wrong}, support.sources),
        sources=[{"name": "drawn", "title": "Drawn cells", "licence": "Apache-2.0", "cells": len(support)}],
        commands=["pytest"],
    ).save(tmp_path / "worse.hemosight")
    found = command(*words, "--new", worse, "--out", tmp_path / "worse")
    assert found.exit_code == FLAGGED == 4, found.output
    assert "read worse for certain" in found.output
    assert "READ WORSE FOR CERTAIN" in (tmp_path / "worse" / "report.html").read_text()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_patients_of_johns_hopkins_become_a_dossier(command: Command, tmp_path: Path) -> None:
    """Patients that the built-in bundle has learnt nothing of, as cases; one command, a dossier that can be read."""
    published, few = Path(os.environ["HEMOSIGHT_DATA"]) / "JHU_AML", tmp_path / "JHU_AML"
    if not published.is_dir():
        pytest.skip("JHU_AML is not there")
    patients = ("Patient_81", "Patient_18", "Patient_72", "Patient_30")
    for path in sorted(published.rglob("*")):
        if path.name == "patients.csv" or path.name.startswith(tuple(f"{name}__" for name in patients)):
            place = few / path.relative_to(published)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    protocol, out = tmp_path / "protocol.toml", tmp_path / "dossier"
    protocol.write_text(PROTOCOL.replace('readers = ["B. Second"]', "").replace("Drawn slides", "Four patients"))
    made = command("validate", few, "--protocol", protocol, "--out", out)
    assert made.exit_code == 0, made.output
    cells = pl.read_csv(out / "tables" / "cells.csv")
    assert set(cells["case"]) == set(patients), "the bundle has learnt none of them"
    assert set(cells["source"]) == {"jhu_aml"}
    assert len(cells.filter(pl.col("truth") == pl.col("read"))) > len(cells) / 2
    files = written(out)
    for words in ("Four patients", "Patient_30", "Blast"):
        assert words in files["dossier.html"]
    for words in ("Four patients", "What was not tested", "As many specimens as EP09 asks for (40): there were 4."):
        assert words in " ".join(files["dossier.pdf"].split())
