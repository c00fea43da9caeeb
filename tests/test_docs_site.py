"""The documentation as a site: it builds, asks nobody else for anything, and its notebooks run."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def _extension() -> Any:
    spec = importlib.util.spec_from_file_location("griffe_docstrings", DOCS / "griffe_docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//|url\(\"?(?:https?:)?//|<link\b[^>]*>"
)


def fetches(html: str) -> list[str]:
    """What a browser that opens a page asks of another place."""
    found = [match[0] for match in _FETCHED.finditer(html)]
    return [tag for tag in found if not (tag.startswith("<link") and not re.search(r"href=\"(?:https?:)?//", tag))]


@pytest.mark.slow
def test_the_site_builds_and_asks_nobody_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))
    asking = {page.name: fetches(page.read_text(encoding="utf-8")) for page in pages}
    assert {name: tags for name, tags in asking.items() if tags} == {}
    written = (tmp_path / "site" / "reference" / "python.html").read_text(encoding="utf-8")
    for name in ("Engine.classify", "hold_out", "differential", "Bundle"):
        assert name in written
    assert ":class:" not in written


def test_what_a_page_fetches_is_found() -> None:
    html = (
        '<a href="https://example.org">x</a><link rel="stylesheet" href="a.css"><img src="b.png">'
        '<script src="https://cdn.example.org/x.js"></script><link rel="preconnect" href="https://fonts.example.org">'
    )
    assert len(fetches(html)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted(DOCS.rglob("*.ipynb")), ids=lambda file: file.stem)
def test_notebooks_run(notebook: Path, tmp_path: Path) -> None:
    """In a process of their own, as `nbclient` starts it: what a kernel warns of is not ours."""
    done = tmp_path / notebook.name
    program = (
        "import sys, nbformat, nbclient; notebook = nbformat.read(sys.argv[1], 4);"
        "nbclient.execute(notebook, timeout=500); nbformat.write(notebook, sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", program, str(notebook), str(done)], check=True, cwd=tmp_path)
    scores = [float(score) for score in re.findall(r"macro-F1[^:\n]*: ([\d.]+)", done.read_text(encoding="utf-8"))]
    assert len(scores) >= 2
    assert scores[-1] >= scores[0], "more labels, or one's own, read no worse"
    assert scores[-1] > 0.8


@pytest.mark.parametrize("notebook", sorted(DOCS.rglob("*.ipynb")), ids=lambda file: file.stem)
def test_notebooks_are_kept_without_outputs(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 3
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert "torch" not in "".join("".join(cell["source"]) for cell in code)


def test_docstrings_are_arranged_for_the_site() -> None:
    arranged = _extension().arranged
    head = "Reads :class:`~a.b.Crop`."
    parameters = "Parameters\n----------\nx\n    A :mod:`q`.\n\ny, z\n    More."
    loose, returns = "Raises a fault where\nit must.", "Returns\n-------\nint\n    One."
    expected = "\n\n".join([head, loose, parameters, returns])
    expected = expected.replace(":class:`~a.b.Crop`", "``Crop``").replace(":mod:`q`", "``q``")
    assert arranged("\n\n".join([head, parameters, loose, returns])) == expected
