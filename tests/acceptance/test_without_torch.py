"""The wheel in an environment of its own, as a reviewer's computer has it: no torch, and it classifies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.acceptance
ROOT = Path(__file__).parents[2]


def _run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that holds the pinned runtime and the wheel, and nothing else."""
    place = tmp_path_factory.mktemp("reader") / "venv"
    _run(sys.executable, "-m", "venv", place)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--require-hashes", "--requirement", ROOT / "requirements" / "runtime.txt")
    _run(*pip, "--no-deps", wheel)
    return place / "bin"


def test_the_wheel_brings_the_bundle_and_the_templates(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "hemosight/bundles/default.hemosight" in names
    assert "hemosight/py.typed" in names
    assert any(name.startswith("hemosight/templates/") for name in names)
    assert not any(name.startswith(("tests/", "runs/")) or name.endswith((".jpg", ".pt", ".pkl")) for name in names)


def test_no_torch_is_there(installed: Path) -> None:
    program = (
        "import importlib.util as u; "
        "print([name for name in ('torch', 'torchvision', 'timm', 'onnx') if u.find_spec(name)])"
    )
    assert _run(installed / "python", "-c", program).stdout.strip() == "[]"


def test_it_classifies(installed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    _run(installed / "hemosight", "classify", drawn_smear, "--out", tmp_path / "out.csv", cwd=tmp_path)
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.height == 72
    assert set(table["status"]) == {"ok"}
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
