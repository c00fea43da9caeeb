from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.demo import DRAWN_BOUND, REAL_BOUND, find, run_demo, sample, unseen
from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine, load
from hemosight.errors import BadSplit, TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.images.synthetic import draw_smear

EASY = {"platelet": 6, "eosinophil": 6, "erythroblast": 6}
"""Types that even one random convolution tells apart."""


@pytest.fixture(scope="session")
def easy_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells the tiny bundle has no label of, as DIR/<class>/image."""
    folder = tmp_path_factory.mktemp("easy")
    draw_smear(folder, EASY, seed=7)
    (folder / "labels.csv").unlink()
    return folder


@pytest.fixture(scope="session")
def small_smear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demonstration draws with eleven cells of each type; a second call finds it done."""
    folder = tmp_path_factory.mktemp("small") / "drawn"
    draw_smear(folder, 11, seed=0)
    return folder


class Pieces(httpx.SyncByteStream):
    """A body that comes as it would from a wire."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


class Said:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, width=120)

    @property
    def text(self) -> str:
        return self._file.getvalue()


@pytest.fixture
def said() -> Said:
    return Said()


def server(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def no_network(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route to host", request=request)


def never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"asked for {request.url}")


# --- which cells ------------------------------------------------------------------------------------------------


def test_a_given_folder_comes_first(easy_cells: Path, tmp_path: Path, tiny_engine: Engine) -> None:
    home = {"HEMOSIGHT_DATA": str(tmp_path / "nowhere")}
    found = find(easy_cells, tmp_path, tiny_engine, print, environment=home, client=server(never))
    assert len(found.catalog) == sum(EASY.values())
    assert found.bound == REAL_BOUND
    assert found.support is None


def test_then_the_folder_of_data_sets(easy_cells: Path, tmp_path: Path, tiny_engine: Engine) -> None:
    home = {"HEMOSIGHT_DATA": str(easy_cells)}
    found = find(None, tmp_path, tiny_engine, print, environment=home, client=server(never))
    assert set(found.catalog.labels()) == set(EASY)


def test_then_a_public_set_is_fetched_with_its_size_said(easy_cells: Path, tmp_path: Path, tiny_engine: Engine) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(easy_cells.glob("platelet/*.jpg")):
            file.write(path, f"PBC_dataset_normal_DIB/platelet/PLATELET_{path.stem[-4:]}.jpg")
    home = tmp_path / "home"
    words: list[str] = []
    data = archive.getvalue()
    headers = {"Content-Length": str(len(data)), "ETag": '"1"'}
    found = find(
        None,
        tmp_path,
        tiny_engine,
        words.append,
        environment={"HEMOSIGHT_DATA": str(home)},
        client=server(lambda _: httpx.Response(200, headers=headers, stream=Pieces(data))),
    )
    assert len(found.catalog) == EASY["platelet"]
    assert set(found.catalog.table["source"]) == {"pbc"}
    assert any(re.search(r"Fetching .* 17,092 crops, 0 MB, CC BY 4\.0, to ", line) for line in words)


def interrupted(_: httpx.Request) -> httpx.Response:
    raise KeyboardInterrupt


def gone(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("answer", "words"),
    [(no_network, "no route to host"), (interrupted, "Interrupted"), (gone, "404")],
    ids=["no network", "Ctrl-C", "gone"],
)
def test_then_a_smear_is_drawn(
    answer: Callable[[httpx.Request], httpx.Response],
    words: str,
    tmp_path: Path,
    tiny_engine: Engine,
    small_smear: Path,
) -> None:
    shutil.copytree(small_smear, tmp_path / "out" / "drawn")
    lines: list[str] = []
    found = find(
        None,
        tmp_path / "out",
        tiny_engine,
        lines.append,
        environment={"HEMOSIGHT_DATA": str(tmp_path / "nothing")},
        client=server(answer),
        per_type=11,
    )
    assert words in "\n".join(lines)
    assert found.bound == DRAWN_BOUND
    assert found.support is not None
    assert set(found.support.counts().values()) == {10}
    assert set(Counter(found.catalog.labels()).values()) == {1}
    assert not [cell for cell in found.catalog.ids if cell in found.support]
    assert (tmp_path / "out" / "drawn" / "labels.csv").is_file()


@pytest.mark.slow
def test_a_data_folder_without_unseen_cells_is_passed_over(
    drawn_smear: Path, small_smear: Path, tmp_path: Path, tiny_engine: Engine
) -> None:
    home = tmp_path / "home"
    shutil.copytree(drawn_smear / "blast", home / "blast")
    shutil.copytree(small_smear, tmp_path / "drawn")
    lines: list[str] = []
    found = find(
        None,
        tmp_path,
        tiny_engine,
        lines.append,
        environment={"HEMOSIGHT_DATA": str(home)},
        client=server(no_network),
        per_type=11,
    )
    assert lines[0].startswith(f"Passing over {home}")
    assert found.bound == DRAWN_BOUND


def test_cells_the_model_was_labelled_with_prove_nothing(
    drawn_smear: Path, tmp_path: Path, tiny_engine: Engine, said: Said
) -> None:
    with pytest.raises(BadSplit, match="72 in", check=lambda fault: fault.code == "nothing_unseen"):
        run_demo(drawn_smear, tmp_path, False, tiny_engine, said.console)


def test_unseen_leaves_out_known_cells_copies_and_contradictions(
    drawn_catalog: Catalog, tiny_bundle: Bundle, easy_cells: Path
) -> None:
    new = sorted(easy_cells.glob("platelet/*.jpg"))[:3]
    known = drawn_catalog.ids[0]
    rows = [
        {"id": known, "path": "known", "label": "blast"},
        *({"id": f"{n:064x}", "path": str(path), "label": "platelet"} for n, path in enumerate(new)),
        {"id": f"{0:064x}", "path": "copy", "label": "platelet"},
        {"id": f"{1:064x}", "path": "contradiction", "label": "blast"},
        {"id": f"{2:064x}", "path": "unlabelled copy", "label": None},
    ]
    left = unseen(Catalog(pl.DataFrame(rows)), tiny_bundle.support)
    assert left.paths == [new[0], new[2]]


def test_a_sample_keeps_proportions_of_source_and_type() -> None:
    rows = [
        {"id": str(n), "path": str(n), "label": None if n % 10 == 9 else "ab"[n % 2], "source": "xy"[n % 5 == 0]}
        for n in range(2000)
    ]
    catalog = Catalog(pl.DataFrame(rows))
    drawn = sample(catalog, 200, seed=3)
    assert len(drawn) == 200
    assert drawn.ids == sample(catalog, 200, seed=3).ids
    assert drawn.ids != sample(catalog, 200, seed=4).ids
    whole = Counter(zip(catalog.table["source"], catalog.labels(), strict=True))
    part = Counter(zip(drawn.table["source"], drawn.labels(), strict=True))
    for stratum, count in whole.items():
        assert abs(part[stratum] - count / 10) <= 1
    assert sample(catalog, 2000).ids == catalog.ids


# --- reading them -----------------------------------------------------------------------------------------------


def test_every_cell_is_read_at_its_own_scale(easy_cells: Path, tiny_engine: Engine) -> None:
    paths = sorted(easy_cells.glob("*/*.jpg"))
    scales = np.where(np.arange(len(paths)) % 2, 0.6, 1.0)
    rows = [{"id": str(n), "path": str(path), "scale": scales[n]} for n, path in enumerate(paths)]
    told: list[tuple[int, int]] = []
    readings = tiny_engine.read_catalog(Catalog(pl.DataFrame(rows)), progress=lambda *done: told.append(done))
    for path, scale, reading in zip(paths, scales, readings, strict=True):
        (alone,) = tiny_engine.classify([path], scale=float(scale))
        assert reading.path == str(path)
        assert reading.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert told == [(done, len(paths)) for done in range(1, len(paths) + 1)]


def test_what_is_said_is_what_was_read(easy_cells: Path, tmp_path: Path, tiny_engine: Engine, said: Said) -> None:
    outcome = run_demo(easy_cells, tmp_path / "out", False, tiny_engine, said.console)
    labels = [path.parent.name for path in sorted(easy_cells.glob("*/*.jpg"))]
    assert list(outcome.truth) == labels
    right = sum(truth == reading.label for truth, reading in zip(labels, outcome.readings, strict=True))
    assert outcome.scores is not None
    assert outcome.scores.accuracy.value == pytest.approx(right / len(labels))
    as_platelet = sum(reading.label == "platelet" for reading in outcome.readings)
    assert re.search(rf"Platelet +6 +{as_platelet} ", said.text)
    assert f"macro-F1 {outcome.scores.macro_f1}" in said.text
    assert "Most often confused: " in said.text
    assert re.search(r"^\d[\d,]* crops/s", said.text, re.MULTILINE)
    assert str(outcome.report) in said.text
    assert outcome.report.is_file()
    assert "Control" not in said.text


@pytest.mark.slow
def test_neutrophils_of_the_scanner_of_the_blasts_are_the_control(
    tmp_path: Path, tiny_engine: Engine, said: Said
) -> None:
    draw_smear(tmp_path / "drawn", {"neutrophil": 5, "blast": 3}, seed=9)
    for label, code in (("neutrophil", "NGS"), ("blast", "MYO")):
        (tmp_path / "LMU_AML" / label).mkdir(parents=True)
        for path in (tmp_path / "drawn" / label).iterdir():
            path.rename(tmp_path / "LMU_AML" / label / f"{code}_{path.stem[-4:]}.jpg")
    outcome = run_demo(tmp_path / "LMU_AML", tmp_path / "out", False, tiny_engine, said.console)
    pairs = list(zip(outcome.truth, outcome.readings, strict=True))
    called = sum(truth == "neutrophil" and reading.label == "blast" for truth, reading in pairs)
    assert f"Control: {called} of 5 lmu_aml neutrophils called blast ({20 * called:.1f}%" in said.text


def test_cells_without_labels_are_read_all_the_same(
    easy_cells: Path, tmp_path: Path, tiny_engine: Engine, said: Said
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(easy_cells.glob("*/*.jpg"))):
        shutil.copy(path, flat / f"{number}.jpg")
    (flat / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    outcome = run_demo(flat, tmp_path / "out", False, tiny_engine, said.console)
    assert outcome.scores is None
    assert not outcome.passed
    assert "1 cannot be read" in said.text
    counts = Counter(reading.label for reading in outcome.readings if reading.label is not None)
    assert sum(counts.values()) == 18
    with pytest.raises(TooFewLabels, match="19 cells", check=lambda fault: fault.code == "nothing_to_check"):
        run_demo(flat, tmp_path / "out", True, tiny_engine, said.console)


def test_labels_the_model_does_not_know_are_no_truth(
    easy_cells: Path, tmp_path: Path, tiny_engine: Engine, said: Said
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(easy_cells / "platelet", mixed / "Platelet")
    shutil.copytree(easy_cells / "erythroblast", mixed / "smudge cell")
    outcome = run_demo(mixed, tmp_path / "out", False, tiny_engine, said.console)
    assert Counter(outcome.truth) == {"platelet": 6, None: 6}
    assert "6 of them carry a label that the model has no cells of" in said.text


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny_file(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle.save(tmp_path_factory.mktemp("bundle") / "tiny.hemosight")


@pytest.mark.slow
def test_check_passes_above_the_bound_and_fails_below_it(easy_cells: Path, tmp_path: Path, tiny_file: Path) -> None:
    command = ["demo", "--bundle", str(tiny_file), "--out", str(tmp_path / "out"), "--check", "--no-open", "--images"]
    good = CliRunner().invoke(app, [*command, str(easy_cells)], catch_exceptions=False)
    assert good.exit_code == 0
    assert "Check passed" in good.stdout
    value = re.search(r"macro-F1 ([01]\.\d{4}), bound 0\.80", good.stdout)
    assert value is not None
    assert float(value[1]) >= 0.80

    # The same crops under each other's names: as wrong as can be.
    swapped = tmp_path / "swapped"
    names = sorted(EASY)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        shutil.copytree(easy_cells / name, swapped / other)
    bad = CliRunner().invoke(app, [*command, str(swapped)], catch_exceptions=False)
    assert bad.exit_code == 1
    assert "Check FAILED" in bad.stdout
    without = CliRunner().invoke(app, [part for part in command if part != "--check"] + [str(swapped)])
    assert without.exit_code == 0


@pytest.mark.parametrize(("flag", "times"), [("--open", 1), ("--no-open", 0)])
def test_the_page_is_opened_when_asked(
    flag: str, times: int, easy_cells: Path, tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    out = tmp_path / "out"
    arguments = ["demo", flag, "--images", str(easy_cells), "--bundle", str(tiny_file), "--out", str(out)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert opened == [(out / "report.html").resolve().as_uri()] * times


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of real crops")
def test_the_built_in_bundle_reads_real_cells_above_the_bound(tmp_path: Path, said: Said) -> None:
    outcome = run_demo(None, tmp_path, True, load(), said.console)
    assert outcome.bound == REAL_BOUND
    assert outcome.passed, said.text
