"""300 files as the world sends them: one row each, none changes another's reading, and the process ends.

``python benchmarks/odd_files.py 5000`` does the same with more of them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from hemosight.images.names import from_text, to_text

pytestmark = pytest.mark.slow
NUMBER, SOUND = 300, 12


@pytest.fixture(scope="module")
def odd_files() -> ModuleType:
    """The benchmark that draws them."""
    place = Path(__file__).parents[2] / "benchmarks" / "odd_files.py"
    spec = importlib.util.spec_from_file_location("odd_files", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def classify(module: ModuleType, out: Path, words: Sequence[Path]) -> tuple[pl.DataFrame, int]:
    """The program's table, and its exit code; it is a process of its own, which must end."""
    code = "from hemosight.cli import main; main()"
    options = ["--backend", module.BACKEND, "--scale", "1", "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", code, "classify", *words, *options],
        check=False,
        capture_output=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in (0, 3), done.stderr.decode(errors="replace")[-2000:]
    return pl.read_parquet(out), done.returncode


def test_each_has_a_row_and_none_changes_anothers_reading(odd_files: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    odd_files.draw(folder, NUMBER, SOUND)
    paths = sorted(folder.iterdir())
    assert len(paths) == NUMBER
    table, code = classify(odd_files, tmp_path / "all.parquet", [folder])
    assert code == 3
    assert [from_text(path) for path in table["path"]] == paths
    assert table["label"].null_count() > NUMBER // 2
    assert (table.filter(pl.col("label").is_null())["status"].str.len_chars() > 20).all()  # each says why

    sound = [path for path in paths if path.name.startswith("sound")]
    alone, code = classify(odd_files, tmp_path / "alone.parquet", sound)
    assert code == 0
    among = table.filter(pl.col("path").is_in([to_text(path) for path in sound]))
    assert among["label"].to_list() == alone["label"].to_list()
    assert among["status"].to_list() == alone["status"].to_list()
    for column in ("probability", "novelty"):
        assert np.allclose(among[column], alone[column], atol=1e-5)
