"""The layout: imports run one way, nothing right of the bundle needs torch, no room is a junk drawer."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "hemosight"
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "images": set(),
    "space": set(),
    "readings": set(),
    "network": {"images", "space"},
    "encoder": {"bundle", "images"},
    "bundle": {"images", "space"},
    "engine": {"bundle", "images", "network", "readings", "space"},
    "study": {"bundle", "encoder", "images", "network", "space"},
    "packing": {"bundle", "engine", "images", "network", "space", "study"},
    "sheet": {"bundle", "engine", "images", "network", "readings", "space", "study"},
    "service": {"bundle", "engine", "images", "network", "readings", "sheet", "space", "study"},
    "charts": {"sheet", "space", "study"},
    "report": {"bundle", "charts", "images", "network", "readings", "sheet", "space", "study"},
    "benchmark": {"bundle", "engine", "images", "network", "space"},
    "demo": {"bundle", "engine", "images", "network", "readings", "sheet", "space", "study"},
}
"""What each room may import besides itself and ``errors``; the command line may import all, lazily."""
TORCH_ROOMS = {"encoder", "cli"}
TORCH = {"torch", "torchvision", "timm", "onnx", "onnxscript"}
NOT_ROOMS = {"utils", "util", "core", "common", "helpers", "misc"}
# Views and the cache of pixels feed training only; their tensors live where the crops do.
TORCH_MODULES = {"images.augment"}


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _imports(file: Path) -> set[str]:
    """Every module imported anywhere in a file, as a dotted name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            base = node.module or ""
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "hemosight" else {base}
    return found


def _room(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return "__init__" if parts == ("__init__",) else parts[0]


@pytest.mark.parametrize("file", _modules(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_run_one_way(file: Path) -> None:
    room = _room(file)
    if room in ("cli", "__init__", "__main__"):
        return
    assert room in ALLOWED, f"{room} is not on the map: add it to docs/reference/rooms.md and here"
    rooms = {name.split(".")[1] for name in _imports(file) if name.startswith("hemosight.")}
    assert rooms <= ALLOWED[room] | {room, "errors"}, f"{file.name} reaches into {rooms - ALLOWED[room]}"


@pytest.mark.parametrize("file", _modules(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_torch_stays_in_its_room(file: Path) -> None:
    dotted = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
    if _room(file) in TORCH_ROOMS or dotted in TORCH_MODULES:
        return
    assert not {name.split(".")[0] for name in _imports(file)} & TORCH


def test_reading_never_imports_torch() -> None:
    reading = "hemosight.engine, hemosight.packing, hemosight.demo, hemosight.sheet, hemosight.benchmark, hemosight.cli"
    program = f"import sys, {reading}; print({TORCH!r} & {{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_command_line_starts_without_heavy_imports() -> None:
    program = "import sys, hemosight.cli; sys.exit(bool({'numpy', 'polars', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_room_is_a_junk_drawer() -> None:
    names = {part for file in _modules() for part in file.relative_to(SOURCE).with_suffix("").parts}
    assert not names & NOT_ROOMS


def test_the_map_in_the_docs_is_this_one() -> None:
    text = (SOURCE.parents[1] / "docs" / "reference" / "rooms.md").read_text(encoding="utf-8")
    rooms = {_room(file) for file in _modules()} - {"__init__", "__main__"}
    missing = {room for room in rooms if f"`{room}" not in text}
    assert not missing


def test_at_most_ten_names_are_exported() -> None:
    import hemosight

    assert len(hemosight.__all__) <= 10
    assert all(getattr(hemosight, name) is not None for name in hemosight.__all__)
