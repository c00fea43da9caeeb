"""The wheel in an environment of its own, as a reviewer's computer has it: no torch, the page, and it classifies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import drawn
import httpx
import polars as pl
import pytest
from running import Serving

pytestmark = pytest.mark.acceptance
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_the_checkout() -> Iterator[None]:
    """What is installed is what runs, wherever these tests were started from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


def _run(*words: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("source")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    (file,) = folder.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        # Not as an argument: Debian's Python 3.11.2 does not know it yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 -- our own archive
    return folder / file.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source distribution where there is neither npm nor git."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source, PATH=str(folder))
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that holds the pinned runtime and the wheel, and nothing else."""
    place = tmp_path_factory.mktemp("reader") / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", place)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", place / "bin" / "python"]
    # Every file is pinned: nothing is left to resolve, which takes twice as long as to install. Whether a pin is
    # missing is asked at the end. What is not imported here need not be compiled: most of scipy is not.
    install = [*pip, "install", "--quiet", "--no-compile", "--no-deps"]
    _run(*install, "--require-hashes", "--requirement", ROOT / "requirements" / "runtime.txt")
    _run(*install, wheel)
    _run(*pip, "check")
    return place / "bin"


def test_the_wheel_brings_the_page_the_bundle_and_the_templates(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "hemosight/service/static/index.html" in names
    assert "hemosight/bundles/default.hemosight" in names
    assert "hemosight/py.typed" in names
    templates = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("templates/*")}
    assert templates
    assert templates <= set(names)
    assert not any(name.startswith(("tests/", "runs/")) or name.endswith((".jpg", ".pt", ".pkl")) for name in names)


def test_no_torch_is_there(installed: Path) -> None:
    program = (
        "import importlib.util as u; "
        "print([name for name in ('torch', 'torchvision', 'timm', 'onnx') if u.find_spec(name)])"
    )
    assert _run(installed / "python", "-c", program).stdout.strip() == "[]"


def test_it_says_the_version_of_the_wheel(installed: Path, wheel: Path) -> None:
    said = _run(installed / "python", "-c", "import hemosight; print(hemosight.__version__)").stdout.strip()
    assert wheel.name.startswith(f"hemosight-{said}-")


def test_it_shows_the_page_and_reads_what_is_sent_to_it(installed: Path, tmp_path: Path) -> None:
    # A short path: PostgreSQL's socket lies in it, and sockets have short names.
    folder = Path(tempfile.mkdtemp(prefix="hemosight-"))
    service = Serving(folder, "--no-login", python=installed / "python")
    try:
        service.start()
        with httpx.Client(base_url=service.address) as reader:
            page = reader.get("/")
            assert page.status_code == 200
            asked = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
            assert any(name.endswith(".js") for name in asked)
            assert {name: reader.get(name).status_code for name in asked} == dict.fromkeys(asked, 200)
        with drawn.client(service.address) as api:
            crops = drawn.crops(tmp_path, {"neutrophil": 6, "lymphocyte": 4})
            project = drawn.project(api, "Read", crops)
            items = api.get(f"/projects/{project}/next", params={"n": 10, "strategy": "diversity"}).json()["items"]
            assert {item["predicted"] for item in items} & {"neutrophil", "lymphocyte"}
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_it_classifies(installed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    _run(installed / "hemosight", "classify", drawn_smear, "--out", tmp_path / "out.csv", cwd=tmp_path)
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.height == 72
    assert set(table["status"]) <= {"ok", "unfamiliar"}, "drawn cells are strangers to a model of real ones"
    assert table["label"].null_count() == 0
    own = tmp_path / "own.csv"
    _run(
        *(installed / "hemosight", "classify", drawn_smear, "--support", drawn_smear / "labels.csv", "--out", own),
        cwd=tmp_path,
    )
    read = pl.read_csv(own)
    right = sum(Path(path).parent.name == label for path, label in zip(read["path"], read["label"], strict=True))
    assert right / read.height > 0.9, "its own support, read back"


def test_training_says_what_it_needs(installed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    words = [installed / "hemosight", "pack", "--data", drawn_smear, "--out", tmp_path / "x.hemosight"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "hemosight[train]" in done.stderr
    assert "Traceback" not in done.stderr
